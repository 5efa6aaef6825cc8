"""The pages for signing in and signing up by emailed code, and for signing out.

allauth makes and checks the codes, but the pages are our own.
"""

import time
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from allauth.account.stages import LoginByCodeStage, LoginStageController
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.allauth_internals import LoginCodeVerificationProcess
from accounts.forms.sign_in import CodeForm, SignInForm
from accounts.languages import languages
from accounts.patron import people
from accounts.sign_in import kept_devices, sign_ins
from accounts.sign_in.access import LAST_PERSON, safe_next, set_borrowed
from accounts.sign_in.code_page import code_page_for
from accounts.sign_in.emailed_codes import claim_code, count_code, sent_too_often
from accounts.sign_in.methods import CARD, PASSKEY, SIGN_ON, first_method, other_methods
from accounts.sign_in.unsent import drop_unsent_forms
from accounts.sign_in.wanted_page import wanted_page
from accounts.views.passkeys import is_worth_offering
from portal.limits import TooOften
from portal.security_log import note

OFFERS_PASSKEY = "offers_passkey"
# These sign-in methods have their own pages.
PAGES = {CARD: "card_sign_in", SIGN_ON: "single_sign_on"}


def sign_in(request):
    """Ask for an email address, or for the sign-in method that this device used last.

    Known and unknown addresses get the same response, and both get a code. For an unknown address, a new
    person is created.
    """
    began = time.monotonic()
    if request.user.is_authenticated:
        # After a double tap, the second request has left a notice that the passkey was refused. Remove the
        # notice, because the first request has signed the person in.
        list(messages.get_messages(request))
        return redirect(safe_next(request) or "home")
    form = SignInForm(request.POST or None, request=request)
    if form.is_valid():
        return send_code_to(request, form, safe_next(request), began=began)
    first = first_method(request) if request.method == "GET" else ""
    if first in PAGES:
        return redirect(_with_next(PAGES[first], safe_next(request)))
    context = {
        "form": form,
        **wanted_page(request),
        "why_closed": _why_closed(request),
        "languages": languages(),
        "passkey_first": first == PASSKEY,
        **other_methods(),
    }
    return render(request, "accounts/sign_in.html", context)


def send_code_to(request, form, next_page, *, began):
    """Email a code to the address in this valid SignInForm, and redirect to the page for typing the code.

    `began` is the time when the view began, from time.monotonic().
    """
    set_borrowed(request, form.cleaned_data["borrowed"])
    email_code(request, form.cleaned_data["email"])
    if not request.viewer:
        # The session contains the typed address, so it expires soon. Signing in sets a new expiry.
        request.session.set_expiry(people.UNCONFIRMED_FOR)
    request.session[OFFERS_PASSKEY] = is_worth_offering(request) and not form.cleaned_data["borrowed"]
    time.sleep(-(time.monotonic() - began) % settings.SIGN_IN_SECONDS)
    return redirect(code_page_for(next_page))


def _why_closed(request):
    """Return why this browser's code no longer opens the page that the person wants, or ""."""
    with suppress(Resolver404):
        match = resolve(urlsplit(safe_next(request)).path)
        model, public_id = getattr(match.func, "opens", None), match.kwargs.get("public_id")
        if model and public_id:
            return request.viewer.why_closed(model, public_id)
    return ""


def email_code(request, email):
    """Start a sign-in by sending a code to this address."""
    person = people.person_with_address(email, at=timezone.now(), language=get_language())
    LoginCodeVerificationProcess.initiate(
        request=request, user=person if person.is_active else None, email=email
    )


def enter_code(request):
    """Ask for the emailed code. A code works only in the browser that requested it."""
    return code_page(request, next_page=safe_next(request))


def code_page(request, *, next_page, template="accounts/enter_code.html", context=None, then=None):
    """Ask for the emailed code, sign the person in, and open `next_page`.

    A caller that shows another code page passes the page's `template` and `context`. It also passes `then`, a
    function without arguments that returns the response after the person has signed in.
    """
    if request.user.is_authenticated:
        return redirect(next_page or "home")
    stage = LoginStageController.enter(request, LoginByCodeStage.key)
    process = stage and LoginCodeVerificationProcess.resume(stage)
    form = process and CodeForm(request.POST or None, request=request, process=process)
    if form and form.is_valid():
        person, is_first = process.user, claim_code(process)
        if is_first and person and person.is_active and person.email == process.state["email"]:
            response = process.finish(next_page or _first_page(request, person))
            return then() if then and request.user.is_authenticated else response
        # After the code was sent, the person was erased or deactivated, or has changed their address.
        if is_first:
            process.abort()
        process = None
    if not process:
        messages.error(
            request,
            _("That code has expired or was already used. Enter your address again to get a new one."),
        )
        return redirect(_with_next("sign_in", next_page))
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(
            request,
            _(
                "You entered too many wrong codes, so the code that we sent no longer works. Enter your "
                "address again to get a new code."
            ),
        )
        return redirect(_with_next("sign_in", next_page))
    page = {
        "form": form,
        "email": process.state["email"],
        "can_resend": process.can_resend,
        "next": next_page,
    }
    return render(request, template, page | (context or {}))


def _first_page(request, person):
    """Return the URL of the first page after sign-in: the offer of a passkey, or the home page."""
    offers = request.session.pop(OFFERS_PASSKEY, False) and not person.passkeys.exists()
    return reverse("offer_passkey" if offers else "home")


@require_POST
def resend_code(request):
    stage = LoginStageController.enter(request, LoginByCodeStage.key)
    process = stage and LoginCodeVerificationProcess.resume(stage)
    if process:
        _resend(request, process)
    return redirect(code_page_for(safe_next(request)))


def _resend(request, process):
    try:
        count_code(request, process.state["email"])
    except TooOften as error:
        messages.error(request, sent_too_often(error))
    else:
        process.resend()
        messages.success(request, _("We sent a new code. Only the newest code works."))


@require_POST
def sign_out(request):
    """Sign the person out, close visits that were opened by code, and delete the browser's cached pages.

    On a shared desk computer, the cookies stay, so that the next staff member can sign in there with a PIN.
    """
    note(request, "signed_out")
    desk = request.shared_desk
    kept_devices.end_here(request)
    sign_ins.end_sign_in(request.session.session_key)
    logout(request)
    request.session.flush()
    response = redirect("locked" if desk else "signed_out")
    response.headers["Clear-Site-Data"] = '"cache", "storage"' if desk else '"cache", "cookies", "storage"'
    response.delete_cookie(LAST_PERSON, samesite="Lax")
    drop_unsent_forms(request, response)
    return response


def signed_out(request):
    return render(request, "accounts/signed_out.html")


@require_POST
def set_language(request):
    """Set the language of this device. If a person is signed in, set their language too."""
    language = request.POST.get("language")
    response = redirect(safe_next(request) or "home")
    if language in dict(settings.LANGUAGES):
        if request.user.is_authenticated:
            people.change_language(request.user, language=language)
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.SESSION_COOKIE_AGE,
            httponly=True,
            samesite="Lax",
            secure=bool(settings.SESSION_COOKIE_SECURE),
        )
    return response


def _with_next(name, next_page):
    return reverse(name) + (f"?{urlencode({'next': next_page})}" if next_page else "")
