"""Test outcomes of visits that patrons give while other processes change the same rows.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import departures, desk_actions, outcomes, states
from portal.conversations.models import Conversation, Draft
from tests import conversations
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

ROUNDS, PROCESSES = times(5, 40), 8

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


def row_of(session):
    return Conversation.objects.get(help_session=session, is_about_outcome=True)


def is_replayed(row):
    replayed = states.replay(row)
    return (replayed.status, replayed.waiting_since, replayed.turned_at) == (
        row.status,
        row.waiting_since,
        row.queued_at,
    )


def test_outcome_given_eight_times_at_once_starts_one_conversation(branch):
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


def test_patron_who_asks_for_an_answer_eight_times_at_once_sends_one_message(branch):
    def before(_number):
        session = visit(branch)
        answer(session, "no")
        return session

    def check(session, given):
        row = row_of(session)
        assert given == [row.pk] * PROCESSES
        assert (row.messages.count(), is_replayed(row)) == (1, True)

    rounds([lambda session: wish(session, wanted=True)] * PROCESSES, ROUNDS, before=before, after=check)


def test_answer_sent_while_an_outcome_is_corrected_is_kept(branch):
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


def test_staff_cannot_send_an_answer_after_the_patron_chose_to_get_none(branch):
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


def test_conversation_is_not_assigned_to_a_helper_whose_role_ends_in_the_meantime(branch):
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


def test_erased_conversation_is_empty_even_if_the_outcome_changes_in_the_meantime(branch):
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


def test_question_and_outcome_sent_at_once_are_both_saved(branch):
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
