"""A thread as its page tells it: the part of it that is shown, days, messages and events in one order; and when an answer may be expected."""

from collections import namedtuple
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from .models import Conversation, Event

FEW = 20  # messages that a page shows, and by which it goes back
MANY = 60  # as many if there are so many to be read

Row = namedtuple("Row", "pk public_id sent_at shown_from side author_id")


@dataclass(frozen=True)
class Window:
    """The part of a long thread that its page shows: from some message to the end."""

    messages: list
    unread: int | None  # primary key of the first message that wasn't read yet: the page opens there
    earlier: str  # public id of the message from which "Show earlier messages" goes on; "" where all are shown
    since: datetime | None  # events before this belong to what is folded; None: all are shown


def window(messages, *, unread, start=None):
    """The last messages of a thread, or all from the first that wasn't read; with `start` (a public id) all from that one.

    `messages` is what this reader may see; `unread(row)` says of a Row whether they haven't read it. Two queries, and
    without `start` the same few rows whether there are 3 messages or 3,000.
    """
    rows = messages.order_by("-sent_at", "-pk").values_list(*Row._fields)
    rows = [Row(*row) for row in (rows if start else rows[: MANY + FEW])]
    count = len(rows) if len(rows) <= FEW else FEW
    new = [number for number, row in enumerate(rows[:MANY]) if unread(row)]
    if new:
        count = max(count, min(new[-1] + 1, MANY))
    if start:
        count = max([count, *(number + 1 for number, row in enumerate(rows) if str(row.public_id) == start)])
    earlier = rows[count : count + FEW]
    first = rows[count - 1] if rows else None
    shown = messages.filter(pk__in=[row.pk for row in rows[:count]]).in_order()
    return Window(
        messages=list(shown),
        unread=rows[new[-1]].pk if new else None,
        earlier=str(earlier[-1].public_id) if earlier else "",
        since=first.sent_at if earlier else None,
    )


def days_of(messages, events):
    """[(day, entries)]: the entries are messages and events in the order in which they happened, by the library's days.

    At one moment a thread is opened again before the message that does it, and closed after."""
    told = [(m.sent_at, 1, m.pk, m) for m in messages]
    told += [(e.at, 0 if e.kind == Event.Kind.REOPENED else 2, e.pk, e) for e in events]
    entries = sorted(told, key=lambda entry: entry[:3])
    return [(day, [entry[3] for entry in group]) for day, group in groupby(entries, key=lambda entry: timezone.localdate(entry[0]))]


def promise(conversation, at):
    """When the library said it would answer, in plain words; "" where nobody waits for it."""
    if conversation.status != Conversation.Status.WAITING_FOR_STAFF or conversation.promised_at is None:
        return ""
    if conversation.promised_at < at:
        return _("This is taking longer than we promised. It is not forgotten.")
    days = (timezone.localdate(conversation.promised_at) - timezone.localdate(at)).days
    if days == 0:
        return _("You can expect an answer today.")
    if days == 1:
        return _("You can expect an answer by tomorrow.")
    day = date_format(timezone.localtime(conversation.promised_at), pgettext("format of a day in a sentence", "l j F"))
    return _("You can expect an answer by %(day)s.") % {"day": day}
