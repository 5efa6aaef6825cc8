"""The pages for what went wrong. Each says what to do next; none says more than that."""

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from portal.security_log import note
from portal.styles import page_style

log = logging.getLogger(__name__)


def bad_request(request, exception=None):
    if isinstance(exception, RequestDataTooBig):
        return _page_without_library(request, "errors/413.html", 413)
    return _page_without_library(request, "errors/400.html", 400)


def permission_denied(request, exception=None):
    note(request, "not_theirs")
    return render(request, "errors/403.html", status=403)


def csrf_failure(request, reason=""):
    note(request, "not_from_here")
    return render(request, "errors/csrf.html", {"back_to": request.path}, status=403)


def page_not_found(request, exception=None):
    if request.resolver_match and request.user.is_authenticated:  # it is there, and not for them
        note(request, "not_theirs")
    return render(request, "errors/404.html", status=404)


def too_many_requests(request, exception=None):
    return render(request, "errors/429.html", status=429)


def server_error(request):
    return _page_without_library(request, "errors/500.html", 500)


def _page_without_library(request, template, status):
    """A page made of nothing but its template: the database may be away, the host forged, the session unreadable."""
    try:
        page = render_to_string(template)
    except Exception:
        log.exception("the page %s can't be shown", template)
        words = _("Something went wrong on our side. Please try again in a few minutes.")
        page = f"<!doctype html><meta charset=utf-8><title>{words}</title><p>{words}</p>"
    request.style_source = page_style()[1]
    return HttpResponse(page, status=status)
