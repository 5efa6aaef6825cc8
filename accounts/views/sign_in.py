"""One field to sign in or up, a mailed code, and the way out. The steps are allauth's; the pages are ours."""

import time
from urllib.parse import urlencode

from allauth.account.stages import LoginByCodeStage, LoginStageController
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.allauth_internals import LoginCodeVerificationProcess
from accounts.forms import CodeForm, SignInForm
from accounts.languages import languages
from accounts.patron import people
from accounts.sign_in import sign_ins
from accounts.sign_in.access import LAST_PERSON, safe_next, set_borrowed
from accounts.sign_in.emailed_codes import count_code, sent_too_often
from accounts.sign_in.methods import CARD, PASSKEY, SIGN_ON, first_method, other_methods
from accounts.views.passkeys import is_worth_offering
from portal.limits import TooOften
from portal.security_log import note

OFFERS_PASSKEY = "offers_passkey"
PAGES = {CARD: "card_sign_in", SIGN_ON: "single_sign_on"}  # with a question of their own
SAME_FOR_ALL = (
    0.04  # seconds: making the record of an unknown address takes about 1 ms more than finding a known one
)


def sign_in(request):
    """One question, the easiest on this device first. Known and unknown addresses are answered alike: each gets a code, and a person to enter it for."""
    began = time.monotonic()
    if request.user.is_authenticated:
        return redirect(safe_next(request) or "home")
    form = SignInForm(request.POST or None, request=request)
    if form.is_valid():
        set_borrowed(request, form.cleaned_data["borrowed"])
        mail_code(request, form.cleaned_data["email"])
        if not request.viewer:
            request.session.set_expiry(
                people.UNCONFIRMED_FOR
            )  # the address that was typed rests in it; signing in sets it anew
        request.session[OFFERS_PASSKEY] = is_worth_offering(request) and not form.cleaned_data["borrowed"]
        time.sleep(max(0, SAME_FOR_ALL - (time.monotonic() - began)))
        return redirect(_with_next(request, "account_confirm_login_code"))
    first = first_method(request) if request.method == "GET" else ""
    if first in PAGES:
        return redirect(_with_next(request, PAGES[first]))
    context = {
        "form": form,
        "next": safe_next(request),
        "languages": languages(),
        "passkey_first": first == PASSKEY,
        **other_methods(),
    }
    return render(request, "accounts/sign_in.html", context)


def mail_code(request, email):
    """Begin the sign-in of whoever reads that address."""
    person = people.person_with_address(email, at=timezone.now(), language=get_language())
    LoginCodeVerificationProcess.initiate(
        request=request, user=person if person.is_active else None, email=email
    )


def enter_code(request):
    """The code works only in the browser that asked for it."""
    if request.user.is_authenticated:
        return redirect(safe_next(request) or "home")
    stage = LoginStageController.enter(request, LoginByCodeStage.key)
    process = stage and LoginCodeVerificationProcess.resume(stage)
    form = process and CodeForm(request.POST or None, request=request, process=process)
    if form and form.is_valid():
        if process.user and process.user.is_active and process.user.email == process.state["email"]:
            return process.finish(safe_next(request) or _first_page(request, process.user))
        process.abort()  # erased, disabled, or no longer of this address since the code was mailed
        process = None
    if not process:
        messages.error(request, _("That code has run out. Write your address again to get a new one."))
        return redirect(_with_next(request, "sign_in"))
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(
            request,
            _(
                "That was not the code either, so it no longer works. Write your address again to get a new one."
            ),
        )
        return redirect(_with_next(request, "sign_in"))
    return render(
        request,
        "accounts/enter_code.html",
        {
            "form": form,
            "email": process.state["email"],
            "can_resend": process.can_resend,
            "next": safe_next(request),
        },
    )


def _first_page(request, person):
    """Whoever was on their way somewhere goes there; the others may be told how to do without a code next time."""
    offers = request.session.pop(OFFERS_PASSKEY, False) and not person.passkeys.exists()
    return reverse("offer_passkey" if offers else "home")


@require_POST
def resend_code(request):
    stage = LoginStageController.enter(request, LoginByCodeStage.key)
    process = stage and LoginCodeVerificationProcess.resume(stage)
    if process:
        _resend(request, process)
    return redirect(_with_next(request, "account_confirm_login_code"))


def _resend(request, process):
    try:
        count_code(request, process.state["email"])
    except TooOften as error:
        messages.error(request, sent_too_often(error))
    else:
        process.resend()
        messages.success(request, _("A new code is on its way. Only the newest one works."))


@require_POST
def sign_out(request):
    """Leaves nothing of this person on the device: session, opened codes, stored pages. A shared desk computer stays one, for the next."""
    note(request, "signed_out")
    desk = request.shared_desk
    sign_ins.end_sign_in(request.session.session_key)
    logout(request)
    request.session.flush()
    response = redirect("locked" if desk else "signed_out")
    response.headers["Clear-Site-Data"] = '"cache", "storage"' if desk else '"cache", "cookies", "storage"'
    response.delete_cookie(LAST_PERSON, samesite="Lax")
    return response


def signed_out(request):
    return render(request, "accounts/signed_out.html")


@require_POST
def set_language(request):
    """On this device, and for a signed-in person wherever they read."""
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


def _with_next(request, name):
    going_to = safe_next(request)
    return reverse(name) + (f"?{urlencode({'next': going_to})}" if going_to else "")
