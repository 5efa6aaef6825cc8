"""Log sign-ins, refused requests and reached rate limits, one line per event.

A line names nobody. `person` and `network` are HMACs with a salt that changes every day (UTC). So the log
shows which lines of a day belong to the same person or address. But nobody can find out later who the person
was. The audit trail (accounts/audit.py) has the changes by staff.
"""

import datetime
import functools
import hashlib
import hmac
import logging
import secrets

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError
from django.utils import timezone

log = logging.getLogger("portal.security")

DAY_SECONDS = 24 * 60 * 60
# docs/operations.md says what each event means. Events in LET_IN are logged as INFO, the others as WARNING.
LET_IN = {"signed_in", "signed_out", "proved", "opened_desk", "opened_visit"}
KEPT_OUT = {"refused", "too_often", "not_theirs", "not_from_here"}


def note(request, event, **facts):
    """Log the event.

    `facts` can only contain `by` and `what`. Their values come from our code, never from what a person typed.
    """
    person = getattr(request, "user", None)
    marks = {
        "person": _mark(person.public_id) if person and person.is_authenticated else "",
        "network": _mark(_address(request)),
    }
    log.log(
        logging.INFO if event in LET_IN else logging.WARNING,
        event,
        extra={"facts": {**facts, **{name: mark for name, mark in marks.items() if mark}}},
    )


def _mark(value):
    """Return the HMAC of the value with today's salt, or "" if the value is empty."""
    if not value:
        return ""
    return hmac.new(_salt(timezone.now().date()), str(value).encode(), hashlib.sha256).hexdigest()[:12]


@functools.lru_cache(maxsize=1)
def _salt(day):
    """Return the salt that all processes use on `day`. Delete the salts of earlier days.

    If the database fails, return a random salt that only this process uses. Other processes then log another
    hash for the same person.
    """
    try:
        cache.delete_many([_key(day - datetime.timedelta(days=ago)) for ago in range(1, 60)])
        return cache.get_or_set(_key(day), secrets.token_bytes, DAY_SECONDS)
    except DatabaseError:
        return secrets.token_bytes()


def _key(day):
    return f"security_log:{day}"


def _address(request):
    try:
        return get_adapter().get_client_ip(request)
    except (ImproperlyConfigured, PermissionDenied):
        # The request came through fewer proxies than TRUSTED_PROXY_COUNT, or has no valid address.
        return None
