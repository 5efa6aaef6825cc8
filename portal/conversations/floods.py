"""How many new questions may be asked: far more than anybody in distress needs, and few enough that no program fills the queue.

Only what begins a thread is counted. Writing in one that is there has no limit.
"""

import math
import time

from allauth.core.internal import ratelimit
from django.core.cache import cache

from portal.security_log import note

# All who use the library's own wireless network share one address.
MOST = {"person": "20/d/user", "visit": "20/d/key", "address": "200/d/ip", "stranger": "200/d/ip"}
DAY = 24 * 60 * 60


class TooMany(Exception):
    """Nothing was sent. `hours`: after how many there is room for one more."""

    def __init__(self, hours):
        self.hours = hours


def count_question(request, *, visit=None):
    """Count one new question of this person, or of the visit it hangs on, and of this network address. Raises TooMany.

    A visit that nobody keeps counts for itself, whoever is signed in: the moments that are counted would tell whose it is."""
    kinds = ["address"]
    if visit is not None and visit.patron_id is None:
        kinds.append("visit")
    elif request.user.is_authenticated:
        kinds.append("person")
    _count(request, kinds, key=str(visit.pk) if visit else None)


def count_stranger(request):
    """Count a browser of this network address that nothing is known of and that is to remember something. Raises TooMany."""
    if not request.session.session_key:
        _count(request, ["stranger"])


def _count(request, kinds, *, key=None):
    used = []
    for kind in kinds:
        usage = ratelimit.consume(request, app="portal", action=f"ask_{kind}", config={f"ask_{kind}": MOST[kind]}, key=key, limit_get=True)
        if not usage:
            for earlier in used:
                earlier.rollback()
            note(request, "too_often", what=f"ask_{kind}")
            raise TooMany(_hours_left(request, kind, key))
        used.append(usage)


def _hours_left(request, kind, key):
    """Until the oldest one that counts is a day old."""
    [rate] = ratelimit.parse_rates(MOST[kind])
    counted = cache.get(ratelimit.get_cache_key(request, app="portal", action=f"ask_{kind}", rate=rate, key=key), [])
    left = min(counted, default=time.time()) + DAY - time.time()
    return max(1, math.ceil(left / 3600))
