"""Record what happens next with an item that a patron could not get.

docs/decisions/0041-could-not-get-it-becomes-work.md explains the rules.
"""

import datetime
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Library
from accounts.staff_actions import staff_action
from recommendations.models import Item, NextStep, Recommendation

from . import states, step_history, step_notices
from .changes import PATRON, STAFF, Erased, add_event, enter, lock_conversation, lock_owned, save, writer_in
from .desk_actions import UNDO_WITHIN
from .models import Event
from .opening import conversation_of

Kind = Event.Kind
# A promised day may be at most this far in the future.
LONGEST = datetime.timedelta(days=366)


class StepChanged(Exception):
    """Somebody has recorded something else about the item since the page was loaded."""


class NothingToDo(Exception):
    """There is nothing to record, take back or mark for this item.

    For example, the patron no longer says that they couldn't get the item, staff have removed the item from
    its visit, or the item has no next step.
    """


@dataclass(frozen=True)
class Step:
    """What staff record about an item: the kind of step, the promised day and, for one kind, another item."""

    kind: str
    promised_on: datetime.date
    other_item: Item | None = None


@staff_action
def record(conversation, recommendation, step, *, by, at, seen=None):
    """Record what happens next with the item, and return the conversation. Replace what was recorded before.

    The conversation leaves the queue until the day after the promised day, unless the conversation also waits
    for something else.

    `seen` is the result of `step_history.last_event` when the page was loaded. Raises StepChanged if there is
    a newer event. If `seen` is None, this isn't checked. If a form is sent twice, the second request changes
    nothing. Raises NothingToDo if the patron no longer says that they couldn't get the item, or if staff have
    removed it from its visit. Raises Erased, RoleEnded.
    """
    conversation, recommendation = _lock(conversation, recommendation, at)
    if recommendation.verdict != Recommendation.Verdict.COULD_NOT_GET_IT or _is_removed(recommendation):
        raise NothingToDo
    now = step_of(recommendation)
    if now is not None and now.arrived_at is None and _of(now) == step:
        return conversation
    _check_seen(recommendation, seen)
    return _change(conversation, recommendation, Kind.STEP_RECORDED, by, step)


@staff_action
def take_back(conversation, recommendation, *, by, at, seen=None):
    """Take back what was recorded about the item, and return the conversation.

    The arguments and exceptions are those of `record`. Raises NothingToDo if nothing is recorded.
    """
    return _end(conversation, recommendation, Kind.STEP_TAKEN_BACK, by, at, seen)


@staff_action
def mark_arrived(conversation, recommendation, *, by, at, seen=None):
    """Record that the item has arrived for the patron.

    The arguments and exceptions are those of `take_back`.
    """
    return _end(conversation, recommendation, Kind.STEP_ARRIVED, by, at, seen)


@staff_action
def mark_given(conversation, recommendation, *, by, at, seen=None):
    """Record that staff have given the item to the patron.

    The arguments and exceptions are those of `take_back`.
    """
    return _end(conversation, recommendation, Kind.STEP_GIVEN, by, at, seen)


def _end(conversation, recommendation, kind, by, at, seen):
    conversation, recommendation = _lock(conversation, recommendation, at)
    last = step_history.events_of(recommendation).last()
    if seen is not None and last and last.pk > seen and (last.kind, last.by_id) == (kind, by.pk):
        # The form was sent twice, so the action is recorded already.
        return conversation
    _check_seen(recommendation, seen)
    now = step_of(recommendation)
    if now is None or (kind == Kind.STEP_ARRIVED and now.arrived_at is not None):
        raise NothingToDo
    return _change(conversation, recommendation, kind, by, _of(now))


def _lock(conversation, recommendation, at):
    """Lock the recommendation and then the conversation, and return both."""
    recommendation = lock_owned(recommendation)
    return lock_conversation(conversation, at), recommendation


def _is_removed(recommendation):
    return not Recommendation.objects.not_removed().filter(pk=recommendation.pk).exists()


def _check_seen(recommendation, seen):
    if seen is not None and seen != step_history.last_event(recommendation):
        raise StepChanged


def step_of(recommendation):
    """Return the NextStep of the recommendation from the database, or None."""
    return NextStep.objects.select_related("other_item").filter(recommendation=recommendation).first()


def _of(row):
    return Step(row.kind, row.promised_on, row.other_item)


def _change(conversation, recommendation, kind, by, step):
    """Add an event of this kind, and change the conversation and the NextStep. Return the conversation."""
    at = conversation.changed_at
    leaves_queue = step_history.waits_for_items_only(conversation, recommendation)
    event = add_event(
        conversation,
        kind,
        STAFF,
        by,
        at,
        recommendation=recommendation,
        step=step.kind,
        promised_on=step.promised_on,
        other_item=step.other_item,
        leaves_queue=leaves_queue,
    )
    state = states.STEP_CHANGES[kind](
        states.state_of(conversation), at, event.leaves_queue, event.promised_on
    )
    enter(conversation, state)
    step_history.restore(recommendation)
    if conversation.pending_from is None:
        conversation.version += 1
    step_notices.announce(conversation, event, at=at)
    save(conversation)
    return conversation


def end_by_correction(recommendation, *, by, at):
    """Take back what was recorded about an item that staff remove from its visit.

    Do nothing if nothing is recorded. The caller has locked the roles, the visit, its items and its
    conversations.
    """
    now, conversation = step_of(recommendation), conversation_of(recommendation)
    if now is not None and conversation is not None:
        conversation = lock_conversation(conversation, at)
        _change(conversation, recommendation, Kind.STEP_TAKEN_BACK, by, _of(now))


def end_by_patron(conversation, recommendation, by):
    """Record that the patron changed the verdict on the item. This ends the item's next step.

    Do nothing if the item has no next step. `by` is None for a viewer by code. The caller must lock the
    recommendation and the conversation before this call, and must compute the state of the conversation again
    afterward, with `states.replay`.
    """
    if not step_history.has_steps(recommendation):
        return
    by = writer_in(conversation, by, PATRON)
    at = conversation.changed_at
    add_event(conversation, Kind.STEP_ENDED, PATRON, by, at, recommendation=recommendation)
    step_history.restore(recommendation)


def resume(conversation, recommendation):
    """Undo `end_by_patron` if the patron soon says again that they couldn't get the item.

    A mistaken tap then doesn't delete what staff have recorded. Return whether `end_by_patron` was undone.
    The caller must lock the recommendation and the conversation before this call, and must compute the state
    of the conversation again afterward, with `states.replay`.
    """
    last = step_history.events_of(recommendation).last()
    if last is None or last.kind != Kind.STEP_ENDED or conversation.changed_at - last.at > UNDO_WITHIN:
        return False
    last.delete()
    conversation.version += 1
    step_history.restore(recommendation)
    return True


def can_be_resumed(recommendation, *, at):
    """Return whether `resume` would bring back what staff have recorded about the item."""
    last = step_history.events_of(recommendation).last()
    return last is not None and last.kind == Kind.STEP_ENDED and at - last.at <= UNDO_WITHIN


def return_late_items(*, at):
    """Put a conversation back into the queue if the promised day of its item has passed.

    The day ends in the library's time zone. An item that has arrived is not late. The worker runs this job
    before `wake_snoozed`, so that the queue says that the item is late, not that the snooze has ended.
    """
    today = Library.current().today(at)
    late = NextStep.objects.filter(promised_on__lt=today, arrived_at=None, overdue_at=None)
    for step in late.select_related("recommendation").order_by("promised_on", "pk")[:500]:
        with transaction.atomic():
            _return(step.recommendation, today, at)


def _return(recommendation, today, at):
    try:
        recommendation = lock_owned(recommendation)
        conversation = conversation_of(recommendation)
        conversation = conversation and lock_conversation(conversation, at)
    except Erased:
        conversation = None
    if conversation is None:
        NextStep.objects.filter(recommendation=recommendation).delete()
        return
    step = step_of(recommendation)
    if step is None or step.arrived_at or step.overdue_at or step.promised_on >= today:
        return
    _change(conversation, recommendation, Kind.STEP_LATE, None, _of(step))
