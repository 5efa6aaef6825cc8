"""Rate limits: one table of limits, counted in one way across all processes and hosts.

An action is counted by the person who is signed in (`person`), by the network address (`network`) and by
what it is aimed at (`target`). A library's visitors may all share one network address, so limits by network
leave room for all of them. A refused action is not counted, so trying again does not make the wait longer.
docs/security.md has the same table for people to read.
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

from portal.models import LimitCount
from portal.security_log import note

BY = ("person", "network", "target")
SECONDS = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


@dataclass(frozen=True)
class Limit:
    """`person`, `network` and `target` are how many in what time, as "3/m, 8/h". Empty: not counted by it."""

    what: str
    person: str = ""
    network: str = ""
    target: str = ""
    target_is: str = ""

    def rates(self, by):
        """Return [(how many, in how many seconds)] for `by`, which is one of BY."""
        pairs = (rate.strip().split("/") for rate in getattr(self, by).split(",") if rate)
        return [(int(amount), int(duration[:-1] or 1) * SECONDS[duration[-1]]) for amount, duration in pairs]


LIMITS = {
    # Signing in. New people get an account by the same code, so all addresses are counted alike.
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
    # Fewer than the wrong PINs after which an ILS locks a card.
    "card_sign_in": Limit(
        "card and PIN, before the ILS is asked", "", "30/m, 300/h", "5/15m, 20/d", "the card"
    ),
    "passkey": Limit("passkeys shown", "60/h", "60/m, 600/h"),
    "single_sign_on": Limit("ways to the provider of single sign-on", "20/h", "30/m, 600/h"),
    "address_change": Limit("changes of an address that wait a week: each is told by mail", "5/d"),
    "record_of_a_device": Limit("records made for one device alone, to keep a visit", network="60/h"),
    # Codes of visits have 43 bits, so thirty tries find nothing. Many wrong codes in the whole library mean
    # that somebody guesses from many addresses. Unknown browsers then get fewer tries, but always some: with
    # none, the guesser would shut out every patron.
    "visit_code": Limit("wrong codes of visits and records", "10/10m", "30/10m"),
    "visit_code_of_all": Limit(
        "wrong codes in the whole library; then:", target="300/10m", target_is="the library"
    ),
    "visit_code_of_stranger": Limit("wrong codes from a network address that nobody knows", network="3/10m"),
    # What patrons write. Nobody who types reaches the limit of messages in a conversation.
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
    # At the desk: far more than a shift needs, and too few to guess a code or to read through all patrons.
    "code_at_desk": Limit("codes of slips and cards that staff type", "60/10m"),
    "look_up": Limit("patrons looked up by a whole identifier; adding one says as much", "60/h"),
    "look_up_by_name": Limit("patrons looked up by letters of their name", "20/h"),
    "hand_over_by_mail": Limit("visits handed over by mail", "60/h", "", "5/h", "the address"),
    "invitation": Limit("invitations to work at a desk", "60/h", "", "5/h", "the address"),
}
# How long a count is kept at most.
KEPT_FOR = datetime.timedelta(
    seconds=max(seconds for limit in LIMITS.values() for by in BY for _most, seconds in limit.rates(by))
)


class TooOften(Exception):
    """LIMITS[`what`] is reached. Nothing was done or counted. `until` is when it can be done again."""

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

    @property
    def words_for_writer(self):
        """Return what to say beside a question or message that was not sent and stays in its form."""
        if self.what == "message":
            words = _(
                "You have sent very many messages in a short time. This one stays here, and can be sent "
                "%(when)s. If it can't wait, ask at any desk."
            )
        else:
            words = _(
                "You have asked very many new questions today. This one stays here, and can be sent "
                "%(when)s. In your conversations you can go on writing."
            )
        return words % {"when": self.when}


@dataclass(frozen=True)
class Counted:
    """One action that was counted, so that it can be undone."""

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
    """Count one more of LIMITS[what] by the person, the network address and the target. Raises TooOften.

    With `names_nobody` it is not counted by the person: the moments would show who wrote something that
    carries no name.
    """
    rates = {
        key: LIMITS[what].rates(by)
        for by, key in _keys(request, what, target=target, names_nobody=names_nobody)
    }
    with transaction.atomic():
        rows, now = _lock(rates), time.time()
        until = max((_until(row.moments, rates[row.key], now) for row in rows), default=now)
        if until <= now:
            for row in rows:
                longest = max(seconds for _most, seconds in rates[row.key])
                row.moments = [now, *(moment for moment in row.moments if moment > now - longest)]
                row.expires_at = datetime.datetime.fromtimestamp(now + longest, datetime.UTC)
            _save(rows)
            return Counted(list(rates), now)
    note(request, "too_often", what=what)
    # portal.errors reads it for the status and the Retry-After header.
    request.too_often = TooOften(what, datetime.datetime.fromtimestamp(until, datetime.UTC))
    raise request.too_often


def counted(request, form, field, what, **how):
    """Count as `count` does and return True, or return False with an error on the form's field."""
    try:
        count(request, what, **how)
    except TooOften as error:
        form.add_error(field, error.words)
        return False
    return True


def count_written(request, what, about=None):
    """Count a question, message or file that a patron writes. Raises TooOften.

    `about` is the visit, conversation or recommendation. One without a patron is counted by itself, never by
    the person who is signed in.
    """
    if about is None or about.patron_id is not None:
        count(request, what)
        return
    # A question is always about a visit. The others need the model's name, because models share numbers.
    target = str(about.pk) if what == "question" else f"{about._meta.label}:{about.pk}"
    count(request, what, target=target, names_nobody=True)


class CodeTry:
    """One try of a visit code or account code. Raises TooOften when there is none left.

    It is counted before the code is looked up, so that many tries at once are all counted. `was_right` gives
    it back. `is_known` says whether the browser is signed in or has opened a visit before.
    """

    LIBRARY = "all"  # the target of the limit for the whole library

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


def is_used_up(request, what, *, target):
    """Return whether the limit by target is reached. Counts nothing."""
    now = time.time()
    [key] = [key for by, key in _keys(request, what, target=target) if by == "target"]
    row = LimitCount.objects.filter(pk=key).first()
    return row is not None and _until(row.moments, LIMITS[what].rates("target"), now) > now


def in_words(moment):
    """Return "at 14:35", "tomorrow at 9:10" or "on Sat 28 Nov at 13:00", in the library's time.

    It is rounded up to a minute.
    """
    local = timezone.localtime(moment)
    local += datetime.timedelta(seconds=-local.second % 60, microseconds=-local.microsecond)
    said = {
        "time": date_format(local, pgettext("format of a time", "H:i")),
        "day": date_format(local, pgettext("format of a day in this year", "D j M")),
    }
    days = (local.date() - timezone.localdate()).days
    return [_("at %(time)s"), _("tomorrow at %(time)s"), _("on %(day)s at %(time)s")][min(days, 2)] % said


def forget_counts(*, at):
    """Delete the counts that no limit reads any more. The worker runs it."""
    LimitCount.objects.filter(expires_at__lt=at).delete()


def _until(moments, rates, now):
    """Return when there is room for one more: `now`, or when a moment that fills a limit is old enough.

    If several limits are full, the latest of these times counts.
    """
    full = [
        moments[most - 1] + seconds if most else now + seconds
        for most, seconds in rates
        if len(moments) >= most
    ]
    return max([now, *full])


def _keys(request, what, *, target, names_nobody=False):
    """Return [(by, key)] of the rows to count in. A key is an HMAC with the server's key and names nobody."""
    who = {"network": _network(request), "target": target}
    if request.user.is_authenticated and not names_nobody:
        who["person"] = request.user.pk
    found = [(by, who.get(by)) for by in BY if getattr(LIMITS[what], by)]
    return [(by, f"{what}:{by}:{_mark(f'{by}:{value}')}") for by, value in found if value]


def _network(request):
    """Return the network address. An IPv6 address counts as its /64 network, because a household has all of it."""
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def _mark(text):
    return salted_hmac("portal.limits", text, algorithm="sha256").hexdigest()[:32]


# No queryset inserts the missing rows, locks all of them and returns them in one statement. Every message is
# counted, so it matters. Setting the key to itself locks a row that exists. The keys are sorted, because two
# transactions that lock the same rows in different orders wait for each other.
LOCK = """
    INSERT INTO portal_limitcount (key, moments, expires_at) VALUES {rows}
    ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING key, moments, expires_at
"""


def _lock(keys):
    """Return the rows with these keys, locked until the transaction ends. Missing rows are created."""
    if not keys:
        return []
    rows = ", ".join(["(%s, '[]', CURRENT_TIMESTAMP)"] * len(keys))
    return list(LimitCount.objects.raw(LOCK.format(rows=rows), sorted(keys)))


def _save(rows):
    """Save the moments and ends of locked rows in one statement."""
    LimitCount.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["key"], update_fields=["moments", "expires_at"]
    )
