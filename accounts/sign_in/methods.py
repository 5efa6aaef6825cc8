"""Choose which sign-in method the sign-in page asks for first on this device.

A cookie stores the method of the last sign-in on this device, but not the person. Borrowed devices and shared
desk computers have no such cookie. Signing out deletes the cookie.
"""

from django.conf import settings

from ..ils.configured import library_ils
from .access import is_borrowed
from .single_sign_on import sign_on_name

METHOD_COOKIE = settings.COOKIE_PREFIX + "way_in"
# The methods that the cookie can name. Without the cookie, the sign-in page asks for an email address.
PASSKEY, CARD, SIGN_ON = "passkey", "card", "single_sign_on"


def other_methods():
    """Return the context of the template accounts/other_methods.html.

    The context says whether people can sign in with a library card, and names the single sign-on provider.
    """
    return {"has_cards": library_ils() is not None, "sign_on": sign_on_name()}


def first_method(request):
    """Return the sign-in method that the page offers first: the method that this device used last.

    Return an empty string if the page should ask for an email address. This is the case on a new device, if
    the library no longer offers the method, or if the person has asked for an emailed code.
    """
    method = request.COOKIES.get(METHOD_COOKIE, "")
    available = {PASSKEY: True, CARD: library_ils() is not None, SIGN_ON: bool(sign_on_name())}
    return method if available.get(method) and request.GET.get("way") != "code" else ""


def note_method(request, response):
    """Store the method of a new sign-in in a cookie.

    `request.sign_in_method` says which method it was. Borrowed devices and shared desk computers get no such
    cookie.
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
