from django.conf import settings


def page(request):
    """What every page may use: the library, the reader, and whether this is a demo."""
    return {"library": getattr(request, "library", None), "reader": getattr(request, "reader", None), "demo": settings.DEMO}
