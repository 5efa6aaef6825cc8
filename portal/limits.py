"""How often a thing may be done: one table, counted in one way, across all processes and hosts, in the database cache.

Each is counted for whom it is done by (`person`, where somebody is signed in), for the network address from which it comes and for what it
is aimed at (`target`). Everybody in a library's building may share one network address: what is counted by it leaves room for all of
them. What is refused is not counted, so nobody makes their wait longer by trying. docs/security.md holds the table as people read it.
"""

import datetime
import math
import time
from dataclasses import dataclass

from allauth.core.internal.ratelimit import get_ip, parse_duration
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from portal.security_log import note

BY = ("person", "network", "target")


@dataclass(frozen=True)
class Limit:
    """`person`, `network` and `target` are how many in how long, as "3/m, 8/h"; empty where it isn't counted by that."""

    what: str
    person: str = ""
    network: str = ""
    target: str = ""
    target_is: str = ""

    def rates(self, by):
        """[(how many, in how many seconds)] by one of the three."""
        pairs = (rate.strip().split("/") for rate in getattr(self, by).split(",") if rate)
        return [(int(amount), parse_duration(duration)) for amount, duration in pairs]


LIMITS = {
    # Coming in, and beginning: whoever is new gets a record by the same code, so known and unknown addresses are counted alike.
    "mailed_code": Limit(
        "codes by mail: to sign in, to begin, to prove an address",
        "20/h, 40/d",
        "30/m, 600/h",
        "3/m, 8/h",
        "the address",
    ),
    "mailed_code_try": Limit(
        "tries of a code from the mail", network="200/10m", target="5/10m", target_is="the code"
    ),
    "card_sign_in": Limit(
        "card and PIN, before the ILS is asked", "", "30/m, 300/h", "5/15m, 20/d", "the card"
    ),  # many an ILS locks a card
    "passkey": Limit("passkeys shown", "60/h", "60/m, 600/h"),
    "single_sign_on": Limit("ways to the provider of single sign-on", "20/h", "30/m, 600/h"),
    "address_change": Limit("changes of an address that wait a week: each is told by mail", "5/d"),
    "record_of_a_device": Limit("records made for one device alone, to keep a visit", network="60/h"),
    # Codes of visits. Thirty tries of 43 bits are still nothing. Once the whole library sees many wrong ones, somebody is guessing from
    # many addresses: one that nobody knows yet gets fewer, but never none, or the guesser would shut out every patron.
    "visit_code": Limit("wrong codes of visits and records", "10/10m", "30/10m"),
    "visit_code_of_all": Limit(
        "wrong codes in the whole library; then:", target="300/10m", target_is="the library"
    ),
    "visit_code_of_stranger": Limit("wrong codes from a network address that nobody knows", network="3/10m"),
    # What patrons write. Messages in a conversation that is there are so many that nobody who writes by hand comes near.
    "question": Limit("new questions", "20/d", "200/d", "20/d", "the visit, where nobody keeps it"),
    "unsent_question": Limit(
        "questions that wait in a browser of which nothing else is known", network="200/d"
    ),
    "message": Limit(
        "messages of patrons", "300/h", "3000/h", "300/h", "the conversation, where nobody keeps the visit"
    ),
    "file": Limit(
        "pictures and PDFs", "120/h", "1000/h", "120/h", "the conversation, where nobody keeps the visit"
    ),
    # At the desk: far more than a shift needs, far too seldom to guess a code or to walk through the library.
    "code_at_desk": Limit("codes of slips and cards that staff type", "60/10m"),
    "look_up": Limit("patrons looked up by a whole identifier; adding one says as much", "60/h"),
    "look_up_by_name": Limit("patrons looked up by letters of their name", "20/h"),
    "hand_over_by_mail": Limit("visits handed over by mail", "60/h", "", "5/h", "the address"),
    "invitation": Limit("invitations to work at a desk", "60/h", "", "5/h", "the address"),
}


class TooOften(Exception):
    """Nothing was done, and nothing counted. `what` of LIMITS; `until`: the moment from which it can be done again."""

    def __init__(self, what, until):
        super().__init__(what)
        self.what, self.until = what, until

    @property
    def seconds(self):
        return max(1, math.ceil((self.until - timezone.now()).total_seconds()))

    @property
    def when(self):
        return in_words(self.until)

    @property
    def words(self):
        return _("That was tried too often. You can try again %(when)s.") % {"when": self.when}


@dataclass(frozen=True)
class Counted:
    """What has been counted, until somebody thinks better of it."""

    keys: dict[str, float]  # each with the moment at which its row has ended
    moment: float

    @transaction.atomic
    def undo(self):
        counted = _locked(list(self.keys))
        for moments in counted.values():
            if self.moment in moments:
                moments.remove(self.moment)
        _write({key: (counted[key], ends) for key, ends in self.keys.items()})


def count(request, what, *, target="", names_nobody=False):
    """Count one more of LIMITS[what] by everything that is known: who is signed in, the network address, and the `target`. Raises TooOften.

    With `names_nobody` not by the person: the moments that are counted would tell whose something is that carries no name."""
    rates = {
        key: LIMITS[what].rates(by)
        for by, key in _keys(request, what, target=target, names_nobody=names_nobody)
    }
    with transaction.atomic():
        counted, now = _locked(list(rates)), time.time()
        until = max((_until(counted[key], rates[key], now) for key in rates), default=now)
        if until <= now:
            longest = {key: max(seconds for _most, seconds in rates[key]) for key in rates}
            _write(
                {
                    key: (
                        [now, *(moment for moment in counted[key] if moment > now - longest[key])],
                        now + longest[key],
                    )
                    for key in rates
                }
            )
            return Counted({key: now + longest[key] for key in rates}, now)
    note(request, "too_often", what=what)
    request.too_often = TooOften(
        what, datetime.datetime.fromtimestamp(until, datetime.UTC)
    )  # portal.errors makes the answer say so
    raise request.too_often


def counted(request, form, field, what, **how):
    """The same for a form that is fine otherwise: whether it was counted. Where not, the form says beside `field` from when on."""
    try:
        count(request, what, **how)
    except TooOften as error:
        form.add_error(field, error.words)
        return False
    return True


def is_used_up(request, what, *, target):
    """Whether one more of what is counted by its target would be too many. Counts nothing."""
    now = time.time()
    return any(
        _until(_read(key), LIMITS[what].rates(by), now) > now
        for by, key in _keys(request, what, target=target)
        if by == "target"
    )


def in_words(moment):
    """From when on, in the library's own time, rounded up to a minute: "at 14:35", "tomorrow at 9:10"."""
    local = timezone.localtime(moment)
    local += datetime.timedelta(seconds=-local.second % 60, microseconds=-local.microsecond)
    said = {
        "time": date_format(local, pgettext("format of a time", "H:i")),
        "day": date_format(local, pgettext("format of a day in this year", "D j M")),
    }
    days = (local.date() - timezone.localdate()).days
    return [_("at %(time)s"), _("tomorrow at %(time)s"), _("on %(day)s at %(time)s")][min(days, 2)] % said


def forget_counts(*, at):
    """For the worker: what no limit looks at any more, and whatever else in the cache has ended."""
    with connection.cursor() as cursor:
        cursor.execute(_sql("DELETE FROM {table} WHERE expires < %s"), [_as_written(at)])


def _until(moments, rates, now):
    """From which moment there is room for one more: now, or when the oldest of those that fill a limit is old enough; of several limits the last."""
    full = [
        moments[most - 1] + seconds if most else now + seconds
        for most, seconds in rates
        if len(moments) >= most
    ]
    return max([now, *full])


def _keys(request, what, *, target, names_nobody=False):
    """[(by, key)] of what is counted. A key says of nobody who they are: it is made with the server's own."""
    who = {"network": get_ip(request), "target": target}
    if request.user.is_authenticated and not names_nobody:
        who["person"] = request.user.pk
    found = [(by, who.get(by)) for by in BY if getattr(LIMITS[what], by)]
    return [
        (
            by,
            f"limit:{what}:{by}:{salted_hmac('portal.limits', f'{by}:{value}', algorithm='sha256').hexdigest()[:32]}",
        )
        for by, value in found
        if value
    ]


# A row of the cache for each key, with the moments that count, newest first. One transaction counts by all three: the cache's own methods and
# a lock beside them take six times as many statements, and a message would feel it.


PUT = "INSERT INTO {table} (cache_key, value, expires) VALUES {rows} ON CONFLICT (cache_key) DO UPDATE SET "
ROW = "(%s, %s, %s)"


def _locked(keys):
    """{key: moments}, each row locked until the transaction ends, also one that was not there. In the order of the keys, or two would wait for each other."""
    if not keys:
        return {}
    rows = [
        value
        for key in sorted(keys)
        for value in (cache.make_key(key), "", _as_written(_moment(time.time())))
    ]
    # What is there already is set to what it is: for the lock, and to be told its value.
    with connection.cursor() as cursor:
        cursor.execute(
            _sql(
                PUT + "expires = {table}.expires RETURNING cache_key, value",
                rows=", ".join([ROW] * len(keys)),
            ),
            rows,
        )
        return _by_key(keys, cursor.fetchall())


def _read(key):
    with connection.cursor() as cursor:
        cursor.execute(
            _sql("SELECT cache_key, value FROM {table} WHERE cache_key = %s"), [cache.make_key(key)]
        )
        return _by_key([key], cursor.fetchall())[key]


def _by_key(keys, rows):
    values = dict(rows)
    return {key: [float(moment) for moment in values.get(cache.make_key(key), "").split()] for key in keys}


def _write(counted):
    """{key: (moments, when the row has ended)}"""
    rows = [
        value
        for key, (moments, ends) in counted.items()
        for value in (cache.make_key(key), " ".join(map(repr, moments)), _as_written(_moment(ends)))
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                _sql(
                    PUT + "value = excluded.value, expires = excluded.expires",
                    rows=", ".join([ROW] * len(counted)),
                ),
                rows,
            )


def _sql(words, **more):
    return words.format(table=connection.ops.quote_name(settings.CACHES["default"]["LOCATION"]), **more)


def _moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(microsecond=0)


def _as_written(moment):
    """As Django's cache writes it."""
    return connection.ops.adapt_datetimefield_value(moment)
