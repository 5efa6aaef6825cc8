"""What happened at the doors, a line each, for whoever runs the portal: who came in by what, what was refused, what was tried too often.

A line names nobody. `person` and `network` are marks made with a word that is drawn anew each day (UTC) and kept no longer: what one
person or one address did on a day can be seen together, and whose mark it was can't be found out afterwards. What was changed, and by
whom, is in the audit trail (accounts/audit.py).
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

A_DAY = 24 * 60 * 60
# Each thing that is noted, and whether somebody was let in by it or kept out. docs/operations.md says what each means.
LET_IN = {"signed_in", "signed_out", "proved", "opened_desk", "opened_visit"}
KEPT_OUT = {"refused", "too_often", "not_theirs", "not_from_here"}


def note(request, event, **facts):
    """`facts`: what it was (`by` or `what`, a word of ours); never anything that somebody typed."""
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


def _mark(what):
    return (
        hmac.new(_word_of(timezone.now().date()), str(what).encode(), hashlib.sha256).hexdigest()[:12]
        if what
        else ""
    )


@functools.lru_cache(maxsize=1)
def _word_of(day):
    """The same in all processes; those of earlier days are gone. Where the database is away each process has its own: a line is better than none."""
    try:
        cache.delete_many([_key(day - datetime.timedelta(days=ago)) for ago in range(1, 60)])
        return cache.get_or_set(_key(day), secrets.token_bytes, A_DAY)
    except DatabaseError:
        return secrets.token_bytes()


def _key(day):
    return f"security_log:{day}"


def _address(request):
    try:
        return get_adapter().get_client_ip(request)
    except (ImproperlyConfigured, PermissionDenied):
        return None  # there are fewer proxies than the settings say, or no valid address
