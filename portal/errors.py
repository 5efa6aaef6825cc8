"""Show the error pages. Each page says what to do next, and reveals nothing about the software."""

import errno
import logging
import sys
from urllib.parse import urlsplit

from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from portal.limits import TooOften
from portal.security_log import note
from portal.styles import page_style

RETRY_AFTER_SECONDS = 30
# Only signed-in people can send forms to paths with these prefixes. The paths of other patron pages are not
# listed, because viewers by code can send forms there too.
ONLY_SIGNED_IN = ("/desk/", "/me/", "/lists/", "/messages/", "/sessions/")

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
    if isinstance(exception, SessionInterrupted):
        # Another request ended the sign-in while this request was running.
        return _page_without_library(request, "errors/sign_in_ended.html", 403)
    return _page_without_library(request, "errors/400.html", 400)


def permission_denied(request, exception=None):
    note(request, "not_theirs")
    return render(request, "errors/403.html", status=403)


def csrf_failure(request, reason=""):
    note(request, "not_from_here")
    if request.path_info.startswith(ONLY_SIGNED_IN) and not request.viewer:
        return signed_out(request)
    return render(request, "errors/csrf.html", {"back_to": page_it_came_from(request)}, status=403)


def signed_out(request):
    """Return the page for a person who sent a form after their sign-in ended."""
    return render(request, "errors/signed_out.html", {"back_to": page_it_came_from(request)}, status=403)


def page_it_came_from(request):
    """Return the path of the page that sent the request, or "/" if the path isn't known."""
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        return urlsplit(referer).path or "/"
    return "/"


def page_not_found(request, exception=None):
    # Log the 404 if the URL matches a route. The person may have tried to open another person's page.
    if request.resolver_match and request.user.is_authenticated:
        note(request, "not_theirs")
    return render(request, "errors/404.html", status=404)


def too_many_requests(request, exception=None):
    """Return a 429 response. If the exception is a TooOften, say when the person can try again.

    If a script sent the request, return only this sentence as plain text. The script shows it on the page.
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
    """Return a 500 page, or a 503 page if the database or the disk is the cause.

    The status 503 says that the problem can end without a change of the code.
    """
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
