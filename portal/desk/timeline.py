"""A conversation's time line as the desk reads it: messages, events, what was done at the desk, notes, in one order and in plain words.

It is made here and not in portal.conversations: nothing that a patron is shown can be handed a note or an event of the desk by it.
"""

import math
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from uuid import UUID

from django.db import connection
from django.db.models import BigAutoField
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from portal.conversations.models import ConversationNote, DeskEvent, Event, Message, Side
from portal.prepared import prepared
from portal.templatetags.portal import day_in_a_sentence
from portal.text import uuid_or_none

FEW = 12  # messages that a page shows, and by which it goes back
MANY = 60  # as many if there are so many to be read


@dataclass(frozen=True)
class Window:
    """The part of a long conversation that its page shows: from some message to the end."""

    messages: list
    unread: int | None  # primary key of the first message that wasn't read yet: the page opens there
    earlier: str  # with this as its `start` the page shows earlier messages too; "" where all are shown
    since: datetime | None  # events before this belong to what is folded; None: all are shown


def window(conversation, *, unread, start=None):
    """The last messages of a conversation, or all from the first that wasn't read; with `start` (a public id) that one, some before it
    and all after it.

    `unread(message)` says whether it wasn't read yet. Without `start` it costs the same whether there are 3 messages or 3,000.
    """
    begin = (
        conversation.messages.filter(public_id=start).values_list("sent_at", flat=True).first()
        if uuid_or_none(start)
        else None
    )
    if begin is not None:
        newest_first = _newest_first(conversation.pk)
        after, before = (
            _said(newest_first.filter(sent_at__gte=begin)),
            _said(newest_first.filter(sent_at__lt=begin)[: FEW + 1]),
        )
        found, count = after + before, len(after) + min(len(before), FEW)
    else:
        found = _said(_newest(conversation=conversation.pk))
        count = min(len(found), FEW)
        if len(found) > FEW and unread(found[FEW]):
            found += _said(_newest_first(conversation.pk)[FEW + 1 : MANY + 1])
            count = next(
                (
                    number
                    for number, message in enumerate(found[:MANY])
                    if number >= FEW and not unread(message)
                ),
                min(len(found), MANY),
            )
    shown = found[:count][::-1]
    folded = len(found) > count
    return Window(
        messages=shown,
        unread=next((message.pk for message in shown if unread(message)), None),
        earlier=str(shown[0].public_id) if folded else "",
        since=shown[0].sent_at if folded else None,
    )


SAID = "pk", "public_id", "side", "body", "language", "sent_at", "shown_from", "author", "author__name"


class TimelineMessage(
    namedtuple("Said", "pk public_id side body language sent_at shown_from author_id author")
):
    """A message, with its author's name. What is found out about it is put beside it."""


def _said(rows):
    return [TimelineMessage(*row) for row in rows]


def _newest_first(conversation):
    return Message.objects.filter(conversation=conversation).order_by("-sent_at", "-pk").values_list(*SAID)


@prepared(conversation=BigAutoField())
def _newest(conversation):
    return _newest_first(conversation)[: FEW + 1]


class Timeline:
    """The time line, or its newest part."""

    def __init__(self, shown: Window, entries, latest):
        self.days = [
            (day, list(group))
            for day, group in groupby(entries, key=lambda entry: timezone.localdate(entry.told_at))
        ]
        self.entries = entries
        self.unread, self.earlier = shown.unread, shown.earlier
        self.latest = latest  # primary key of the last message, 0 where there is none
        self.begins = shown.messages[0].sent_at if shown.messages else None
        self.read_until = shown.messages[-1].sent_at if shown.messages else None


def build_timeline(conversation, *, user, at, read_until, start=None, since=None):
    """What happened in the conversation: of a long one the last part, from what `viewer` hasn't read since `read_until`; with `start`
    (a message's public id) an earlier part too; with `since` only what happened from then on.
    """
    if since is None:
        shown = window(
            conversation, unread=lambda message: _is_unread(message, user, read_until), start=start
        )
    else:
        timeline = _said(conversation.messages.filter(sent_at__gte=since).in_order().values_list(*SAID))
        shown = Window(messages=timeline, unread=None, earlier="", since=since)
    entries = [_message(message, user, at) for message in shown.messages]
    entries += [_told(line) for line in _lines(conversation, shown.since)]
    entries.sort(key=lambda entry: (entry.told_at, entry.told_as, entry.pk))
    return Timeline(shown, entries, max((message.pk for message in shown.messages), default=0))


# Events, events of the desk and notes in one query, which Django can make but not quickly.
LINES = """
SELECT 'desk event', e.id, e.at, e.kind, '', e.by_id, doer.name, e.to_id, taker.name, e.was_id, former.name, place.name, e.until, CAST(NULL AS uuid), ''
FROM conversations_deskevent e LEFT JOIN accounts_user doer ON doer.id = e.by_id LEFT JOIN accounts_user taker ON taker.id = e.to_id
LEFT JOIN accounts_user former ON former.id = e.was_id LEFT JOIN accounts_branch place ON place.id = e.branch_id
WHERE e.conversation_id = %s AND e.at >= %s
UNION ALL
SELECT 'event', e.id, e.at, e.kind, e.side, e.by_id, doer.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ''
FROM conversations_event e LEFT JOIN accounts_user doer ON doer.id = e.by_id
WHERE e.conversation_id = %s AND e.at >= %s
UNION ALL
SELECT 'note', n.id, n.written_at, '', '', n.author_id, author.name, NULL, NULL, NULL, NULL, NULL, NULL, n.public_id, n.body
FROM conversations_conversationnote n LEFT JOIN accounts_user author ON author.id = n.author_id
WHERE n.conversation_id = %s AND n.written_at >= %s
"""
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Line(
    namedtuple("Line", "table pk told_at kind side by_id by to_id to was_id was branch until public_id body")
):
    """A row of one of the three tables. What is found out about it is put beside it, as with a message."""


def _lines(conversation, since):
    since = connection.ops.adapt_datetimefield_value(since or EVER)
    with connection.cursor() as cursor:
        cursor.execute(LINES, [conversation.pk, since] * 3)
        rows = [Line(*row) for row in cursor.fetchall()]
    return [
        row._replace(
            told_at=_moment(row.told_at),
            until=_date(row.until),
            public_id=row.public_id and UUID(str(row.public_id)),
        )
        for row in rows
    ]


def _moment(value):  # SQLite keeps times as text, without their zone
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(value):
    return date.fromisoformat(value) if isinstance(value, str) else value


def _told(line):
    if line.table == "note":
        return _note(line)
    return _event(line) if line.table == "event" else _desk_event(line)


def _is_unread(message, user, read_until):
    return read_until is not None and message.sent_at > read_until and message.author_id != user.pk


# Each entry gets: `told_at`; `told_as`, which comes first at one moment; `shape`, how it looks; `anchor`, its id in the page;
# `news`, what is said aloud when it arrives to others than its `doer`.

BEFORE, WORDS, AFTER = 0, 1, 2


def _message(message, user, at):
    message.told_at, message.told_as, message.shape, message.anchor = (
        message.sent_at,
        WORDS,
        "message",
        f"message-{message.public_id}",
    )
    if message.author_id:
        message.by = message.author or _("a reader")
    else:
        message.by = _("The patron") if message.side == Side.PATRON else _("The library")
    if message.side == Side.PATRON:
        message.heading = message.news = _("The patron wrote")
    else:
        message.heading = message.news = _("%(name)s answered") % {"name": message.by}
    left = (message.shown_from - at).total_seconds()
    message.seconds_to_undo = math.ceil(left) if left > 0 else 0
    message.is_own = message.author_id == user.pk and message.side == Side.STAFF
    message.doer = message.author_id
    return message


def _note(line):
    author = User(pk=line.by_id, name=line.by) if line.by_id else None
    note = ConversationNote(
        pk=line.pk, public_id=line.public_id, author=author, body=line.body, written_at=line.told_at
    )
    note.told_at, note.told_as, note.shape, note.anchor = (
        line.told_at,
        AFTER,
        "note",
        f"note-{line.public_id}",
    )
    note.doer = line.by_id
    note.news = _("%(name)s wrote a note") % {"name": author.display_name} if author else _("A new note")
    return note


def _event(line):
    line.doer, line.told_as = line.by_id, BEFORE if line.kind == Event.Kind.REOPENED else AFTER
    line.shape, line.anchor = "event", f"event-{line.pk}"
    line.words = line.news = _words_of_event(line)
    return line


def _words_of_event(event):
    if event.kind == Event.Kind.REOPENED:
        return _("Opened again")
    if event.kind == Event.Kind.MERGED:
        return _("Another conversation was joined into this one")
    if event.kind == Event.Kind.CLOSED_BY_ITSELF:
        return _("Closed by itself: the patron didn't write again")
    if event.side == Side.PATRON:
        return _("Closed by the patron: this sorted it")
    return _("Closed by %(name)s") % {"name": event.by} if event.by else _("Closed by the library")


def _desk_event(line):
    line.doer, line.told_as, line.shape, line.anchor = line.by_id, AFTER, "event", f"desk-event-{line.pk}"
    line.words = line.news = _words_of_desk_event(line)
    return line


def _words_of_desk_event(event):
    names = {
        "by": event.by or _("somebody"),
        "to": event.to or _("somebody"),
        "was": event.was or _("somebody"),
        "branch": event.branch,
    }
    kind = DeskEvent.Kind
    if event.kind == kind.TAKEN:
        return (_("%(by)s took this over from %(was)s") if event.was_id else _("%(by)s took this")) % names
    if event.kind == kind.ASSIGNED:
        if event.was_id and event.was_id != event.by_id:
            return _("%(by)s handed this from %(was)s to %(to)s") % names
        if event.was_id:
            return _("Handed from %(was)s to %(to)s") % names
        return _("%(by)s gave this to %(to)s") % names
    if event.kind == kind.UNASSIGNED:
        return (
            _("%(by)s gave this back")
            if event.was_id == event.by_id
            else _("%(by)s took this from %(was)s: free to take")
        ) % names
    if event.kind == kind.RELEASED:
        return _("Free to take again: it lay too long with %(was)s") % names
    if event.kind == kind.TRANSFERRED:
        return _("%(by)s handed this to %(branch)s") % names
    if event.kind == kind.SNOOZED:
        return _("%(by)s put this off until %(day)s") % {**names, "day": day_in_a_sentence(event.until)}
    if event.kind == kind.WOKEN:
        return _("%(by)s brought this back") % names if event.by else _("Its day has come: back in the queue")
    if event.kind == kind.CLOSED:
        return _("%(by)s closed this before a word was written") % names
    return _("%(by)s logged this as a contact") % names  # of what was erased there is no time line
