"""Test that a record under a legal hold is never deleted, even by a simultaneous deletion."""

import datetime
import multiprocessing
import uuid
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, holds, retention
from tests.extent import times
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    LibraryFactory,
    MessageFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)
from tests.processes import MAX_WAIT, rounds

# The number of rounds. Each of the three kinds of record gets a third of the rounds.
ROUNDS = times(3, 51)
# This event is set as soon as one process has set the legal hold. The process that deletes can wait for it.
is_held = multiprocessing.get_context("fork").Event()

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(number):
    """Create a visit that is due for deletion, with a closed conversation."""
    is_held.clear()
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    person, coordinator = UserFactory(), StaffFactory(branch=branch, branch__role="coordinator")
    long_ago = timezone.now() - datetime.timedelta(days=400)
    visit = HelpSessionFactory(
        branch=branch, staff=coordinator, patron=person, created_at=long_ago, kept_at=long_ago
    )
    recommend_in(visit)
    conversation = ConversationFactory(help_session=visit, status="closed")
    MessageFactory(conversation=conversation)
    return SimpleNamespace(
        number=number,
        person=person,
        visit=visit,
        conversation=conversation,
        coordinator=coordinator,
        record=[person, visit, conversation][number % 3],
    )


def pause(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def hold(data):
    """Set the hold, and return whether the visit and its messages exist after that."""
    with transaction.atomic():
        holds.hold(data.record, reason="Case 7", by=data.coordinator, at=timezone.now())
        is_held.set()
        # Give the other process time to interfere.
        pause(0.02)
        return still_exists(data)


def still_exists(data):
    return (
        HelpSession.objects.filter(pk=data.visit.pk).exclude(question="").exists()
        and data.conversation.messages.exists()
    )


def check_record(data, outcomes):
    held, deleted = outcomes
    assert held in (True, False, "Gone"), outcomes
    assert still_exists(data) is (held is True), outcomes
    seen.add(held)


def forget(data):
    return retention.forget(at=timezone.now())


def erase_everything(data):
    return str(erasure.erase(data.person, language="en", at=timezone.now()).pk)


def erase_conversation(data):
    return holds.erase_conversation(data.conversation, by=data.coordinator, at=timezone.now()).pk


def begin_with_contact(number):
    """Create a conversation that the desk also counted as a help session."""
    data = begin(number)
    data.contact = HelpSessionFactory(branch=data.visit.branch, staff=data.coordinator)
    Conversation.objects.filter(pk=data.conversation.pk).update(logged_as=data.contact)
    data.conversation.refresh_from_db()
    return data


def hold_contact(data):
    hold = holds.hold(data.contact, reason="Case 7", by=data.coordinator, at=timezone.now())
    is_held.set()
    return bool(hold)


def check_words(data, outcomes):
    held, _deleted = outcomes
    assert held is True, outcomes
    words = HelpSession.objects.get(pk=data.contact.pk).question
    assert (words != "") is ("HeldByLaw" in outcomes), outcomes
    seen.add(words != "")


def begin_with_log_entry(number):
    """Create a visit that retention keeps, and an entry of the access log that retention deletes."""
    data = begin(number)
    HelpSession.objects.filter(pk=data.visit.pk).update(kept_at=timezone.now())
    long_ago = timezone.now() - datetime.timedelta(days=731)
    subject = [data.person, data.visit, data.conversation][number % 3]
    data.event = audit.record("opened", subject, by=data.coordinator, at=long_ago)
    return data


def hold_with_log_entry(data):
    """Set the hold, and return whether the access log entry still exists after that."""
    if data.number % 2 == 0:
        # During this pause, the other transaction deletes the access log entry, but doesn't commit yet.
        pause(0.05)
    with transaction.atomic():
        holds.hold(data.record, reason="Case 7", by=data.coordinator, at=timezone.now())
        is_held.set()
        return AuditEvent.objects.filter(pk=data.event.pk).exists()


def forget_log(data):
    with transaction.atomic():
        retention._forget_some_events([data.event.pk], timezone.now())
        pause(0.1)


def check_log(data, outcomes):
    held, _forgotten = outcomes
    assert AuditEvent.objects.filter(pk=data.event.pk).exists() is held, outcomes
    seen.add(held)


def late_every_second_time(delete):
    """Return a function that calls `delete`. In every second round, it first waits until the hold is set."""

    def run(data):
        if data.number % 2:
            is_held.wait(MAX_WAIT)
        return delete(data)

    return run


seen = set()


@pytest.mark.parametrize(
    "delete", [forget, erase_everything, erase_conversation], ids=lambda delete: delete.__name__
)
def test_record_is_not_deleted_after_its_legal_hold_is_set(delete):
    seen.clear()
    works = [hold, late_every_second_time(delete)]
    rounds(works, ROUNDS, before=begin, after=check_record, refusals={"Gone", "HeldByLaw"})
    # At least one hold must come before the deletion. Otherwise this test proves nothing.
    assert True in seen


@pytest.mark.parametrize("delete", [erase_everything, erase_conversation], ids=lambda delete: delete.__name__)
def test_text_of_a_help_session_is_not_deleted_after_its_legal_hold_is_set(delete):
    seen.clear()
    works = [hold_contact, late_every_second_time(delete)]
    rounds(works, ROUNDS, before=begin_with_contact, after=check_words, refusals={"HeldByLaw"})
    assert True in seen


@pytest.mark.core
def test_access_log_entry_is_not_deleted_after_its_legal_hold_is_set():
    seen.clear()
    works = [hold_with_log_entry, late_every_second_time(forget_log)]
    rounds(works, ROUNDS, before=begin_with_log_entry, after=check_log)
    # At least one hold must come before the deletion. Otherwise this test proves nothing.
    assert True in seen
