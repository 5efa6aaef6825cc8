"""What the desk does with a conversation: takes it, hands it on, puts it off, counts it, erases it; and what the worker does with it in time.

None of it writes to the patron. Each is told in the conversation by a DeskEvent, to colleagues only; that it closed by itself is an Event.
Whatever staff do raises roles.RoleEnded where they no longer work where they did when they began.
"""

import datetime

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import Absence, Library
from accounts.staff_actions import staff_action
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import HelpSession, UnfinishedForm
from recommendations.models import Recommendation

from . import search, states
from .answer_emails import withdraw_announcement
from .changes import STAFF, enter, lock_conversation, lock_recommendations, raise_queue, save
from .models import Attachment, Conversation, DeskEvent, Event, ReadersForm

Kind, Status = DeskEvent.Kind, Conversation.Status

UNDO_WITHIN = datetime.timedelta(minutes=10)
GIVES = {Kind.TAKEN, Kind.ASSIGNED, Kind.UNASSIGNED}
TURNS = {Kind.SNOOZED, Kind.WOKEN, Kind.CLOSED}


class AlreadyTaken(Exception):
    """It is somebody else's by now: `assignee`, or nobody's (None)."""

    def __init__(self, assignee):
        self.assignee = assignee


class NotOpen(Exception):
    """What is closed can't be put off."""


class CannotUndo(Exception):
    """It is too long ago, or something has happened to the conversation since."""


class AlreadyLogged(Exception):
    """The conversation was counted as a contact already: `help_session`."""

    def __init__(self, help_session):
        self.help_session = help_session


@staff_action
def take(conversation, *, by, at):
    """Make `by` the one who answers. Exactly one of any number of simultaneous takers wins; the others get AlreadyTaken.

    What belongs to somebody who is away today is free to take.
    """
    conversation = lock_conversation(conversation, at)
    assignee = conversation.assignee
    if assignee == by:
        return conversation
    if assignee is not None and not is_away(assignee, at):
        raise AlreadyTaken(assignee)
    return change_assignee(conversation, Kind.TAKEN, to=by, by=by)


@staff_action(also="to")
def assign(conversation, *, to, by, at, was):
    """Make `to` (None: nobody) the one who answers. `was` is whose it was on the page where that was chosen (None: nobody's):
    a page that is out of date changes nothing. Raises AlreadyTaken.
    """
    conversation = lock_conversation(conversation, at)
    if conversation.assignee == to:
        return conversation
    if conversation.assignee != was:
        raise AlreadyTaken(conversation.assignee)
    return change_assignee(conversation, Kind.ASSIGNED if to else Kind.UNASSIGNED, to=to, by=by)


@staff_action
def transfer(conversation, *, branch, by, at, was):
    """Give it to another branch, to nobody there in particular. What the patron was promised holds. Raises AlreadyTaken."""
    conversation = lock_conversation(conversation, at)
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
    left = conversation.branch_id
    conversation.branch, conversation.assignee, conversation.assigned_at = branch, None, None
    conversation.desk_version += 1
    conversation.save()
    for branch_id in sorted(
        [left, branch.pk]
    ):  # always in one order: two that cross must not wait for each other
        raise_queue(branch_id)
    return conversation


@staff_action
def snooze(conversation, *, until, by, at):
    """Put it off until a day of the library's. A patron's word brings it back sooner. Raises NotOpen."""
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
    """Back into the queue before its day. Waking what is awake changes nothing."""
    conversation = lock_conversation(conversation, at)
    if conversation.status == Status.SNOOZED:
        wake_up(conversation, by)
    return conversation


def can_be_undone(conversation, *, by):
    """Whether `by` has just done something with the conversation, as an action returned it, that `undo` knows how to take back."""
    desk_events = conversation.desk_events.filter(by=by, at=conversation.changed_at, kind__in=GIVES | TURNS)
    return desk_events.exists() or _closings(conversation, by, conversation.changed_at).exists()


@staff_action
def undo(conversation, *, done_at, by, at):
    """Take back what `by` did with the conversation at `done_at` (its `changed_at` then): whose it is goes back to whose it was; that it
    was put off, woken or closed is as if it had never been. Raises CannotUndo, and so a second time changes nothing.
    """
    conversation = lock_conversation(conversation, at)
    done = conversation.desk_events.filter(by=by, at=done_at).order_by("pk").last()
    closing = _closings(conversation, by, done_at).first()
    if at - done_at > UNDO_WITHIN or (done is None and closing is None):
        raise CannotUndo
    if done is not None and done.kind in GIVES:
        if (
            conversation.desk_events.filter(
                kind__in=GIVES | {Kind.RELEASED, Kind.TRANSFERRED}, at__gt=done_at
            ).exists()
            or conversation.assignee_id != done.to_id
        ):
            raise CannotUndo
        to = done.was if done.was and done.was.is_staff else None
        return change_assignee(conversation, Kind.ASSIGNED if to else Kind.UNASSIGNED, to=to, by=by)
    if (done is not None and done.kind not in TURNS) or _something_happened(conversation, since=done_at):
        raise CannotUndo
    if closing is not None and closing.shown_from <= conversation.changed_at:
        conversation.version += 1
    (done or closing).delete()
    enter(conversation, states.replay(conversation))
    save(conversation)
    return conversation


def _closings(conversation, by, at):
    return conversation.events.filter(by=by, at=at, kind=Event.Kind.CLOSED, side=STAFF, message=None)


def _something_happened(conversation, *, since):
    """Whether anything turned the conversation after that moment."""
    return (
        conversation.messages.filter(sent_at__gt=since).exists()
        or conversation.events.filter(at__gt=since).exists()
        or conversation.desk_events.filter(at__gt=since, kind__in=TURNS).exists()
    )


@staff_action
def log_as_contact(conversation, *, by, at, token, **contact):
    """Count an answer that took real work as a contact. `contact` is what helpsessions.actions.record takes.

    It is the desk's own: it holds no patron. A conversation is counted once. Returns the help session. Raises AlreadyLogged, Erased.
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


@transaction.atomic
def erase(conversation, *, by, at):
    """Take out every word, file and name, also of the contact as which it was counted; the rows stay as counts. There is no way back."""
    given = Recommendation.objects.filter(
        messagerecommendation__message__conversation=conversation.merged_into_id or conversation.pk
    )
    lock_recommendations(given)
    conversation = lock_conversation(conversation, at)
    patron = conversation.patron
    for mail_id in conversation.messages.exclude(mail_id="").values_list("mail_id", flat=True):
        withdraw_announcement(mail_id)
    given.update(patron=None, reason="", comment="")
    erased = list(Conversation.objects.filter(Q(pk=conversation.pk) | Q(merged_into=conversation)))
    for logged in HelpSession.objects.filter(pk__in=[one.logged_as_id for one in erased]):
        helpsessions.forget_words(logged)
    being_logged = UnfinishedForm.objects.filter(
        fields__conversation__in=[str(one.public_id) for one in erased]
    )
    being_logged.update(fields={})
    files = [
        name
        for attachment in Attachment.objects.filter(conversation=conversation)
        for name in attachment.stored_names()
    ]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    search.remove_conversation(conversation)
    for rows in (
        "messages",
        "notes",
        "events",
        "desk_events",
        "attachments",
        "drafts",
        "participations",
        "merged",
    ):
        getattr(conversation, rows).all().delete()
    ReadersForm.objects.filter(conversation=conversation).delete()
    conversation.patron = conversation.help_session = conversation.recommendation = conversation.logged_as = (
        None
    )
    conversation.assignee = conversation.assigned_at = conversation.last_message_at = None
    conversation.pending_from, conversation.patron_status, conversation.subject = None, "", ""
    conversation.waiting_since = conversation.promised_at = conversation.snoozed_until = (
        conversation.closes_at
    ) = None
    at = conversation.changed_at
    conversation.status, conversation.closed_at, conversation.queued_at = Status.ERASED, at, at
    DeskEvent.objects.create(conversation=conversation, kind=Kind.ERASED, by=by, at=at)
    audit.record("erased", conversation, by=by, patron=patron, at=at)
    conversation.version += 1
    save(conversation)
    return conversation


def is_away(person, at):
    return Absence.objects.on(Library.current().today(at)).filter(person=person).exists()


def change_assignee(conversation, kind, *, to, by):
    at = conversation.changed_at
    DeskEvent.objects.create(
        conversation=conversation, kind=kind, by=by, to=to, was=conversation.assignee, at=at
    )
    conversation.assignee, conversation.assigned_at = to, at if to else None
    save(conversation)
    return conversation


def wake_up(conversation, by):
    at = conversation.changed_at
    DeskEvent.objects.create(conversation=conversation, kind=Kind.WOKEN, by=by, at=at)
    enter(conversation, states.woken(states.state_of(conversation), at))
    save(conversation)
