"""The pages where staff use and set up their second factor.

The second factor is an authenticator app code or a passkey. docs/decisions/0010-own-table-for-passkeys.md
says why a passkey is enough.
"""

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
from accounts.forms.second_factor import SecondFactorForm, SetUpAppForm
from accounts.sign_in import double_tap
from accounts.sign_in.access import (
    behind_second_factor,
    has_shown_second_factor,
    recently_authenticated,
    record_second_factor,
    redirect_to_reauthenticate,
    safe_next,
    signed_in_by_pin,
)
from accounts.sign_in.desk_pins import remove_pin_without_second_factor
from accounts.sign_in.security_mails import mail_security_notice
from accounts.staff.desk_lock import lock
from accounts.views.passkeys import verify_posted_passkey


@login_required
def second_factor(request):
    """Ask for the second factor, or set up an authenticator app for staff who have no app.

    Staff who have a passkey must use it before they can set up an app.
    """
    if not request.user.is_staff:
        raise Http404
    app, has_passkey = _app_of(request.user), request.user.passkeys.exists()
    if app or (has_passkey and not has_shown_second_factor(request)):
        return _ask(request, app, has_passkey)
    if signed_in_by_pin(request):
        # The person signed in by PIN and no longer has a second factor. A PIN is too weak to set up a new
        # second factor.
        lock(request)
        messages.error(
            request,
            _(
                "A PIN isn't enough to set up a second factor. Sign in with a code, then set up an "
                "authenticator app or a passkey."
            ),
        )
        return redirect(f"{reverse('sign_in')}?{urlencode({'next': request.get_full_path_info()})}")
    if not recently_authenticated(request):
        return redirect_to_reauthenticate(request)
    return _set_up(request)


@behind_second_factor
def change_second_factor(request):
    """Make new recovery codes, or remove the app so that the person can set up another app.

    Both changes need a code from the current app, or a recovery code.
    """
    app = _app_of(request.user)
    if not app:
        return redirect("second_factor")
    form = SecondFactorForm(request.POST or None, user=request.user)
    if not form.is_valid():
        return render(request, "accounts/change_second_factor.html", {"form": form})
    form.save()
    if request.POST.get("change") == "app":
        deactivate_totp(request, app)
        _record(request, "removed_second_factor")
        remove_pin_without_second_factor(request.user, by=request.user, at=timezone.now())
        return redirect("second_factor")
    authenticator = generate_recovery_codes(request)
    _record(request, "renewed_recovery_codes")
    return _show_recovery_codes(request, authenticator, next_page="")


def _ask(request, app, has_passkey):
    if request.POST.get("credential"):
        form, passed = verify_posted_passkey(request, among=request.user.passkeys)
    else:
        form = SecondFactorForm(request.POST or None, user=request.user) if app else None
        if not double_tap.begin(request):
            return redirect(safe_next(request) or "desk")
        passed = form and form.is_valid()
        if passed:
            form.save()
        else:
            double_tap.give_up(request)
    if passed:
        record_second_factor(request, at=timezone.now())
        return redirect(safe_next(request) or "desk")
    context = {"form": form, "has_app": app, "has_passkey": has_passkey, "next": safe_next(request)}
    return render(request, "accounts/second_factor.html", context)


def _set_up(request):
    form = SetUpAppForm(request.POST or None, user=request.user)
    if form.is_valid():
        _app, recovery_codes = activate_totp(request, form)
        _record(request, "added_second_factor")
        record_second_factor(request, at=timezone.now())
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
    """Show the new recovery codes. No other page shows these codes."""
    codes = [f"{code[:4]} {code[4:]}" for code in authenticator.wrap().get_unused_codes()]
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "next": next_page})


def _record(request, what):
    audit.record(what, request.user, by=request.user)
    mail_security_notice(request.user, what)


def _app_of(user):
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
