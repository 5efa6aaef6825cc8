"""Merge two conversations of one patron."""

import uuid

from django.db.models import Q

from accounts.models import Library
from accounts.staff_actions import staff_action

from . import drafts, search, states
from .changes import STAFF, enter, lock_conversation, raise_queue
from .models import (
    Attachment,
    CallBack,
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
from .promises import set_promise

Status = Conversation.Status


class CannotMerge(Exception):
    """The conversations can't be merged.

    There are two reasons. Different people may read the two conversations, because the patrons differ or a
    visit is quiet or shared. Or the patron wants no answer in the conversation that would remain.
    """


@staff_action
def merge(conversation, *, into, by, at):
    """Move everything from `conversation` to the conversation `into`. Return `into`.

    The URL of `conversation` then redirects to `into`. If either conversation was unanswered, `into` is
    unanswered. If either was unread, `into` is unread. Raises CannotMerge, Erased, RoleEnded.
    """
    locked = {}
    # Always lock the rows in the same order, so that two merges can't deadlock.
    for row in sorted([conversation, into], key=lambda row: row.pk):
        # Don't lock a conversation that was already merged. `lock_conversation` would lock it first, and then
        # the conversation that it was merged into, which can have a lower key. Two requests that lock in
        # different orders could deadlock.
        row.refresh_from_db(fields=["merged_into"])
        locked[row.pk] = None if row.merged_into_id else lock_conversation(row, at)
    if conversation.merged_into_id == into.pk:
        return into
    conversation, into = locked[conversation.pk], locked[into.pk]
    if conversation is None or into is None or not may_merge(conversation, into):
        raise CannotMerge
    at = conversation.changed_at = into.changed_at = max(conversation.changed_at, into.changed_at)
    both = conversation, into
    waiting_since = _earliest(states.unanswered_in(row, at) for row in both)
    promised_at = _earliest(row.promised_at for row in both)
    _keep_unread(conversation, into)
    Event.objects.create(
        conversation=into,
        kind=Event.Kind.MERGED,
        side=STAFF,
        by=by,
        at=at,
        shown_from=max(_shown_last(row, at) for row in both),
        waiting_since=waiting_since,
        call_since=_earliest(row.call_since for row in both),
    )
    into.patron_status = _as_the_patron_knows(conversation, into, at)
    into.pending_from = _earliest(row.pending_from for row in both)
    into.last_message_at = max(filter(None, [row.last_message_at for row in both]), default=None)
    _move_words(conversation, into)
    _move_numbers(conversation, into)
    into.logged_as = into.logged_as or conversation.logged_as
    into.count_question = into.count_question or conversation.count_question
    if into.assignee is None and conversation.assignee is not None:
        into.assignee, into.assigned_at = conversation.assignee, conversation.assigned_at
    _close_merged(conversation, into)
    enter(into, states.replay(into))
    if into.waiting_since and promised_at:
        set_promise(into, promised_at, into.waiting_since)
    into.version += 1
    into.desk_version += 1
    into.save()
    for branch_id in sorted({conversation.branch_id, into.branch_id}):
        raise_queue(branch_id)
    return into


def _earliest(times):
    return min(filter(None, times), default=None)


def _close_merged(conversation, into):
    conversation.merged_into = into
    conversation.pending_from = conversation.assignee = conversation.assigned_at = None
    enter(conversation, states.closed(states.state_of(conversation), conversation.changed_at))
    # When an open page polls next, it sees that the version has changed, and is redirected.
    conversation.version += 1
    conversation.desk_version += 1
    conversation.save()
    Conversation.objects.filter(merged_into=conversation).update(merged_into=into)
    search.move(conversation, into)
    search.index_conversation(into)


def may_merge(conversation, into):
    """Return whether exactly the same people may read both conversations, and staff may write in `into`."""
    if conversation.pk == into.pk or into.wants_no_answer:
        return False
    if conversation.help_session_id is not None and conversation.help_session_id == into.help_session_id:
        return True
    if _has_other_readers(conversation) or _has_other_readers(into):
        return False
    return conversation.patron_id is not None and conversation.patron_id == into.patron_id


def _has_other_readers(conversation):
    """Return whether people other than the patron may read the conversation.

    This is the case if the visit is quiet or shared.
    """
    session = conversation.help_session
    return bool(session) and (session.quiet or session.is_shared)


def mergeable(conversation):
    """Return the conversations that may be merged into this one."""
    if conversation.wants_no_answer:
        return Conversation.objects.none()
    other_readers = Q(help_session__quiet=True) | Q(help_session__with_child=Library.Children.SHARED)
    same_person = Q(patron=conversation.patron_id, patron__isnull=False) & ~other_readers
    if _has_other_readers(conversation):
        same_person = Q(pk=None)
    same_session = Q(help_session=conversation.help_session_id, help_session__isnull=False)
    others = (
        Conversation.objects.filter(same_person | same_session, merged_into=None)
        .exclude(status=Status.ERASED)
        .exclude(pk=conversation.pk)
    )
    return others.order_by("-opened_at", "-pk")


def _as_the_patron_knows(conversation, into, at):
    """Return the `patron_status` of the merged conversation.

    This is the status that the patron sees until the pending answers are shown. Return "" if neither
    conversation has a pending answer.
    """
    if conversation.pending_from is None and into.pending_from is None:
        return ""
    known = {conversation.status_at(at), into.status_at(at)}
    return next(
        status
        for status in (Status.WAITING_FOR_STAFF, Status.SNOOZED, Status.WAITING_FOR_PATRON, Status.CLOSED)
        if status in known
    )


def _shown_last(conversation, at):
    """Return when the patron will see the last pending answer, or `at` if no answer is pending."""
    last = conversation.messages.order_by("-shown_from").values_list("shown_from", flat=True).first()
    return max(at, last or at)


def _keep_unread(conversation, into):
    """Record for each person how far they have read the merged conversation. No unread message becomes read.

    A person counts as having read everything before their first unread message in either conversation. If no
    message is unread, the person has read everything.
    """
    rows = {
        (row.conversation_id, row.person_id, row.side): row
        for row in Participation.objects.filter(conversation__in=[conversation, into])
    }
    messages = list(
        Message.objects.filter(conversation__in=[conversation, into]).values_list(
            "conversation_id", "sent_at", "shown_from"
        )
    )
    for person_id, side in {key[1:] for key in rows}:
        times, unread = [], []
        for conversation_id, sent_at, shown_from in messages:
            time = shown_from if side == Side.PATRON else sent_at
            row = rows.get((conversation_id, person_id, side))
            times.append(time)
            if row is None or row.read_until is None or row.read_until < time:
                unread.append(time)
        until = max((time for time in times if not unread or time < min(unread)), default=None)
        row = rows.get((into.pk, person_id, side)) or Participation(
            conversation=into, person_id=person_id, side=side
        )
        row.read_until = until
        row.save()


def _move_words(conversation, into):
    for model in (Message, ConversationNote):
        # Both conversations can have a message or note with the same token, because tokens are unique only
        # within a conversation.
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


def _move_numbers(conversation, into):
    """Move the phone numbers to the conversation `into`.

    If both conversations have an open call, staff call only the number that was given last. The earlier
    number is hidden now, and deleted later.
    """
    numbers = CallBack.objects.filter(conversation__in=[conversation, into])
    is_open = numbers.filter(done_at=None).order_by("-asked_at", "-pk")
    for replaced in is_open[1:]:
        replaced.done_at = into.changed_at
        replaced.save(update_fields=["done_at"])
    numbers.update(conversation=into)


def _move_readers_form(conversation, into):
    """Move the readers' form. If both conversations have a readers' form, combine the two forms."""
    moved = ReadersForm.objects.filter(conversation=conversation)
    second, first = moved.first(), ReadersForm.objects.filter(conversation=into).first()
    if first is None:
        moved.update(conversation=into)
    elif second is not None:
        for field in ReadersForm._meta.concrete_fields[1:]:
            both = dict.fromkeys(filter(None, [getattr(first, field.name), getattr(second, field.name)]))
            setattr(first, field.name, "; ".join(both)[: field.max_length])
        first.save()
        second.delete()


def _move_draft(draft, into):
    """Move a draft to the conversation `into`.

    If the writer already has a draft there, append the text to that draft.
    """
    own_draft = Draft.objects.filter(
        conversation=into, person=draft.person, side=draft.side, kind=draft.kind
    ).first()
    if own_draft is None:
        draft.conversation = into
        draft.save(update_fields=["conversation"])
        return
    drafts.append(draft, to=own_draft)
    draft.delete()
