"""The ways into a library account that there are here, and the one that this device is asked for first: by which it came in last.

A cookie of the device says which kind that was, and nothing of whose. There is none on a device that isn't the person's own nor on a
computer of the desk, and signing out takes it along with everything else.
"""

from django.conf import settings

from ..ils.configured import library_ils
from .access import is_borrowed
from .single_sign_on import sign_on_name

METHOD_COOKIE = settings.COOKIE_PREFIX + "way_in"
PASSKEY, CARD, SIGN_ON = (
    "passkey",
    "card",
    "single_sign_on",
)  # by other names than these a device is asked for an address


def other_methods():
    """For a page that asks for an address: what else there is, as accounts/other_methods.html takes it."""
    return {"has_cards": library_ils() is not None, "sign_on": sign_on_name()}


def first_method(request):
    """What is easiest on this device, or an empty string for an address: that is also what somebody gets who asks for it."""
    way = request.COOKIES.get(METHOD_COOKIE, "")
    there_is = {PASSKEY: True, CARD: library_ils() is not None, SIGN_ON: bool(sign_on_name())}
    return way if there_is.get(way) and request.GET.get("way") != "code" else ""


def note_method(request, response):
    """Remember in a cookie by which method someone has just signed in (`request.came_in_by`).

    Nothing is remembered on a borrowed device or a shared desk computer.
    """
    method = getattr(request, "came_in_by", None)
    if method is None or is_borrowed(request) or request.shared_desk is not None:
        return
    if method in {PASSKEY, CARD, SIGN_ON}:
        response.set_cookie(
            METHOD_COOKIE,
            method,
            max_age=settings.SESSION_COOKIE_AGE,
            httponly=True,
            samesite="Lax",
            secure=bool(settings.SESSION_COOKIE_SECURE),
        )
    elif METHOD_COOKIE in request.COOKIES:
        response.delete_cookie(METHOD_COOKIE, samesite="Lax")
