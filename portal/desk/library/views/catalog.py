"""The harvests of the catalog from the library's server."""

from urllib.parse import urlsplit

from django.conf import settings
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.sign_in.access import coordinator_only
from portal.imports.lock import running_import
from portal.imports.models import Harvest
from portal.paging import page_of


@coordinator_only
@require_safe
def catalog(request):
    """List the harvests, newest first, with what changed and what went wrong."""
    harvests, after = page_of(Harvest.objects.all(), "started_at", request.GET.get("after"))
    context = {
        "harvests": harvests,
        "after": after,
        "host": urlsplit(settings.OAI_URL).netloc,
        "running": running_import(at=timezone.now()),
    }
    return render(request, "desk/library/catalog.html", context)
