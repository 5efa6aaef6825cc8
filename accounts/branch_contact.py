"""Say how a patron can reach a branch: today's opening hours, the phone number and the map."""

import datetime
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.formats import date_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from portal.phone_numbers import call_link
from portal.times import time_of_day

from .hours import Calendar

# How many days ahead to look for the next opening. If there is none, the page doesn't say when the branch
# opens again.
DAYS_AHEAD = 60
# Link to a website that shows the map, because a geo: link would do nothing on iPhones and on computers.
MAP = "https://www.openstreetmap.org/search"


@dataclass(frozen=True)
class Contact:
    """What a page tells patrons about reaching a branch today.

    `today` is a sentence about today's opening hours. `call` is the URL of a link that starts a call. `map`
    is the URL of a link to a map. Each of these three strings can be empty.
    """

    branch: object
    today: str
    call: str
    map: str


def contact_of(branch, *, library, at):
    """Return the Contact of this branch, or None if the branch is no longer in use."""
    if branch.closed_at is not None:
        return None
    calendar = Calendar.read(branch, library, since=library.today(at))
    return Contact(
        branch=branch,
        today=today_in_words(calendar, at),
        call=call_link(branch.phone),
        map=f"{MAP}?{urlencode({'query': branch.address})}" if branch.address else "",
    )


def today_in_words(calendar, at):
    """Return a sentence that says how long the branch is open today, or when it opens next.

    Return "" for a branch that lists no opening hours.
    """
    if not calendar.week:
        return ""
    left = [
        (opens.astimezone(calendar.zone), closes.astimezone(calendar.zone))
        for opens, closes in calendar.openings(at, days=1)
        if closes > at
    ]
    if left:
        periods = [_period(opens, closes, at) for opens, closes in left]
        return _("Open today %(periods)s") % {"periods": get_text_list(periods, _("and"))}
    today = at.astimezone(calendar.zone).date()
    opened = today.weekday() in calendar.week and today not in calendar.closed_days
    closed = _("Closed now.") if opened else _("Closed today.")
    return f"{closed} {_next_opening(calendar, at)}".strip()


def _period(opens, closes, at):
    if opens <= at:
        return _("until %(closes)s") % {"closes": _time(closes)}
    return _("from %(opens)s to %(closes)s") % {"opens": _time(opens), "closes": _time(closes)}


def _next_opening(calendar, at):
    """Return a sentence that says when the branch opens next after today.

    Return "" if the branch doesn't open in the next DAYS_AHEAD days.
    """
    today = at.astimezone(calendar.zone).date()
    for opens, _closes in calendar.openings(at, days=DAYS_AHEAD):
        local = opens.astimezone(calendar.zone)
        if local.date() <= today:
            continue
        when = {"day": _day(local.date(), today), "time": _time(local)}
        return _("Opens %(day)s at %(time)s") % when
    return ""


def _day(day, today):
    if day == today + datetime.timedelta(days=1):
        return pgettext("a day after “Opens”", "tomorrow")
    if day < today + datetime.timedelta(days=7):
        return date_format(day, pgettext("format of a day after “Opens”", "l"))
    return date_format(day, pgettext("format of a day after “Opens”", "l, F j,"))


def _time(local):
    return time_of_day(local.hour, local.minute)
