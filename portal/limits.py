"""Rate limits. All processes and hosts share the same counts, because the counts are in the database.

An action is counted for the signed-in person (`person`) and for the network address (`network`). It is also
counted for the target of the action (`target`), such as an email address or a visit. All visitors of a
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

from portal.models import LimitCount
from portal.security_log import note
from portal.times import time_of_day

BY = ("person", "network", "target")
SECONDS = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


@dataclass(frozen=True)
class Limit:
    """A limit for one kind of action: how often it is allowed for each person, network address and target.

    In `person`, `network` and `target`, "3/m, 8/h" means three per minute and eight per hour, and "" means no
    limit. docs/security.md has a table of all limits. `what` is the name of the action in that table, and
    `target_is` is the name of the target.
    """

    what: str
    person: str = ""
    network: str = ""
    target: str = ""
    target_is: str = ""

    def rates(self, by):
        """Return the rates for `by` as [(number of actions, seconds)]. `by` is one of BY."""
        pairs = (rate.strip().split("/") for rate in getattr(self, by).split(",") if rate)
        return [(int(amount), int(duration[:-1] or 1) * SECONDS[duration[-1]]) for amount, duration in pairs]


LIMITS = {
    # Signing in. Known and unknown addresses have the same limit, because the code for an unknown address
    # starts an account.
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
    # An ILS locks a card after a few wrong PINs, so this limit must be lower than the limit of the ILS.
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
    # Codes of visits have 43 bits, so nobody can guess one in thirty tries. If there are many wrong codes in
    # the whole library, an attacker is guessing from many addresses. In that case, browsers that are not
    # signed in and have opened no visit get fewer tries. They keep some tries, because otherwise the attacker
    # could shut out every patron.
    "visit_code": Limit("wrong codes of visits and accounts", "10/10m", "30/10m"),
    "visit_code_of_all": Limit(
        "wrong codes in the whole library; after that, the next limit applies too",
        target="300/10m",
        target_is="the library",
    ),
    "visit_code_of_stranger": Limit(
        "wrong codes from browsers that are not signed in and opened no visit", network="3/10m"
    ),
    # The limits for what patrons write. Nobody types fast enough to reach the limit for messages.
    "question": Limit("new questions", "20/d", "200/d", "20/d", "the visit, if nobody keeps it"),
    "unsent_question": Limit(
        "questions that wait in a new browser until an address is confirmed", network="200/d"
    ),
    "unsent_text": Limit(
        "texts that wait in a browser until somebody signs in, because the author was signed out",
        network="60/10m, 600/d",
    ),
    "message": Limit(
        "messages from patrons", "300/h", "3000/h", "300/h", "the conversation, if nobody keeps the visit"
    ),
    "file": Limit(
        "pictures and PDFs", "120/h", "1000/h", "120/h", "the conversation, if nobody keeps the visit"
    ),
    # The desk. These limits are far higher than a shift needs, but too low for guessing a code or for reading
    # the records of all patrons.
    "code_at_desk": Limit("codes of slips and code cards that staff type", "60/10m"),
    "look_up": Limit(
        "patrons looked up by a whole card number or address; adding a patron counts too", "60/h"
    ),
    "look_up_by_name": Limit("patrons looked up by letters of their name", "20/h"),
    "hand_over_by_mail": Limit("visits handed over by email", "60/h", "", "5/h", "the address"),
    "test_email": Limit("emails with which a coordinator tries the email server", "20/h"),
    "invitation": Limit("invitations to work at a desk", "60/h", "", "5/h", "the address"),
}
# A time that is later than now by more than this was counted by a clock that was fast. It doesn't count. The
# clocks of two machines may differ by less.
CLOCK_TOLERANCE = 60
# A count is kept for at most this time.
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
        return _("You have tried too often. You can try again %(when)s or later.") % {"when": self.when}

    @property
    def words_for_writer(self):
        """Return the error for a patron whose question or message was not sent."""
        if self.what == "message":
            words = _(
                "You've sent a lot of messages in a short time. Your message stays here. You can "
                "send it %(when)s or later. If it can't wait, ask at any desk."
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
    Use `names_nobody` for a text without a name, because a time that is stored for the person would reveal
    the author of the text.
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
    # TooOftenMiddleware reads this attribute to set the status and the Retry-After header. The exception
    # alone would not be enough, because the view may catch it.
    request.too_often = TooOften(what, datetime.datetime.fromtimestamp(until, datetime.UTC))
    raise request.too_often


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

    The try is counted before the code is looked up, so simultaneous tries are all counted. `was_right`
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


def is_used_up(request, what, *, target):
    """Return whether the limit for this target is reached. Nothing is counted."""
    now = time.time()
    [key] = [key for by, key in _keys(request, what, target=target) if by == "target"]
    row = LimitCount.objects.filter(pk=key).first()
    return row is not None and _until(row.moments, LIMITS[what].rates("target"), now) > now


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
    """Delete the counts that no limit needs any more. The worker runs this job."""
    LimitCount.objects.filter(expires_at__lt=at).delete()


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


# This statement inserts the missing rows, locks all rows and returns them. No queryset can do all of that in
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
