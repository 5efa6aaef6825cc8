"""Give both requests of a double tap the same response, if the first request has replaced the session.

Without JavaScript, a double tap on "Sign in" sends the same form twice. The browser drops the first response
together with its cookies, so the browser would never get the new session key. With this module, the second
request gets the first response too. The person is still signed in only once, in one session.

The second request must have the same session cookie, URL and fields as the first. The fields include the code
and the form token, so only the same browser can send the request again.
"""

import time

from django.conf import settings
from django.core.cache import cache
from django.shortcuts import redirect
from django.utils.crypto import salted_hmac

from portal import keys, once

# The first response is kept for this many seconds.
KEPT_SECONDS = 15
# The second request waits at most this long for the first response.
MAX_WAIT_SECONDS = 3
POLL_SECONDS = 0.05
UNFINISHED = "unfinished"


def claim(request, what, *secrets, seconds):
    """Return whether this request may use the code. portal.once.claim explains the arguments."""
    if not _is_form_of_session(request):
        return once.claim(what, *secrets, seconds=seconds)
    name = _name(_fingerprint(request))
    if not cache.add(name, UNFINISHED, KEPT_SECONDS):
        request.is_second_of_double_tap = True
        return False
    if once.claim(what, *secrets, seconds=seconds):
        return True
    cache.delete(name)
    return False


def begin(request):
    """Record that this request checks a code. Return False if an identical request had the correct code.

    If an identical request is running, wait until it has finished. If the identical request had the correct
    code, the middleware answers this request with the response of the identical request.
    """
    if not _is_form_of_session(request):
        return True
    if cache.add(_name(_fingerprint(request)), UNFINISHED, KEPT_SECONDS):
        return True
    request.is_second_of_double_tap = True
    return _wait_for_first(request) is None


def give_up(request):
    """Record that the code was wrong, so that an identical request doesn't wait. See `begin`."""
    if _is_form_of_session(request):
        cache.delete(_name(_fingerprint(request)))


def first_response(request):
    """Return the response of an identical request that has replaced the browser's session, or None.

    Return None if the browser's session still exists.
    """
    if not _is_form_of_session(request):
        return None
    request.session.keys()  # Load the session. If it has ended, session_key is now None.
    return _wait_for_first(request) if request.session.session_key is None else None


def save_or_replace(request, response):
    """Save the response if this request has replaced the session.

    Call this function after the session was saved. If an identical request came first, return the response of
    that request. Otherwise return `response`.
    """
    if not _is_form_of_session(request) or response.status_code >= 400:
        return response
    if getattr(request, "is_second_of_double_tap", False):
        return _wait_for_first(request) or response
    key = request.session.session_key
    if key and key != request.COOKIES[settings.SESSION_COOKIE_NAME] and response.status_code == 302:
        _save(request, response)
    return response


def _is_form_of_session(request):
    return (
        request.method == "POST"
        and request.content_type == "application/x-www-form-urlencoded"
        and bool(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    )


def _save(request, response):
    fingerprint = _fingerprint(request)
    cookies = [cookie.OutputString() for cookie in response.cookies.values()]
    saved = "\n".join([request.session.session_key, response["Location"], *cookies])
    cache.set(_name(fingerprint), keys.seal(_purpose(fingerprint)).encrypt(saved.encode()), KEPT_SECONDS)


def _wait_for_first(request):
    """Wait until the first request is finished. Return a copy of its response, or None."""
    fingerprint, deadline = _fingerprint(request), time.monotonic() + MAX_WAIT_SECONDS
    while (saved := cache.get(_name(fingerprint))) == UNFINISHED:
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)
    if saved is None:
        return None
    key, going_to, *cookies = keys.seal(_purpose(fingerprint)).decrypt(saved).decode().split("\n")
    if not request.session.exists(key):
        # The person has signed out since the first request.
        return None
    response = redirect(going_to)
    for cookie in cookies:
        response.cookies.load(cookie)
    return response


def _fingerprint(request):
    """Return a secret text that is the same for identical requests, and different for all other requests."""
    parts = [
        request.COOKIES[settings.SESSION_COOKIE_NAME],
        request.get_full_path_info(),
        request.POST.urlencode(),
    ]
    return salted_hmac("accounts.double_tap", "\n".join(parts), algorithm="sha256").hexdigest()


def _name(fingerprint):
    """Return the key of the cache entry.

    The key must not reveal the fingerprint, because the fingerprint encrypts the entry.
    """
    return f"double_tap:{keys.fingerprint('double_tap', fingerprint)}"


def _purpose(fingerprint):
    return f"double_tap:{fingerprint}"
