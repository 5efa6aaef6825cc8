"""Rate limits, counted in the same way across all processes and hosts.

An action is counted by the person who is signed in (`person`), by the network address (`network`) and by its
target (`target`), such as an email address or a visit. All visitors of a library may share one network
address, so limits by network leave room for all of them. A refused action is not counted, so trying again
does not make the wait longer. docs/security.md has the same table of limits.
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
    """How often one kind of action is allowed: by each person, network address and target.

    "3/m, 8/h" is three per minute and eight per hour. With "" the action is not counted in that way. `what`
    and `target_is` describe the action and its target for docs/security.md.
    """

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
    # Signing in. A new person gets an account by the same code, so all email addresses are counted alike.
    "mailed_code": Limit(
        "codes by email: to sign in, to start an account, to confirm an address",
        "20/h, 40/d",
        "30/m, 600/h",
        "3/m, 8/h",
        "the address",
    ),
    "mailed_code_try": Limit(
        "tries of a code from an email", network="200/10m", target="5/10m", target_is="the code"
    ),
    # An ILS locks a card after some wrong PINs, so the limit must be lower.
    "card_sign_in": Limit(
        "card and PIN, before the ILS is asked",
        "",
        "30/m, 300/h",
        "5/15m, 20/d",
        "the card",
    ),
    "passkey": Limit("sign-ins with a passkey", "60/h", "60/m, 600/h"),
    "single_sign_on": Limit("sign-ins with single sign-on", "20/h", "30/m, 600/h"),
    "address_change": Limit("changes of an email address that wait a week; each sends an email", "5/d"),
    "record_of_a_device": Limit("accounts made for one device only, to keep a visit", network="60/h"),
    # Codes of visits have 43 bits, so thirty tries find nothing. Many wrong codes in the whole library mean
    # that an attacker guesses from many addresses. Unknown browsers then get fewer tries, but never none.
    # Otherwise the attacker could shut out every patron.
    "visit_code": Limit("wrong codes of visits and accounts", "10/10m", "30/10m"),
    "visit_code_of_all": Limit(
        "wrong codes in the whole library; after that, the next limit applies too",
        target="300/10m",
        target_is="the library",
    ),
    "visit_code_of_stranger": Limit(
        "wrong codes from browsers that are not signed in and opened no visit", network="3/10m"
    ),
    # What patrons write. Nobody who types reaches the limit of messages in a conversation.
    "question": Limit("new questions", "20/d", "200/d", "20/d", "the visit, if nobody keeps it"),
    "unsent_question": Limit(
        "questions that wait in a new browser until an address is confirmed", network="200/d"
    ),
    "message": Limit(
        "messages from patrons", "300/h", "3000/h", "300/h", "the conversation, if nobody keeps the visit"
    ),
    "file": Limit(
        "pictures and PDFs", "120/h", "1000/h", "120/h", "the conversation, if nobody keeps the visit"
    ),
    # At the desk: far more than a shift needs, and too few to guess a code or to read through all patrons.
    "code_at_desk": Limit("codes of slips and code cards that staff type", "60/10m"),
    "look_up": Limit(
        "patrons looked up by a whole card number or address; adding a patron counts too", "60/h"
    ),
    "look_up_by_name": Limit("patrons looked up by letters of their name", "20/h"),
    "hand_over_by_mail": Limit("visits handed over by email", "60/h", "", "5/h", "the address"),
    "invitation": Limit("invitations to work at a desk", "60/h", "", "5/h", "the address"),
}
# The longest time that a count is kept.
KEPT_FOR = datetime.timedelta(
    seconds=max(seconds for limit in LIMITS.values() for by in BY for _most, seconds in limit.rates(by))
)


class TooOften(Exception):
    """A limit is reached, so nothing was done or counted. `what` is its key in LIMITS.

    `until` is when the action is allowed again.
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
        return _("You have tried too often. You can try again %(when)s.") % {"when": self.when}

    @property
    def words_for_writer(self):
        """Return the error for a question or message that was not sent and stays in its form."""
        if self.what == "message":
            words = _(
                "You've sent a lot of messages in a short time. This one stays here. You can send it "
                "%(when)s. If it can't wait, ask at any desk."
            )
        else:
            words = _(
                "You've asked a lot of new questions today. This one stays here. You can send it "
                "%(when)s. You can still write in your conversations."
            )
        return words % {"when": self.when}


@dataclass(frozen=True)
class Counted:
    """An action that was counted. `undo` takes the count back."""

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
    """Count one action of LIMITS[what] by person, network address and target. Raises TooOften.

    With `names_nobody` the person is not counted. Otherwise the stored times would show who wrote something
    without a name.
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
    # TooOftenMiddleware sets the status and the Retry-After header, even if the view catches the exception.
    request.too_often = TooOften(what, datetime.datetime.fromtimestamp(until, datetime.UTC))
    raise request.too_often


def counted(request, form, field, what, **options):
    """Call `count` and return True. If it is too often, add an error to the form's field and return False."""
    try:
        count(request, what, **options)
    except TooOften as error:
        form.add_error(field, error.words)
        return False
    return True


def count_written(request, what, about=None):
    """Count a question, message or file that a patron writes. Raises TooOften.

    `about` is the visit, conversation or recommendation. Without a patron, the count is for `about`, never
    for the person who is signed in.
    """
    if about is None or about.patron_id is not None:
        count(request, what)
        return
    # A question is always about a visit. The others need the model's name, because primary keys overlap.
    target = str(about.pk) if what == "question" else f"{about._meta.label}:{about.pk}"
    count(request, what, target=target, names_nobody=True)


class CodeTry:
    """One try of a visit code or an account code. Raises TooOften if no try is left.

    The try is counted before the code is looked up, so simultaneous tries are all counted. `was_right` takes
    the count back. `is_known` is True if the browser is signed in or has opened a visit before.
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
    """Return whether the limit for this target is reached, without counting."""
    now = time.time()
    [key] = [key for by, key in _keys(request, what, target=target) if by == "target"]
    row = LimitCount.objects.filter(pk=key).first()
    return row is not None and _until(row.moments, LIMITS[what].rates("target"), now) > now


def in_words(moment):
    """Return "at 14:35", "tomorrow at 9:10" or "on Sat, Nov 28 at 13:00", in the library's time.

    The time is rounded up to the next minute.
    """
    local = timezone.localtime(moment)
    local += datetime.timedelta(seconds=-local.second % 60, microseconds=-local.microsecond)
    parts = {
        "time": date_format(local, pgettext("format of a time", "H:i")),
        "day": date_format(local, pgettext("format of a day in this year", "D, M j")),
    }
    days = (local.date() - timezone.localdate()).days
    return [_("at %(time)s"), _("tomorrow at %(time)s"), _("on %(day)s at %(time)s")][min(days, 2)] % parts


def forget_counts(*, at):
    """Delete the counts that no limit needs any more. The worker runs it."""
    LimitCount.objects.filter(expires_at__lt=at).delete()


def _until(moments, rates, now):
    """Return the time from which one more action is allowed: `now`, or later if a rate is reached.

    `moments` are the counted times, newest first. If several rates are reached, the latest time counts.
    """
    reached = [
        moments[most - 1] + seconds if most else now + seconds
        for most, seconds in rates
        if len(moments) >= most
    ]
    return max([now, *reached])


def _keys(request, what, *, target, names_nobody=False):
    """Return [(by, key)] of the rows to count in. A key is an HMAC with the server's key and names nobody."""
    values = {"network": _network(request), "target": target}
    if request.user.is_authenticated and not names_nobody:
        values["person"] = request.user.pk
    counted_by = [(by, values.get(by)) for by in BY if getattr(LIMITS[what], by)]
    return [(by, f"{what}:{by}:{_mark(f'{by}:{value}')}") for by, value in counted_by if value]


def _network(request):
    """Return the network address.

    An IPv6 address counts as its /64 network, because one household has all of it. An IPv4 address that is
    written as IPv6 counts as IPv4, or all of them would share one limit.
    """
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    address = getattr(address, "ipv4_mapped", None) or address
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def _mark(text):
    return salted_hmac("portal.limits", text, algorithm="sha256").hexdigest()[:32]


# This statement inserts the missing rows, locks all of them and returns them, which no queryset can do at
# once. Every message is counted, so the speed matters. Setting the key to itself locks a row that already
# exists. The keys are sorted: two transactions that lock the same rows in different orders would deadlock.
LOCK = """
    INSERT INTO portal_limitcount (key, moments, expires_at) VALUES {rows}
    ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING key, moments, expires_at
"""


def _lock(keys):
    """Create the missing rows, and return all rows locked until the transaction ends."""
    if not keys:
        return []
    rows = ", ".join(["(%s, '[]', CURRENT_TIMESTAMP)"] * len(keys))
    return list(LimitCount.objects.raw(LOCK.format(rows=rows), sorted(keys)))


def _save(rows):
    """Save `moments` and `expires_at` of the locked rows in one statement."""
    LimitCount.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["key"], update_fields=["moments", "expires_at"]
    )
