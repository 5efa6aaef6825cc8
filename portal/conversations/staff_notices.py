"""Notices to staff: a new conversation at their branch, a patron's answer, a promise that is due, a mention.

An action only saves a StaffNotice, which says what happened. When the worker processes this row, functions of
this module decide who gets the notice and whether it still applies.
"""

import datetime
import uuid

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from accounts.models import Absence, Branch, Library, User
from portal.notifications import webhooks
from portal.notifications.models import StaffNotice
from portal.notifications.writing import announce

from .models import Conversation, DeskEvent, NoteMention

NEW, REPLY, PROMISE_DUE = "conversations/new", "conversations/reply", "conversations/promise_due"
# The type of the event that the webhook sends.
NEW_EVENT = "conversation.new"
ANNOUNCED_BEFORE = datetime.timedelta(hours=2)
Status = Conversation.Status


def announce_new(conversation, *, at, due_at=None):
    """Tell the staff of the branch about a new conversation.

    Each branch gets this notice only once for a conversation. If the library has a webhook, also send an
    event to the webhook. Send no event if the patron is a child, or if the visit is quiet or with a child.
    """
    mark = f"new.{conversation.branch_id}"
    announce([_notice(NEW, conversation, at=at, due_at=due_at, mark=mark)])
    if webhooks.is_set_up() and not _is_kept_from_other_systems(conversation):
        webhooks.announce(NEW_EVENT, {"branch": conversation.branch.slug}, at=at)


def announce_return(conversation, *, at, due_at):
    """Tell staff that a verdict, or an answer about a visit, has put the conversation back into the queue."""
    announce([_notice(NEW, conversation, at=at, due_at=due_at)])


def _is_kept_from_other_systems(conversation):
    visit, patron = conversation.help_session, conversation.patron
    return bool(visit and (visit.quiet or visit.with_child)) or bool(patron and patron.is_child)


def announce_reply(conversation, *, at):
    """Tell the assignee that the patron has written."""
    announce([_notice(REPLY, conversation, at=at)])


def announce_due_promises(*, at):
    """Tell staff once about each promise that is due within ANNOUNCED_BEFORE. The worker runs this job."""
    # The filter lists all branches. Without it, the database can't use the index desk_lists.
    due = Conversation.objects.filter(
        branch__in=list(Branch.objects.values_list("pk", flat=True)),
        status=Status.WAITING_FOR_STAFF,
        promised_at__gt=at,
        promised_at__lte=at + ANNOUNCED_BEFORE,
    )
    announce([_notice(PROMISE_DUE, row, at=at, mark=f"due.{row.promised_at:%Y%m%d%H%M%S}") for row in due])


def about(conversation):
    """Return the key that identifies the conversation in the outbox."""
    return f"conversation:{conversation.public_id}"


def desk_url(conversation):
    return settings.BASE_URL + reverse("desk_conversation", args=[conversation.public_id])


def staff_or_assignee(notice, at):
    """Return the assignee of the conversation. If nobody is assigned, return the staff of its branch.

    If a different branch covers for this branch now, also return the staff of the covering branch.
    """
    conversation = _conversation_of(notice)
    if conversation is None:
        return []
    if conversation.assignee_id:
        return User.objects.filter(pk=conversation.assignee_id, is_active=True)
    branches = conversation.branch_ids_at_desk(at)
    return User.objects.filter(staff_roles__branch__in=branches, is_active=True).distinct().order_by("pk")


def assignee(notice, at):
    """Return a queryset with the assignee of the conversation. It is empty if nobody is assigned.

    Return [] if the conversation was erased or forgotten.
    """
    conversation = _conversation_of(notice)
    return User.objects.filter(pk=conversation.assignee_id, is_active=True) if conversation else []


def new(rows, person, at):
    """Return {primary key: True} for the notices whose new conversation still waits for the library.

    A notice is left out if this person took the conversation, because they know about it already. A notice is
    included if a colleague assigned the conversation to this person.
    """
    taken = DeskEvent.objects.filter(kind=DeskEvent.Kind.TAKEN, by=person, conversation=OuterRef("pk"))
    return dict.fromkeys((row.pk for row, _conversation in _waiting(rows, person, at, ~Exists(taken))), True)


def waiting(rows, person, at):
    """Return {primary key: True} for the notices whose conversation still waits for the library.

    Conversations that are assigned to other people are left out. See `_waiting`.
    """
    return dict.fromkeys((row.pk for row, _conversation in _waiting(rows, person, at)), True)


def due(rows, person, at):
    """Return {primary key: True} for the notices whose conversation waits for an answer that is due soon."""
    return {
        row.pk: True
        for row, conversation in _waiting(rows, person, at)
        if conversation.promised_at and conversation.promised_at <= at + ANNOUNCED_BEFORE
    }


def unseen(rows, person, at):
    """Return {primary key: True} for the notices about a mention that this person hasn't seen yet."""
    with timezone.override(Library.current().zone):
        mentions = NoteMention.objects.filter(
            person=person,
            seen_at=None,
            note__conversation__in=Conversation.objects.at_desk_of(person).values("pk"),
            note__conversation__public_id__in=_public_ids(rows),
        )
        keys = set(mentions.values_list("note__conversation__public_id", flat=True))
    return {row.pk: True for row in rows if _public_id(row) in keys}


def _waiting(rows, person, at, *conditions):
    """Return [(notice, conversation)] for the notices whose conversation is waiting for the library.

    The conversation must be assigned to this person, to a colleague that this person covers for, or to
    nobody. It must also meet the `conditions`.
    """
    library = Library.current()
    covered = Absence.objects.on(library.today(at)).filter(cover=person).values_list("person", flat=True)
    own = {None, person.pk, *covered}
    with timezone.override(library.zone):
        conversations = {
            conversation.public_id: conversation
            for conversation in Conversation.objects.at_desk_of(person).filter(
                *conditions, public_id__in=_public_ids(rows), status=Status.WAITING_FOR_STAFF
            )
            if conversation.assignee_id in own
        }
    found = [(row, conversations.get(_public_id(row))) for row in rows]
    return [(row, conversation) for row, conversation in found if conversation is not None]


def _notice(kind, conversation, *, at, due_at=None, mark=""):
    """Return an unsaved notice. `announce` doesn't save the notice if its `mark` is already in use."""
    return StaffNotice(
        kind=kind,
        about=about(conversation),
        url=desk_url(conversation),
        branch_id=conversation.branch_id,
        created_at=at,
        due_at=due_at or at,
        mark=f"{mark}.{conversation.public_id}" if mark else None,
    )


def _conversation_of(notice):
    conversations = Conversation.objects.exclude(status=Status.ERASED).select_related("branch")
    return conversations.filter(public_id=_public_id(notice)).first()


def _public_ids(rows):
    return {_public_id(row) for row in rows}


def _public_id(row):
    return uuid.UUID(row.about.removeprefix("conversation:"))
