"""The rules for whose turn it is in a conversation.

These functions are pure: they get a State and what happened, and return the next State. The actions call them
as things happen. `replay` runs the whole history through them again, after something was taken out of it or
two conversations were merged.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from .models import Conversation, DeskEvent, Event, Message, Side

# The desk sees a verdict after this time, so that a patron can correct a mistaken tap.
GRACE = timedelta(minutes=1)

Status, Reason, Then = Conversation.Status, Conversation.Reason, Message.Then


@dataclass(frozen=True)
class State:
    """Whose turn it is, and since when.

    `waiting_since` is the time of the first unanswered message or verdict, even while the conversation is
    snoozed. `turned_at` is when the status became what it is.
    """

    status: str
    reason: str
    turned_at: datetime
    waiting_since: datetime | None = None
    at_desk_from: datetime | None = None
    snoozed_until: date | None = None


def nothing_yet(at):
    """Return the state before the first message."""
    return State(Status.CLOSED, Reason.ASKED, turned_at=at)


def patron_wrote(state, at, reason=Reason.ASKED):
    """Return the state after a message from the patron: it waits for the library.

    A conversation that was waiting already keeps its place in the queue and its reason.
    """
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason if state.waiting_since else reason)


def item_failed(state, at, verdict):
    """Return the state after a verdict that an item failed.

    It is as if the patron had written, but the desk sees it only after GRACE. The verdict becomes the reason.
    """
    return _wait_for_staff(state, at, at_desk_from=at + GRACE, reason=verdict)


def staff_answered(state, at, then):
    """Return the state after an answer, as its writer chose with `then`."""
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
    """Return the state after snoozing ends: back in the queue.

    It keeps its place if something is unanswered, and goes to the end otherwise.
    """
    return _wait_for_staff(
        state, at, at_desk_from=at, reason=state.reason if state.waiting_since else Reason.CAME_BACK
    )


def closed(state, at):
    return State(Status.CLOSED, state.reason, turned_at=at)


def merged(state, at, waiting_since):
    """Return the state after another conversation was merged into this one.

    `waiting_since` is the time of the first unanswered message in either of them, or None.
    """
    if waiting_since is None:
        return state
    since = min(filter(None, [state.waiting_since, waiting_since]))
    return _wait_for_staff(replace(state, waiting_since=since), at, at_desk_from=at, reason=state.reason)


def unanswered_in(conversation, at):
    """Return since when a conversation waits for the library, or None, before it is merged.

    A snoozed conversation counts as waiting, so that it comes back into the queue.
    """
    return conversation.waiting_since or (at if conversation.status == Status.SNOOZED else None)


def _wait_for_staff(state, at, *, at_desk_from, reason):
    if state.status == Status.WAITING_FOR_STAFF:
        at_desk_from = min(state.at_desk_from, at_desk_from)
    since = state.waiting_since or at
    return State(
        Status.WAITING_FOR_STAFF, reason, turned_at=since, waiting_since=since, at_desk_from=at_desk_from
    )


def state_of(conversation):
    """Return the state that the conversation's row holds."""
    return State(
        conversation.status,
        conversation.reason,
        turned_at=conversation.queued_at,
        waiting_since=conversation.waiting_since,
        at_desk_from=conversation.at_desk_from,
        snoozed_until=conversation.snoozed_until,
    )


def replay(conversation, *, shown_at=None):
    """Return the state that follows from the conversation's messages, events and current verdicts.

    With `shown_at` it is the state that the patron may know at that moment.
    """
    state = nothing_yet(conversation.opened_at)
    for at, _order, change, arguments in sorted(
        _history(conversation, shown_at), key=lambda entry: entry[:2]
    ):
        state = change(state, at, *arguments)
    return state


def _history(conversation, shown_at):
    """Yield (time, order within one moment, function of this module, its further arguments).

    The order decides what happened first if two entries have the same time.
    """
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
        yield at, 5, merged, (since,)
    for at, kind, until in conversation.desk_events.values_list("at", "kind", "until"):
        if kind == DeskEvent.Kind.SNOOZED:
            yield at, 3, snoozed, (until,)
        elif kind == DeskEvent.Kind.WOKEN:
            yield at, 4, woken, ()
        elif kind == DeskEvent.Kind.CLOSED:
            yield at, 2, closed, ()


def _messages(conversation, shown):
    first_reason = Reason.READERS_ADVISORY if hasattr(conversation, "readers_form") else Reason.ASKED
    for number, (at, side, then) in enumerate(
        conversation.messages.filter(**shown).in_order().values_list("sent_at", "side", "then")
    ):
        if side == Side.PATRON:
            yield at, 1, patron_wrote, (first_reason if number == 0 else Reason.ASKED,)
        else:
            yield at, 1, staff_answered, (then,)
