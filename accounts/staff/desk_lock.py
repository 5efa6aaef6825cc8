"""What a shared desk computer does to a request: unlocked it knows itself by a cookie, nobody stays signed in on it who does not use it, and
what a PIN opened is the desk alone.

A locked computer holds nobody's session. Who was there last, and on which page, stands in the address of the page that asks for the PIN:
the same person goes on there, and nobody else does.
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

from ..sign_in.access import is_by_pin, last_person_id, set_borrowed, to_the_desk_door
from .shared_desks import desk_with

DESK_TOKEN = settings.COOKIE_PREFIX + "shared_desk"
USED_AT = "used_at"  # in the session, seconds: when they last did something; written once a minute
WRITTEN_EVERY = 60
LATE = 90  # seconds that what is written may lag behind; the page itself locks on time (static/js/lock.js)
# What opens by a PIN: the desk, what was typed at it, and the ways out. Not what is somebody's own as a patron.
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
    "/sw.js",
    "/offline/",
)


class SharedDeskMiddleware:
    """request.shared_desk: the computer at which somebody is signed in, or None. Who isn't at one, costs nothing."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.shared_desk = None
        if SHARED_DESK in request.session:
            return self._refused(request) or self.get_response(request)
        return (
            to_lock(request)
            if request.path.startswith("/desk/") and is_locked(request)
            else self.get_response(request)
        )

    def process_view(self, request, view, args, kwargs):
        now = time.time()
        if (
            request.shared_desk
            and not getattr(view, "asks_by_itself", False)
            and now - request.session[USED_AT] >= WRITTEN_EVERY
        ):
            request.session[USED_AT] = now

    def _refused(self, request):
        """Where somebody is sent instead, or None."""
        desk = desk_here(request)
        is_there = (
            request.user.is_authenticated and desk is not None and desk.pk == request.session[SHARED_DESK]
        )
        if (
            not is_there
            or time.time() - request.session[USED_AT] >= request.library.desk_locks_after_minutes * 60 + LATE
        ):
            return lock(request)
        request.shared_desk = desk
        if not is_by_pin(request):
            return None
        if desk.branch_id not in request.user.desk_branch_ids:
            return lock(request)
        return None if request.path.startswith(OPENS_BY_PIN) else to_the_desk_door(request)


def asks_by_itself(view):
    """Marks a view that a page asks without anybody doing anything: it keeps no computer from locking."""
    view.asks_by_itself = True
    return view


def desk_here(request):
    """The shared desk that this browser is, as long as it is unlocked; or None."""
    token = request.COOKIES.get(DESK_TOKEN)
    return desk_with(token, at=timezone.now()) if token else None


def is_locked(request):
    """Whether this says it is a shared desk, and nobody is signed in. It may have been closed since: the page that asks for the PIN knows."""
    return DESK_TOKEN in request.COOKIES and not request.user.is_authenticated


def unlock_here(request, response, desk, token):
    """From now on this browser is `desk`, and whoever is signed in is at it."""
    set_borrowed(request, False)
    sit_down(request, desk)
    request.session.set_expiry(desk.until)
    response.set_cookie(
        DESK_TOKEN, token, expires=desk.until, httponly=True, samesite="Lax", secure=bool(settings.SESSION_COOKIE_SECURE)
    )  # fmt: skip


def sit_down(request, desk):
    request.session[SHARED_DESK] = desk.pk
    request.session[USED_AT] = time.time()


def lock(request, *, going_to=""):
    """Nobody is signed in here any more. Returns the way to the page that asks for a PIN."""
    response = to_lock(request, going_to=going_to)
    if request.user.is_authenticated:
        note(request, "signed_out")
    sign_ins.end_sign_in(request.session.session_key)
    list(messages.get_messages(request))  # what was said to them is not for the next
    logout(request)
    request.session.flush()
    return response


def to_lock(request, *, going_to=""):
    """To the page that asks for a PIN, which remembers whose the page was and where they go on."""
    if not going_to:
        going_to = (request.htmx and request.htmx.current_url_abs_path) or (
            request.get_full_path() if request.method == "GET" else ""
        )
    whose = str(request.user.public_id) if request.user.is_authenticated else last_person_id(request)
    known = {name: value for name, value in (("next", going_to), ("whose", whose)) if value}
    return redirect(f"{reverse('locked')}?{urlencode(known)}" if known else "locked")
