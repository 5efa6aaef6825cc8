"""The rules for whose turn it is in a conversation.

Each function gets a State and what happened, and returns the next State. The functions change nothing else.
Actions call them when something happens. `replay` calls them again for everything that has happened in a
conversation, for example after an action was undone or two conversations were merged.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from .models import Conversation, DeskEvent, Event, Message, Side

# The desk doesn't see a verdict until this time is over, so that a patron can correct a mistaken tap.
GRACE = timedelta(minutes=1)

Status, Reason, Then = Conversation.Status, Conversation.Reason, Message.Then


@dataclass(frozen=True)
class State:
    """Whose turn it is in a conversation, and since what time.

    `waiting_since` is the time of the first unanswered message or verdict, even while the conversation is
    snoozed. `turned_at` is the time when the conversation began to wait, or was answered, snoozed or closed.

    `comes_back_to` is the primary key of the person who is assigned when the patron writes next, if nobody is
    assigned then. None means that the conversation comes back to its branch.
    """

    status: str
    reason: str
    turned_at: datetime
    waiting_since: datetime | None = None
    at_desk_from: datetime | None = None
    snoozed_until: date | None = None
    comes_back_to: int | None = None


def nothing_yet(at):
    """Return the state before the first message."""
    return State(Status.CLOSED, Reason.ASKED, turned_at=at)


def patron_wrote(state, at, reason=Reason.ASKED):
    """Return the state after a message from the patron. The conversation waits for the library now.

    If the conversation was waiting for the library already, its position in the queue and its reason don't
    change.
    """
    state = replace(state, comes_back_to=None)
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason if state.waiting_since else reason)


def item_failed(state, at, verdict):
    """Return the state after a verdict that an item didn't help, or that the patron couldn't get the item.

    The conversation waits for the library, and the verdict becomes the conversation's reason. The desk sees
    the verdict only after GRACE.
    """
    return _wait_for_staff(state, at, at_desk_from=at + GRACE, reason=verdict)


def staff_answered(state, at, then, comes_back_to):
    """Return the state after an answer by staff.

    `then` is the Message.Then that the writer chose. `comes_back_to` is the same as in State. An answer with
    Then.OURS leaves the conversation with the library, so it never comes back.
    """
    state = replace(state, comes_back_to=None if then == Then.OURS else comes_back_to)
    if then == Then.CLOSE:
        return closed(state, at)
    if then == Then.TURN:
        return State(Status.WAITING_FOR_PATRON, state.reason, turned_at=at, comes_back_to=state.comes_back_to)
    if state.status in {Status.WAITING_FOR_STAFF, Status.SNOOZED}:
        return state
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason)


def snoozed(state, at, until):
    return replace(state, status=Status.SNOOZED, turned_at=at, snoozed_until=until)


def woken(state, at):
    """Return the state after snoozing has ended. The conversation is in the queue again.

    If something is unanswered, the conversation gets the same position in the queue as before. Otherwise it
    goes to the end of the queue.
    """
    return _wait_for_staff(
        state, at, at_desk_from=at, reason=state.reason if state.waiting_since else Reason.CAME_BACK
    )


def closed(state, at):
    return State(Status.CLOSED, state.reason, turned_at=at, comes_back_to=state.comes_back_to)


def transferred(state, _at):
    """Return the state after a transfer. The conversation now comes back to its new branch."""
    return replace(state, comes_back_to=None)


def merged(state, at, waiting_since):
    """Return the state after another conversation was merged into this one.

    `waiting_since` is the time of the first unanswered message in either conversation, or None if there is
    none.
    """
    if waiting_since is None:
        return state
    since = min(filter(None, [state.waiting_since, waiting_since]))
    return _wait_for_staff(replace(state, waiting_since=since), at, at_desk_from=at, reason=state.reason)


def unanswered_in(conversation, at):
    """Return the time since which a conversation waits for the library, or None.

    This is called before a merge. A snoozed conversation counts as waiting, so that it comes back into the
    queue after the merge.
    """
    return conversation.waiting_since or (at if conversation.status == Status.SNOOZED else None)


def _wait_for_staff(state, at, *, at_desk_from, reason):
    if state.status == Status.WAITING_FOR_STAFF:
        at_desk_from = min(state.at_desk_from, at_desk_from)
    since = state.waiting_since or at
    return State(
        Status.WAITING_FOR_STAFF,
        reason,
        turned_at=since,
        waiting_since=since,
        at_desk_from=at_desk_from,
        comes_back_to=state.comes_back_to,
    )


def state_of(conversation):
    """Return the state that is stored in the fields of the conversation."""
    return State(
        conversation.status,
        conversation.reason,
        turned_at=conversation.queued_at,
        waiting_since=conversation.waiting_since,
        at_desk_from=conversation.at_desk_from,
        snoozed_until=conversation.snoozed_until,
        comes_back_to=conversation.comes_back_to_id,
    )


def replay(conversation, *, shown_at=None):
    """Return the state that follows from the conversation's messages, events and current verdicts.

    If `shown_at` is a time, leave out everything that the patron can't see yet at this time.
    """
    state = nothing_yet(conversation.opened_at)
    for at, _order, change, arguments in sorted(
        _history(conversation, shown_at), key=lambda entry: entry[:2]
    ):
        state = change(state, at, *arguments)
    return state


def _history(conversation, shown_at):
    """Yield (time, order, function, arguments) for each message, verdict and event.

    `replay` calls each function with the state, the time and the arguments. If two entries have the same
    time, the entry with the lower order comes first.
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
        elif kind == DeskEvent.Kind.TRANSFERRED:
            yield at, 6, transferred, ()


def _messages(conversation, shown):
    first_reason = Reason.READERS_ADVISORY if hasattr(conversation, "readers_form") else Reason.ASKED
    fields = "sent_at", "side", "then", "author_id", "back_to_writer"
    messages = conversation.messages.filter(**shown).in_order().values_list(*fields)
    for number, (at, side, then, author_id, back_to_writer) in enumerate(messages):
        if side == Side.PATRON:
            yield at, 1, patron_wrote, (first_reason if number == 0 else Reason.ASKED,)
        else:
            yield at, 1, staff_answered, (then, author_id if back_to_writer else None)
