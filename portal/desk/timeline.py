"""The timeline of a conversation at the desk: its messages, events and notes, sorted by time.

Patrons must never see a note, or an event that only concerns the desk. So this module is not in
portal.conversations, which the patrons' pages use too.
"""

from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from django.db.models import BigAutoField, Case, DateTimeField, Q, TextField, UUIDField, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from portal.conversations.models import Conversation, ConversationNote, DeskEvent, Event, Message, Side
from portal.helpsessions.models import HelpSession
from portal.prepared import prepared
from portal.text import uuid_or_none

from .timeline_entries import desk_event_entry, event_entry, message_entry, note_entry, outcome_entry

MESSAGES_PER_PAGE = 12
# The page shows MESSAGES_PER_PAGE messages. If more are unread or unanswered, it shows up to
# MAX_UNREAD_ON_PAGE.
MAX_UNREAD_ON_PAGE = 60
EVER = datetime(1970, 1, 1, tzinfo=UTC)

MESSAGE_FIELDS = (
    *("pk", "public_id", "side", "body", "language", "sent_at", "shown_from"),
    *("author_id", "author__name", "by_link", "by_email", "left_out"),
)
MessageRow = namedtuple("MessageRow", MESSAGE_FIELDS)
LINE_FIELDS = (
    *("table", "pk", "at", "kind", "side", "by_id", "by", "to_id", "to", "was_id", "was"),
    *("branch", "until", "moved_from", "moved_to", "message_id", "public_id", "body"),
    *("item", "step", "other_item"),
)
LineRow = namedtuple("LineRow", LINE_FIELDS)
ENTRY_FOR = {
    "note": note_entry,
    "event": event_entry,
    "desk event": desk_event_entry,
    "outcome": outcome_entry,
}


@dataclass(frozen=True)
class Window:
    """The messages that a page shows: one message of the conversation, and all messages after it."""

    messages: list
    # Primary key of the patron's oldest unanswered message, or None.
    unanswered: int | None
    # Primary key of the first unread message, or None.
    unread: int | None
    # The link to earlier messages sends this value as `start`: the public id of the first message in
    # `messages`. If there are no earlier messages, the value is "".
    earlier: str
    # The page leaves out events and notes before this time. This is None if the page shows all of them.
    since: datetime | None


class Timeline:
    """The entries that a page shows, grouped by day."""

    def __init__(self, window, entries):
        messages, zone = window.messages, timezone.get_current_timezone()
        self.entries = entries
        self.days = [
            (day, list(group))
            for day, group in groupby(entries, key=lambda entry: entry.at.astimezone(zone).date())
        ]
        self.unanswered, self.unread = window.unanswered, window.unread
        self.earlier = window.earlier
        # Primary key of the last message, or 0 if there is none.
        self.latest = max((message.pk for message in messages), default=0)
        self.begins = messages[0].sent_at if messages else None
        self.read_until = messages[-1].sent_at if messages else None


def build_timeline(conversation, *, user, at, read_until, start=None, since=None):
    """Return a Timeline with the newest entries of the conversation.

    Messages after the time `read_until` are unread. The timeline includes all messages since the oldest one
    that is unread or unanswered, up to MAX_UNREAD_ON_PAGE.

    If `start` is the public id of a message, the timeline has this message, some messages before it and all
    messages after it. If `since` is a time, the timeline has only the entries from that time on.
    """
    if since is None:
        window = _window(conversation, lambda message: _is_unread(message, user, read_until), start)
    else:
        messages = conversation.messages.filter(sent_at__gte=since).in_order().values_list(*MESSAGE_FIELDS)
        window = Window(_message_rows(messages), unanswered=None, unread=None, earlier="", since=since)
    entries = [message_entry(message, user, at) for message in window.messages]
    pending = {entry.pk: entry.anchor for entry in entries if entry.seconds_left}
    for row in _lines(conversation=conversation.pk, since=window.since or EVER):
        line = LineRow._make(row)
        entry = ENTRY_FOR[line.table](line)
        if line.message_id in pending:
            entry.answer = pending[line.message_id]
        entries.append(entry)
    entries.sort(key=lambda entry: (entry.at, entry.rank, entry.pk))
    return Timeline(window, entries)


def _is_unread(message, user, read_until):
    return read_until is not None and message.sent_at > read_until and message.author_id != user.pk


def _window(conversation, is_unread, start):
    """Return the Window with the last messages of a conversation.

    If `start` is the public id of a message, the window has that message, some messages before it and all
    messages after it. Otherwise the window has the last MESSAGES_PER_PAGE messages. If more messages are
    unread or unanswered, the window has up to MAX_UNREAD_ON_PAGE messages.
    """
    begin = None
    if uuid_or_none(start):
        begin = conversation.messages.filter(public_id=start).values_list("sent_at", flat=True).first()
    if begin is None:
        since = conversation.waiting_since
        newest, count = _newest_messages(
            conversation,
            lambda message: is_unread(message) or (since is not None and message.sent_at >= since),
        )
    else:
        newest, count = _messages_from(conversation, begin)
    messages = newest[:count][::-1]
    is_cut = len(newest) > count
    return Window(
        messages=messages,
        unanswered=next(
            (message.pk for message in messages if _is_unanswered(message, conversation.waiting_since)), None
        ),
        unread=next((message.pk for message in messages if is_unread(message)), None),
        earlier=str(messages[0].public_id) if is_cut else "",
        since=messages[0].sent_at if is_cut else None,
    )


def _is_unanswered(message, waiting_since):
    return waiting_since is not None and message.side == Side.PATRON and message.sent_at >= waiting_since


def _newest_messages(conversation, is_needed):
    """Return (messages, count). The newest message comes first, and the page shows the first `count` of them.

    `is_needed` is a function that returns true for a message that the page must show, however old it is. If
    the list has more than `count` messages, the page links to earlier messages.
    """
    messages = _message_rows(_newest(conversation=conversation.pk))
    if len(messages) <= MESSAGES_PER_PAGE or not is_needed(messages[MESSAGES_PER_PAGE]):
        return messages, min(len(messages), MESSAGES_PER_PAGE)
    older = _newest_first(conversation.pk)[MESSAGES_PER_PAGE + 1 : MAX_UNREAD_ON_PAGE + 1]
    messages += _message_rows(older)
    for number, message in enumerate(messages[:MAX_UNREAD_ON_PAGE]):
        if number >= MESSAGES_PER_PAGE and not is_needed(message):
            return messages, number
    return messages, min(len(messages), MAX_UNREAD_ON_PAGE)


def _messages_from(conversation, begin):
    """Return (messages, count). The newest message comes first, and the page shows the first `count` of them.

    The page shows all messages since `begin`, and up to MESSAGES_PER_PAGE earlier messages.
    """
    newest_first = _newest_first(conversation.pk)
    after = _message_rows(newest_first.filter(sent_at__gte=begin))
    before = _message_rows(newest_first.filter(sent_at__lt=begin)[: MESSAGES_PER_PAGE + 1])
    return after + before, len(after) + min(len(before), MESSAGES_PER_PAGE)


def _message_rows(rows):
    return [MessageRow._make(row) for row in rows]


def _newest_first(conversation):
    messages = Message.objects.filter(conversation=conversation).order_by("-sent_at", "-pk")
    return messages.values_list(*MESSAGE_FIELDS)


@prepared(conversation=BigAutoField())
def _newest(conversation):
    return _newest_first(conversation)[: MESSAGES_PER_PAGE + 1]


@prepared(conversation=BigAutoField(), since=DateTimeField())
def _lines(conversation, since):
    """Return the notes, events, desk events and outcomes since a time, as unsorted rows with LINE_FIELDS.

    An outcome is the patron's answer to "Did you find what you needed?". Include the outcome only if the
    conversation is about this answer.
    """
    here = {"conversation": conversation}
    desk_events = DeskEvent.objects.filter(**here, at__gte=since).order_by()
    events = Event.objects.filter(**here, at__gte=since).order_by()
    notes = ConversationNote.objects.filter(**here, written_at__gte=since).order_by()
    only_desk = "to_id", "to__name", "was_id", "was__name", "branch__name", "until", "moved_from", "moved_to"
    none = [Value(None, output_field=TextField())] * len(only_desk)
    # In a union, PostgreSQL takes the type of each column from the first query. So the first query needs a
    # UUID in this column, even if the value is NULL.
    no_public_id, no_text = Cast(None, UUIDField()), Value("")
    no_item = [Value("", output_field=TextField())] * 3
    desk_events = desk_events.values_list(
        *(Value("desk event"), "pk", "at", "kind", no_text, "by_id", "by__name"),
        *(*only_desk, "message_id", no_public_id, no_text, *no_item),
    )
    events = events.values_list(
        *(Value("event"), "pk", "at", "kind", "side", "by_id", "by__name"),
        *(*none[:5], "promised_on", *none[6:], "message_id", no_public_id, no_text),
        *("recommendation__item__title", "step", "other_item__title"),
    )
    notes = notes.values_list(
        *(Value("note"), "pk", "written_at", no_text, no_text, "author_id", "author__name"),
        *(*none, Value(None, output_field=BigAutoField()), "public_id", "body", *no_item),
    )
    own = Q(pk=conversation) | Q(merged_into=conversation)
    about = Conversation.objects.filter(own, is_about_outcome=True).order_by()
    outcomes = HelpSession.objects.filter(pk__in=about.values("help_session"), found_at__gte=since).order_by()
    by_link = Case(When(answered_by_link=True, then=Value("link")), default=no_text)
    outcomes = outcomes.values_list(
        *(Value("outcome"), "pk", "found_at", "found", by_link),
        *(Value(None, output_field=BigAutoField()), Value(None, output_field=TextField()), *none),
        *(Value(None, output_field=BigAutoField()), no_public_id, no_text, *no_item),
    )
    return desk_events.union(events, notes, outcomes, all=True)
