"""Download a list as a file."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open

from ..formats.files import FORMATS, make_file
from ..models import SavedList


@sign_in_to_open(SavedList)
@require_safe
def export_list(request, public_id):
    """Send the list as a file in the format that the parameter `format` names. The default is CSV."""
    saved_list = get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=public_id)
    file_format = FORMATS.get(request.GET.get("format", "csv"))
    if file_format is None:
        raise Http404
    content, name = make_file(saved_list, file_format, viewer=request.viewer, library=request.library)
    response = HttpResponse(content, content_type=file_format.content_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["Cache-Control"] = "private, no-store"
    return response
