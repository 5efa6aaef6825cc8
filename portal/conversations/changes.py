"""What every change of a conversation shares: locking and saving its row, events, and answers that wait to be shown."""

import datetime

from django.db.models import BigAutoField, F, Max, Min

from accounts.hours import promised_at
from accounts.models import Library
from portal.prepared import prepared

from .models import BranchQueue, Conversation, Event, Message, Side

PATRON, STAFF = Side.PATRON, Side.STAFF
Status, Then = Conversation.Status, Message.Then
LONGEST_WAIT = datetime.timedelta(
    minutes=1
)  # for the row of a conversation; a clock that is further off is wrong


class Erased(Exception):
    """The conversation was erased: nothing is added to it any more."""


def lock_conversation(conversation, at):
    """The conversation as it is now, its row locked until the transaction ends; of one that was joined into another, that other.

    Its `changed_at` is the moment of the change to come: `at`, or just after what somebody else did while the row was waited
    for, or did in this same microsecond. So a conversation's history, by its times, is what happened. Raises Erased.
    """
    # No join: PostgreSQL looks a joined row up as it was before the wait, and a conversation that was handed over to another branch
    # meanwhile would not be found at all.
    known, found = conversation, _row(pk=conversation.merged_into_id or conversation.pk)
    if not found:  # its time was over meanwhile: portal.privacy.retention
        raise Erased
    [conversation] = found
    for name in ("help_session", "patron", "branch"):  # the caller has mostly read them
        if name in known._state.fields_cache and getattr(known, f"{name}_id") == getattr(
            conversation, f"{name}_id"
        ):
            setattr(conversation, name, known._state.fields_cache[name])
    session = conversation._state.fields_cache.get("help_session")
    if session is not None and session.is_shared:
        session.refresh_from_db(
            fields=["shared_with"]
        )  # who holds it beside the child may be another by now, or nobody
    if conversation.merged_into_id:
        return lock_conversation(conversation, at)
    if conversation.status == Status.ERASED:
        raise Erased
    conversation.changed_at = moment_of_change(conversation, at)
    count_shown_answers(conversation, conversation.changed_at)
    return conversation


@prepared(pk=BigAutoField())
def _row(pk):
    return Conversation.objects.select_for_update(no_key=True).filter(pk=pk)


def moment_of_change(conversation, at):
    """Of a conversation whose row is locked: the `changed_at` of what is to be changed in it."""
    if conversation.changed_at is None or not at <= conversation.changed_at < at + LONGEST_WAIT:
        return at
    return conversation.changed_at + datetime.timedelta(microseconds=1)


def lock_recommendations(recommendations):
    """Lock these before the row of their conversation, as whoever gives a verdict does: two that cross must not wait for each other."""
    list(
        recommendations.select_for_update(of=("self",), no_key=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def enter(conversation, state, *, seen_by_patron=False):
    """Write the state into the row, with what follows from it: by when the promise falls due, and when it closes by itself.

    While an answer is pending the patron goes on reading the state before it, unless they changed it themselves (`seen_by_patron`).
    """
    if state.waiting_since != conversation.waiting_since:
        conversation.promised_at = (
            promised_at(conversation.branch, state.waiting_since) if state.waiting_since else None
        )
    if state.status != Status.WAITING_FOR_PATRON:
        conversation.closes_at = None
    elif (conversation.status, conversation.queued_at) != (state.status, state.turned_at):
        days = Library.current().closes_after_days
        conversation.closes_at = state.turned_at + datetime.timedelta(days=days) if days else None
    conversation.status, conversation.reason, conversation.queued_at = (
        state.status,
        state.reason,
        state.turned_at,
    )
    conversation.waiting_since, conversation.snoozed_until = state.waiting_since, state.snoozed_until
    conversation.at_desk_from = state.at_desk_from or conversation.at_desk_from
    conversation.closed_at = state.turned_at if state.status == Status.CLOSED else None
    if conversation.pending_from is None:
        conversation.patron_status = ""
    elif seen_by_patron:
        conversation.patron_status = state.status


def save(conversation, *, shows_at=None):
    """Save the row that a change was made to, and let the open pages of the desk know. `shows_at`: when the queue shows it, if later."""
    conversation.desk_version += 1
    conversation.save()
    raise_queue(conversation.branch_id, shows_at=shows_at)


def raise_queue(branch_id, *, shows_at=None):
    """Let the open queues of a branch know that something changed. Last in its transaction: many wait for this row."""
    later = {} if shows_at is None else {"next_at": shows_at}
    if not BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later):
        queue, new = BranchQueue.objects.get_or_create(branch_id=branch_id, defaults={"version": 1, **later})
        if not new:
            BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later)


def writer_in(conversation, person, side):
    """The name that goes with what `person` does here. On the patron's side there is one only where the visit is kept in their account:
    until they wish it, and in a quiet session always, who is signed in while they read by code stays unknown."""
    if side == STAFF or person is None:
        return person
    session = conversation.help_session
    return (
        person if person.pk in (conversation.patron_id, session.shared_with_id if session else None) else None
    )


def add_event(conversation, kind, side, by, at, *, message=None):
    """An event of the time line. What an answer brings about shows with it; and nothing of the desk's shows before an answer that came first."""
    shown_from = at if side == PATRON else pending_answers(conversation, at)["last"] or at
    if message is not None:
        shown_from = message.shown_from
    Event.objects.create(
        conversation=conversation, message=message, kind=kind, side=side, by=by, at=at, shown_from=shown_from
    )


def add_reopened_event(conversation, message, by):
    """That `message` opens the conversation again. If the patron hasn't seen yet that it was closed, they see both at once, or neither."""
    shown_from = message.shown_from
    if message.side == PATRON and conversation.status_at(message.sent_at) != Status.CLOSED:
        pending = conversation.messages.filter(side=STAFF, shown_from__gt=message.sent_at)
        shown_from = pending_answers(conversation, message.sent_at)["last"]
        message = pending.filter(then=Then.CLOSE).last() or message
    Event.objects.create(
        conversation=conversation,
        message=message,
        kind=Event.Kind.REOPENED,
        side=message.side,
        by=by,
        at=message.sent_at,
        shown_from=shown_from,
    )


def pending_answers(conversation, at):
    """{"first", "last"}: from when the first and the last of the answers are shown that aren't yet; None where there is none."""
    if conversation.pending_from is None:
        return {"first": None, "last": None}
    return conversation.messages.filter(side=STAFF, shown_from__gt=at).aggregate(
        first=Min("shown_from"), last=Max("shown_from")
    )


def mark_pending(conversation, message):
    if conversation.pending_from is None:
        conversation.pending_from, conversation.patron_status = message.shown_from, conversation.status


def count_shown_answers(conversation, at):
    """Bring `version` and `last_message_at` up to what is shown now. Whether that changed anything."""
    if conversation.pending_from is None or conversation.pending_from > at:
        return False
    pending = conversation.messages.filter(side=STAFF, shown_from__gte=conversation.pending_from)
    shown = pending.filter(shown_from__lte=at)
    conversation.version += shown.count()
    conversation.last_message_at = max(
        filter(None, [conversation.last_message_at, shown.aggregate(latest=Max("shown_from"))["latest"]])
    )
    conversation.pending_from = pending.filter(shown_from__gt=at).aggregate(first=Min("shown_from"))["first"]
    if conversation.pending_from is None:
        conversation.patron_status = ""
    return True
