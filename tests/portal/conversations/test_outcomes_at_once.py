"""Test outcomes of visits, and requests for more items, while other processes change the same rows.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import uuid

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import departures, desk_actions, more_items, outcomes, states
from portal.conversations.models import Conversation, Draft
from tests import conversations
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory, recommend_in
from tests.processes import rounds

ROUNDS, PROCESSES = times(5, 50), 8

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def branch(transactional_db):
    return LibraryFactory().default_branch


def visit(branch):
    return HelpSessionFactory(branch=branch, staff=StaffFactory(branch=branch), patron=UserFactory())


def answer(session, found):
    outcomes.take_outcome(session, by=session.patron, at=timezone.now(), found=found)
    return found


def wish(session, wanted):
    row = outcomes.wish_for_answer(
        session, wanted=wanted, by=session.patron, at=timezone.now(), language="en"
    )
    return row and row.pk


def ask_for_more(asked):
    session, recommendation, token = asked
    words = {"body": "More, please", "language": "en", "client_token": token}
    return more_items.ask_for_another(recommendation, by=session.patron, at=timezone.now(), **words).pk


def row_of(session):
    return Conversation.objects.get(help_session=session, is_about_outcome=True)


def is_replayed(row):
    replayed = states.replay(row)
    return (replayed.status, replayed.waiting_since, replayed.turned_at) == (
        row.status,
        row.waiting_since,
        row.queued_at,
    )


@pytest.mark.core
def test_outcome_given_in_eight_processes_starts_one_conversation(branch):
    found = ["no", "part"] * 4

    def check(session, given):
        session.refresh_from_db()
        row = row_of(session)
        assert sorted(given) == sorted(found)
        assert (row.status, row.reason) == ("waiting_for_staff", states.REASONS[session.found])
        assert (row.waiting_since, row.assignee) == (session.found_at, session.staff)
        assert is_replayed(row)

    rounds(
        [lambda session, tap=tap: answer(session, tap) for tap in found],
        ROUNDS,
        before=lambda _: visit(branch),
        after=check,
    )


def test_patron_who_asks_for_an_answer_in_eight_processes_sends_one_message(branch):
    def before(_number):
        session = visit(branch)
        answer(session, "no")
        return session

    def check(session, given):
        row = row_of(session)
        assert given == [row.pk] * PROCESSES
        assert (row.messages.count(), is_replayed(row)) == (1, True)

    rounds([lambda session: wish(session, wanted=True)] * PROCESSES, ROUNDS, before=before, after=check)


def test_answer_sent_while_an_outcome_is_corrected_is_not_lost(branch):
    def before(_number):
        session = visit(branch)
        answer(session, "no")
        return session

    def write(session):
        return conversations.say(row_of(session), session.staff).pk

    def check(session, given):
        row = row_of(session)
        assert row.messages.get().pk == given[1]
        assert (row.status, is_replayed(row)) == ("waiting_for_patron", True)

    rounds([lambda session: answer(session, "all"), write], ROUNDS, before=before, after=check)


def test_answer_and_a_simultaneous_choice_to_get_no_answer_are_not_both_saved(branch):
    def before(_number):
        session = visit(branch)
        answer(session, "no")
        return session

    def write(session):
        return conversations.say(row_of(session), session.staff).pk

    def check(session, given):
        row = row_of(session)
        assert row.wants_no_answer is (given[1] == "WantsNoAnswer")
        assert row.messages.count() == (0 if row.wants_no_answer else 1)
        assert not Draft.objects.filter(conversation=row).exists()

    rounds(
        [lambda session: wish(session, wanted=False), write],
        ROUNDS,
        before=before,
        after=check,
        refusals={"WantsNoAnswer"},
    )


def test_conversation_is_not_assigned_to_a_helper_whose_role_is_ending(branch):
    coordinators = StaffFactory.create_batch(2, branch=branch, branch__role="coordinator")

    def leave(session):
        departures.end_role(session.staff, branch=branch, by=coordinators[0], at=timezone.now())

    def check(session, given):
        assert given == ["no", None]
        assert row_of(session).assignee is None

    rounds(
        [lambda session: answer(session, "no"), leave],
        ROUNDS,
        before=lambda _: visit(branch),
        after=check,
    )


def test_request_for_another_recommendation_sent_in_eight_processes_is_saved_once(branch):
    def before(_number):
        session = visit(branch)
        return session, recommend_in(session)[0], uuid.uuid4()

    def check(asked, given):
        row = Conversation.objects.get(recommendation=asked[1])
        assert given == [row.pk] * PROCESSES
        assert (row.messages.count(), row.assignee, is_replayed(row)) == (1, asked[0].staff, True)
        assert row.desk_events.count() == 1

    rounds([ask_for_more] * PROCESSES, ROUNDS, before=before, after=check)


def test_helper_whose_role_is_ending_gets_no_request_for_another_recommendation(branch):
    coordinators = StaffFactory.create_batch(2, branch=branch, branch__role="coordinator")

    def before(_number):
        session = visit(branch)
        return session, recommend_in(session)[0], uuid.uuid4()

    def leave(asked):
        departures.end_role(asked[0].staff, branch=branch, by=coordinators[0], at=timezone.now())

    def check(asked, given):
        row = Conversation.objects.get(recommendation=asked[1])
        assert given == [row.pk, None]
        assert (row.messages.count(), row.assignee) == (1, None)

    rounds([ask_for_more, leave], ROUNDS, before=before, after=check)


def test_erased_conversation_is_empty_even_if_the_outcome_changes_during_the_erasure(branch):
    def before(_number):
        session = visit(branch)
        answer(session, "no")
        return session, row_of(session)

    def erase(data):
        desk_actions.erase(data[1], by=data[0].staff, at=timezone.now())

    def check(data, given):
        session, row = data
        assert set(given) <= {"part", None}
        row.refresh_from_db()
        assert (row.status, row.help_session, row.is_about_outcome) == ("erased", None, False)
        assert session.conversations.count() <= 1

    rounds([lambda data: answer(data[0], "part"), erase], ROUNDS, before=before, after=check)


def test_question_and_outcome_sent_simultaneously_are_both_saved(branch):
    def ask(session):
        return conversations.ask(session.patron, help_session=session).pk

    def check(session, given):
        assert "no" in given
        row = row_of(session)
        assert is_replayed(row)
        assert session.conversations.count() == (1 if row.messages.exists() else 2)

    rounds(
        [lambda session: answer(session, "no"), ask],
        ROUNDS,
        before=lambda _: visit(branch),
        after=check,
    )
