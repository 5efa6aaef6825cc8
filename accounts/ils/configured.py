"""The ILS of this library, as the settings name it."""

from functools import cache

from django.conf import settings

from .fake import Fake
from .koha import Koha
from .sip2 import Sip2

KINDS = {"sip2": Sip2, "koha": Koha, "demo": Fake}


def library_ils():
    """The adapter, the same one for the whole process so that its connections are used again; None where people can't sign in by card."""
    return _made(settings.ILS, tuple(sorted(settings.ILS_SETTINGS.items()))) if settings.ILS else None


@cache
def _made(kind, options):
    return KINDS[kind](**dict(options))
