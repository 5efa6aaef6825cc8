"""For somebody who is signed in: to show that it is still them, before anything is changed that opens their account or their desk."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import cards
from accounts.access import PROOF_LASTS, note_proof, safe_next
from accounts.addresses import address_for_proof
from accounts.forms import CodeForm, PinForm
from accounts.ils.configured import library_ils
from accounts.mailed_codes import MailedCode, count_code, sent_too_often
from accounts.single_sign_on import PROVE, accounts_of, sign_on_name
from accounts.views.passkeys import shown_in
from accounts.views.single_sign_on import to_provider
from portal.limits import TooOften


@sensitive_post_parameters("pin")
@login_required
def prove(request):
    """By a passkey, or by a code: first a button that sends it, so that a visit alone sends nothing, then the field. Without an address it
    is the PIN of their library card, or single sign-on, which asks them anew. Whom only this device can show may confirm on it: whoever
    holds it is them, and they were told so."""
    if request.POST.get("credential"):
        form, passkey = shown_in(request, among=request.user.passkeys)
        return _proved(request) if passkey else _page(request, passkey_form=form)
    if email := address_for_proof(request.user):
        return _by_code(request, email)
    if request.user.is_staff:
        return _page(request, stuck=True)  # neither a PIN nor a button may set up what opens the desk
    if (card := cards.card_of(request.user)) and (ils := library_ils()):
        return _by_pin(request, card, ils)
    if accounts_of(request.user).exists():
        return to_provider(request, what_for=PROVE, else_to="prove") if request.POST.get("sign_on") else _page(request, sign_on=sign_on_name())
    return _proved(request) if request.POST.get("confirm") else _page(request)


def _by_code(request, email):
    process = MailedCode.going_on(request, purpose="prove")
    form = None
    if request.POST.get("send"):
        _send(request, process, email)
        return redirect(request.get_full_path())
    if process:
        form = CodeForm(request.POST or None, request=request, process=process)
        if form.is_valid():
            process.abort()
            return _proved(request)
        if form.is_bound and not process.record_invalid_attempt():
            messages.error(request, _("That was not the code either, so it no longer works. Ask for a new one."))
            return redirect(request.get_full_path())
    return _page(request, form=form)


def _by_pin(request, card, ils):
    form = PinForm(request.POST or None, request=request, ils=ils, card=card)
    return _proved(request) if form.is_valid() else _page(request, pin_form=form, card=card)


def _proved(request):
    note_proof(request)
    return redirect(safe_next(request) or "me")


def _page(request, *, form=None, passkey_form=None, pin_form=None, card=None, sign_on="", stuck=False):
    context = {
        "form": passkey_form or pin_form or form,
        "code_form": form,
        "pin_form": pin_form,
        "card": card,
        "sign_on": sign_on,
        "stuck": stuck,
        "email": address_for_proof(request.user),
        "has_passkey": request.user.passkeys.exists(),
        "minutes": int(PROOF_LASTS.total_seconds() // 60),
    }
    return render(request, "accounts/prove.html", context)


def _send(request, process, email):
    try:
        count_code(request, email)
    except TooOften as error:
        messages.error(request, sent_too_often(error))
        return
    if process and process.can_resend:
        process.resend()
    else:
        MailedCode.start(request, purpose="prove", email=email)
