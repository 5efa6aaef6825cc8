"""The sign-in methods of this library, and the one that this device is asked for first.

A cookie remembers the method with which this device last signed in, but not whose sign-in it was. Borrowed
devices and shared desk computers have no such cookie, and signing out deletes it.
"""

from django.conf import settings

from ..ils.configured import library_ils
from .access import is_borrowed
from .single_sign_on import sign_on_name

METHOD_COOKIE = settings.COOKIE_PREFIX + "way_in"
# The cookie remembers only these methods. Without one, a device is asked for an address.
PASSKEY, CARD, SIGN_ON = "passkey", "card", "single_sign_on"


def other_methods():
    """Return the context of accounts/other_methods.html: which methods there are besides an address."""
    return {"has_cards": library_ils() is not None, "sign_on": sign_on_name()}


def first_method(request):
    """Return the method to ask for first on this device, or an empty string for an address.

    It is also empty if the person asked for an emailed code.
    """
    method = request.COOKIES.get(METHOD_COOKIE, "")
    available = {PASSKEY: True, CARD: library_ils() is not None, SIGN_ON: bool(sign_on_name())}
    return method if available.get(method) and request.GET.get("way") != "code" else ""


def note_method(request, response):
    """Remember in a cookie the method with which someone has just signed in (`request.sign_in_method`).

    Nothing is remembered on a borrowed device or a shared desk computer.
    """
    method = getattr(request, "sign_in_method", None)
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
