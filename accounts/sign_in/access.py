"""Who may open a page, and how people sign in, reauthenticate and pass the second factor.

The scopes of the querysets, `belonging_to` and `at_desk_of`, decide which objects a page shows.
"""

import time
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode

from allauth.account.models import Login
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from portal.security_log import note

from ..allauth_internals import get_authentication_records, perform_login, record_authentication
from ..models import User
from .desk_pins import BY_PIN, reset_pin_tries

# The names of session keys never change, so that people stay signed in during an upgrade.
SECOND_FACTOR = "second_factor_at"
BORROWED = "borrowed_device"
REAUTHENTICATED_AT = "proved_at"
VERIFIED_AT = "read_at"
OTHER_RECORD = "other_record"

LAST_PERSON = settings.COOKIE_PREFIX + "last_person"
# A working day. The sign-in itself lasts much longer.
SECOND_FACTOR_LASTS = timedelta(hours=12)
# The page that asks people to reauthenticate shows this time.
REAUTHENTICATION_LASTS = timedelta(minutes=15)


def sign_in(request, user, *, by, borrowed=False):
    """Sign `user` in on this device.

    `by` is the method ("code", "passkey", "card", …), which the session remembers. The session key changes,
    but visits that were opened by code stay open. For `borrowed`, see set_borrowed.
    """
    set_borrowed(request, borrowed)
    record_authentication(request, user, method=by)
    perform_login(request, Login(user=user))


def set_borrowed(request, borrowed):
    """Note whether the person is about to sign in on a device that isn't theirs.

    Such a sign-in ends with the browser, or after BORROWED_DEVICE_HOURS. It leaves no cookie with the
    person's id and no draft in the browser.
    """
    if borrowed:
        request.session[BORROWED] = True
    else:
        request.session.pop(BORROWED, None)


def is_borrowed(request):
    return bool(request.session.get(BORROWED))


def session_expiry(request):
    """Return when a new sign-in ends on a borrowed device, or None on any other device."""
    return timezone.now() + timedelta(hours=settings.BORROWED_DEVICE_HOURS) if is_borrowed(request) else None


def last_person_id(request):
    """Return the public id of the last person who didn't sign out here, or an empty string."""
    return request.get_signed_cookie(LAST_PERSON, default="")


def record_second_factor(request, *, at):
    """Note that the staff member has passed the second factor in this sign-in.

    It also unblocks their PIN, and replaces a sign-in by PIN.
    """
    renew_session(request)
    request.session[SECOND_FACTOR] = at.isoformat()
    note(request, "opened_desk")
    request.session.pop(BY_PIN, None)
    reset_pin_tries(request.user)


def renew_session(request):
    """Give the session a new key, because it may do more from now on.

    It stays the same entry in the person's list of sign-ins.
    """
    old_key = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=old_key).update(session_key=request.session.session_key)


def record_reauthentication(request):
    """Note that the person has just reauthenticated. It counts in this session for REAUTHENTICATION_LASTS."""
    renew_session(request)
    request.session[REAUTHENTICATED_AT] = time.time()
    note(request, "proved")


def record_verified_address(request, email):
    """Note that a code sent to this address was entered in this session.

    It counts for REAUTHENTICATION_LASTS.
    """
    request.session[VERIFIED_AT] = {email: time.time()} | {
        known: at for known, at in request.session.get(VERIFIED_AT, {}).items() if _is_recent(at)
    }


def recently_verified_addresses(request):
    """Return the addresses whose code was entered in this session within REAUTHENTICATION_LASTS."""
    at_sign_in = {
        record["email"]: record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] == "code"
    }
    verified_at = at_sign_in | request.session.get(VERIFIED_AT, {})
    return {email for email, at in verified_at.items() if _is_recent(at)}


def forget_reauthentication(request):
    """Forget every reauthentication, because this patron has just become staff.

    The methods of a patron are too weak for staff.
    """
    for key in (REAUTHENTICATED_AT, VERIFIED_AT):
        request.session.pop(key, None)
    renew_session(request)


def recently_authenticated(request):
    """Return whether the person signed in or reauthenticated in this session within REAUTHENTICATION_LASTS.

    A library card is too weak for staff, who can set up a second factor next. Its PIN has only four digits.
    """
    methods = {"code"} if request.user.is_staff else {"code", "card"}
    at_sign_in = [
        record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] in methods
    ]
    return _is_recent(max([*at_sign_in, request.session.get(REAUTHENTICATED_AT, 0)]))


def _is_recent(at):
    return time.time() - at < REAUTHENTICATION_LASTS.total_seconds()


def remember_other_record(request, person):
    """Note that the signed-in person has just verified the address of their other record, `person`."""
    request.session[OTHER_RECORD] = {
        "other": str(person.public_id),
        "of": str(request.user.public_id),
        "at": time.time(),
    }


def other_record(request):
    """Return the signed-in person's other record that was noted within REAUTHENTICATION_LASTS, or None."""
    noted = request.session.get(OTHER_RECORD)
    if not noted or noted["of"] != str(request.user.public_id) or not _is_recent(noted["at"]):
        return None
    return User.objects.filter(public_id=noted["other"], is_active=True).first()


def redirect_to_reauthenticate(request):
    return redirect(f"{reverse('reauthenticate')}?{urlencode({'next': request.get_full_path()})}")


def origin(request):
    """Return our scheme and host, for which browsers sign the answers of passkeys."""
    return f"{request.scheme}://{request.get_host()}"


def may_change_passkeys(request):
    """Return whether the person may add and remove passkeys now.

    A passkey opens the desk. Staff need the second factor they have, so that access to their email alone
    isn't enough to add one.
    """
    return not request.user.is_staff or not request.user.has_second_factor or has_shown_second_factor(request)


def needs_second_factor(request):
    return request.user.is_authenticated and request.user.is_staff


def may_open_desk(request):
    """Return whether the person has passed the second factor, or signed in by PIN at a shared computer."""
    return has_shown_second_factor(request) or signed_in_by_pin(request)


def signed_in_by_pin(request):
    """Return whether only a PIN has identified the staff member. It opens the desk, but nothing more."""
    return request.shared_desk is not None and bool(request.session.get(BY_PIN))


def has_shown_second_factor(request):
    """Return whether the second factor was passed in this sign-in within SECOND_FACTOR_LASTS."""
    shown_at = request.session.get(SECOND_FACTOR)
    return bool(shown_at) and timezone.now() - datetime.fromisoformat(shown_at) < SECOND_FACTOR_LASTS


def redirect_to_second_factor(request):
    return redirect(f"{reverse('second_factor')}?{urlencode({'next': request.get_full_path()})}")


def safe_next(request):
    """Return the page of ours named by `next` in the request, or an empty string."""
    going_to = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        going_to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Django's redirect() would take anything without a leading slash for the name of a URL.
    return going_to if safe and going_to.isprintable() and going_to.startswith("/") else ""


def reauthentication_required(view):
    """Require a signed-in person who has authenticated recently.

    Others are sent to the page that asks, and from there back to this address with a GET. A late POST is
    lost, so the view must show its form again. Use it where people open the account to others, take all its
    data or delete it.
    """

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not recently_authenticated(request):
            return redirect_to_reauthenticate(request)
        return view(request, *args, **kwargs)

    return guarded


def staff_only(view):
    """Require a staff member who may open the desk. Everybody else gets a 404."""

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_staff:
            raise Http404
        if not may_open_desk(request):
            return redirect_to_second_factor(request)
        return view(request, *args, **kwargs)

    # tests/architecture/test_sweeps.py reads it.
    guarded.guard = "staff_only"  # type: ignore[attr-defined]
    return guarded


def behind_second_factor(view):
    """Require a staff member who has passed the second factor. A PIN is not enough."""

    @staff_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not has_shown_second_factor(request):
            return redirect_to_second_factor(request)
        return view(request, *args, **kwargs)

    return guarded


def coordinator_only(view):
    """Require a coordinator who has passed the second factor. Other staff get a 404."""
    guarded_view = behind_second_factor(view)

    @staff_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_coordinator:
            raise Http404
        return guarded_view(request, *args, **kwargs)

    guarded.guard = "coordinator_only"
    return guarded
