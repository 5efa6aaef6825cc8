from django.http import FileResponse, Http404


def logo(request):
    """The library's own sign, drawn anew when it was uploaded: it stands on public pages."""
    file = request.library.logo
    if not file or not file.storage.exists(file.name):
        raise Http404
    response = FileResponse(file.open("rb"), content_type="image/png")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
