"""Calculate when a branch is open, and when its promised answers are due."""

import datetime
import hashlib
import math
from dataclasses import dataclass

from django.db.models import BigAutoField, DateField
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.prepared import prepared

from .models import ClosedDay, Library, OpeningHours

# How many days ahead to look for opening hours. The longest promise is 400 hours. If a branch is open for one
# hour a week, 400 opening hours take 2800 days.
MAX_DAYS_AHEAD = 4000


@dataclass(frozen=True)
class Calendar:
    """The promised hours, the opening hours and the closed days of a branch."""

    promise_hours: int
    # {weekday: [(opens, closes), …]}. Monday is weekday 0. The periods of a day are sorted by time.
    week: dict
    closed_days: frozenset
    zone: datetime.tzinfo

    @classmethod
    def of(cls, branch, library=None):
        """Return the calendar of a branch whose hours and closed days are prefetched.

        To get the calendars of many branches, pass `library`. Otherwise, each call reads the library again.
        """
        return cls(
            branch.promise_hours,
            by_weekday((hours.weekday, hours.opens, hours.closes) for hours in branch.opening_hours.all()),
            frozenset(closed_day.day for closed_day in branch.closed_days.all()),
            (library or Library.current()).zone,
        )

    @classmethod
    def read(cls, branch, library=None, *, since=datetime.date.min):
        """Read the calendar of one branch from the database, without the closed days before `since`."""
        return cls(
            branch.promise_hours,
            by_weekday(_hours(branch=branch.pk)),
            frozenset(_closed_days(branch=branch.pk, since=since)),
            (library or Library.current()).zone,
        )

    def fingerprint(self):
        """Return a short hash of the promised hours, the opening hours and the closed days."""
        parts = (self.promise_hours, sorted(self.week.items()), sorted(self.closed_days))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def promised_at(self, waiting_since):
        """Return the time by which the branch promises to answer a patron.

        `waiting_since` is the time when the patron began to wait.
        """
        return self.after(waiting_since, datetime.timedelta(hours=self.promise_hours))

    def after(self, start, open_time):
        """Return `start` plus `open_time`, counting only the time when the branch is open.

        If the branch lists no opening hours, every hour counts.
        """
        left = open_time
        for opens, closes in self.openings(start):
            opens = max(opens, start)
            if closes <= opens:
                continue
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        return start + open_time

    def open_time(self, start, end):
        """Return how long the branch is open between `start` and `end`, as a timedelta."""
        if not self.week:
            return end - start
        total = datetime.timedelta()
        for opens, closes in self.openings(start):
            if opens >= end:
                break
            total += max(min(closes, end) - max(opens, start), datetime.timedelta())
        return total

    def openings(self, since, days=MAX_DAYS_AHEAD):
        """Yield (opens, closes), both in UTC, for each period when the branch is open.

        Look at `days` days, starting with the day of `since`. The periods are sorted by time and don't
        overlap.
        """
        if not self.week:
            return
        first = since.astimezone(self.zone).date()
        open_until = None
        for day in (first + datetime.timedelta(days=number) for number in range(days)):
            if day in self.closed_days:
                continue
            for opens, closes in self.week.get(day.weekday(), ()):
                # In UTC, the period has the right length even on a day when the clocks change.
                opens = datetime.datetime.combine(day, opens, self.zone).astimezone(datetime.UTC)
                closes = datetime.datetime.combine(day, closes, self.zone).astimezone(datetime.UTC)
                opens = max(opens, open_until or opens)
                if closes > opens:
                    yield opens, closes
                    open_until = closes


def by_weekday(week):
    """Return {weekday: [(opens, closes), …]}. `week` is an iterable of (weekday, opens, closes)."""
    days: dict = {}
    for weekday, opens, closes in sorted(week):
        days.setdefault(weekday, []).append((opens, closes))
    return days


@prepared(branch=BigAutoField())
def _hours(branch):
    return OpeningHours.objects.filter(branch=branch).order_by().values_list("weekday", "opens", "closes")


@prepared(branch=BigAutoField(), since=DateField())
def _closed_days(branch, since):
    return ClosedDay.objects.filter(branch=branch, day__gte=since).order_by().values_list("day", flat=True)


def promised_at(branch, waiting_since):
    """Return the time by which `branch` promises to answer a patron who has waited since `waiting_since`.

    Only opening hours count toward the promise. If the branch lists no opening hours, every hour counts.
    """
    return Calendar.read(branch).promised_at(waiting_since)


def is_open(branch, at):
    """Return whether the branch is open at `at`. A branch without opening hours is never open."""
    return any(opens <= at < closes for opens, closes in Calendar.read(branch).openings(at, days=1))


def end_of_next_opening_day(branch, day):
    """Return the time when the branch closes on its first opening day after `day`.

    A branch without opening hours counts as open every day until midnight. Return None if the branch has
    no opening day because of its closed days.
    """
    calendar = Calendar.read(branch)
    start = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), calendar.zone)
    if not calendar.week:
        return start + datetime.timedelta(days=1)
    first, end = None, None
    for opens, closes in calendar.openings(start):
        opens_on = opens.astimezone(calendar.zone).date()
        if first is not None and opens_on != first:
            break
        first, end = opens_on, closes
    return end


def promise_in_words(branch):
    """Return the promise as a sentence for a waiting patron. The time is rounded up to whole days."""
    week = list(branch.opening_hours.all())
    hours = [_minutes(stretch.closes) - _minutes(stretch.opens) for stretch in week]
    open_weekdays = len({stretch.weekday for stretch in week})
    usual_day = sum(hours) / 60 / open_weekdays if open_weekdays else 24
    days = math.ceil(branch.promise_hours / usual_day)
    if days == 1:
        return _("We usually answer within a day.")
    if not open_weekdays:
        return ngettext(
            "We usually answer within %(days)d day.", "We usually answer within %(days)d days.", days
        ) % {"days": days}
    return ngettext(
        "We usually answer within %(days)d day, not counting days when we're closed.",
        "We usually answer within %(days)d days, not counting days when we're closed.",
        days,
    ) % {"days": days}


def _minutes(time):
    """Return the minutes since midnight."""
    return time.hour * 60 + time.minute
