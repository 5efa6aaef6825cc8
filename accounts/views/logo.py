"""The view that returns the library's logo."""

from django.http import FileResponse, Http404


def logo(request):
    """Return the logo as PNG. This view needs no sign-in, because public pages show the logo."""
    file = request.library.logo
    if not file or not file.storage.exists(file.name):
        raise Http404
    response = FileResponse(file.open("rb"), content_type="image/png")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
