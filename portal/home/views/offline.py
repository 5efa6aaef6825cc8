from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.staff.desk_lock import background_request
from portal.styles import page_style


@background_request
@require_safe
def offline(request):
    """Show the page that the service worker shows without a network. It contains nothing personal."""
    return render(request, "errors/offline.html")


@background_request
@require_safe
def service_worker(request):
    """Return the service worker. Its address is at the root, because it must cover every page.

    Its version changes with the style sheet.
    """
    return render(
        request,
        "home/sw.js",
        {"version": page_style(request.library.accent_color)[1]},
        content_type="text/javascript; charset=utf-8",
    )
