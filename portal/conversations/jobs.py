"""The worker's jobs for conversations."""

import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import Library

from . import states
from .changes import STAFF, Erased, count_shown_answers, enter, lock_conversation, save
from .desk_actions import Kind, Status, change_assignee, wake_up
from .models import Conversation, DeskEvent, Event, Message


def show_pending_answers(*, at):
    """Update conversations with answers whose undo window is over.

    The conversations move up in the patron's list, and are shown as unread.
    """
    for conversation in Conversation.objects.filter(pending_from__lte=at)[:200]:
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
            if count_shown_answers(conversation, at):
                conversation.save(
                    update_fields=["version", "last_message_at", "pending_from", "patron_status"]
                )


def wake_snoozed(*, at):
    """Put snoozed conversations back into the queue on the day `snoozed_until`."""
    today = Library.current().today(at)

    def come_back(conversation):
        if conversation.status == Status.SNOOZED and conversation.snoozed_until <= today:
            wake_up(conversation, None)

    _each(Conversation.objects.filter(status=Status.SNOOZED, snoozed_until__lte=today), come_back, at)


def close_after_silence(*, at):
    """Close conversations whose time `closes_at` has passed. If a patron writes, `closes_at` becomes None."""

    def close(conversation):
        if conversation.closes_at is not None and conversation.closes_at <= at:
            now = conversation.changed_at
            Event.objects.create(
                conversation=conversation,
                kind=Event.Kind.CLOSED_BY_ITSELF,
                side=STAFF,
                at=now,
                shown_from=now,
            )
            enter(conversation, states.closed(states.state_of(conversation), now))
            conversation.version += 1
            save(conversation)

    _each(Conversation.objects.filter(closes_at__lte=at), close, at)


def release_untouched(*, at):
    """Unassign conversations that have waited for the same assignee for `released_after_days` days.

    A conversation stays assigned if its assignee has written, called or recorded a next step for an item
    within these days. The days begin again when the conversation comes back into the queue after a snooze or
    because an item is late. Before that, nobody could see the conversation in the queue.
    """
    days = Library.current().released_after_days
    before = at - datetime.timedelta(days=days)
    written_since = Message.objects.filter(
        conversation=OuterRef("pk"), author=OuterRef("assignee"), side=STAFF, sent_at__gt=before
    )
    recorded_since = Event.objects.filter(
        Q(by=OuterRef("assignee"), kind__in=[*Event.CALLS, *Event.STEPS]) | Q(kind=Event.Kind.STEP_LATE),
        conversation=OuterRef("pk"),
        at__gt=before,
    )
    back_since = DeskEvent.objects.filter(conversation=OuterRef("pk"), kind=Kind.WOKEN, at__gt=before)
    untouched = (
        Q(
            status=Status.WAITING_FOR_STAFF,
            assigned_at__lte=before,
            waiting_since__lte=before,
            assignee__isnull=False,
        )
        & ~Exists(written_since)
        & ~Exists(recorded_since)
        & ~Exists(back_since)
    )

    def release(conversation):
        if Conversation.objects.filter(untouched, pk=conversation.pk).exists():
            change_assignee(conversation, Kind.RELEASED, to=None, by=None)

    if days:
        _each(Conversation.objects.filter(untouched), release, at)


def _each(conversations, change, at):
    """Lock each conversation in a separate transaction, and call `change` with it.

    `change` must check its condition again, because the row may have changed before it was locked. At most
    500 conversations are changed in one run of a job. The next run changes the remaining conversations.
    """
    for conversation in conversations[:500]:
        with transaction.atomic():
            try:
                conversation = lock_conversation(conversation, at)
            except Erased:
                continue
            change(conversation)
