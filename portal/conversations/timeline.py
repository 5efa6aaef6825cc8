"""A thread as its page tells it: the part of it that is shown, days, messages and events in one order; and when an answer may be expected."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from .models import Conversation, Event

FEW = 20  # messages that a page shows, and by which it goes back
MANY = 60  # as many if there are so many to be read


@dataclass(frozen=True)
class Window:
    """The part of a long thread that its page shows: from some message to the end."""

    messages: list
    unread: int | None  # primary key of the first message that wasn't read yet: the page opens there
    earlier: str  # with this as its `start` the page shows earlier messages too; "" where all are shown
    since: datetime | None  # events before this belong to what is folded; None: all are shown


def window(messages, *, unread, start=None):
    """The last messages of a thread, or all from the first that wasn't read; with `start` (a public id) that one, some before it
    and all after it.

    `messages` is what this reader may see; `unread(message)` says whether they haven't read it. Without `start` it costs the
    same whether there are 3 messages or 3,000.
    """
    newest_first = messages.order_by("-sent_at", "-pk")
    begin = messages.filter(public_id=start).values_list("sent_at", flat=True).first() if is_uuid(start) else None
    if begin is not None:
        after, before = list(newest_first.filter(sent_at__gte=begin)), list(newest_first.filter(sent_at__lt=begin)[: FEW + 1])
        found, count = after + before, len(after) + min(len(before), FEW)
    else:
        found = list(newest_first[: FEW + 1])
        count = min(len(found), FEW)
        if len(found) > FEW and unread(found[FEW]):
            found += newest_first[FEW + 1 : MANY + 1]
            count = next((number for number, message in enumerate(found[:MANY]) if number >= FEW and not unread(message)), min(len(found), MANY))
    shown = found[:count][::-1]
    folded = len(found) > count
    return Window(
        messages=shown,
        unread=next((message.pk for message in shown if unread(message)), None),
        earlier=str(shown[0].public_id) if folded else "",
        since=shown[0].sent_at if folded else None,
    )


def is_uuid(text):
    try:
        return bool(text) and bool(UUID(text))
    except ValueError:
        return False


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
