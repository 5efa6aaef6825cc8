"""The entries of a conversation's timeline, with the text that describes each entry."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from portal.conversations.models import DeskEvent, Event, Message, Side
from portal.helpsessions.models import HelpSession
from portal.templatetags.portal import day_in_a_sentence
from recommendations.models import NextStep

# Entries with the same time are sorted by these ranks. For example, if a message opens a conversation again,
# the event about this comes before the message.
BEFORE_MESSAGE, MESSAGE, AFTER_MESSAGE = 0, 1, 2


@dataclass(kw_only=True, slots=True)
class Entry:
    shape: ClassVar[str]

    pk: int
    at: datetime
    rank: int
    # The id of the HTML element of this entry.
    anchor: str
    # Screen readers announce this text when the entry appears on an open page.
    news: str
    # Primary key of the person who caused this entry, or None.
    actor_id: int | None


@dataclass(kw_only=True, slots=True)
class MessageEntry(Entry):
    """A message from the patron or from staff."""

    shape = "message"

    public_id: UUID
    side: str
    body: str
    language: str
    author: str
    is_own: bool
    # Whether the message was sent through the link in an email, while nobody was signed in.
    by_link: bool
    # A Message.ByEmail, or "" if the message was written on a page.
    by_email: str
    # The files that came with the email but were not stored. See Message.left_out.
    left_out: list
    # For the writer of an answer, the number of seconds left to take the answer back. For colleagues, the
    # number of seconds until the patron sees the answer. When this time is over, the number is 0.
    seconds_left: int
    # `timeline_context` sets `files` and `given`.
    files: list | None = None
    given: tuple = ()


@dataclass(kw_only=True, slots=True)
class NoteEntry(Entry):
    """A note that a staff member wrote for colleagues."""

    shape = "note"

    author: str
    body: str


@dataclass(kw_only=True, slots=True)
class EventEntry(Entry):
    """Something that happened in the conversation."""

    shape = "event"

    # The anchor of the pending answer that caused this event, or "". If staff take the answer back, the event
    # is deleted too.
    answer: str = ""


def message_entry(row, user, at):
    """Return the entry of a MessageRow, as the staff member `user` sees it at the time `at`."""
    by_patron = row.side == Side.PATRON
    if row.author_id:
        author = row.author__name or _("a patron")
    elif by_patron:
        author = _("The patron")
    else:
        author = _("The library")
    heading = _("The patron wrote") if by_patron else _("%(name)s answered") % {"name": author}
    is_own = row.author_id == user.pk and not by_patron
    ends_at = row.shown_from - Message.UNDO_MARGIN if is_own else row.shown_from
    return MessageEntry(
        pk=row.pk,
        at=row.sent_at,
        rank=MESSAGE,
        anchor=f"message-{row.public_id}",
        news=heading,
        actor_id=row.author_id,
        public_id=row.public_id,
        side=row.side,
        body=row.body,
        language=row.language,
        author=author,
        is_own=is_own,
        by_link=row.by_link,
        by_email=row.by_email,
        left_out=row.left_out,
        seconds_left=max(0, math.ceil((ends_at - at).total_seconds())),
    )


def note_entry(line):
    author = User(pk=line.by_id, name=line.by).display_name if line.by_id else ""
    return NoteEntry(
        pk=line.pk,
        at=line.at,
        rank=AFTER_MESSAGE,
        anchor=f"note-{line.public_id}",
        news=_("%(name)s wrote a note") % {"name": author} if author else _("A new note"),
        actor_id=line.by_id,
        author=author,
        body=line.body,
    )


def event_entry(line):
    """Return the entry of an event that the patron sees too."""
    rank = BEFORE_MESSAGE if line.kind == Event.Kind.REOPENED else AFTER_MESSAGE
    return _event_entry(line, _event_in_words(line), rank, f"event-{line.pk}")


def desk_event_entry(line):
    """Return the entry of an event that only the desk sees."""
    return _event_entry(line, _desk_event_in_words(line), AFTER_MESSAGE, f"desk-event-{line.pk}")


def outcome_entry(line):
    """Return the entry of the patron's answer to "Did you find what you needed?"."""
    words = _("The patron answered “Did you find what you needed?”: %(answer)s") % {
        "answer": HelpSession.Found(line.kind).label
    }
    if line.side:
        words = f"{words} · {by_link_words()}"
    return _event_entry(line, words, BEFORE_MESSAGE, f"outcome-{line.pk}")


def by_link_words():
    """Return the text that marks a message or an outcome as sent through the link in an email."""
    return _("by link, not signed in")


def _event_entry(line, words, rank, anchor):
    return EventEntry(pk=line.pk, at=line.at, rank=rank, anchor=anchor, news=words, actor_id=line.by_id)


def _event_in_words(event):
    if event.kind == Event.Kind.REOPENED:
        return _("This conversation was opened again")
    if event.kind == Event.Kind.MERGED:
        return _("Another conversation was merged into this one")
    if event.kind == Event.Kind.EMAIL_ADDED:
        words = _("%(name)s added an email from the patron's confirmed address")
        return words % {"name": event.by or _("someone")}
    if event.kind == Event.Kind.OTHER_EMAIL_ADDED:
        words = _("%(name)s added an email from an address that is not the patron's")
        return words % {"name": event.by or _("someone")}
    if event.kind in Event.CALLS:
        return _call_in_words(event)
    if event.kind in Event.STEPS:
        return _step_in_words(event)
    if event.kind == Event.Kind.CLOSED_BY_ITSELF:
        return _("Closed automatically, because the patron didn't write again")
    if event.side == Side.PATRON:
        return _("Closed by the patron with “I have what I need”")
    return _("Closed by %(name)s") % {"name": event.by} if event.by else _("Closed by the library")


def _call_in_words(event):
    if event.kind == Event.Kind.CALL_ASKED and event.side == Side.PATRON:
        return _("The patron asked for a call")
    if event.kind == Event.Kind.CALL_CANCELED:
        return _("The patron canceled the call")
    if event.kind == Event.Kind.CALL_EXPIRED and event.side == Side.PATRON:
        return _("The phone number was deleted, so nobody can call.")
    if event.kind == Event.Kind.CALL_EXPIRED:
        return _("Nobody called in time. The phone number was deleted.")
    words = {
        Event.Kind.CALL_ASKED: _("%(name)s added a call for the patron"),
        Event.Kind.CALL_TRIED: _("%(name)s called. No answer."),
        Event.Kind.CALL_SPOKEN: _("%(name)s spoke with the patron on the phone"),
        Event.Kind.CALL_GIVEN_UP: _("%(name)s gave up calling"),
    }[event.kind]
    return words % {"name": event.by or _("someone")}


def _step_in_words(event):
    """Return a sentence about the event. The event concerns an item that the patron couldn't get.

    `event.until` is the promised day.
    """
    kind = Event.Kind
    words = {
        kind.STEP_RECORDED: _("%(by)s recorded about “%(title)s”: %(what)s, promised by %(day)s"),
        kind.STEP_TAKEN_BACK: _("%(by)s removed what was recorded about “%(title)s”"),
        kind.STEP_ARRIVED: _("%(by)s recorded that “%(title)s” has arrived"),
        kind.STEP_GIVEN: _("%(by)s gave “%(title)s” to the patron"),
        kind.STEP_LATE: _("The promised day passed without “%(title)s”. The patron still waits for it."),
        kind.STEP_ENDED: _("The patron changed the answer about “%(title)s”. Nothing is promised anymore."),
    }[event.kind]
    what = NextStep.Kind(event.step).label if event.step else ""
    is_about_other = event.other_item and event.kind in {kind.STEP_ARRIVED, kind.STEP_GIVEN, kind.STEP_LATE}
    return words % {
        "by": event.by or _("someone"),
        "title": event.other_item if is_about_other else event.item,
        "what": f"{what} (“{event.other_item}”)" if event.other_item else what,
        "day": day_in_a_sentence(event.until) if event.until else "",
    }


def _desk_event_in_words(event):
    """Return a text that says what happened in this event.

    The event of erasing a conversation needs no text, because an erased conversation has no timeline.
    """
    kind, someone = DeskEvent.Kind, _("someone")
    names = {
        "by": event.by or someone,
        "to": event.to or someone,
        "was": event.was or someone,
        "branch": event.branch,
    }
    by_assignee = event.was_id == event.by_id
    # If staff assign a conversation to themselves, the text says that they took it.
    is_own = event.by_id is not None and event.to_id == event.by_id
    if event.kind == kind.TAKEN or (event.kind == kind.ASSIGNED and is_own):
        words = (
            _("%(by)s took this conversation from %(was)s")
            if event.was_id
            else _("%(by)s took this conversation")
        )
    elif event.kind == kind.RETURNED:
        words = _("Assigned to %(to)s, who had answered before")
    elif event.kind == kind.REQUESTED:
        words = _("Assigned to %(to)s, because the patron asked for another recommendation")
    elif event.kind == kind.ASSIGNED and not event.was_id:
        words = _("%(by)s assigned this conversation to %(to)s")
    elif event.kind == kind.ASSIGNED:
        words = (
            _("%(was)s assigned this conversation to %(to)s")
            if by_assignee
            else _("%(by)s reassigned this conversation from %(was)s to %(to)s")
        )
    elif event.kind == kind.UNASSIGNED:
        words = (
            _("%(by)s is no longer assigned to this conversation")
            if by_assignee
            else _("%(by)s unassigned %(was)s from this conversation")
        )
    elif event.kind == kind.RELEASED:
        words = _("Unassigned, because %(was)s didn't answer in time")
    elif event.kind == kind.TRANSFERRED:
        words = _("%(by)s transferred this conversation to %(branch)s")
    elif event.kind == kind.SNOOZED:
        words = _("%(by)s snoozed this conversation until %(day)s")
        names["day"] = day_in_a_sentence(event.until)
    elif event.kind == kind.WOKEN:
        words = (
            _("%(by)s put this conversation back in the queue")
            if event.by
            else _("Back in the queue, because the snooze ended")
        )
    elif event.kind == kind.CLOSED:
        words = _("%(by)s closed this conversation. Nobody had written in it.")
    elif event.kind == kind.PROMISE_MOVED:
        words = _("%(by)s changed the days or hours of the branch. The promise moved from %(was)s to %(to)s.")
        names["was"], names["to"] = day_in_a_sentence(event.moved_from), day_in_a_sentence(event.moved_to)
    else:
        words = _("%(by)s counted this conversation as a contact")
    return words % names
