from django.http import FileResponse, Http404


def logo(request):
    """The library's own sign, re-encoded when it was uploaded: it stands on public pages."""
    file = request.library.logo
    if not file or not file.storage.exists(file.name):
        raise Http404
    response = FileResponse(file.open("rb"), content_type="image/webp" if file.name.endswith(".webp") else "image/png")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
