"""The page that an invitation's link opens. Looking changes nothing; a button accepts."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.access import forget_proof
from accounts.sign_in.emailed_codes import count_code, sent_too_often
from accounts.staff import invitations
from accounts.views.sign_in import mail_code, sign_out
from portal.limits import TooOften
from portal.security_log import note


def invitation(request, token):
    """Whoever has shown that the address it was sent to is theirs accepts; others are sent a code there first, or sign out first."""
    try:
        found = invitations.invitation_with(token, at=timezone.now())
        if request.method == "POST":
            return _answer(request, token, found)
    except invitations.UnknownInvitation:
        note(request, "refused", what="invitation")
        return render(request, "accounts/invitation_unknown.html", status=404)
    context = {"invitation": found, "theirs": invitations.is_theirs(found, request.user)}
    return render(request, "accounts/invitation.html", context)


def _answer(request, token, found):
    if invitations.is_theirs(found, request.user):
        invitations.accept(token, person=request.user, at=timezone.now(), here=request.session.session_key)
        forget_proof(request)
        return redirect("desk")  # whose door asks for what opens it, or has it set up
    if request.user.is_authenticated:
        response = sign_out(request)
        response["Location"] = request.path
        return response
    try:
        count_code(request, found.email)
    except TooOften as error:
        messages.error(request, sent_too_often(error))
        return redirect(request.path)
    mail_code(request, found.email)
    return HttpResponseRedirect(
        f"{reverse('account_confirm_login_code')}?{urlencode({'next': request.path})}"
    )
