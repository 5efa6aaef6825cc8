"""The page that an invitation's link opens.

Opening the page changes nothing. A button on the page accepts the invitation.
"""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.access import forget_reauthentication
from accounts.sign_in.emailed_codes import count_code, sent_too_often
from accounts.staff import invitations
from accounts.views.sign_in import email_code, sign_out
from portal.limits import TooOften
from portal.security_log import note


def invitation(request, token):
    """Show the invitation with one button. What the button does depends on who is signed in.

    - If the person has confirmed the invited address, the button accepts the invitation.
    - If the person is signed in with another account, the button signs them out.
    - If nobody is signed in, the button sends a code to the invited address.
    """
    try:
        invited = invitations.invitation_with(token, at=timezone.now())
        if request.method == "POST":
            return _answer(request, token, invited)
    except invitations.UnknownInvitation:
        note(request, "refused", what="invitation")
        return render(request, "accounts/invitation_unknown.html", status=404)
    context = {"invitation": invited, "theirs": invitations.is_theirs(invited, request.user)}
    return render(request, "accounts/invitation.html", context)


def _answer(request, token, invited):
    if invitations.is_theirs(invited, request.user):
        invitations.accept(token, person=request.user, at=timezone.now(), here=request.session.session_key)
        forget_reauthentication(request)
        # The second factor isn't checked here, because the desk asks for it or helps the person set one up.
        return redirect("desk")
    if request.user.is_authenticated:
        response = sign_out(request)
        response["Location"] = request.path_info
        return response
    try:
        count_code(request, invited.email)
    except TooOften as error:
        messages.error(request, sent_too_often(error))
        return redirect(request.path_info)
    email_code(request, invited.email)
    return HttpResponseRedirect(
        f"{reverse('account_confirm_login_code')}?{urlencode({'next': request.path_info})}"
    )
