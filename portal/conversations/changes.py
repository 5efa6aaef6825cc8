"""Functions that all changes to a conversation share: locking, saving, events, pending answers."""

import datetime
from functools import cache

from django.db.models import BigAutoField, F, Max, Min

from accounts.models import Library
from portal.prepared import prepared, update

from .models import BranchQueue, CallBack, Conversation, Event, Message, Side
from .promises import promise_for, set_promise

PATRON, STAFF = Side.PATRON, Side.STAFF
Status, Then = Conversation.Status, Message.Then
# A request waits at most this long for a lock. If the stored time of the last change is further in the future
# than this, it comes from a wrong clock and is ignored.
LOCK_WAIT_MAX = datetime.timedelta(minutes=1)


class Erased(Exception):
    """The conversation was erased, so nothing can be added to it."""


def lock_conversation(conversation, at):
    """Lock the conversation until the transaction ends, and return its current state.

    If the conversation was merged, return the conversation that it was merged into. Raises Erased.

    Sets `changed_at` to the time of the change that the caller will make. See `moment_of_change`.
    """
    # The query has no join. If PostgreSQL has to wait for the lock, it joins rows as they were before the
    # wait. So a join would miss a conversation that was transferred to another branch during the wait.
    known, rows = conversation, _locked(Conversation)(pk=conversation.merged_into_id or conversation.pk)
    if not rows:  # The retention job has deleted the conversation.
        raise Erased
    [conversation] = rows
    _reuse_related(known, conversation)
    if conversation.merged_into_id:
        return lock_conversation(conversation, at)
    if conversation.status == Status.ERASED:
        raise Erased
    conversation.changed_at = moment_of_change(conversation, at)
    count_shown_answers(conversation, conversation.changed_at)
    return conversation


@cache
def _locked(model):
    """Return a prepared query that locks the row with the primary key `pk`."""

    @prepared(pk=BigAutoField())
    def rows(pk):
        return model.objects.select_for_update(no_key=True).filter(pk=pk)

    return rows


def _reuse_related(known, conversation):
    """Reuse related objects that `known`, an older copy of the same row, has already loaded.

    This saves queries.
    """
    for name in ("help_session", "patron", "branch"):
        field = Conversation._meta.get_field(name)
        if field.is_cached(known) and getattr(known, field.attname) == getattr(conversation, field.attname):
            setattr(conversation, name, getattr(known, name))
    if Conversation._meta.get_field("help_session").is_cached(conversation):
        session = conversation.help_session
        if session is not None and session.is_shared:
            # An adult may have joined or left the visit during the wait for the lock. Read the adult again.
            session.refresh_from_db(fields=["shared_with"])


def moment_of_change(conversation, at):
    """Return the time of the next change of this conversation. The caller must have locked the row.

    Usually, this is `at`. But while the request waited for the lock, another request may have changed the
    conversation at a later time. Then the result is just after that change.
    """
    if conversation.changed_at is None or not at <= conversation.changed_at < at + LOCK_WAIT_MAX:
        return at
    return conversation.changed_at + datetime.timedelta(microseconds=1)


def lock_owned(row):
    """Lock the row of a help session or recommendation, and return its current state.

    Raises Erased if the row was deleted or has lost its patron since the caller read the row.
    """
    now = _locked(type(row))(pk=row.pk)
    if not now or (row.patron_id is not None and now[0].patron_id is None):
        raise Erased
    return now[0]


def lock_recommendations(recommendations):
    """Lock these recommendations until the transaction ends.

    Call this before lock_conversation. Saving a verdict also locks the recommendation before the
    conversation, so two transactions can't deadlock.
    """
    list(
        recommendations.select_for_update(of=("self",), no_key=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def enter(conversation, state, *, seen_by_patron=False, undone_at=None, library=None):
    """Set the fields of the conversation to the values of `state`, a State.

    Also set the time by which the library promises to answer, and the time when the conversation closes.
    While an answer is pending, the patron sees the status from before the answer. But if `seen_by_patron` is
    true, the patron made this change, and sees the new status immediately.

    If the change undoes an action, `undone_at` is the time of that action. If the undone action ended a call,
    staff can see the phone number again. Pass the `library` to save a query.
    """
    if state.waiting_since != conversation.waiting_since:
        set_promise(conversation, promise_for(conversation, state.waiting_since), state.waiting_since)
    if state.status != Status.WAITING_FOR_PATRON:
        conversation.closes_at = None
    elif (conversation.status, conversation.queued_at) != (state.status, state.turned_at):
        days = (library or Library.current()).closes_after_days
        conversation.closes_at = state.turned_at + datetime.timedelta(days=days) if days else None
    conversation.status, conversation.reason, conversation.queued_at = (
        state.status,
        state.reason,
        state.turned_at,
    )
    conversation.waiting_since, conversation.snoozed_until = state.waiting_since, state.snoozed_until
    if state.call_since != conversation.call_since:
        conversation.call_since = state.call_since
        _hide_or_restore_number(conversation, undone_at)
    conversation.at_desk_from = state.at_desk_from or conversation.at_desk_from
    conversation.comes_back_to_id = state.comes_back_to
    conversation.closed_at = state.turned_at if state.status == Status.CLOSED else None
    if conversation.pending_from is None:
        conversation.patron_status = ""
    elif seen_by_patron:
        conversation.patron_status = state.status


def _hide_or_restore_number(conversation, undone_at):
    """Hide the phone number if the call has ended. Show the number again if an undo has reopened the call.

    `undone_at` is the time of the action that was undone, or None. If this action hid the number, the
    number's `done_at` is the same time. A number with a different `done_at` was replaced or removed, and
    stays hidden.
    """
    numbers = CallBack.objects.filter(conversation=conversation)
    if conversation.call_since is None:
        numbers.filter(done_at=None).update(done_at=conversation.changed_at)
    elif undone_at is not None and not numbers.filter(done_at=None).exists():
        hidden = numbers.filter(done_at=undone_at).order_by("-pk").values_list("pk", flat=True)[:1]
        numbers.filter(pk__in=list(hidden)).update(done_at=None)


def save(conversation, *, shows_at=None):
    """Save a changed conversation and notify the open pages at the desk.

    `shows_at` is the time when the queue shows the change. None means now.
    """
    conversation.desk_version += 1
    update(conversation)
    raise_queue(conversation.branch_id, shows_at=shows_at)


def raise_queue(branch_id, *, shows_at=None):
    """Raise the version of a branch's queue, so that open pages of the queue load it again.

    Call this last in a transaction, because it locks a row that many other transactions of the branch need.
    """
    later = {} if shows_at is None else {"next_at": shows_at}
    if not BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later):
        _queue, is_new = BranchQueue.objects.get_or_create(
            branch_id=branch_id, defaults={"version": 1, **later}
        )
        if not is_new:
            BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later)


def writer_in(conversation, person, side):
    """Return the person to store as the writer, or None for a viewer by code.

    A patron is stored as the writer in two cases: the conversation is in their account, or its visit is
    shared with them. Any other patron counts as a viewer by code, even while signed in. The name of a viewer
    by code must not be linked to the visit.
    """
    if side == STAFF or person is None:
        return person
    session = conversation.help_session
    return (
        person if person.pk in (conversation.patron_id, session.shared_with_id if session else None) else None
    )


def add_event(conversation, kind, side, by, at, *, message=None, **fields):
    """Add an event to the timeline, and return it. `fields` are values of further columns.

    If an answer caused the event, the patron sees the event and the answer at the same time. Any other event
    by staff is hidden from the patron until the last pending answer is shown.
    """
    shown_from = at if side == PATRON else pending_answers(conversation, at)["last"] or at
    if message is not None:
        shown_from = message.shown_from
    return Event.objects.create(
        conversation=conversation,
        message=message,
        kind=kind,
        side=side,
        by=by,
        at=at,
        shown_from=shown_from,
        **fields,
    )


def add_reopened_event(conversation, message, by):
    """Add the event that says that `message` reopened the conversation.

    If answers are pending, the patron may not know yet that the conversation was closed. In this case, the
    patron sees the event together with the last pending answer.
    """
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
    """Return a dict with the times when the "first" and the "last" pending answer will be shown.

    Both times are None if no answer is pending.
    """
    if conversation.pending_from is None:
        return {"first": None, "last": None}
    return conversation.messages.filter(side=STAFF, shown_from__gt=at).aggregate(
        first=Min("shown_from"), last=Max("shown_from")
    )


def mark_pending(conversation, message):
    """Record that this answer is pending. Call this before the answer changes the conversation's status.

    The patron sees the status from before the answer until the answer is shown.
    """
    if conversation.pending_from is None:
        conversation.pending_from, conversation.patron_status = message.shown_from, conversation.status


def count_shown_answers(conversation, at):
    """Update `version` and `last_message_at` for answers that were pending and are shown by now.

    Returns whether anything changed.
    """
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
