"""A hold is set in the moment in which what it holds is forgotten or erased: one comes first, and what was held is there."""

import datetime
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
from tests.processes import rounds

MANY = times(3, 9)  # rounds: a third with each kind of record

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(number):
    """A visit whose time is over, with a conversation that is closed."""
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
    """Whether what was to be held was there once it was held."""
    with transaction.atomic():
        holds.hold(data.record, reason="Case 7", by=data.coordinator, at=timezone.now())
        pause(0.02)  # so that the other comes in between, if it can
        return is_there(data)


def is_there(data):
    return (
        HelpSession.objects.filter(pk=data.visit.pk).exclude(question="").exists()
        and data.conversation.messages.exists()
    )


def what_was_there_stays(data, outcomes):
    held, deleted = outcomes
    assert held in (True, False, "Gone"), outcomes
    assert is_there(data) is (held is True), outcomes
    seen.add(held)


def forget(data):
    return retention.forget(at=timezone.now())


def erase_everything(data):
    return str(erasure.erase(data.person, language="en", at=timezone.now()).pk)


def erase_conversation(data):
    return holds.erase_conversation(data.conversation, by=data.coordinator, at=timezone.now()).pk


def begin_counted(number):
    """A conversation that the desk counted as a contact, in words of its own."""
    data = begin(number)
    data.contact = HelpSessionFactory(branch=data.visit.branch, staff=data.coordinator)
    Conversation.objects.filter(pk=data.conversation.pk).update(logged_as=data.contact)
    data.conversation.refresh_from_db()
    return data


def hold_contact(data):
    return bool(holds.hold(data.contact, reason="Case 7", by=data.coordinator, at=timezone.now()))


def its_words_stay(data, outcomes):
    held, _deleted = outcomes
    assert held is True, outcomes
    words = HelpSession.objects.get(pk=data.contact.pk).question
    assert (words != "") is ("HeldByLaw" in outcomes), outcomes
    seen.add(words != "")


def begin_logged(number):
    """A visit that stays, with a row of the access log whose time is over."""
    data = begin(number)
    HelpSession.objects.filter(pk=data.visit.pk).update(kept_at=timezone.now())
    long_ago = timezone.now() - datetime.timedelta(days=731)
    subject = [data.person, data.visit, data.conversation][number % 3]
    data.event = audit.record("opened", subject, by=data.coordinator, at=long_ago)
    return data


def hold_logged(data):
    """Return whether the row of the access log was there once its subject was held."""
    if data.number % 2 == 0:
        pause(0.05)  # so that the row is deleted and the deletion not yet committed
    with transaction.atomic():
        holds.hold(data.record, reason="Case 7", by=data.coordinator, at=timezone.now())
        return AuditEvent.objects.filter(pk=data.event.pk).exists()


def forget_log(data):
    with transaction.atomic():
        retention._forget_some_events(timezone.now())
        pause(0.1)


def its_log_stays(data, outcomes):
    held, _forgotten = outcomes
    assert AuditEvent.objects.filter(pk=data.event.pk).exists() is held, outcomes
    seen.add(held)


def late_every_second_time(delete):
    """Return the deletion with a pause in every second round, so that the hold comes first in some rounds."""

    def run(data):
        if data.number % 2:
            pause(0.05)
        return delete(data)

    return run


seen = set()


@pytest.mark.parametrize(
    "delete", [forget, erase_everything, erase_conversation], ids=lambda delete: delete.__name__
)
def test_what_was_there_when_it_was_held_stays(delete):
    seen.clear()
    works = [hold, late_every_second_time(delete)]
    rounds(works, MANY, before=begin, after=what_was_there_stays, refusals={"Gone", "HeldByLaw"})
    assert True in seen  # or the test would say nothing


@pytest.mark.parametrize("delete", [erase_everything, erase_conversation], ids=lambda delete: delete.__name__)
def test_a_contact_that_is_held_keeps_its_words(delete):
    seen.clear()
    works = [hold_contact, late_every_second_time(delete)]
    rounds(works, MANY, before=begin_counted, after=its_words_stay, refusals={"HeldByLaw"})
    assert True in seen


def test_access_log_that_was_there_when_its_subject_was_held_stays():
    seen.clear()
    works = [hold_logged, late_every_second_time(forget_log)]
    rounds(works, MANY, before=begin_logged, after=its_log_stays)
    assert True in seen  # or the test would say nothing
