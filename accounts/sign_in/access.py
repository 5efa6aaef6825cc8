"""Decide who may open a page, and record sign-ins, reauthentication and the second factor.

The queryset methods `belonging_to` and `at_desk_of` decide which objects a page shows.
"""

import time
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode

from allauth.account.models import Login
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from portal.security_log import note

from ..allauth_internals import get_authentication_records, perform_login, record_authentication
from ..models import User
from ..sessions import browser_given_up
from ..staff.attendance import record_attendance
from .desk_pins import BY_PIN, reset_pin_tries
from .unsent import own_text_for_closed_page

# The names of session keys never change, so that people stay signed in during an upgrade.
SECOND_FACTOR = "second_factor_at"
BORROWED = "borrowed_device"
REAUTHENTICATED_AT = "proved_at"
VERIFIED_AT = "read_at"
OTHER_RECORD = "other_record"

LAST_PERSON = settings.COOKIE_PREFIX + "last_person"
# The cookie that stays after a sign-in on a borrowed device.
WAS_BORROWED = settings.COOKIE_PREFIX + "was_borrowed"
# The second factor lasts for a working day. The sign-in itself lasts much longer.
SECOND_FACTOR_LASTS = timedelta(hours=12)
# A reauthentication is valid for this time. The page that asks people to reauthenticate shows this duration.
REAUTHENTICATION_LASTS = timedelta(minutes=15)


def sign_in(request, user, *, by, borrowed=False):
    """Sign `user` in on this device.

    `by` is the method, such as "code", "passkey" or "card". The session stores the method. The session gets a
    new key, but visits that were opened by code stay open. For `borrowed`, see set_borrowed.
    """
    set_borrowed(request, borrowed)
    record_authentication(request, user, method=by)
    perform_login(request, Login(user=user))


def set_borrowed(request, borrowed):
    """Store in the session whether the person is about to sign in on a borrowed device.

    A sign-in on a borrowed device ends when the browser closes, or after BORROWED_DEVICE_HOURS. The browser
    stores neither drafts nor a cookie with the person's id.
    """
    if borrowed:
        request.session[BORROWED] = True
        browser_given_up.send(sender=None, session=request.session)
    else:
        request.session.pop(BORROWED, None)


def is_borrowed(request):
    return bool(request.session.get(BORROWED))


def was_borrowed(request):
    """Return whether the browser's last sign-in was on a borrowed device.

    The result is still True after that sign-in has ended. It doesn't say who was signed in.
    """
    return WAS_BORROWED in request.COOKIES


def session_expiry(request):
    """Return the time when a new sign-in on a borrowed device ends, or None on any other device."""
    return timezone.now() + timedelta(hours=settings.BORROWED_DEVICE_HOURS) if is_borrowed(request) else None


def last_person_id(request):
    """Return the public id of the person who was last signed in with this browser.

    Return an empty string if nobody has signed in with this browser yet, or if that person has signed out.
    """
    return request.get_signed_cookie(LAST_PERSON, default="")


def record_second_factor(request, *, at):
    """Record that the staff member has passed the second factor in this sign-in, and works at the desk today.

    The second factor also unblocks their PIN. If they signed in by PIN, the sign-in is no longer limited to
    the desk.
    """
    renew_session(request)
    request.session[SECOND_FACTOR] = at.isoformat()
    note(request, "opened_desk")
    record_attendance(request.user, at=at)
    request.session.pop(BY_PIN, None)
    reset_pin_tries(request.user)


def renew_session(request):
    """Give the session a new key, because the session gives more access from now on.

    The person's list of sign-ins still shows the session as the same entry.
    """
    old_key = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=old_key).update(session_key=request.session.session_key)


def record_reauthentication(request):
    """Record that the person has just reauthenticated.

    The reauthentication is valid in this session for REAUTHENTICATION_LASTS.
    """
    renew_session(request)
    request.session[REAUTHENTICATED_AT] = time.time()
    note(request, "proved")


def record_verified_address(request, email):
    """Record that the person has just entered a code that was sent to this address.

    The address counts as verified in this session for REAUTHENTICATION_LASTS.
    """
    request.session[VERIFIED_AT] = {email: time.time()} | {
        known: at for known, at in request.session.get(VERIFIED_AT, {}).items() if _is_recent(at)
    }


def recently_verified_addresses(request):
    """Return the addresses that were verified by code in this session, at most REAUTHENTICATION_LASTS ago."""
    at_sign_in = {
        record["email"]: record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] == "code"
    }
    verified_at = at_sign_in | request.session.get(VERIFIED_AT, {})
    return {email for email, at in verified_at.items() if _is_recent(at)}


def forget_reauthentication(request):
    """Forget every reauthentication in this session, because the patron has just become staff.

    The patron may have used a method that is too weak for staff.
    """
    for key in (REAUTHENTICATED_AT, VERIFIED_AT):
        request.session.pop(key, None)
    renew_session(request)


def recently_authenticated(request):
    """Return whether the person signed in or reauthenticated at most REAUTHENTICATION_LASTS ago.

    For staff, a sign-in by library card doesn't count. Staff may set up a second factor after they have
    authenticated, and the four-digit PIN of a library card is too weak for that.
    """
    methods = {"code"} if request.user.is_staff else {"code", "card"}
    at_sign_in = [
        record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] in methods
    ]
    return _is_recent(max([*at_sign_in, request.session.get(REAUTHENTICATED_AT, 0)]))


def _is_recent(at):
    # A time in the future comes from a clock that was fast and has been set back.
    return abs(time.time() - at) < REAUTHENTICATION_LASTS.total_seconds()


def remember_other_record(request, person):
    """Save in the session that `person` is another record of the signed-in person.

    Call this function after the signed-in person has entered a code that was sent to the address of `person`.
    """
    request.session[OTHER_RECORD] = {
        "other": str(person.public_id),
        "of": str(request.user.public_id),
        "at": time.time(),
    }


def other_record(request):
    """Return the other record that `remember_other_record` saved for the signed-in person, or None.

    The session remembers the other record for REAUTHENTICATION_LASTS.
    """
    noted = request.session.get(OTHER_RECORD)
    if not noted or noted["of"] != str(request.user.public_id) or not _is_recent(noted["at"]):
        return None
    return User.objects.filter(public_id=noted["other"], is_active=True).first()


def redirect_to_reauthenticate(request):
    return redirect(f"{reverse('reauthenticate')}?{urlencode({'next': request.get_full_path_info()})}")


def origin(request):
    """Return our scheme and host. A browser includes them in a passkey's signed response."""
    return f"{request.scheme}://{request.get_host()}"


def may_change_passkeys(request):
    """Return whether the person may add and remove passkeys now.

    A passkey opens the desk. So staff who have a second factor must use the second factor before they add a
    passkey. Otherwise a stranger who reads a staff member's email could add a passkey and open the desk.
    """
    return not request.user.is_staff or not request.user.has_second_factor or has_shown_second_factor(request)


def needs_second_factor(request):
    return request.user.is_authenticated and request.user.is_staff


def may_open_desk(request):
    """Return whether the person has passed the second factor, or signed in by PIN at a shared computer."""
    return has_shown_second_factor(request) or signed_in_by_pin(request)


def signed_in_by_pin(request):
    """Return whether the staff member signed in by PIN and has not used their second factor since.

    A PIN opens only the desk.
    """
    return request.shared_desk is not None and bool(request.session.get(BY_PIN))


def has_shown_second_factor(request):
    """Return whether the second factor was passed in this sign-in, at most SECOND_FACTOR_LASTS ago."""
    shown_at = request.session.get(SECOND_FACTOR)
    return bool(shown_at) and timezone.now() - datetime.fromisoformat(shown_at) < SECOND_FACTOR_LASTS


def redirect_to_second_factor(request):
    return redirect(f"{reverse('second_factor')}?{urlencode({'next': request.get_full_path_info()})}")


def safe_next(request):
    """Return the path in the request's parameter `next`.

    Return an empty string if there is no such parameter, or if the path isn't on our site.
    """
    going_to = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        going_to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Django's redirect() would look up a string without a leading slash as the name of a URL pattern.
    return going_to if safe and going_to.isprintable() and going_to.startswith("/") else ""


def sign_in_to_open(model=None, *, named_in="", opens_at=""):
    """Send signed-out people to the sign-in page if the view raises Http404.

    Use this decorator for patron pages. People may be signed out when they open a link from an email. The
    response to a GET is the same whether the object doesn't exist or belongs to somebody else. After signing
    in, the person sees the page or a 404.

    `model` is the model of the object whose public id is in the URL, or in the form's field `named_in`. A
    refused form is saved for its author only if the object belongs to the author. Without a model, the form
    isn't saved.

    `opens_at` is the id of an element of the page. After signing in, the person sees this element first. The
    browser doesn't send the fragment of a link, so the view must give the id.
    """

    def decorate(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            try:
                return view(request, *args, **kwargs)
            except Http404:
                if not request.user.is_authenticated:
                    part = f"#{opens_at}" if opens_at and not request.GET else ""
                    return redirect_to_login(request.get_full_path_info() + part)
                if page := own_text_for_closed_page(request):
                    return page
                raise

        # The middleware in accounts.refused_post_middleware reads these attributes.
        guarded.opens = model  # type: ignore[attr-defined]  # functions in the stubs have no such attribute
        guarded.named_in = named_in  # type: ignore[attr-defined]
        return guarded

    return decorate


def leaves_session_alone(view):
    """Mark a view that must not change the browser's session, not even to store the day of the last use.

    On a shared desk computer, a request to such a view doesn't count as use of the computer.
    """
    view.leaves_session_alone = view.background_request = True
    return view


def reauthentication_required(view):
    """Require a signed-in person who has authenticated recently.

    Other signed-in people are redirected to the reauthentication page, which redirects them back to the view
    with a GET. The data of a POST is lost, so the view must show its form again. Use this decorator for views
    that add a sign-in method, export all data or delete the account.
    """

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not recently_authenticated(request):
            return redirect_to_reauthenticate(request)
        return view(request, *args, **kwargs)

    return guarded


def staff_only(view):
    """Require a staff member who may open the desk.

    Staff who may not open the desk yet are asked for their second factor. Patrons get a 404.
    """

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_staff:
            raise Http404
        if not may_open_desk(request):
            return redirect_to_second_factor(request)
        return view(request, *args, **kwargs)

    # tests/architecture/test_sweeps.py reads this attribute.
    guarded.guard = "staff_only"  # type: ignore[attr-defined]  # functions in the stubs have no such attribute
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
