"""What the worker does with conversations when their time has come."""

import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import Library

from . import states
from .changes import STAFF, Erased, count_shown_answers, enter, lock_conversation, save
from .desk_actions import Kind, Status, change_assignee, wake_up
from .models import Conversation, Event, Message


def show_pending_answers(*, at):
    """Count the answers whose seconds are over as shown, in the patrons' lists too. For the worker."""
    for conversation in Conversation.objects.filter(pending_from__lte=at)[:200]:
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
            if count_shown_answers(conversation, at):
                conversation.save(
                    update_fields=["version", "last_message_at", "pending_from", "patron_status"]
                )


def wake_snoozed(*, at):
    """Those whose day has come, in the library's time zone."""
    today = Library.current().today(at)

    def come_back(conversation):
        if conversation.status == Status.SNOOZED and conversation.snoozed_until <= today:
            wake_up(conversation, None)

    _each(Conversation.objects.filter(status=Status.SNOOZED, snoozed_until__lte=today), come_back, at)


def close_quiet(*, at):
    """Those that waited for the patron as long as they said they would."""

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
    """Those that somebody took and that have waited for their answer longer than the library lets them. Whoever has written
    meanwhile that more is to come has not left it lying."""
    days = Library.current().released_after_days
    before = at - datetime.timedelta(days=days)
    wrote = Message.objects.filter(
        conversation=OuterRef("pk"), author=OuterRef("assignee"), side=STAFF, sent_at__gt=before
    )
    lying = Q(
        status=Status.WAITING_FOR_STAFF,
        assigned_at__lte=before,
        waiting_since__lte=before,
        assignee__isnull=False,
    ) & ~Exists(wrote)

    def release(conversation):
        if Conversation.objects.filter(lying, pk=conversation.pk).exists():
            change_assignee(conversation, Kind.RELEASED, to=None, by=None)

    if days:
        _each(Conversation.objects.filter(lying), release, at)


def _each(conversations, change, at):
    """Some hundreds at a time, each locked in a transaction of its own; `change` looks again whether it is still one of them."""
    for conversation in conversations[:500]:
        with transaction.atomic():
            try:
                conversation = lock_conversation(conversation, at)
            except Erased:
                continue
            change(conversation)
