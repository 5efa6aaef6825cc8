"""A copy of everything for the person whom it is about: asked for, watched while it is built, downloaded."""

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
    """GET: what there is; a page that is open polls it. POST: have one built."""
    if request.method == "POST":
        if not recently_authenticated(request):
            return redirect_to_reauthenticate(request)
        exports.ask_for(request.user, language=get_language(), at=timezone.now())
        return redirect("export")
    now = timezone.now()
    latest = Export.objects.belonging_to(request.viewer).order_by("-asked_at", "-pk").first()
    there = Export.objects.belonging_to(request.viewer).ready(now).order_by("-ready_at").first()
    progress = f"{latest.state}-{latest.done}" if latest else ""
    if request.htmx and request.GET.get("since") == progress:
        return HttpResponse(status=204)
    context = {
        "latest": latest,
        "there": there,
        "progress": progress,
        "again_at": there.ready_at + exports.AGAIN_AFTER
        if there and there.ready_at + exports.AGAIN_AFTER > now
        else None,
        "mailed": bool(confirmed_address(request.user)),
        "proved": recently_authenticated(request),
    }
    return render_page(request, "privacy/export.html", context, partial="state")


@login_required
@require_safe
def export_file(request, public_id):
    """The archive itself: for its person alone, for seven days, once they have shown that it is them."""
    found = get_object_or_404(
        Export.objects.belonging_to(request.viewer).ready(timezone.now()).select_related("person"),
        public_id=public_id,
    )
    if not recently_authenticated(request):
        return redirect("export")  # which asks for it, and is a page to come back to
    if not found.file.storage.exists(found.file.name):
        raise Http404
    if request.method == "GET":
        exports.downloaded(found, at=timezone.now())
    response = StreamingHttpResponse(_chunks(found.file), content_type="application/zip")
    response.headers["Content-Disposition"] = content_disposition_header(
        True, f"{request.library.today(found.ready_at):%Y-%m-%d}.zip"
    )
    response.headers["Content-Length"] = str(found.size)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Encoding"] = "identity"  # packed already
    return response


def _chunks(file):
    """Opened only once somebody reads."""
    with file.open("rb") as stream:
        yield from stream.chunks(exports.CHUNK)
