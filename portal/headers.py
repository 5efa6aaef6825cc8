"""The security headers of every response, what may be sent at all, and the request log: one line a request."""

import logging
import time
import uuid

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
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in [
        *(
            "accelerometer",
            "autoplay",
            "browsing-topics",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "magnetometer",
        ),
        *("microphone", "midi", "payment", "picture-in-picture", "usb", "xr-spatial-tracking"),
    ]
)


def content_security_policy(style_source=""):
    """The policy of one page. `style_source` is the hash of the style written into it, left on the request by {% page_style %}."""
    policy = CONTENT_SECURITY_POLICY | {"style-src": f"'self' {style_source}".strip()}
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


class SecurityHeadersMiddleware:
    """Strict unless a view has set the header itself. What isn't made public by its view is kept by no cache."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        headers = response.headers
        if not (
            settings.DEBUG and response.status_code in {404, 500}
        ):  # Django's own pages for developers have inline style
            headers.setdefault(
                "Content-Security-Policy", content_security_policy(getattr(request, "style_source", ""))
            )
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        headers.setdefault("Cache-Control", "no-store")
        if response.status_code >= 400 or request.path.startswith("/c/"):
            headers.setdefault("X-Robots-Tag", "noindex")
        return response


class BodyLimitMiddleware:
    """Refuses what is larger than its address takes. Django writes the files of a form to the disk before a view knows who sent them."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal():
            raise BadRequest
        if len(length) > 12 or (
            int(length) > settings.MOST_BYTES_OF_A_REQUEST and int(length) > _most_bytes(request)
        ):
            raise RequestDataTooBig
        return self.get_response(request)


def _most_bytes(request):
    """Looked up for a large body only: that costs."""
    try:
        name = resolve(request.path_info).url_name or ""
    except Resolver404:
        name = ""
    return settings.MOST_BYTES_BY_URL.get(name, settings.MOST_BYTES_OF_A_REQUEST)


log = logging.getLogger("portal.requests")


class RequestLogMiddleware:
    """Gives each request an id, which the response carries and every log line of it names, and writes its one line.

    Neither the person nor the address is logged: who asked a library what is nobody's business.
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
            milliseconds = round((time.perf_counter() - started) * 1000)
            facts = {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": milliseconds,
            }
            log.log(
                logging.ERROR if response.status_code >= 500 else logging.INFO,
                "request",
                extra={"facts": facts},
            )
            return response
        finally:
            request_id.reset(token)
