"""Rate limits. All processes and hosts share the same counts, because the counts are in the database.

An action is counted for the signed-in person (`person`) and for the network address (`network`). It is also
counted for the target of the action (`target`), such as an email address or a visit. All visitors to a
library may share one network address, so limits by network are high enough for all of them. A refused action
is not counted, so trying again does not make the wait longer. docs/security.md has the same table of limits.
"""

import datetime
import ipaddress
import math
import time
from dataclasses import dataclass

from allauth.account.adapter import get_adapter
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from portal.limit_table import BY, LIMITS
from portal.models import LimitCount
from portal.security_log import note
from portal.times import time_of_day

# The clocks of two machines may differ by this many seconds. A counted time that is further in the future
# comes from a fast clock, and is ignored.
CLOCK_TOLERANCE = 60
# The longest time for which a count is stored.
KEPT_FOR = datetime.timedelta(
    seconds=max(seconds for limit in LIMITS.values() for by in BY for _most, seconds in limit.rates(by))
)


class TooOften(Exception):
    """A limit was reached, so the action was neither done nor counted.

    `what` is the key of the limit in LIMITS. The action is allowed again at `until`.
    """

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
        words = _("You've tried too many times. You can try again %(when)s or later.")
        if self.what == "catalog_search":
            words = _("You've searched very often in a short time. You can search again %(when)s or later.")
        elif self.what == "doi_look_up":
            words = _("You've looked up many DOIs. Write a title, or look this one up %(when)s or later.")
        return words % {"when": self.when}

    @property
    def words_for_writer(self):
        """Return the error for a patron whose question or message was not sent."""
        if self.what == "message":
            words = _(
                "You've sent a lot of messages in a short time. Your message stays here. You can "
                "send it %(when)s or later. If it can't wait, ask at any desk."
            )
        elif self.what.startswith("call"):
            words = _(
                "You've asked for several calls today, so this wasn't saved. You can ask again %(when)s or "
                "later. If it can't wait, write to us or ask at any desk."
            )
        else:
            words = _(
                "You've asked a lot of new questions today. Your question stays here. You can send "
                "it %(when)s or later. You can still write in your conversations."
            )
        return words % {"when": self.when}


@dataclass(frozen=True)
class Counted:
    """An action that was counted. `undo` removes it from the count."""

    keys: list[str]
    moment: float

    @transaction.atomic
    def undo(self):
        rows = _lock(self.keys)
        for row in rows:
            if self.moment in row.moments:
                row.moments.remove(self.moment)
        _save(rows)


def count(request, what, *, target="", names_nobody=False):
    """Count one action for the person, the network address and the target. Raises TooOften.

    `what` is the key of the action in LIMITS. If `names_nobody` is True, nothing is counted for the person.
    Use `names_nobody` for a text without a name, because a count with a time would reveal who wrote the text.
    """
    done, until = _count(what, _keys(request, what, target=target, names_nobody=names_nobody))
    if done:
        return done
    note(request, "too_often", what=what)
    # TooOftenMiddleware reads this attribute to set the status and the Retry-After header. The exception
    # alone would not be enough, because the view may catch it.
    request.too_often = TooOften(what, until)
    raise request.too_often


def count_by_person(what, person):
    """Count one action for a person, and not for a network address. Raises TooOften.

    Call this if there is no request with a network address, for example when an email from the person
    arrives.
    """
    done, until = _count(what, _keys_of(what, {"person": person.pk}))
    if not done:
        raise TooOften(what, until)
    return done


def counted(request, form, field, what, **options):
    """Call `count`, and return True if the action is allowed.

    If the limit is reached, add an error to `field` of the form and return False.
    """
    try:
        count(request, what, **options)
    except TooOften as error:
        form.add_error(field, error.words)
        return False
    return True


def count_written(request, what, about=None):
    """Count a question, message or file that a patron writes. Raises TooOften.

    `about` is the visit, conversation or recommendation that the patron writes about. If `about` is in
    nobody's account, the action is counted for `about` and not for the signed-in person.
    """
    if about is None or about.patron_id is not None:
        count(request, what)
        return
    # A question is always about a visit, so the visit's primary key is enough as the target. A message or
    # file can be about a row of another model, so the target also has the model's name.
    target = str(about.pk) if what == "question" else f"{about._meta.label}:{about.pk}"
    count(request, what, target=target, names_nobody=True)


class CodeTry:
    """One try of a visit code or an account code. Raises TooOften if no try is left.

    The try is counted before the code is looked up, so that simultaneous tries are all counted. `was_right`
    removes the try from the count. `is_known` is True if the browser is signed in or has opened a visit.
    """

    # The limit "visit_code_of_all" counts wrong codes for this target, no matter which browser sent them.
    LIBRARY = "all"

    def __init__(self, request, *, is_known):
        self.request = request
        self.counted = [count(request, "visit_code")]
        if not is_known and is_used_up(request, "visit_code_of_all", target=self.LIBRARY):
            try:
                self.counted.append(count(request, "visit_code_of_stranger"))
            except TooOften:
                self.was_right()
                raise

    def was_right(self):
        for counted in self.counted:
            counted.undo()

    def was_wrong(self):
        note(self.request, "refused", what="code_of_a_visit")
        if not is_used_up(self.request, "visit_code_of_all", target=self.LIBRARY):
            count(self.request, "visit_code_of_all", target=self.LIBRARY)


def is_used_up(request, what, *, target=""):
    """Return whether a limit of this action is reached. Nothing is counted."""
    now = time.time()
    rates = {key: LIMITS[what].rates(by) for by, key in _keys(request, what, target=target)}
    rows = LimitCount.objects.filter(pk__in=rates)
    return any(_until(row.moments, rates[row.key], now) > now for row in rows)


def in_words(moment):
    """Return the time in words: "at 2:35 p.m.", "tomorrow at 9:10 a.m." or "on Sat, Nov 28 at 1:00 p.m.".

    The time is in the library's time zone, rounded up to the next minute.
    """
    local = timezone.localtime(moment)
    local += datetime.timedelta(seconds=-local.second % 60, microseconds=-local.microsecond)
    parts = {
        "time": time_of_day(local.hour, local.minute),
        "day": date_format(local, pgettext("format of a day in this year", "D, M j")),
    }
    days = (local.date() - timezone.localdate()).days
    return [_("at %(time)s"), _("tomorrow at %(time)s"), _("on %(day)s at %(time)s")][min(days, 2)] % parts


def forget_counts(*, at):
    """Delete the counts that no limit needs anymore. The worker runs this job."""
    LimitCount.objects.filter(expires_at__lt=at).delete()


def _count(what, keys):
    """Count an action, and return (Counted, None). If a limit is reached, return (None, end of the wait).

    `keys` is [(by, key)].
    """
    rates = {key: LIMITS[what].rates(by) for by, key in keys}
    with transaction.atomic():
        rows, now = _lock(rates), time.time()
        until = max((_until(row.moments, rates[row.key], now) for row in rows), default=now)
        if until > now:
            return None, datetime.datetime.fromtimestamp(until, datetime.UTC)
        for row in rows:
            longest = max(seconds for _most, seconds in rates[row.key])
            row.moments = [now, *(moment for moment in row.moments if moment > now - longest)]
            row.expires_at = datetime.datetime.fromtimestamp(now + longest, datetime.UTC)
        _save(rows)
    return Counted(list(rates), now), None


def _until(moments, rates, now):
    """Return the earliest time at which one more action is allowed: `now`, or later if a rate is reached.

    `moments` are the counted times, newest first. If several rates are reached, return the latest time.
    """
    moments = [moment for moment in moments if moment <= now + CLOCK_TOLERANCE]
    reached = [
        moments[most - 1] + seconds if most else now + seconds
        for most, seconds in rates
        if len(moments) >= most
    ]
    return max([now, *reached])


def _keys(request, what, *, target, names_nobody=False):
    """Return [(by, key)], one pair for each row that counts this action.

    `by` is "person", "network" or "target". A key contains only an HMAC of the person, network or target.
    """
    values = {"network": _network(request), "target": target}
    if request.user.is_authenticated and not names_nobody:
        values["person"] = request.user.pk
    return _keys_of(what, values)


def _keys_of(what, values):
    """Return [(by, key)] for `values`, which is {by: value}. Leave out each `by` without a value."""
    counted_by = [(by, values.get(by)) for by in BY if getattr(LIMITS[what], by)]
    return [(by, f"{what}:{by}:{_mark(f'{by}:{value}')}") for by, value in counted_by if value]


def _network(request):
    """Return the network address of the request.

    For an IPv6 address, return its /64 network, because a household has a whole /64 network. Turn an
    IPv4-mapped address into IPv4, because all IPv4-mapped addresses are in one /64 network.
    """
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    address = getattr(address, "ipv4_mapped", None) or address
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def _mark(text):
    return salted_hmac("portal.limits", text, algorithm="sha256").hexdigest()[:32]


# The statement that inserts missing rows, locks all rows and returns them. No queryset can do all of that in
# one statement, and speed matters because every message is counted. A row that already exists is locked by
# setting its key to itself. The keys are sorted, because two transactions that lock the same rows in
# different orders would deadlock.
LOCK = """
    INSERT INTO portal_limitcount (key, moments, expires_at) VALUES {rows}
    ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING key, moments, expires_at
"""


def _lock(keys):
    """Return a row for each key, and lock these rows until the transaction ends. Create missing rows."""
    if not keys:
        return []
    rows = ", ".join(["(%s, '[]', CURRENT_TIMESTAMP)"] * len(keys))
    return list(LimitCount.objects.raw(LOCK.format(rows=rows), sorted(keys)))


def _save(rows):
    """Save `moments` and `expires_at` of the locked rows in one statement."""
    LimitCount.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["key"], update_fields=["moments", "expires_at"]
    )
