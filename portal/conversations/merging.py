"""Making two conversations of one patron one."""

import uuid

from django.db.models import Q

from accounts.models import Library
from accounts.staff_actions import staff_action

from . import drafts, search, states
from .changes import STAFF, enter, lock_conversation, raise_queue
from .models import (
    Attachment,
    Conversation,
    ConversationNote,
    DeskEvent,
    Draft,
    Event,
    Message,
    Participation,
    ReadersForm,
    Side,
)

Status = Conversation.Status


class CannotMerge(Exception):
    """The two conversations aren't one person's, or one of them is quiet or may be read by an adult beside a child: whoever may read the one might
    not read the other."""


@staff_action
def merge(conversation, *, into, by, at):
    """Make two conversations of one patron one: the messages, notes and files go to `into`, where the old address leads from now on.

    What was unanswered in either is unanswered; what was unread in either is unread. Raises CannotMerge, Erased, RoleEnded.
    """
    found = {}
    for one in sorted([conversation, into], key=lambda one: one.pk):  # always in one order
        # Read before it is locked: whoever writes to a joined conversation holds its row and waits for that
        # of the other.
        one.refresh_from_db(fields=["merged_into"])
        found[one.pk] = None if one.merged_into_id else lock_conversation(one, at)
    if conversation.merged_into_id == into.pk:
        return into
    conversation, into = found[conversation.pk], found[into.pk]
    if conversation is None or into is None or not may_merge(conversation, into):
        raise CannotMerge
    at = conversation.changed_at = into.changed_at = max(conversation.changed_at, into.changed_at)
    unanswered = [
        since for since in (states.unanswered_in(conversation, at), states.unanswered_in(into, at)) if since
    ]
    _keep_unread(conversation, into)
    promised_at = min(filter(None, [conversation.promised_at, into.promised_at]), default=None)
    shown_from = max(_shown_last(one, at) for one in (conversation, into))
    since = min(unanswered, default=None)
    Event.objects.create(
        conversation=into,
        kind=Event.Kind.MERGED,
        side=STAFF,
        by=by,
        at=at,
        shown_from=shown_from,
        waiting_since=since,
    )
    into.patron_status = _as_the_patron_knows(conversation, into, at)
    into.pending_from = min(filter(None, [conversation.pending_from, into.pending_from]), default=None)
    into.last_message_at = max(
        filter(None, [conversation.last_message_at, into.last_message_at]), default=None
    )
    _move_words(conversation, into)
    into.logged_as = into.logged_as or conversation.logged_as
    if into.assignee is None and conversation.assignee is not None:
        into.assignee, into.assigned_at = conversation.assignee, conversation.assigned_at
    conversation.pending_from, conversation.merged_into, conversation.assignee, conversation.assigned_at = (
        None,
        into,
        None,
        None,
    )
    enter(conversation, states.closed(states.state_of(conversation), at))
    conversation.version += 1  # an open page of it asks anew, and is led on
    conversation.desk_version += 1
    conversation.save()
    Conversation.objects.filter(merged_into=conversation).update(merged_into=into)
    search.move(conversation, into)
    search.index_conversation(into)
    enter(into, states.replay(into))
    if into.waiting_since and promised_at:
        into.promised_at = promised_at  # the earlier one, whichever branch gave it
    into.version += 1
    into.desk_version += 1
    into.save()
    for branch_id in sorted({conversation.branch_id, into.branch_id}):
        raise_queue(branch_id)
    return into


def may_merge(conversation, into):
    """Whether whoever may read the one may read the other."""
    if conversation.pk == into.pk:
        return False
    if conversation.help_session_id is not None and conversation.help_session_id == into.help_session_id:
        return True
    apart = any(
        one.help_session and (one.help_session.quiet or one.help_session.is_shared)
        for one in (conversation, into)
    )
    return conversation.patron_id is not None and conversation.patron_id == into.patron_id and not apart


def mergeable(conversation):
    """The conversations into which this one may be joined, or that may be joined into it."""
    apart = Q(help_session__quiet=True) | Q(help_session__with_child=Library.Children.SHARED)
    same_person = Q(patron=conversation.patron_id, patron__isnull=False) & ~apart
    if conversation.help_session and (conversation.help_session.quiet or conversation.help_session.is_shared):
        same_person = Q(pk=None)
    same_session = Q(help_session=conversation.help_session_id, help_session__isnull=False)
    others = (
        Conversation.objects.filter(same_person | same_session, merged_into=None)
        .exclude(status=Status.ERASED)
        .exclude(pk=conversation.pk)
    )
    return others.order_by("-opened_at", "-pk")


def _as_the_patron_knows(conversation, into, at):
    """What the patron reads as the state of the two as one, while an answer in either is held."""
    if conversation.pending_from is None and into.pending_from is None:
        return ""
    known = {conversation.status_at(at), into.status_at(at)}
    return next(
        status
        for status in (Status.WAITING_FOR_STAFF, Status.SNOOZED, Status.WAITING_FOR_PATRON, Status.CLOSED)
        if status in known
    )


def _shown_last(conversation, at):
    """From when all that was said in the conversation until now is shown."""
    last = conversation.messages.order_by("-shown_from").values_list("shown_from", flat=True).first()
    return max(at, last or at)


def _keep_unread(conversation, into):
    """How far each person has read the two as one: up to the first message of either that they haven't seen."""
    rows = {
        (row.conversation_id, row.person_id, row.side): row
        for row in Participation.objects.filter(conversation__in=[conversation, into])
    }
    said = list(
        Message.objects.filter(conversation__in=[conversation, into]).values_list(
            "conversation_id", "sent_at", "shown_from"
        )
    )
    for person_id, side in {key[1:] for key in rows}:
        times, unread = [], []
        for conversation_id, sent_at, shown_from in said:
            time = shown_from if side == Side.PATRON else sent_at
            row = rows.get((conversation_id, person_id, side))
            times.append(time)
            if row is None or row.read_until is None or row.read_until < time:
                unread.append(time)
        until = max((time for time in times if not unread or time < min(unread)), default=None)
        there = rows.get((into.pk, person_id, side)) or Participation(
            conversation=into, person_id=person_id, side=side
        )
        there.read_until = until
        there.save()


def _move_words(conversation, into):
    for model in (Message, ConversationNote):  # tokens are unique in a conversation only
        clashing = model.objects.filter(
            conversation=conversation,
            client_token__in=model.objects.filter(conversation=into).values("client_token"),
        )
        for row in clashing:
            row.client_token = uuid.uuid4()
            row.save(update_fields=["client_token"])
    for draft in Draft.objects.filter(conversation=conversation):
        _move_draft(draft, into)
    for model in (Message, ConversationNote, Attachment, Event, DeskEvent):
        model.objects.filter(conversation=conversation).update(conversation=into)
    _move_readers_form(conversation, into)


def _move_readers_form(conversation, into):
    """Two forms become one, which says both."""
    moved, there = (ReadersForm.objects.filter(conversation=one) for one in (conversation, into))
    second, first = moved.first(), there.first()
    if first is None:
        moved.update(conversation=into)
    elif second is not None:
        for field in ReadersForm._meta.concrete_fields[1:]:
            both = dict.fromkeys(filter(None, [getattr(first, field.name), getattr(second, field.name)]))
            setattr(first, field.name, "; ".join(both)[: field.max_length])
        first.save()
        second.delete()


def _move_draft(draft, into):
    """What was being written goes on there, after what its writer was writing there already; its files come along."""
    there = Draft.objects.filter(
        conversation=into, person=draft.person, side=draft.side, kind=draft.kind
    ).first()
    if there is None:
        draft.conversation = into
        draft.save(update_fields=["conversation"])
        return
    drafts.go_on(draft, there=there)
    draft.delete()
