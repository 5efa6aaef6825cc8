"""Decide in which night the cover source is asked for which ISBN, and ask it.

The log of the source must not reveal on which day somebody was helped. So nothing here depends on
recommendations, and a new item is not asked soon after it was added. See docs/decisions/0036-covers.md.
"""

import logging
import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Q

from accounts.models import Library
from portal import files, keys
from recommendations.models import Cover, Item

from . import source
from .stored import save_cover

# The hours of the night, in the library's time zone.
FIRST_HOUR, LAST_HOUR = 1, 5
# Every ISBN has one night in this number of nights. A key of the server decides which one.
NIGHTS = 28
MAX_PER_NIGHT = 2000
# Some sources allow a hundred requests in five minutes.
PAUSE = timedelta(seconds=4)
# After this time an ISBN is asked again: one without a cover, and one with a cover.
AGAIN_WITHOUT, AGAIN_WITH = timedelta(days=180), timedelta(days=360)
# After this number of failures in a row, the source is left alone until the next night.
MAX_FAILURES = 3
PURPOSE = "night of a cover"

log = logging.getLogger(__name__)


@dataclass
class Batch:
    """What one worker still has to ask tonight. `night` is the day whose morning this is, or None by day."""

    night: date | None = None
    isbns: list[str] = field(default_factory=list)
    failures: int = 0

    def has_more(self, at):
        """Return whether there is something to ask now. In a new night, choose the ISBNs of this night."""
        night = _night(at)
        if night != self.night:
            self.night, self.failures = night, 0
            self.isbns = isbns_of(night) if night else []
        return bool(self.isbns) and self.failures < MAX_FAILURES

    def ask_next(self):
        """Ask the source for one ISBN, and store what it says. Call `has_more` before."""
        isbn, night = self.isbns.pop(), self.night
        if not _in_need(night).filter(isbn=isbn).exists():
            # Another worker has asked meanwhile.
            return
        try:
            content = source.fetch(isbn)
        except source.SourceAway as error:
            self.failures += 1
            log.warning("the cover source could not be asked: %s", error)
            return
        self.failures = 0
        save_cover(isbn, _picture(content), on=night)


def isbns_of(night):
    """Return the ISBNs to ask in this night, in random order."""
    tonight = []
    for isbn in _in_need(night).values_list("isbn", flat=True).order_by().distinct().iterator():
        if _number(isbn) % NIGHTS == night.toordinal() % NIGHTS:
            tonight.append(isbn)
    # If there are too many, the same number decides which come first, so all workers choose the same.
    tonight = sorted(tonight, key=_number)[:MAX_PER_NIGHT]
    random.SystemRandom().shuffle(tonight)
    return tonight


def _night(at):
    """Return the library's day if it is night there, or None."""
    local = at.astimezone(Library.current().zone)
    return local.date() if FIRST_HOUR <= local.hour < LAST_HOUR else None


def _in_need(night):
    """Return the items of the whole catalog whose ISBN was never asked, or long ago."""
    settled = Q(found=False, asked_on__gt=night - AGAIN_WITHOUT) | Q(
        found=True, asked_on__gt=night - AGAIN_WITH
    )
    asked = Cover.objects.filter(settled, isbn=OuterRef("isbn"))
    return Item.objects.filter(~Exists(asked), retired_at=None, isbn__regex=r"^97[89][0-9]{10}$")


def _number(isbn):
    """Return a number that nobody can compute without the key of the server."""
    return int(keys.fingerprint(PURPOSE, isbn)[:12], 16)


def _picture(content):
    """Return the content as a picture that is safe to keep, or None if it is no picture of a cover."""
    try:
        return files.cover_picture(content) if content else None
    except files.NotAPicture:
        return None
