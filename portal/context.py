from django.conf import settings
from django.middleware.csrf import get_token
from django.utils.functional import SimpleLazyObject


def page(request):
    """Return the variables of every template: the library, the viewer, the demo flag and the CSRF token.

    By default, Django masks the CSRF token differently in each form, and masked tokens don't compress. With
    one masked token for all forms, a page with many small forms is a third smaller. Each response gets a new
    mask.
    """
    return {
        "library": getattr(request, "library", None),
        "viewer": getattr(request, "viewer", None),
        "demo": settings.DEMO,
        "csrf_token": SimpleLazyObject(lambda: get_token(request)),
    }
