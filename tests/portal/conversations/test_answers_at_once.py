"""Test what happens if several processes send an answer, take it back or reply to it at the same moment.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import uuid

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Branch, User
from portal.conversations import departures, desk_actions, states, taking_back
from portal.conversations.models import Conversation, DeskEvent, Draft, Message
from portal.helpsessions.models import HelpSession
from tests import conversations
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.portal.conversations.test_answer_effects import CONTACT
from tests.processes import rounds

ROUNDS, PROCESSES = times(5, 50), 8

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def session(transactional_db):
    library = LibraryFactory()
    Branch.objects.update(back_to_writer=True)
    return HelpSessionFactory(
        branch=library.default_branch,
        staff=StaffFactory(branch=library.default_branch),
        patron=UserFactory(),
    )


def ask(session):
    return conversations.ask(session.patron, help_session=session)


def say(conversation, by, side="staff", **kwargs):
    return conversations.say(conversation, by, side, **kwargs).pk


@pytest.mark.core
def test_only_one_of_eight_simultaneous_send_and_take_requests_succeeds(session):
    people = StaffFactory.create_batch(PROCESSES, branch=session.branch)

    def check(conversation, outcomes):
        conversation.refresh_from_db()
        answer = conversation.messages.get(side="staff")
        assert conversation.assignee == answer.author
        assert outcomes.count("AlreadyTaken") == PROCESSES - 1
        assert conversation.desk_events.get(kind="taken").message == answer

    rounds(
        [lambda asked, person=person: say(asked, person, take=True) for person in people],
        ROUNDS,
        before=lambda _: ask(session),
        after=check,
        refusals={"AlreadyTaken"},
    )


def test_conversation_that_two_colleagues_take_at_once_is_assigned_to_only_one_of_them(session):
    first, second = StaffFactory.create_batch(2, branch=session.branch)

    def take(conversation):
        return desk_actions.take(conversation, by=second, at=timezone.now()).pk

    def check(conversation, outcomes):
        conversation.refresh_from_db()
        assert outcomes.count("AlreadyTaken") == 1
        is_answered = outcomes[1] == "AlreadyTaken"
        assert conversation.assignee == (first if is_answered else second)
        assert conversation.messages.filter(side="staff").count() == (1 if is_answered else 0)

    rounds(
        [lambda asked: say(asked, first, take=True), take],
        ROUNDS,
        before=lambda _: ask(session),
        after=check,
        refusals={"AlreadyTaken"},
    )


def test_eight_simultaneous_send_and_count_requests_record_one_contact(session):
    people = StaffFactory.create_batch(PROCESSES, branch=session.branch)

    def count(person):
        contact = CONTACT | {"branch": session.branch, "token": uuid.uuid4()}
        return lambda asked: say(asked, person, contact=contact | {"token": uuid.uuid4()})

    def check(conversation, _outcomes):
        conversation.refresh_from_db()
        assert conversation.messages.filter(side="staff").count() == PROCESSES
        assert conversation.desk_events.filter(kind="logged").count() == 1
        assert HelpSession.objects.exclude(pk=session.pk).get() == conversation.logged_as
        conversation.logged_as.delete()

    rounds([count(person) for person in people], ROUNDS, before=lambda _: ask(session), after=check)


@pytest.mark.parametrize("effect", ["comes back", "take", "close", "count"])
def test_answer_that_is_taken_back_while_the_patron_replies_has_no_effect(session, effect):
    contact = CONTACT | {"branch": session.branch}

    def answer(_number):
        conversation = ask(session)
        Draft.objects.all().delete()
        extra = {
            "take": {"take": True},
            "close": {"then": "close"},
            "count": {"contact": contact | {"token": uuid.uuid4()}},
        }
        return conversation, say(conversation, session.staff, **extra.get(effect, {}))

    def take_back(made):
        message = Message.objects.select_related("conversation").get(pk=made[1])
        return taking_back.take_back(message, by=session.staff, at=timezone.now()).pk

    def check(made, outcomes):
        conversation = Conversation.objects.get(pk=made[0].pk)
        assert outcomes[1:] == [conversation.pk] + [outcomes[2]]
        replayed = states.replay(conversation)
        assert (conversation.status, conversation.waiting_since, conversation.comes_back_to_id) == (
            replayed.status,
            replayed.waiting_since,
            replayed.comes_back_to,
        )
        assert (conversation.status, conversation.assignee, conversation.logged_as) == (
            "waiting_for_staff",
            None,
            None,
        )
        assert conversation.messages.filter(side="patron").count() == 3
        assert list(DeskEvent.objects.filter(conversation=conversation)) == []
        assert HelpSession.objects.get() == session

    def write(made):
        return say(made[0], session.patron, "patron")

    rounds([write, take_back, write], ROUNDS, before=answer, after=check)


def test_conversation_does_not_come_back_to_a_writer_whose_role_is_ending(session):
    coordinator = StaffFactory(branch=session.branch, branch__role="coordinator")

    def answer(_number):
        writer = StaffFactory(branch=session.branch)
        conversation = ask(session)
        say(conversation, writer)
        return conversation, writer.pk

    def end(made):
        person = User.objects.get(pk=made[1])
        by = User.objects.get(pk=coordinator.pk)
        departures.end_role(person, branch=session.branch, by=by, at=timezone.now())

    def check(made, outcomes):
        conversation = Conversation.objects.get(pk=made[0].pk)
        assert outcomes[1] is None
        assert (conversation.assignee, conversation.status) == (None, "waiting_for_staff")

    works = [lambda made: say(made[0], session.patron, "patron"), end]
    rounds(works, ROUNDS, before=answer, after=check)
