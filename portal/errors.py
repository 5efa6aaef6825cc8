"""Show the error pages. Each page says what to do next, and reveals nothing about the software."""

import errno
import logging
import sys

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from portal.limits import TooOften
from portal.security_log import note
from portal.styles import page_style

RETRY_AFTER_SECONDS = 30

log = logging.getLogger(__name__)


def one_or_404(rows):
    """Return the first row of a list, or raise Http404.

    Prepared queries return lists, so they can't use get_object_or_404.
    """
    if not rows:
        raise Http404
    return rows[0]


def bad_request(request, exception=None):
    if isinstance(exception, RequestDataTooBig):
        return _page_without_library(request, "errors/413.html", 413)
    return _page_without_library(request, "errors/400.html", 400)


def permission_denied(request, exception=None):
    note(request, "not_theirs")
    return render(request, "errors/403.html", status=403)


def csrf_failure(request, reason=""):
    note(request, "not_from_here")
    return render(request, "errors/csrf.html", {"back_to": request.path_info}, status=403)


def page_not_found(request, exception=None):
    # Log the 404 if the URL matches a route. The person may have tried to open another person's page.
    if request.resolver_match and request.user.is_authenticated:
        note(request, "not_theirs")
    return render(request, "errors/404.html", status=404)


def too_many_requests(request, exception=None):
    """Return a 429 response. If the exception is a TooOften, say when the person can try again.

    A script gets this sentence alone, as plain text that it can show on its page.
    """
    words = exception.words if isinstance(exception, TooOften) else ""
    if words and "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(words, status=429, content_type="text/plain; charset=utf-8")
    return render(request, "errors/429.html", {"words": words}, status=429)


class TooOftenMiddleware:
    """Set the status 429 and the header Retry-After if a request has reached a rate limit.

    If a view raises TooOften, return the error page. A view can also catch TooOften and show a page with the
    typed text. The status of an htmx response doesn't change, because htmx ignores responses with 429.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if error := getattr(request, "too_often", None):
            response.headers["Retry-After"] = str(error.seconds)
            if response.status_code in {200, 422} and not request.htmx:
                response.status_code = 429
        return response

    def process_exception(self, request, error):
        return too_many_requests(request, error) if isinstance(error, TooOften) else None


def server_error(request):
    """Return a 503 page if the database or the disk is the cause. These faults end without a new release."""
    error = sys.exception()
    is_full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    if is_full or isinstance(error, (OperationalError, InterfaceError)):
        response = _page_without_library(request, "errors/503.html", 503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _page_without_library(request, "errors/500.html", 500)


def _page_without_library(request, template, status):
    """Render an error page without the database, the session and the host, because these may be unusable."""
    try:
        page = render_to_string(template)
    except Exception:
        log.exception("the page %s could not be rendered", template)
        words = _("Something went wrong on our side. Please try again in a few minutes.")
        page = f"<!doctype html><meta charset=utf-8><title>{words}</title><p>{words}</p>"
    request.style_source = page_style()[1]
    return HttpResponse(page, status=status)
