"""Let a person ask for a copy of their data, see whether the copy is ready, and download the copy."""

from itertools import chain

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.access import recently_authenticated, redirect_to_reauthenticate
from accounts.sign_in.email_addresses import confirmed_address
from portal.htmx import render_page
from portal.privacy import exports
from portal.privacy.models import Export


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request):
    """Show the person's exports. A POST asks for a new one.

    An open page polls with the parameter `since`. The response is 204 if nothing has changed.
    """
    if request.method == "POST":
        if not recently_authenticated(request):
            return redirect_to_reauthenticate(request)
        exports.ask_for(request.user, language=get_language(), at=timezone.now())
        return redirect("export")
    now = timezone.now()
    own = Export.objects.belonging_to(request.viewer)
    latest = own.order_by("-asked_at", "-pk").first()
    ready = own.ready(now).order_by("-ready_at").first()
    progress = f"{latest.state}-{latest.done}" if latest else ""
    if request.htmx and request.GET.get("since") == progress:
        return HttpResponse(status=204)
    again_at = ready.ready_at + exports.AGAIN_AFTER if ready else None
    context = {
        "latest": latest,
        "there": ready,
        "progress": progress,
        "again_at": again_at if again_at and again_at > now else None,
        "mailed": bool(confirmed_address(request.user)),
        "proved": recently_authenticated(request),
    }
    return render_page(request, "privacy/export.html", context, partial="state")


@login_required
@require_safe
def export_file(request, public_id):
    """Send the archive to its owner, or redirect to the page that asks the owner to reauthenticate first."""
    export = get_object_or_404(
        Export.objects.belonging_to(request.viewer).ready(timezone.now()).select_related("person"),
        public_id=public_id,
    )
    if not recently_authenticated(request):
        return redirect("export")
    chunks = _chunks(export.file)
    try:
        # Read the first piece now, so that the file is open. An open file can still be read after it is
        # deleted.
        first = next(chunks, b"")
    except FileNotFoundError:
        raise Http404 from None
    if request.method == "GET":
        exports.downloaded(export, at=timezone.now())
    response = StreamingHttpResponse(chain([first], chunks), content_type="application/zip")
    response.headers["Content-Disposition"] = content_disposition_header(
        True, f"{request.library.today(export.ready_at):%Y-%m-%d}.zip"
    )
    response.headers["Content-Length"] = str(export.size)
    response.headers["Cache-Control"] = "private, no-store"
    # The file is already compressed. This header stops GZipMiddleware from compressing it again.
    response.headers["Content-Encoding"] = "identity"
    return response


def _chunks(file):
    """Yield the file in pieces. The file is opened when the first piece is read."""
    with file.open("rb") as stream:
        yield from stream.chunks(exports.CHUNK)
