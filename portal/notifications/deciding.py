"""Decide whether a notice is sent now, later or never. This module doesn't use the database.

docs/decisions/0019-one-place-decides-about-notices.md explains the rules.
"""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from .kinds import Channel, Choice, Rhythm

# While an answer or message is unread, the person gets at most one email per quiet period.
QUIET_PERIOD = datetime.timedelta(minutes=30)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
# The time when a staff member last used the desk is stored at most once in this period. So the real time can
# be this much later than the stored time.
USE_STORED_EVERY = datetime.timedelta(minutes=1)
# A staff member counts as using the desk for ten minutes after the last request. During this time they get no
# emails, because the desk itself shows what is waiting.
AT_DESK = datetime.timedelta(minutes=10) + USE_STORED_EVERY
# The time of the daily email if the branch lists no opening hours.
USUAL_OPENING = datetime.time(9)


@dataclass(frozen=True)
class Facts:
    """Everything that the decision about one notice depends on. A time is None if it doesn't apply."""

    choice: Choice
    written_at: datetime.datetime
    # Whether there is still a reason for the notice, such as an unread answer or a waiting conversation.
    is_wanted: bool = True
    # Whether the person has read all earlier messages in the conversation that this notice is about.
    has_caught_up: bool = True
    # Whether a mail server refused this notice in an earlier attempt.
    is_retry: bool = False
    # The time of the last email about the same thing.
    told_at: datetime.datetime | None = None
    # The time of the last email with any notice.
    emailed_at: datetime.datetime | None = None
    # The time at which the daily email with this notice is due.
    daily_at: datetime.datetime | None = None
    # The end of the quiet hours, if the person is in quiet hours now.
    quiet_until: datetime.datetime | None = None
    # The next opening time of the branch, if the branch is closed now.
    opens_at: datetime.datetime | None = None
    # The time at which the person last used the desk.
    at_desk_at: datetime.datetime | None = None


@dataclass(frozen=True)
class Decision:
    """What to do with a notice: send it, drop it, or wait until a time and decide again."""

    send: bool = False
    until: datetime.datetime | None = None

    @property
    def drop(self):
        return not self.send and self.until is None


SEND, DROP = Decision(send=True), Decision()


def decide(facts, at):
    """Return the Decision about a notice at the time `at`."""
    # A time far in the future was stored while a clock was fast. Because of abs(), it doesn't count as using
    # the desk.
    uses_desk = facts.at_desk_at is not None and abs(at - facts.at_desk_at) < AT_DESK
    if not facts.is_wanted or facts.choice.channel == Channel.NONE:
        return DROP
    if uses_desk and facts.at_desk_at >= facts.written_at:
        return DROP
    times = [facts.quiet_until, facts.opens_at]
    # The refused first attempt counts as an earlier email. A retry must not wait because of this email.
    if not facts.is_retry:
        times.append(_by_rhythm(facts))
    if uses_desk:
        times.append(facts.at_desk_at + AT_DESK)
    until = max((time for time in times if time is not None), default=at)
    return Decision(until=until) if until > at else SEND


def _by_rhythm(facts):
    """Return the time until which the person should get no more emails, or None."""
    match facts.choice.rhythm:
        case Rhythm.HOURLY:
            return facts.emailed_at and facts.emailed_at + HOUR
        case Rhythm.DAILY:
            return facts.daily_at
    return None if facts.has_caught_up else facts.told_at and facts.told_at + QUIET_PERIOD


def end_of_quiet_hours(at, *, begin, end, zone):
    """Return the end of the quiet hours that contain the time `at`, or None if no quiet hours contain it.

    `begin` and `end` are times of day in `zone`. If `begin` and `end` are equal, there are no quiet hours.
    """
    local = at.astimezone(zone)
    now = local.time().replace(fold=0)
    is_quiet = begin <= now < end if begin <= end else now >= begin or now < end
    if not is_quiet:
        return None
    day = local.date() if now < end else local.date() + DAY
    return _first_after(at, sorted(_moment(day, end, zone, fold) for fold in (0, 1)))


def next_daily_email(written_at, *, daily_at, zone, calendar):
    """Return the due time of the daily email that contains a notice written at `written_at`.

    `daily_at` is a time of day in `zone`. If `daily_at` is None, the email is due when the branch with this
    Calendar opens. If the branch lists no opening hours, the email is due at USUAL_OPENING.
    """
    if daily_at is None and calendar is not None and calendar.week:
        return _first_after(written_at, _opening_of_each_day(written_at, calendar))
    day, time = written_at.astimezone(zone).date(), daily_at or USUAL_OPENING
    return _first_after(written_at, [_moment(day + DAY * number, time, zone) for number in range(3)])


def next_opening(at, calendar):
    """Return the next opening time of a branch after `at`.

    Return None if the branch is open at `at`, or lists no opening hours.
    """
    for opens, closes in calendar.openings(at):
        if closes > at:
            return opens if opens > at else None
    return None


def _moment(day, time, zone: ZoneInfo, fold=0):
    """Convert a local time to UTC.

    If the local time occurs twice because clocks are set back, `fold` 1 means the second time.
    """
    local = datetime.datetime.combine(day, time.replace(fold=fold), zone)
    return local.astimezone(datetime.UTC)


def _opening_of_each_day(since, calendar):
    """Yield the first opening time of each day, because a branch can open several times a day."""
    last = None
    for opens, _closes in calendar.openings(since):
        day = opens.astimezone(calendar.zone).date()
        if day != last:
            yield opens
        last = day


def _first_after(at, times):
    """Return the first of these sorted times that is after `at`, or None."""
    return next((time for time in times if time > at), None)
