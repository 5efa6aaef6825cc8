def page(request):
    """What every page may use: the library and the reader."""
    return {"library": getattr(request, "library", None), "reader": getattr(request, "reader", None)}
