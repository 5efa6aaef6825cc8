"""Return the adapter for the ILS that the settings name."""

from functools import cache

from django.conf import settings

from .fake import Fake
from .koha import Koha
from .sip2 import Sip2

ADAPTERS = {"sip2": Sip2, "koha": Koha, "demo": Fake}


def library_ils():
    """Return the library's adapter, or None if people can't sign in by card.

    Each process has only one adapter, so that requests can share its connections.
    """
    return _adapter(settings.ILS, tuple(sorted(settings.ILS_SETTINGS.items()))) if settings.ILS else None


@cache
def _adapter(kind, options):
    return ADAPTERS[kind](**dict(options))
