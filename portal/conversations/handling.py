"""What the desk does with a thread: takes it, hands it on, puts it off, joins, erases; and what the worker does with it in time.

None of it writes to the patron. Each is told in the thread by a DeskEvent, to colleagues only.
"""

import datetime
import uuid

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts import audit
from accounts.models import Absence, Library
from portal.notifications.actions import withdraw
from recommendations.models import Recommendation

from . import states
from .actions import STAFF, enter, lock_first, locked, raise_queue, save
from .models import Attachment, Conversation, ConversationNote, DeskEvent, Draft, Event, Message, Participation

Kind, Status = DeskEvent.Kind, Conversation.Status


class AlreadyTaken(Exception):
    """It is somebody else's by now: `assignee`, or nobody's (None)."""

    def __init__(self, assignee):
        self.assignee = assignee


class NotOpen(Exception):
    """What is closed can't be put off."""


class CannotJoin(Exception):
    """The two threads aren't one person's, or one of them is quiet: whoever may read the one might not read the other."""


@transaction.atomic
def take(conversation, *, by, at):
    """Make `by` the one who answers. Exactly one of any number of simultaneous takers wins; the others get AlreadyTaken.

    What belongs to somebody who is away today is free to take.
    """
    conversation = locked(conversation, at)
    holder = conversation.assignee
    if holder == by:
        return conversation
    if holder is not None and not is_away(holder, at):
        raise AlreadyTaken(holder)
    return _assign(conversation, Kind.TAKEN, to=by, by=by, at=at)


@transaction.atomic
def assign(conversation, *, to, by, at, was):
    """Make `to` (None: nobody) the one who answers. `was` is whose it was on the page where that was chosen (None: nobody's):
    a page that is out of date changes nothing. Raises AlreadyTaken.
    """
    conversation = locked(conversation, at)
    if conversation.assignee == to:
        return conversation
    if conversation.assignee != was:
        raise AlreadyTaken(conversation.assignee)
    return _assign(conversation, Kind.ASSIGNED if to else Kind.UNASSIGNED, to=to, by=by, at=at)


@transaction.atomic
def hand_over(conversation, *, branch, by, at, was):
    """Give it to another branch, to nobody there in particular. What the patron was promised holds. Raises AlreadyTaken."""
    conversation = locked(conversation, at)
    if conversation.branch == branch:
        return conversation
    if conversation.assignee != was:
        raise AlreadyTaken(conversation.assignee)
    DeskEvent.objects.create(conversation=conversation, kind=Kind.HANDED_OVER, by=by, was=was, branch=branch, at=at)
    left = conversation.branch_id
    conversation.branch, conversation.assignee, conversation.assigned_at = branch, None, None
    conversation.desk_version += 1
    conversation.save()
    for branch_id in sorted([left, branch.pk]):  # always in one order: two that cross must not wait for each other
        raise_queue(branch_id)
    return conversation


@transaction.atomic
def snooze(conversation, *, until, by, at):
    """Put it off until a day of the library's. A patron's word brings it back sooner. Raises NotOpen."""
    conversation = locked(conversation, at)
    if not conversation.is_open:
        raise NotOpen
    at = conversation.changed_at
    DeskEvent.objects.create(conversation=conversation, kind=Kind.SNOOZED, by=by, until=until, at=at)
    enter(conversation, states.snoozed(states.state_of(conversation), at, until))
    save(conversation)
    return conversation


@transaction.atomic
def wake(conversation, *, by, at):
    """Back into the queue before its day. Waking what is awake changes nothing."""
    conversation = locked(conversation, at)
    if conversation.status == Status.SNOOZED:
        _wake(conversation, by)
    return conversation


@transaction.atomic
def join(conversation, *, into, by, at):
    """Make two threads of one patron one: the messages, notes and files go to `into`, where the old address leads from now on.

    Raises CannotJoin.
    """
    found = {}
    for thread in sorted([conversation, into], key=lambda thread: thread.pk):  # always in one order
        # Read before it is locked: whoever writes to a joined thread holds its row and waits for that of the other.
        thread.refresh_from_db(fields=["joined_into"])
        found[thread.pk] = None if thread.joined_into_id else locked(thread, at)
    if conversation.joined_into_id == into.pk:
        return into
    conversation, into = found[conversation.pk], found[into.pk]
    if conversation is None or into is None or not may_join(conversation, into):
        raise CannotJoin
    at = conversation.changed_at = into.changed_at = max(conversation.changed_at, into.changed_at)
    unanswered = [since for since in (states.unanswered_in(conversation, at), states.unanswered_in(into, at)) if since]
    _move_words(conversation, into)
    Event.objects.create(conversation=into, kind=Event.Kind.JOINED, side=STAFF, by=by, at=at, shown_from=at, waiting_since=min(unanswered, default=None))
    if into.held_from is None and conversation.held_from is not None:
        into.held_status = into.status
    into.held_from = min(filter(None, [conversation.held_from, into.held_from]), default=None)
    into.last_message_at = max(filter(None, [conversation.last_message_at, into.last_message_at]), default=None)
    conversation.held_from, conversation.joined_into = None, into
    enter(conversation, states.closed(states.state_of(conversation), at))
    conversation.desk_version += 1
    conversation.save()
    Conversation.objects.filter(joined_into=conversation).update(joined_into=into)
    enter(into, states.replay(into))
    into.version += 1
    into.desk_version += 1
    into.save()
    for branch_id in sorted({conversation.branch_id, into.branch_id}):
        raise_queue(branch_id)
    return into


def _move_words(conversation, into):
    for model in (Message, ConversationNote):  # tokens are unique in a thread only
        clashing = model.objects.filter(conversation=conversation, client_token__in=model.objects.filter(conversation=into).values("client_token"))
        for row in clashing:
            row.client_token = uuid.uuid4()
            row.save(update_fields=["client_token"])
    for model in (Message, ConversationNote, Attachment, Event, DeskEvent):
        model.objects.filter(conversation=conversation).update(conversation=into)
    for row in Participation.objects.filter(conversation=conversation, read_until__isnull=False):  # what was unread stays unread
        there = Participation.objects.filter(conversation=into, person=row.person, side=row.side)
        there.filter(read_until__gt=row.read_until).update(read_until=row.read_until)
    for draft in Draft.objects.filter(conversation=conversation):
        there = Draft.objects.filter(conversation=into, person=draft.person, side=draft.side, kind=draft.kind).first()
        if there is None:
            draft.conversation = into
            draft.save(update_fields=["conversation"])
        elif draft.body:
            there.body, there.sequence = f"{there.body}\n\n{draft.body}".strip(), there.sequence + 1
            there.save(update_fields=["body", "sequence"])


def may_join(conversation, into):
    """Whether whoever may read the one may read the other."""
    if conversation.pk == into.pk:
        return False
    if conversation.help_session_id is not None and conversation.help_session_id == into.help_session_id:
        return True
    quiet = any(thread.help_session and thread.help_session.quiet for thread in (conversation, into))
    return conversation.patron_id is not None and conversation.patron_id == into.patron_id and not quiet


@transaction.atomic
def erase(conversation, *, by, at):
    """Take out every word, file and name; the row stays as a count. There is no way back. Raises Erased."""
    given = Recommendation.objects.filter(messagerecommendation__message__conversation=conversation)
    lock_first(given)
    conversation = locked(conversation, at)
    patron = conversation.patron
    for mail_id in conversation.messages.exclude(mail_id="").values_list("mail_id", flat=True):
        withdraw(mail_id)
    Recommendation.objects.filter(messagerecommendation__message__conversation=conversation).update(patron=None, reason="", comment="")
    files = [name for attachment in Attachment.objects.filter(conversation=conversation) for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    for rows in ("messages", "notes", "events", "desk_events", "attachments", "drafts", "participations", "joined"):
        getattr(conversation, rows).all().delete()
    conversation.patron = conversation.help_session = conversation.recommendation = conversation.logged_as = None
    conversation.assignee = conversation.assigned_at = conversation.last_message_at = None
    conversation.held_from, conversation.held_status, conversation.subject = None, "", ""
    conversation.waiting_since = conversation.promised_at = conversation.snoozed_until = conversation.closes_at = None
    conversation.status, conversation.closed_at, conversation.queued_at = Status.ERASED, at, at
    if hasattr(conversation, "readers_form"):
        conversation.readers_form.delete()
    DeskEvent.objects.create(conversation=conversation, kind=Kind.ERASED, by=by, at=at)
    audit.record("erased", conversation, by=by, patron=patron, at=at)
    conversation.version += 1
    save(conversation)
    return conversation


def is_away(person, at):
    return Absence.objects.on(Library.current().today(at)).filter(person=person).exists()


# For the worker.


def wake_the_snoozed(*, at):
    """Those whose day has come, in the library's time zone."""
    today = Library.current().today(at)
    for conversation in Conversation.objects.filter(status=Status.SNOOZED, snoozed_until__lte=today)[:500]:
        with transaction.atomic():
            conversation = locked(conversation, at)
            if conversation.status == Status.SNOOZED and conversation.snoozed_until <= today:
                _wake(conversation, None)


def close_the_quiet(*, at):
    """Those that waited for the patron as long as they said they would."""
    for conversation in Conversation.objects.filter(closes_at__lte=at)[:500]:
        with transaction.atomic():
            conversation = locked(conversation, at)
            if conversation.closes_at is not None and conversation.closes_at <= at:
                now = conversation.changed_at
                Event.objects.create(conversation=conversation, kind=Event.Kind.CLOSED_BY_ITSELF, side=STAFF, at=now, shown_from=now)
                enter(conversation, states.closed(states.state_of(conversation), now))
                conversation.version += 1
                save(conversation)


def release_the_left_lying(*, at):
    """Those that somebody took and that have waited for their answer longer than the library lets them. Whoever has written
    meanwhile that more is to come has not left it lying."""
    days = Library.current().released_after_days
    before = at - datetime.timedelta(days=days)
    wrote = Message.objects.filter(conversation=OuterRef("pk"), author=OuterRef("assignee"), side=STAFF, sent_at__gt=before)
    lying = Q(status=Status.WAITING_FOR_STAFF, assigned_at__lte=before, waiting_since__lte=before, assignee__isnull=False) & ~Exists(wrote)
    for conversation in Conversation.objects.filter(lying)[:500] if days else []:
        with transaction.atomic():
            conversation = locked(conversation, at)
            if Conversation.objects.filter(lying, pk=conversation.pk).exists():
                _assign(conversation, Kind.RELEASED, to=None, by=None, at=at)


def _assign(conversation, kind, *, to, by, at):
    DeskEvent.objects.create(conversation=conversation, kind=kind, by=by, to=to, was=conversation.assignee, at=at)
    conversation.assignee, conversation.assigned_at = to, at if to else None
    save(conversation)
    return conversation


def _wake(conversation, by):
    at = conversation.changed_at
    DeskEvent.objects.create(conversation=conversation, kind=Kind.WOKEN, by=by, at=at)
    enter(conversation, states.woken(states.state_of(conversation), at))
    save(conversation)
