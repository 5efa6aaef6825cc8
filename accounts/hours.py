"""Calculate when a branch is open, and by when the branch promises an answer."""

import datetime
import math
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .models import Library

# The longest promise is 400 hours. A branch that is open for one hour a week needs 2800 days for that.
MAX_DAYS_AHEAD = 4000


def promised_at(branch, waiting_since):
    """Return when `branch` promises to answer a patron who has waited since `waiting_since`.

    Only opening hours count towards the promise. If the branch lists no opening hours, every hour counts.
    """
    left = datetime.timedelta(hours=branch.promise_hours)
    for opens, closes in _openings(branch, waiting_since):
        opens = max(opens, waiting_since)
        if closes <= opens:
            continue
        if left <= closes - opens:
            return opens + left
        left -= closes - opens
    return waiting_since + datetime.timedelta(hours=branch.promise_hours)


def is_open(branch, at):
    """Return whether the branch is open at `at`. A branch without opening hours is never open."""
    return any(opens <= at < closes for opens, closes in _openings(branch, at, days=1))


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


def _openings(branch, since, days=MAX_DAYS_AHEAD):
    """Yield (opens, closes), both in UTC, for each period in which the branch is open.

    The periods are in order and don't overlap. The first one is on the day of `since` or later.
    """
    week = {
        weekday: list(stretches)
        for weekday, stretches in groupby(branch.opening_hours.all(), key=lambda stretch: stretch.weekday)
    }
    if not week:
        return
    closed = {closed_day.day for closed_day in branch.closed_days.all()}
    zone = Library.current().zone
    first = since.astimezone(zone).date()
    open_until = None
    for day in (first + datetime.timedelta(days=number) for number in range(days)):
        if day in closed:
            continue
        for stretch in week.get(day.weekday(), ()):
            # In UTC, the period has the right length even on a day on which the clocks change.
            opens = datetime.datetime.combine(day, stretch.opens, zone).astimezone(datetime.UTC)
            closes = datetime.datetime.combine(day, stretch.closes, zone).astimezone(datetime.UTC)
            opens = max(opens, open_until or opens)
            if closes > opens:
                yield opens, closes
                open_until = closes


def _minutes(time):
    """Return the minutes since midnight."""
    return time.hour * 60 + time.minute
