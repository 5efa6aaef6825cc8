from django.conf import settings
from django.middleware.csrf import get_token
from django.utils.functional import SimpleLazyObject


def page(request):
    """What every page may use: the library, the reader, whether this is a demo; and one CSRF token for all of its forms.

    Django masks the token anew for each form, which no compression can take back: a long page of one-tap forms would be a
    third heavier. The mask still changes with every response.
    """
    return {
        "library": getattr(request, "library", None),
        "viewer": getattr(request, "viewer", None),
        "demo": settings.DEMO,
        "csrf_token": SimpleLazyObject(lambda: get_token(request)),
    }
