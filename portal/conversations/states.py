"""The rules that decide whether a conversation waits for the library, waits for the patron or is closed.

Each function is called with a State after something has happened, and returns the next State. No function
changes an object or the database. Actions call the functions when something happens. `replay` calls them
again for the whole history of a conversation, for example after an action was undone or two conversations
were merged.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from portal.helpsessions.models import HelpSession

from .models import Conversation, DeskEvent, Event, Message, Side

# How long a verdict or the outcome of a visit is hidden from the desk, so that a patron can correct a
# mistaken tap.
GRACE = timedelta(minutes=1)

Status, Reason, Then = Conversation.Status, Conversation.Reason, Message.Then
# The answers to "Did you find what you needed?" that put the conversation into the queue: {answer: reason}.
REASONS = {
    HelpSession.Found.NO.value: Reason.FOUND_NOTHING.value,
    HelpSession.Found.PART.value: Reason.FOUND_PART.value,
}


@dataclass(frozen=True)
class State:
    """Whose turn it is in a conversation, and since when.

    `waiting_since` is the time since which the library has owed an answer or a call, or None. A snooze
    doesn't change this time. But if the conversation was answered before it was snoozed, this time is the end
    of the snooze. `turned_at` is the time when the conversation began to wait, or was answered, snoozed or
    closed.

    `comes_back_to` is the primary key of the person who is assigned when the patron writes next, if nobody
    else is assigned by then. None means that the conversation comes back to its branch.

    `call_since` is the time when the patron asked for the open call, or None. If the conversation waits only
    for the call, the reason is CALL.
    """

    status: str
    reason: str
    turned_at: datetime
    waiting_since: datetime | None = None
    at_desk_from: datetime | None = None
    snoozed_until: date | None = None
    comes_back_to: int | None = None
    call_since: datetime | None = None


def nothing_yet(at):
    """Return the state before the first message."""
    return State(Status.CLOSED, Reason.ASKED, turned_at=at)


def patron_wrote(state, at, reason=Reason.ASKED):
    """Return the state after a message from the patron. The conversation waits for the library now.

    If the conversation was waiting for the library already, its position in the queue doesn't change. If the
    conversation was waiting only for a call, its reason changes.
    """
    state = replace(state, comes_back_to=None)
    return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason if _waits(state) else reason)


def help_failed(state, at, reason):
    """Return the state after a patron said that an item or the whole visit didn't help.

    `reason` is the verdict on the item or one of REASONS. The conversation waits for the library. The desk
    sees the conversation only after GRACE.
    """
    return _wait_for_staff(state, at, at_desk_from=at + GRACE, reason=reason)


def staff_answered(state, at, then, comes_back_to):
    """Return the state after an answer by staff.

    `then` is the writer's choice of what happens next. With Then.OURS, it is still the library's turn, and
    `comes_back_to` is ignored. Otherwise `comes_back_to` is saved in the new State. With Then.TURN, the
    conversation still waits for the call if one is open.
    """
    state = replace(state, comes_back_to=None if then == Then.OURS else comes_back_to)
    if then == Then.CLOSE:
        return closed(state, at)
    if then == Then.TURN and state.call_since is not None:
        return _only_the_call(state)
    if then == Then.TURN:
        return State(Status.WAITING_FOR_PATRON, state.reason, turned_at=at, comes_back_to=state.comes_back_to)
    if state.status in {Status.WAITING_FOR_STAFF, Status.SNOOZED}:
        return state
    # If the last reason was a call, that call is over. The library now owes an answer, not a call.
    reason = Reason.ASKED if state.reason == Reason.CALL else state.reason
    return _wait_for_staff(state, at, at_desk_from=at, reason=reason)


def call_asked(state, at):
    """Return the state after a call was requested, by the patron or by staff for the patron."""
    if state.call_since is not None:
        return state
    reason = state.reason if _waits(state) else Reason.CALL
    return _wait_for_staff(replace(state, call_since=at), at, at_desk_from=at, reason=reason)


def call_tried(state, _at):
    """Return the state after a call that nobody answered. The conversation still waits for a call."""
    return state


def call_spoken(state, at):
    """Return the state after staff spoke with the patron. It is the patron's turn, as after an answer."""
    if state.call_since is None:
        return state
    return State(Status.WAITING_FOR_PATRON, state.reason, turned_at=at, comes_back_to=state.comes_back_to)


def call_given_up(state, at):
    """Return the state after staff gave up the call.

    If a message is unanswered, the conversation still waits for the library.
    """
    return _without_call(state, at, Status.WAITING_FOR_PATRON)


def call_canceled(state, at):
    """Return the state after the patron canceled the call.

    If a message is unanswered, the conversation still waits for the library.
    """
    return _without_call(state, at, Status.CLOSED)


def call_expired(state, at):
    """Return the state after the number was deleted because nobody had called in time.

    The conversation still waits for the library, because staff should write to the patron. A snoozed
    conversation is put back into the queue.
    """
    state = replace(state, call_since=None)
    if state.status == Status.SNOOZED:
        return _wait_for_staff(state, at, at_desk_from=at, reason=state.reason)
    return state


def step_recorded(state, at, leaves_queue, promised_on):
    """Return the state after staff recorded a next step for an item that the patron couldn't get.

    If the conversation waits for nothing else, it is snoozed until the day after the promised day.
    """
    if not leaves_queue or state.status not in {Status.WAITING_FOR_STAFF, Status.SNOOZED}:
        return state
    return snoozed(state, at, promised_on + timedelta(days=1))


def step_taken_back(state, at, _leaves_queue, _promised_on):
    """Return the state after staff took back a next step. A snoozed conversation returns to the queue."""
    return woken(state, at) if state.status == Status.SNOOZED else state


def item_came(state, at, leaves_queue, _promised_on):
    """Return the state after the item arrived, or was given to the patron. It is the patron's turn."""
    is_done = leaves_queue and state.status in {Status.WAITING_FOR_STAFF, Status.SNOOZED}
    if not is_done or state.call_since is not None:
        return state
    return State(Status.WAITING_FOR_PATRON, state.reason, turned_at=at, comes_back_to=state.comes_back_to)


def step_is_late(state, at, _leaves_queue, _promised_on):
    """Return the state after the promised day has passed and the item has not arrived."""
    reason = state.reason if _waits(state) else Reason.COULD_NOT_GET_IT
    return _wait_for_staff(state, at, at_desk_from=at, reason=reason)


def snoozed(state, at, until):
    return replace(state, status=Status.SNOOZED, turned_at=at, snoozed_until=until)


def woken(state, at):
    """Return the state after the snooze has ended. The conversation is in the queue again.

    If something is unanswered, the conversation gets its old position in the queue. Otherwise it goes to the
    end of the queue.
    """
    return _wait_for_staff(
        state, at, at_desk_from=at, reason=state.reason if state.waiting_since else Reason.CAME_BACK
    )


def closed(state, at):
    return State(Status.CLOSED, state.reason, turned_at=at, comes_back_to=state.comes_back_to)


def transferred(state, _at):
    """Return the state after a transfer. From now on, the conversation comes back to its new branch."""
    return replace(state, comes_back_to=None)


def merged(state, at, waiting_since, call_since=None):
    """Return the state after another conversation was merged into this one.

    `waiting_since` is the time of the first unanswered message in either conversation, or None. `call_since`
    is the time when the first open call was requested, or None.
    """
    if waiting_since is None and call_since is None:
        return state
    since = min(filter(None, [state.waiting_since, waiting_since, call_since]))
    reason = state.reason
    if waiting_since is None:
        reason = Reason.CALL
    elif reason == Reason.CALL:
        reason = Reason.ASKED
    state = replace(state, waiting_since=since, call_since=call_since)
    return _wait_for_staff(state, at, at_desk_from=at, reason=reason)


def unanswered_in(conversation, at):
    """Return the time since which the conversation has been waiting for an answer, or None. Used for merging.

    A snoozed conversation counts as waiting, so that it is put back into the queue after the merge. A
    conversation that waits only for a call doesn't count.
    """
    if conversation.call_since is not None and conversation.reason == Reason.CALL:
        return None
    return conversation.waiting_since or (at if conversation.status == Status.SNOOZED else None)


def _waits(state):
    """Return whether the conversation waits for something other than a call."""
    return state.waiting_since is not None and state.reason != Reason.CALL


def _only_the_call(state):
    """Return the state of a conversation that now waits only for its open call, even if it was snoozed."""
    turned_at = state.turned_at if state.status == Status.SNOOZED else state.call_since
    return replace(state, reason=Reason.CALL, waiting_since=state.call_since, turned_at=turned_at)


def _without_call(state, at, status):
    """Return the state after the open call has ended.

    If the conversation waits for nothing else, its status becomes `status`.
    """
    if state.call_since is None:
        return state
    if _waits(state):
        return replace(state, call_since=None)
    return State(status, state.reason, turned_at=at, comes_back_to=state.comes_back_to)


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
        call_since=state.call_since,
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
        call_since=conversation.call_since,
    )


# {kind of an event: the function that returns the state after this event}
CHANGES = {
    Event.Kind.CLOSED.value: closed,
    Event.Kind.CLOSED_BY_ITSELF.value: closed,
    Event.Kind.CALL_ASKED.value: call_asked,
    Event.Kind.CALL_TRIED.value: call_tried,
    Event.Kind.CALL_SPOKEN.value: call_spoken,
    Event.Kind.CALL_GIVEN_UP.value: call_given_up,
    Event.Kind.CALL_CANCELED.value: call_canceled,
    Event.Kind.CALL_EXPIRED.value: call_expired,
}
# {kind of an event about a next step: the function that returns the state after this event}. These functions
# are also called with the event's `leaves_queue` and `promised_on`.
STEP_CHANGES = {
    Event.Kind.STEP_RECORDED.value: step_recorded,
    Event.Kind.STEP_TAKEN_BACK.value: step_taken_back,
    Event.Kind.STEP_ARRIVED.value: item_came,
    Event.Kind.STEP_GIVEN.value: item_came,
    Event.Kind.STEP_LATE.value: step_is_late,
}


def replay(conversation, *, shown_at=None):
    """Return the state that follows from the messages, events, verdicts and outcomes of a conversation.

    An outcome is the patron's answer to "Did you find what you needed?" about a visit. Only the current
    verdicts and outcomes count. If `shown_at` is a time, leave out everything that the patron can't see yet
    at this time.
    """
    state = nothing_yet(conversation.opened_at)
    for at, _order, change, arguments in sorted(
        _history(conversation, shown_at), key=lambda entry: entry[:2]
    ):
        state = change(state, at, *arguments)
    return state


def _history(conversation, shown_at):
    """Yield (time, order, function, arguments) for each message, event, verdict and outcome.

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
        yield at, 0, help_failed, (verdict,)
    for at, found in (
        conversation.sessions_with_outcome().filter(found__in=REASONS).values_list("found_at", "found")
    ):
        yield at, 0, help_failed, (REASONS[found],)
    for at, kind in conversation.events.filter(kind__in=CHANGES, **shown).values_list("at", "kind"):
        yield at, 2, CHANGES[kind], ()
    yield from _steps(conversation, shown)
    merges = conversation.events.filter(kind=Event.Kind.MERGED)
    for at, *since in merges.values_list("at", "waiting_since", "call_since"):
        yield at, 5, merged, since
    for at, kind, until in conversation.desk_events.values_list("at", "kind", "until"):
        if kind == DeskEvent.Kind.SNOOZED:
            yield at, 3, snoozed, (until,)
        elif kind == DeskEvent.Kind.WOKEN:
            yield at, 4, woken, ()
        elif kind == DeskEvent.Kind.CLOSED:
            yield at, 2, closed, ()
        elif kind == DeskEvent.Kind.TRANSFERRED:
            yield at, 6, transferred, ()


def _steps(conversation, shown):
    """Yield the events about next steps.

    Events about an item are left out if the patron has changed the verdict on the item since then.
    """
    rows = conversation.events.filter(kind__in=Event.STEPS, **shown).order_by("at", "pk")
    counting: dict = {}
    for recommendation, *event in rows.values_list(
        "recommendation", "at", "kind", "leaves_queue", "promised_on"
    ):
        if event[1] == Event.Kind.STEP_ENDED:
            counting[recommendation] = []
        else:
            counting.setdefault(recommendation, []).append(event)
    for events in counting.values():
        for at, kind, *arguments in events:
            yield at, 2, STEP_CHANGES[kind], arguments


def _messages(conversation, shown):
    first_reason = Reason.READERS_ADVISORY if hasattr(conversation, "readers_form") else Reason.ASKED
    fields = "sent_at", "side", "then", "author_id", "back_to_writer"
    messages = conversation.messages.filter(**shown).in_order().values_list(*fields)
    for number, (at, side, then, author_id, back_to_writer) in enumerate(messages):
        if side == Side.PATRON:
            yield at, 1, patron_wrote, (first_reason if number == 0 else Reason.ASKED,)
        else:
            yield at, 1, staff_answered, (then, author_id if back_to_writer else None)
