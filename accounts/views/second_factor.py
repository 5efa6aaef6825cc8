"""What staff show before any page of the desk: a code of their authenticator app, or a passkey. Why a passkey is enough: docs/decisions/0010."""

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from accounts import audit
from accounts.allauth_internals import activate_totp, deactivate_totp, generate_recovery_codes
from accounts.forms import SecondFactorForm, SetUpAppForm
from accounts.sign_in.access import (
    behind_second_factor,
    has_shown_second_factor,
    is_by_pin,
    lately_proved,
    safe_next,
    show_second_factor,
    to_prove,
)
from accounts.sign_in.desk_pins import remove_pin_without_second_factor
from accounts.sign_in.security_mails import mail_security_notice
from accounts.staff.desk_lock import lock
from accounts.views.passkeys import shown_in


@login_required
def second_factor(request):
    """Asks for a code or a passkey; on the first visit, or where a passkey has opened the desk already, sets up the app."""
    if not request.user.is_staff:
        raise Http404
    app, has_passkey = _app_of(request.user), request.user.passkeys.exists()
    if app or (has_passkey and not has_shown_second_factor(request)):
        return _ask(request, app, has_passkey)
    if is_by_pin(request):
        lock(request)  # what the PIN stood in for is gone: they sign in anew, and set something up
        messages.error(
            request,
            _(
                "That takes more than a PIN. Sign in with a code, then set up an authenticator app or a passkey."
            ),
        )
        return redirect(f"{reverse('sign_in')}?{urlencode({'next': request.get_full_path()})}")
    if not lately_proved(request):
        return to_prove(request)
    return _set_up(request)


@behind_second_factor
def change_second_factor(request):
    """New recovery codes, or another app: each after one more code of the present app."""
    app = _app_of(request.user)
    if not app:
        return redirect("second_factor")
    form = SecondFactorForm(request.POST or None, user=request.user)
    if not form.is_valid():
        return render(request, "accounts/change_second_factor.html", {"form": form})
    form.save()
    if request.POST.get("change") == "app":
        deactivate_totp(request, app)
        _note(request, "removed_second_factor")
        remove_pin_without_second_factor(request.user, by=request.user, at=timezone.now())
        return redirect("second_factor")
    authenticator = generate_recovery_codes(request)
    _note(request, "renewed_recovery_codes")
    return _show_recovery_codes(request, authenticator, next_page="")


def _ask(request, app, has_passkey):
    if request.POST.get("credential"):
        form, shown = shown_in(request, among=request.user.passkeys)
    else:
        form = SecondFactorForm(request.POST or None, user=request.user) if app else None
        shown = form and form.is_valid()
        if shown:
            form.save()
    if shown:
        show_second_factor(request, at=timezone.now())
        return redirect(safe_next(request) or "desk")
    context = {"form": form, "has_app": app, "has_passkey": has_passkey, "next": safe_next(request)}
    return render(request, "accounts/second_factor.html", context)


def _set_up(request):
    form = SetUpAppForm(request.POST or None, user=request.user)
    if form.is_valid():
        _app, recovery_codes = activate_totp(request, form)
        _note(request, "added_second_factor")
        show_second_factor(request, at=timezone.now())
        return _show_recovery_codes(request, recovery_codes, next_page=safe_next(request))
    url = get_adapter().build_totp_url(request.user, form.secret)
    secret = form.secret.rstrip("=")
    context = {
        "form": form,
        "next": safe_next(request),
        "qr_code": get_adapter().build_totp_svg(url),
        "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
    }
    return render(request, "accounts/set_up_second_factor.html", context)


def _show_recovery_codes(request, authenticator, *, next_page):
    """Once only: this answer to the POST is the one place where they can be read."""
    codes = [f"{code[:4]} {code[4:]}" for code in authenticator.wrap().get_unused_codes()]
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "next": next_page})


def _note(request, what):
    audit.record(what, request.user, by=request.user)
    mail_security_notice(request.user, what)


def _app_of(user):
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
