"""Set the security headers, limit the size of requests and write one log line per request."""

import logging
import re
import time
import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.urls import Resolver404, resolve

from portal.logs import request_id

CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
BLOCKED_FEATURES = [
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "usb",
    "xr-spatial-tracking",
]
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in BLOCKED_FEATURES)


def content_security_policy(style_source=""):
    """Return the content security policy of a page.

    `style_source` is the hash of the page's inline style. {% page_style %} stores the hash on the request.
    """
    policy = CONTENT_SECURITY_POLICY | {"style-src": f"'self' {style_source}".strip()}
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def is_prefetch(request):
    """Return whether a browser fetches the page in advance, before the person has opened it."""
    return any("prefetch" in request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))


def split_address(text):
    """Return the parts of an address from a header. All parts are "" if it is not a web address.

    Browsers send valid addresses in Referer and Origin. Other programs may send any text, such as "https://[".
    """
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


class SecurityHeadersMiddleware:
    """Add strict security headers to each response. If the view has already set a header, don't change it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        headers = response.headers
        # With DEBUG, Django shows its own error pages. A policy would block the inline styles of these pages.
        is_debug_page = settings.DEBUG and response.status_code in {404, 500}
        if not is_debug_page:
            policy = content_security_policy(getattr(request, "style_source", ""))
            headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        headers.setdefault("Cache-Control", "no-store")
        if response.status_code >= 400:
            # Our scripts show the text of an error response only if the response has this header. The error
            # responses of a proxy don't have it.
            headers["X-From-Portal"] = "1"
        if response.status_code >= 400 or request.path_info.startswith(("/c/", "/how/", "/shared/")):
            headers.setdefault("X-Robots-Tag", "noindex")
        return response


class BodyLimitMiddleware:
    """Refuse a request whose body is too large for its URL.

    Django writes uploaded files to disk before a view knows who sent them, so this check comes first.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal():
            raise BadRequest
        # Don't call int() on a very long text of digits, because that would be slow.
        if len(length) > 12 or is_too_large(request.path_info, int(length)):
            raise RequestDataTooBig
        return self.get_response(request)


def is_too_large(path, length):
    """Return whether a body of `length` bytes is too large for the URL."""
    if length <= settings.MAX_BODY_BYTES:
        return False
    # Resolving the URL takes time, so it happens only for large bodies.
    try:
        name = resolve(path).url_name or ""
    except Resolver404:
        return True
    return length > settings.MAX_BODY_BYTES_BY_URL.get(name, settings.MAX_BODY_BYTES)


MEDIA_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)", re.ASCII)
BOUNDARY = re.compile(r""";\s*boundary=("[^"\\\s]+"|[^\s";]+)""", re.ASCII | re.IGNORECASE)


def with_plain_content_type(application):
    """Wrap the WSGI application so that it gets only the media type and the boundary of a Content-Type.

    Otherwise, Django would decode the form, and even the query string, in the encoding that the request
    names. Many of Python's encodings raise errors, and "unicode_escape" can make any character. All forms of
    the portal are in UTF-8. Django also fails if it can't parse another parameter of the header.
    """

    def plain(environ, start_response):
        environ["CONTENT_TYPE"] = plain_content_type(environ.get("CONTENT_TYPE", ""))
        return application(environ, start_response)

    return plain


def plain_content_type(text):
    """Return the media type with its boundary, or "" if the text doesn't begin with a media type."""
    media_type, boundary = MEDIA_TYPE.match(text), BOUNDARY.search(text)
    if not media_type:
        return ""
    return media_type[1] + (f"; boundary={boundary[1]}" if boundary else "")


log = logging.getLogger("portal.requests")


class RequestLogMiddleware:
    """Give each request an id and write one log line for it.

    The id is in the response and in every log line of the request. The line contains neither the name nor the
    IP address of the person, because what people ask a library is private.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.id = uuid.uuid4().hex
        token = request_id.set(request.id)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request.id
            facts = {
                "method": request.method,
                "path": request.path_info,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000),
            }
            level = logging.ERROR if response.status_code >= 500 else logging.INFO
            log.log(level, "request", extra={"facts": facts})
            return response
        finally:
            request_id.reset(token)
