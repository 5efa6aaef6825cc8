from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.staff.desk_lock import background_request
from portal.styles import page_style


@background_request
@require_safe
def offline(request):
    """What the service worker shows in place of a page that the network did not bring. It holds nothing of anybody's."""
    return render(request, "errors/offline.html")


@background_request
@require_safe
def service_worker(request):
    """Served from the root, so that it stands before every page. A new style makes a new version."""
    return render(
        request,
        "home/sw.js",
        {"version": page_style(request.library.accent_color)[1]},
        content_type="text/javascript; charset=utf-8",
    )
