"""The desk's actions that send nothing to the patron: take, assign, transfer, snooze, count, undo, erase.

Each action adds a DeskEvent, which only colleagues see.
"""

import datetime

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import Absence, Library
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines
from portal.helpsessions import actions as helpsessions
from portal.helpsessions import forgetting
from portal.helpsessions.models import HelpSession, UnfinishedForm
from recommendations.models import NextStep, Recommendation
from recommendations.visit_numbers import unlinked_number

from . import search, staff_notices, states, step_history
from .answer_emails import withdraw_announcement
from .changes import STAFF, enter, lock_conversation, lock_recommendations, raise_queue, save
from .erased_signal import conversation_erased
from .models import Attachment, CallBack, Conversation, DeskEvent, Draft, Event, ReadersForm

Kind, Status = DeskEvent.Kind, Conversation.Status

UNDO_WITHIN = datetime.timedelta(minutes=10)
ASSIGNMENTS = {Kind.TAKEN, Kind.ASSIGNED, Kind.UNASSIGNED}
CHANGES_OF_ASSIGNEE = ASSIGNMENTS | {Kind.RETURNED, Kind.REQUESTED, Kind.RELEASED, Kind.TRANSFERRED}
TURNS = {Kind.SNOOZED, Kind.WOKEN, Kind.CLOSED}


class AlreadyTaken(Exception):
    """Somebody else changed the assignee or the branch before this action.

    `assignee` is the new assignee, or None if nobody is assigned.
    """

    def __init__(self, assignee):
        self.assignee = assignee


class NotOpen(Exception):
    """The conversation is closed, so it can't be snoozed."""


class CannotUndo(Exception):
    """The action is too old to be undone, or something has happened in the conversation after the action."""


class AlreadyLogged(Exception):
    """The conversation has already been counted as a contact. `help_session` is that contact."""

    def __init__(self, help_session):
        self.help_session = help_session


@staff_action
def take(conversation, *, by, at):
    """Assign the conversation to `by`, and return the conversation.

    Raises AlreadyTaken if the conversation has another assignee who is not away today. If several staff
    members take the conversation at the same moment, only one of them succeeds.
    """
    conversation = _lock_at_its_branch(conversation, at)
    if conversation.assignee == by:
        return conversation
    require_free(conversation, by, at)
    return change_assignee(conversation, Kind.TAKEN, to=by, by=by)


@staff_action(also="to")
def assign(conversation, *, to, by, at, was):
    """Assign the conversation to `to`, or to nobody if `to` is None. Return the conversation.

    `was` is the assignee that the staff member saw when they chose `to`. Raises AlreadyTaken if the
    conversation now has another assignee.
    """
    conversation = _lock_at_its_branch(conversation, at)
    if conversation.assignee == to:
        return conversation
    if conversation.assignee != was:
        raise AlreadyTaken(conversation.assignee)
    return change_assignee(conversation, Kind.ASSIGNED if to else Kind.UNASSIGNED, to=to, by=by)


def _lock_at_its_branch(conversation, at):
    """Lock the conversation and return it.

    Raises AlreadyTaken if the conversation has just been transferred to another branch, where the staff
    member may not be able to open it.
    """
    seen, conversation = conversation, lock_conversation(conversation, at)
    if seen.pk == conversation.pk and seen.branch_id != conversation.branch_id:
        raise AlreadyTaken(conversation.assignee)
    return conversation


@staff_action
def transfer(conversation, *, branch, by, at, was):
    """Transfer the conversation to another branch, remove its assignee, and return the conversation.

    The time when the library promised to answer doesn't change. `was` is the assignee that the staff member
    saw. Raises AlreadyTaken if the conversation now has another assignee. The returned conversation has the
    attribute `transferred_from`: the primary key of the previous branch, or None if the conversation already
    was at `branch`.
    """
    conversation = lock_conversation(conversation, at)
    conversation.transferred_from = None
    if conversation.branch == branch:
        return conversation
    if conversation.assignee != was:
        raise AlreadyTaken(conversation.assignee)
    DeskEvent.objects.create(
        conversation=conversation,
        kind=Kind.TRANSFERRED,
        by=by,
        was=was,
        branch=branch,
        at=conversation.changed_at,
    )
    from_branch_id = conversation.transferred_from = conversation.branch_id
    conversation.branch, conversation.assignee, conversation.assigned_at = branch, None, None
    enter(conversation, states.transferred(states.state_of(conversation), conversation.changed_at))
    conversation.desk_version += 1
    conversation.save()
    if conversation.status == Status.WAITING_FOR_STAFF:
        staff_notices.announce_new(conversation, at=conversation.changed_at)
    # The branches are sorted, so that two transfers in opposite directions can't deadlock.
    for branch_id in sorted([from_branch_id, branch.pk]):
        raise_queue(branch_id)
    return conversation


@staff_action
def snooze(conversation, *, until, by, at):
    """Take the conversation out of the queue until this day, or until the patron writes.

    Returns the conversation. Raises NotOpen.
    """
    conversation = lock_conversation(conversation, at)
    if not conversation.is_open:
        raise NotOpen
    if conversation.snoozed_until == until:
        return conversation
    DeskEvent.objects.create(
        conversation=conversation, kind=Kind.SNOOZED, by=by, until=until, at=conversation.changed_at
    )
    enter(conversation, states.snoozed(states.state_of(conversation), conversation.changed_at, until))
    save(conversation)
    return conversation


@staff_action
def wake(conversation, *, by, at):
    """Put a snoozed conversation back into the queue early, and return the conversation."""
    conversation = lock_conversation(conversation, at)
    if conversation.status == Status.SNOOZED:
        wake_up(conversation, by)
    return conversation


def can_be_undone(conversation, *, by):
    """Return whether `undo` can undo the action that `by` has just done.

    `conversation` must be the object that this action returned.
    """
    desk_events = conversation.desk_events.filter(
        by=by, at=conversation.changed_at, kind__in=ASSIGNMENTS | TURNS, message=None
    )
    return desk_events.exists() or _own_events(conversation, by, conversation.changed_at).exists()


@compares_deadlines
@staff_action
def undo(conversation, *, done_at, by, at, now):
    """Undo an action of the staff member `by`, and return the conversation. Raises CannotUndo.

    `done_at` is the value of the conversation's `changed_at` just after the action. Undoing an assignment
    gives the conversation back to the previous assignee. `undo` also works for actions that snoozed, woke or
    closed the conversation, and for actions about a call or a next step. The events of such an action are
    deleted.
    """
    conversation = lock_conversation(conversation, at)
    # Skip events that an answer caused. These events are undone when the answer is taken back.
    done = conversation.desk_events.filter(by=by, at=done_at, message=None).order_by("pk").last()
    events = list(_own_events(conversation, by, done_at))
    if now() - done_at > UNDO_WITHIN or (done is None and not events):
        raise CannotUndo
    if done is not None and done.kind in ASSIGNMENTS:
        return _undo_assignment(conversation, done, by=by)
    if (done is not None and done.kind not in TURNS) or _something_happened(conversation, since=done_at):
        raise CannotUndo
    if events and events[0].shown_from <= conversation.changed_at:
        conversation.version += 1
    for event in [done] if done is not None else events:
        event.delete()
        if getattr(event, "recommendation_id", None):
            step_history.restore(event.recommendation)
    if any(event.kind == Event.Kind.CALL_ASKED for event in events) and _is_empty(conversation):
        # The conversation began with this call. Without the call, the conversation is empty, so hide it from
        # the patron.
        conversation.last_message_at = None
    enter(conversation, states.replay(conversation), undone_at=done_at)
    save(conversation)
    return conversation


def _undo_assignment(conversation, done, *, by):
    if not is_last_change(conversation, done):
        raise CannotUndo
    to = done.was if done.was and done.was.is_staff else None
    return change_assignee(conversation, Kind.ASSIGNED if to else Kind.UNASSIGNED, to=to, by=by)


def _is_empty(conversation):
    return not (conversation.messages.exists() or conversation.events.exists())


def _own_events(conversation, by, at):
    """Return the events of kind CLOSED, CALLS or STEPS that this staff member added at the time `at`."""
    kinds = [Event.Kind.CLOSED, *Event.CALLS, *Event.STEPS]
    return conversation.events.filter(by=by, at=at, kind__in=kinds, side=STAFF, message=None)


def _something_happened(conversation, *, since):
    """Return whether a message or event after `since` may have changed whose turn it is."""
    return (
        conversation.messages.filter(sent_at__gt=since).exists()
        or conversation.events.filter(at__gt=since).exists()
        or conversation.desk_events.filter(at__gt=since, kind__in=TURNS).exists()
    )


@staff_action
def log_as_contact(conversation, *, by, at, token, **contact):
    """Count the conversation as a contact in the statistics, and return the new help session.

    `token` and `contact` are arguments for helpsessions.actions.record. The session has no patron, and only
    the desk sees it. Raises AlreadyLogged, Erased.
    """
    conversation = lock_conversation(conversation, at)
    logged = conversation.logged_as
    if logged is not None and logged.public_id == token:
        return logged
    if logged is not None:
        raise AlreadyLogged(logged)
    conversation.logged_as = helpsessions.record(by=by, at=at, token=token, **contact)
    DeskEvent.objects.create(conversation=conversation, kind=Kind.LOGGED, by=by, at=conversation.changed_at)
    save(conversation)
    return conversation.logged_as


@staff_action
def decline_to_count(conversation, *, by, at):
    """Record that the closed conversation doesn't count as a contact. The desk doesn't ask again."""
    conversation = lock_conversation(conversation, at)
    conversation.count_question = Conversation.CountQuestion.DECLINED
    save(conversation)


@transaction.atomic
def erase(conversation, *, by, at):
    """Remove all texts, files and names from the conversation. An erasure can't be undone.

    Also remove the texts of the help sessions that count the conversation as a contact. The conversation's
    row stays, so that the statistics count the conversation.
    """
    recommendations = Recommendation.objects.filter(
        messagerecommendation__message__conversation=conversation.merged_into_id or conversation.pk
    )
    lock_recommendations(recommendations)
    conversation = lock_conversation(conversation, at)
    at, patron = conversation.changed_at, conversation.patron
    for mail_id in conversation.messages.exclude(mail_id="").values_list("mail_id", flat=True):
        withdraw_announcement(mail_id)
    NextStep.objects.filter(recommendation__in=conversation.verdicts()).delete()
    # Recommendations of one visit share a `visit_number`. The patron's visit is not erased, so its number
    # would still connect the recommendations of this conversation with the patron.
    recommendations.update(patron=None, reason="", comment="", visit_number=unlinked_number())
    _erase_contacts(conversation)
    _delete_rows(conversation)
    _clear(conversation, at)
    DeskEvent.objects.create(conversation=conversation, kind=Kind.ERASED, by=by, at=at)
    audit.record("erased", conversation, by=by, patron=patron, at=at)
    save(conversation)
    return conversation


def _erase_contacts(conversation):
    """Remove all texts from the contacts of this conversation and of conversations that were merged into it.

    A contact is a help session that counts a conversation. Also empty the unfinished record forms in which
    staff have begun to record such a contact.
    """
    erased = list(Conversation.objects.filter(Q(pk=conversation.pk) | Q(merged_into=conversation)))
    for contact in HelpSession.objects.filter(pk__in=[row.logged_as_id for row in erased]):
        forgetting.forget_words(contact)
    begun = UnfinishedForm.objects.filter(fields__conversation__in=[str(row.public_id) for row in erased])
    begun.update(fields={})


def _delete_rows(conversation):
    attachments = Attachment.objects.filter(conversation=conversation)
    files = [name for attachment in attachments for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    search.remove_conversation(conversation)
    conversation.messages.all().delete()
    conversation.notes.all().delete()
    conversation.events.all().delete()
    conversation.desk_events.all().delete()
    conversation.attachments.all().delete()
    Draft.with_discarded.filter(conversation=conversation).delete()
    CallBack.objects.filter(conversation=conversation).delete()
    conversation.participations.all().delete()
    conversation.merged.all().delete()
    ReadersForm.objects.filter(conversation=conversation).delete()
    conversation_erased.send(Conversation, conversation=conversation)


def _clear(conversation, at):
    conversation.patron = conversation.help_session = None
    conversation.recommendation = conversation.logged_as = None
    conversation.assignee = conversation.assigned_at = conversation.comes_back_to = None
    conversation.count_question = ""
    conversation.is_about_outcome = conversation.wants_no_answer = False
    conversation.last_message_at = conversation.pending_from = None
    conversation.subject, conversation.patron_status = "", ""
    conversation.waiting_since = conversation.promised_at = None
    conversation.last_promise_at = conversation.last_promise_since = None
    conversation.snoozed_until = conversation.closes_at = conversation.call_since = None
    conversation.status, conversation.closed_at, conversation.queued_at = Status.ERASED, at, at
    conversation.version += 1


def require_free(conversation, person, at):
    """Raise AlreadyTaken if somebody other than `person` is assigned and is not away today."""
    assignee = conversation.assignee
    if assignee is not None and assignee != person and not is_away(assignee, at):
        raise AlreadyTaken(assignee)


def is_away(person, at):
    return Absence.objects.on(Library.current().today(at)).filter(person=person).exists()


def is_last_change(conversation, event):
    """Return whether this DeskEvent made the latest change of the assignee."""
    later = conversation.desk_events.filter(kind__in=CHANGES_OF_ASSIGNEE, at__gt=event.at)
    return conversation.assignee_id == event.to_id and not later.exists()


def change_assignee(conversation, kind, *, to, by):
    """Set or remove the assignee, add a DeskEvent, and return the conversation."""
    at = conversation.changed_at
    DeskEvent.objects.create(
        conversation=conversation, kind=kind, by=by, to=to, was=conversation.assignee, at=at
    )
    conversation.assignee, conversation.assigned_at = to, at if to else None
    save(conversation)
    return conversation


def wake_up(conversation, by):
    """Put a snoozed conversation back into the queue. `by` is None if the worker does this."""
    at = conversation.changed_at
    DeskEvent.objects.create(conversation=conversation, kind=Kind.WOKEN, by=by, at=at)
    enter(conversation, states.woken(states.state_of(conversation), at))
    save(conversation)
