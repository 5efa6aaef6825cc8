"""Ask the cover source at night for the covers of ISBNs. Choose the night on which to ask about each ISBN.

The log of the source must not reveal on which day somebody was helped. So the night doesn't depend on
recommendations or on the day when an item was added. See docs/decisions/0036-covers.md.
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

# The night is from FIRST_HOUR until LAST_HOUR, in the library's time zone.
FIRST_HOUR, LAST_HOUR = 1, 5
# The source may be asked about each ISBN on only one of every 28 nights. A secret key of the server decides
# on which night.
NIGHTS = 28
MAX_PER_NIGHT = 2000
# The time between two requests. Some sources allow only a hundred requests in five minutes.
PAUSE = timedelta(seconds=4)
# The time until the source is asked again about an ISBN. The first value is for an ISBN without a cover, and
# the second is for an ISBN with a cover.
AGAIN_WITHOUT, AGAIN_WITH = timedelta(days=180), timedelta(days=360)
# After this number of failures in a row, the source is not asked again until the next night.
MAX_FAILURES = 3
PURPOSE = "night of a cover"

log = logging.getLogger(__name__)


@dataclass
class Batch:
    """The ISBNs that one worker still has to ask about tonight.

    `night` is the date of the current night, or None during the day. `failures` counts failures in a row.
    """

    night: date | None = None
    isbns: list[str] = field(default_factory=list)
    failures: int = 0

    def has_more(self, at):
        """Return whether to ask the source now. The first call in a night also chooses the night's ISBNs."""
        night = _night(at)
        if night != self.night:
            self.night, self.failures = night, 0
            self.isbns = isbns_of(night) if night else []
        return bool(self.isbns) and self.failures < MAX_FAILURES

    def ask_next(self):
        """Ask the source for the cover of one ISBN, and store the answer. Call `has_more` before this."""
        isbn, night = self.isbns.pop(), self.night
        if not _in_need(night).filter(isbn=isbn).exists():
            # Another worker has asked about this ISBN since `isbns` was filled.
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
    """Return the ISBNs about which the source is asked in this night, in random order."""
    tonight = []
    for isbn in _in_need(night).values_list("isbn", flat=True).order_by().distinct().iterator():
        if _number(isbn) % NIGHTS == night.toordinal() % NIGHTS:
            tonight.append(isbn)
    # If there are too many ISBNs, choose those with the lowest `_number`. So all workers choose the same
    # ISBNs.
    tonight = sorted(tonight, key=_number)[:MAX_PER_NIGHT]
    random.SystemRandom().shuffle(tonight)
    return tonight


def _night(at):
    """Return today's date at the library if it is night there, or None."""
    local = at.astimezone(Library.current().zone)
    return local.date() if FIRST_HOUR <= local.hour < LAST_HOUR else None


def _in_need(night):
    """Return the items whose ISBN the source was never asked about, or not for a long time."""
    settled = Q(found=False, asked_on__gt=night - AGAIN_WITHOUT) | Q(
        found=True, asked_on__gt=night - AGAIN_WITH
    )
    asked = Cover.objects.filter(settled, isbn=OuterRef("isbn"))
    return Item.objects.filter(~Exists(asked), retired_at=None, isbn__regex=r"^97[89][0-9]{10}$")


def _number(isbn):
    """Return a number for the ISBN. Nobody can compute this number without the secret key of the server."""
    return int(keys.fingerprint(PURPOSE, isbn)[:12], 16)


def _picture(content):
    """Return the content as a picture that is safe to store, or None if it isn't a picture of a cover."""
    try:
        return files.cover_picture(content) if content else None
    except files.NotAPicture:
        return None
