"""The page where signed-in people reauthenticate before a risky change, such as a new sign-in method."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms.library_cards import PinForm
from accounts.forms.sign_in import CodeForm
from accounts.ils.configured import library_ils
from accounts.sign_in import library_cards
from accounts.sign_in.access import (
    REAUTHENTICATION_LASTS,
    record_reauthentication,
    record_verified_address,
    safe_next,
)
from accounts.sign_in.email_addresses import reauthentication_address
from accounts.sign_in.emailed_codes import EmailedCode, claim_code, count_code, sent_too_often
from accounts.sign_in.openid_connect import REAUTHENTICATE
from accounts.sign_in.single_sign_on import linked_accounts, sign_on_name
from accounts.views.passkeys import verify_posted_passkey
from accounts.views.single_sign_on import to_provider
from portal.limits import TooOften

CARD, SIGN_ON = "card", "sign_on"


@sensitive_post_parameters("pin")
@login_required
def reauthenticate(request):
    """Ask the person to reauthenticate with one of their methods.

    A passkey or an emailed code comes first. A button sends the code, so that opening the page sends nothing.
    Patrons who have no address or can't read their mailbox use their library card's PIN or single sign-on.
    Patrons who have no sign-in method, and are signed in only on this device, press a button instead.
    """
    if request.POST.get("credential"):
        form, passkey = verify_posted_passkey(request, among=request.user.passkeys)
        return _succeed(request) if passkey else _page(request, passkey_form=form)
    email, others = reauthentication_address(request.user), _other_methods(request.user)
    by = request.GET.get("by") if email else next(iter(others), "")
    if by == CARD and CARD in others:
        return _by_pin(request, library_cards.card_of(request.user))
    if by == SIGN_ON and SIGN_ON in others:
        return (
            to_provider(request, purpose=REAUTHENTICATE, else_to="reauthenticate")
            if request.POST.get("sign_on")
            else _page(request, sign_on=sign_on_name())
        )
    if email:
        return ask_for_code(
            request,
            purpose="prove",
            email=email,
            then=lambda: _succeed(request),
            page=lambda form: _by_code_page(request, form, others),
        )
    if request.user.is_staff:
        return _page(request, stuck=True)
    return _succeed(request) if request.POST.get("confirm") else _page(request)


def _other_methods(person):
    """Return the person's methods to reauthenticate, besides an emailed code and passkeys.

    Staff have no such method. A card's PIN or single sign-on is too weak for staff, because they can set up a
    second factor afterward.
    """
    available = {
        CARD: library_ils() and library_cards.card_of(person),
        SIGN_ON: linked_accounts(person).exists(),
    }
    return [] if person.is_staff else [method for method, has in available.items() if has]


def ask_for_code(request, *, purpose, email, then, page):
    """Ask for a code that is sent to `email`. Return `then()` if the person has entered the correct code.

    Otherwise return `page(form)`. If no code was sent yet, `form` is None, and the page shows a button that
    sends a code.
    """
    process = EmailedCode.resume(request, purpose=purpose)
    # The person's address may have changed after the code was sent.
    if process and process.email != email:
        process = None
    if request.POST.get("send"):
        _send(request, process, purpose, email)
        return redirect(request.get_full_path_info())
    form = CodeForm(request.POST or None, request=request, process=process) if process else None
    if form and form.is_valid():
        if not claim_code(process):
            return redirect_after_used_code(request, safe_next(request) or request.get_full_path_info())
        process.abort()
        record_verified_address(request, email)
        return then()
    if form and form.is_bound and not process.record_invalid_attempt():
        messages.error(
            request,
            _("You entered too many wrong codes, so the code that we sent no longer works. Get a new code."),
        )
        return redirect(request.get_full_path_info())
    return page(form)


def redirect_after_used_code(request, going_to):
    """Redirect to the page `going_to`, because another request has used the code at the same moment.

    If the other request was the first tap of a double tap, the page `going_to` opens. Otherwise, that page
    asks for a new code.
    """
    messages.info(request, _("That code was already used. If you are asked for a code again, get a new one."))
    return redirect(going_to)


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
    links = {method: f"?{urlencode({'by': method, 'next': safe_next(request)})}" for method in others}
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
    return _succeed(request) if form.is_valid() else _page(request, form=form, pin_form=form, card=card)


def _succeed(request):
    record_reauthentication(request)
    return redirect(safe_next(request) or "me")


def _page(request, *, passkey_form=None, **context):
    context = {
        "email": reauthentication_address(request.user),
        "has_passkey": request.user.passkeys.exists(),
        "minutes": int(REAUTHENTICATION_LASTS.total_seconds() // 60),
        "form": passkey_form,
        **context,
    }
    return render(request, "accounts/reauthenticate.html", context)
