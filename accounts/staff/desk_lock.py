"""Lock a shared desk computer, and limit what a sign-in by PIN opens.

A cookie identifies the shared computer. The computer locks when nobody uses it for a while. Then the person
is signed out, and the session is deleted. The URL of the page that asks for a PIN contains the person's id
and the page that they left. If the same person signs in next, they return to the page that they left.
"""

import time
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in import sign_ins
from accounts.sign_in.sign_ins import SHARED_DESK
from portal.security_log import note

from ..sessions import browser_given_up
from ..sign_in.access import last_person_id, redirect_to_second_factor, set_borrowed, signed_in_by_pin
from .shared_desks import desk_with

DESK_TOKEN = settings.COOKIE_PREFIX + "shared_desk"
# request.session[USED_AT] is the time of the last use, in seconds. It is written at most once a minute.
USED_AT = "used_at"
WRITE_INTERVAL = 60
# The server locks the computer this many seconds late, because USED_AT can be older than the last use. The
# script static/js/lock.js locks the page on time.
LATE = 90
# After a sign-in by PIN, a staff member can open only paths with these prefixes. They can't open their own
# pages as a patron.
OPENS_BY_PIN = (
    "/desk/",
    "/kept/",
    "/second-factor/",
    "/sign-in/passkey/options/",
    "/lock/",
    "/locked/",
    "/sign-out/",
    "/language/",
    "/logo/",
    "/icons/",
    "/manifest.",
    "/sw.js",
    "/offline/",
)


class SharedDeskMiddleware:
    """Set request.shared_desk to the shared desk computer where a person is signed in, or None.

    The middleware signs the person out if the computer was closed or was not used for a while. On any other
    device, the middleware runs no query.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.shared_desk = None
        if SHARED_DESK in request.session:
            return self._refuse(request) or self.get_response(request)
        if request.path_info.startswith("/desk/") and is_locked(request):
            return redirect_to_lock_page(request)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        now = time.time()
        if (
            request.shared_desk
            and not getattr(view, "background_request", False)
            and abs(now - request.session[USED_AT]) >= WRITE_INTERVAL
        ):
            request.session[USED_AT] = now

    def _refuse(self, request):
        """Return a redirect if the person may not open the requested page. Otherwise return None.

        Also set request.shared_desk if the computer is unlocked.
        """
        desk = shared_desk_here(request)
        is_unlocked = desk is not None and desk.pk == request.session[SHARED_DESK]
        # A time in the future comes from a clock that was fast and has been set back.
        unused_for = abs(time.time() - request.session[USED_AT])
        if (
            not request.user.is_authenticated
            or not is_unlocked
            or unused_for >= request.library.desk_locks_after_minutes * 60 + LATE
        ):
            return lock(request)
        request.shared_desk = desk
        if not signed_in_by_pin(request):
            return None
        if desk.branch_id not in request.user.desk_branch_ids:
            return lock(request)
        return None if request.path_info.startswith(OPENS_BY_PIN) else redirect_to_second_factor(request)


def background_request(view):
    """Mark a view that scripts call automatically. Such a call doesn't count as use of the computer."""
    view.background_request = True
    return view


def shared_desk_here(request):
    """Return the unlocked SharedDesk of this browser, or None."""
    token = request.COOKIES.get(DESK_TOKEN)
    return desk_with(token, at=timezone.now()) if token else None


def is_locked(request):
    """Return whether this browser has the cookie of a shared computer, and nobody is signed in.

    The library may no longer have this shared computer. The page that asks for the PIN checks this.
    """
    return DESK_TOKEN in request.COOKIES and not request.user.is_authenticated


def unlock_here(request, response, desk, token):
    """Make this browser the browser of the shared computer `desk`. The staff member stays signed in."""
    set_borrowed(request, False)
    start_desk_session(request, desk)
    request.session.set_expiry(desk.until)
    response.set_cookie(
        DESK_TOKEN,
        token,
        expires=desk.until,
        httponly=True,
        samesite="Lax",
        secure=bool(settings.SESSION_COOKIE_SECURE),
    )


def start_desk_session(request, desk):
    browser_given_up.send(sender=None, session=request.session)
    request.session[SHARED_DESK] = desk.pk
    request.session[USED_AT] = time.time()


def lock(request, *, going_to=""):
    """Sign the person out, and return a redirect to the page that asks for a PIN."""
    response = redirect_to_lock_page(request, going_to=going_to)
    if request.user.is_authenticated:
        note(request, "signed_out")
    sign_ins.end_sign_in(request.session.session_key)
    # Read Django's messages to remove them, because the next person must not see them.
    list(messages.get_messages(request))
    logout(request)
    request.session.flush()
    return response


def redirect_to_lock_page(request, *, going_to=""):
    """Return a redirect to the page that asks for a PIN.

    The URL of that page has the id of the last person and the page that the person left.
    """
    if not going_to:
        going_to = (request.htmx and request.htmx.current_url_abs_path) or (
            request.get_full_path_info() if request.method == "GET" else ""
        )
    whose = str(request.user.public_id) if request.user.is_authenticated else last_person_id(request)
    query = {name: value for name, value in (("next", going_to), ("whose", whose)) if value}
    return redirect(f"{reverse('locked')}?{urlencode(query)}" if query else "locked")
