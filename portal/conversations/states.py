"""Whose turn it is in a conversation, and what changes that.

Pure: a State and what happened give the next State. The actions use these functions as things happen; `replay` gives them the
whole history, where something is taken out of it (an answer taken back, a verdict mended) or two histories become one.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from .models import Conversation, DeskEvent, Event, Message, Side

GRACE = timedelta(minutes=1)  # before the desk sees a verdict: a slip of the finger can be mended

Status, Reason, Then = Conversation.Status, Conversation.Reason, Message.Then


@dataclass(frozen=True)
class State:
    """`waiting_since`: the first unanswered message or verdict, also while it is put off. `turned_at`: when the status became what it is."""

    status: str
    reason: str
    turned_at: datetime
    waiting_since: datetime | None = None
    at_desk_from: datetime | None = None
    snoozed_until: date | None = None


def nothing_yet(at):
    """The state before the first word."""
    return State(Status.CLOSED, Reason.ASKED, turned_at=at)


def patron_wrote(state, at, reason=Reason.ASKED):
    """Whatever it was, it waits for the library now. One that waited keeps its place and its reason."""
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason if state.waiting_since else reason)


def item_failed(state, at, verdict):
    """As if the patron had written, but the desk sees it after the grace, and its reason is the more urgent to say."""
    return _wait_for_staff(state, at, at_desk_from=at + GRACE, reason=verdict)


def staff_answered(state, at, then):
    """What the writer asked for, and nothing else."""
    if then == Then.CLOSE:
        return closed(state, at)
    if then == Then.TURN:
        return State(Status.WAITING_FOR_PATRON, state.reason, turned_at=at)
    if state.status in {Status.WAITING_FOR_STAFF, Status.SNOOZED}:
        return state
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason)


def snoozed(state, at, until):
    return replace(state, status=Status.SNOOZED, turned_at=at, snoozed_until=until)


def woken(state, at):
    """Back in the queue: where it was, or, if nothing was unanswered, at its end."""
    return _wait_for_staff(
        state, at, at_desk_from=at, reason=state.reason if state.waiting_since else Reason.CAME_BACK
    )


def closed(state, at):
    return State(Status.CLOSED, state.reason, turned_at=at)


def joined(state, at, waiting_since):
    """What was unanswered in either of two conversations is unanswered in the one that they become, whatever was answered in the other."""
    if waiting_since is None:
        return state
    since = min(filter(None, [state.waiting_since, waiting_since]))
    return _wait_for_staff(replace(state, waiting_since=since), at, at_desk_from=at, reason=state.reason)


def unanswered_in(conversation, at):
    """Since when a conversation that is joined to another waits for the library. One that was put off comes back with it."""
    return conversation.waiting_since or (at if conversation.status == Status.SNOOZED else None)


def _wait_for_staff(state, at, *, at_desk_from, reason):
    if state.status == Status.WAITING_FOR_STAFF:
        at_desk_from = min(state.at_desk_from, at_desk_from)
    since = state.waiting_since or at
    return State(
        Status.WAITING_FOR_STAFF, reason, turned_at=since, waiting_since=since, at_desk_from=at_desk_from
    )


def state_of(conversation):
    """Where the conversation stands, as its row says."""
    return State(
        conversation.status,
        conversation.reason,
        turned_at=conversation.queued_at,
        waiting_since=conversation.waiting_since,
        at_desk_from=conversation.at_desk_from,
        snoozed_until=conversation.snoozed_until,
    )


def replay(conversation, *, shown_at=None):
    """Where the conversation stands, as all that happened to it says: its messages, its events and the verdicts as they are now. With
    `shown_at`, where it stands as far as the patron may know at that moment."""
    state = nothing_yet(conversation.opened_at)
    for at, _order, happened, what in sorted(_history(conversation, shown_at), key=lambda entry: entry[:2]):
        state = happened(state, at, *what)
    return state


def _history(conversation, shown_at):
    """[(when, which first at one moment, function of this module, what else it is told)]"""
    shown = {} if shown_at is None else {"shown_from__lte": shown_at}
    yield from _messages(conversation, shown)
    for at, verdict in (
        conversation.verdicts()
        .filter(verdict__in=[Reason.DID_NOT_HELP, Reason.COULD_NOT_GET_IT])
        .values_list("decided_at", "verdict")
    ):
        yield at, 0, item_failed, (verdict,)
    for at in conversation.events.filter(
        kind__in=[Event.Kind.CLOSED, Event.Kind.CLOSED_BY_ITSELF], **shown
    ).values_list("at", flat=True):
        yield at, 2, closed, ()
    for at, since in conversation.events.filter(kind=Event.Kind.MERGED).values_list("at", "waiting_since"):
        yield at, 5, joined, (since,)
    for at, kind, until in conversation.desk_events.values_list("at", "kind", "until"):
        if kind == DeskEvent.Kind.SNOOZED:
            yield at, 3, snoozed, (until,)
        elif kind == DeskEvent.Kind.WOKEN:
            yield at, 4, woken, ()
        elif kind == DeskEvent.Kind.CLOSED:
            yield at, 2, closed, ()


def _messages(conversation, shown):
    by_form = Reason.READERS_ADVISORY if hasattr(conversation, "readers_form") else Reason.ASKED
    for number, (at, side, then) in enumerate(
        conversation.messages.filter(**shown).in_order().values_list("sent_at", "side", "then")
    ):
        if side == Side.PATRON:
            yield at, 1, patron_wrote, (by_form if number == 0 else Reason.ASKED,)
        else:
            yield at, 1, staff_answered, (then,)
