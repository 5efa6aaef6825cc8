from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from accounts.staff.desk_lock import background_request
from portal.styles import page_style


@background_request
@require_safe
def offline(request):
    """Show the page that people see when they are offline. It contains nothing personal.

    The service worker stores the page and shows it when the network fails.
    """
    return render(request, "errors/offline.html")


@background_request
@require_safe
def service_worker(request):
    """Return the script of the service worker.

    The URL of the script is at the root of the site, so that the service worker covers every page. The script
    contains the version of the style sheet and the language of the person. If one of them changes, the script
    is a new one, and the browser stores the offline page again.
    """
    return render(
        request,
        "home/sw.js",
        {"version": f"{page_style(request.library.accent_color)[1]} {get_language()}"},
        content_type="text/javascript; charset=utf-8",
    )
