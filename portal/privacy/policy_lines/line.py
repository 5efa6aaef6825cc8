"""The format of a policy line, which describes one model."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext


class Group(Enum):
    """A group of policy lines. The groups are in reading order. The privacy page shows the first seven."""

    VISITS = _("Your visits")
    MESSAGES = _("Messages between you and the library")
    LISTS = _("Your lists")
    PERSON = _("Your account")
    DEVICES = _("Your devices")
    EMAILS = _("Emails to you")
    DESK = _("Staff notes and logs")
    PARTS = "Parts of the rows above"
    STAFF = "About the staff"
    LIBRARY = "The library itself, nothing about a person"


@dataclass(frozen=True)
class Line:
    """A policy line: what the library keeps in the rows of one model, how long, and why.

    `keeps` and `why` are parts of a sentence, and `until` consists of whole sentences.

    The values in `periods` replace `{0}` and `{1}` in `until`. The code that deletes the rows uses the same
    values.
    """

    keeps: str
    until: str
    why: str
    group: Group
    periods: tuple[timedelta, ...] = ()
    # Whether the rows are in the person's export.
    exported: bool = False
    # The worker's job that deletes the rows. It is "" if a person deletes them, or if each row is deleted
    # together with a row of another model.
    ended_by: str = ""
    # If each row is deleted together with a row of another model, this is the name of the other model.
    ends_with: str = ""

    @property
    def until_when(self):
        return str(self.until).format(*map(in_words, self.periods))


def in_words(period):
    """Return the period in its largest whole unit, such as "30 minutes", "16 hours" or "60 days"."""
    if period.days:
        return ngettext("%(count)d day", "%(count)d days", period.days) % {"count": period.days}
    minutes = period.seconds // 60
    if minutes % 60 == 0:
        return ngettext("%(count)d hour", "%(count)d hours", minutes // 60) % {"count": minutes // 60}
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
