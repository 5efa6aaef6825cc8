"""A mailed code for somebody who is signed in: to show that it is still them, before anything that guards the desk is changed."""

import time
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.access import renew_session, safe_next
from accounts.forms import CodeForm
from accounts.mailed_codes import PROVED_AT, MailedCode, may_send_code

PROOF_LASTS = 15 * 60  # seconds


def lately_proved(request):
    """Whether a mailed code was entered in this session a short while ago, at sign-in or since."""
    records = [record["at"] for record in get_authentication_records(request, request.user) if record["method"] == "code"]
    proofs = [*records, request.session.get(PROVED_AT, 0)]
    return time.time() - max(proofs) < PROOF_LASTS


def to_prove(request):
    return redirect(f"{reverse('prove')}?{urlencode({'next': request.get_full_path()})}")


@login_required
def prove(request):
    """First a button that sends the code, so that a visit alone sends nothing; then the field for it."""
    if not request.user.email:
        raise Http404
    process = MailedCode.going_on(request, purpose="prove")
    form = None
    if request.method == "POST" and request.POST.get("send"):
        _send(request, process)
        return redirect(request.get_full_path())
    if process:
        form = CodeForm(request.POST or None, request=request, process=process)
        if form.is_valid():
            process.abort()
            renew_session(request)
            request.session[PROVED_AT] = time.time()
            return redirect(safe_next(request) or "me")
        if form.is_bound and not process.record_invalid_attempt():
            messages.error(request, _("That was not the code either, so it no longer works. Ask for a new one."))
            return redirect(request.get_full_path())
    return render(request, "accounts/prove.html", {"form": form, "email": request.user.email, "next": safe_next(request)})


def _send(request, process):
    if not may_send_code(request, request.user.email):
        messages.error(request, _("We have sent as many codes as we can for now. Look in the folder for junk mail, or try again in a few minutes."))
    elif process and process.can_resend:
        process.resend()
    else:
        MailedCode.start(request, purpose="prove", email=request.user.email)
