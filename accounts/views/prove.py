"""For somebody who is signed in: to show that it is still them, before anything is changed that opens their account or their desk."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms import CodeForm, PinForm
from accounts.ils.configured import library_ils
from accounts.sign_in import library_cards
from accounts.sign_in.access import PROOF_LASTS, note_proof, note_read, safe_next
from accounts.sign_in.email_addresses import address_for_proof
from accounts.sign_in.emailed_codes import EmailedCode, count_code, sent_too_often
from accounts.sign_in.single_sign_on import PROVE, accounts_of, sign_on_name
from accounts.views.passkeys import shown_in
from accounts.views.single_sign_on import to_provider
from portal.limits import TooOften

CARD, SIGN_ON = "card", "sign_on"


@sensitive_post_parameters("pin")
@login_required
def prove(request):
    """By a passkey, or by a code: first a button that sends it, so that a visit alone sends nothing, then the field. Without an address, or
    where they can no longer read what comes there, it is the PIN of their library card, or single sign-on, which asks them anew. Whom only
    this device can show may confirm on it: whoever holds it is them, and they were told so."""
    if request.POST.get("credential"):
        form, passkey = shown_in(request, among=request.user.passkeys)
        return _proved(request) if passkey else _page(request, passkey_form=form)
    email, others = address_for_proof(request.user), _other_methods(request.user)
    by = request.GET.get("by") if email else next(iter(others), "")
    if by == CARD and CARD in others:
        return _by_pin(request, library_cards.card_of(request.user))
    if by == SIGN_ON and SIGN_ON in others:
        return (
            to_provider(request, what_for=PROVE, else_to="prove")
            if request.POST.get("sign_on")
            else _page(request, sign_on=sign_on_name())
        )
    if email:
        return ask_by_code(
            request,
            purpose="prove",
            email=email,
            then=lambda: _proved(request),
            page=lambda form: _by_code_page(request, form, others),
        )
    if request.user.is_staff:
        return _page(request, stuck=True)
    return _proved(request) if request.POST.get("confirm") else _page(request)


def _other_methods(person):
    """By what else than their mail. Of staff none: neither a PIN nor a button may set up what opens the desk."""
    has = {CARD: library_ils() and library_cards.card_of(person), SIGN_ON: accounts_of(person).exists()}
    return [] if person.is_staff else [way for way, there in has.items() if there]


def ask_by_code(request, *, purpose, email, then, page):
    """That they read what comes to `email`: `page(form)` has a button that sends a code, and once it is sent the form for it; `then()` follows
    the right one."""
    process = EmailedCode.going_on(request, purpose=purpose)
    if process and process.email != email:
        process = None  # their address has changed since
    if request.POST.get("send"):
        _send(request, process, purpose, email)
        return redirect(request.get_full_path())
    form = CodeForm(request.POST or None, request=request, process=process) if process else None
    if form and form.is_valid():
        process.abort()
        note_read(request, email)
        return then()
    if form and form.is_bound and not process.record_invalid_attempt():
        messages.error(request, _("That was not the code either, so it no longer works. Ask for a new one."))
        return redirect(request.get_full_path())
    return page(form)


def _send(request, process, purpose, email):
    try:
        count_code(request, email)
    except TooOften as error:
        messages.error(request, sent_too_often(error))
        return
    if process and process.can_resend:
        process.resend()
    else:
        EmailedCode.start(request, purpose=purpose, email=email)


def _by_code_page(request, form, others):
    links = {way: f"?{urlencode({'by': way, 'next': safe_next(request)})}" for way in others}
    may_be_lost = bool(others) or not request.user.passkeys.exists()
    return _page(
        request,
        form=form,
        code_form=form,
        may_be_lost=may_be_lost,
        other_methods=links,
        other_sign_on=sign_on_name(),
    )


def _by_pin(request, card):
    form = PinForm(request.POST or None, request=request, ils=library_ils(), card=card)
    return _proved(request) if form.is_valid() else _page(request, form=form, pin_form=form, card=card)


def _proved(request):
    note_proof(request)
    return redirect(safe_next(request) or "me")


def _page(request, *, passkey_form=None, **context):
    context = {
        "email": address_for_proof(request.user),
        "has_passkey": request.user.passkeys.exists(),
        "minutes": int(PROOF_LASTS.total_seconds() // 60),
        "form": passkey_form,
        **context,
    }
    return render(request, "accounts/prove.html", context)
