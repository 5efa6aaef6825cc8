import hashlib

from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.staff.desk_lock import background_request


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

    The URL of the script is at the root of the site, so that the service worker works for every page. The
    script contains a hash of the offline page and the language of the person. If either changes, the script
    changes too, and the browser stores the offline page again.
    """
    page = hashlib.sha256(render_to_string("errors/offline.html", request=request).encode()).hexdigest()
    return render(
        request,
        "home/sw.js",
        {
            "version": f"{page[:16]} {get_language()}",
            # The text of a notification if the service worker can't read the push message.
            "unreadable": _("There is something new from the library."),
        },
        content_type="text/javascript; charset=utf-8",
    )
