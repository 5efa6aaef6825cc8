"""Test that a conversation starts if a patron didn't find what they needed at a visit.

The conversation closes if the patron corrects this outcome before anybody has written.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import StaffRole
from accounts.viewer import Viewer
from portal.conversations import actions, outcomes, states, verdicts
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.notifications.models import StaffNotice
from tests.conversations import now_of, say
from tests.factories import AbsenceFactory, HelpSessionFactory, StaffFactory, UserFactory, recommend_in

second, minute = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Where is the tax form?")


@pytest.fixture
def at():
    return timezone.now()


def take(session, at, **answers):
    return outcomes.take_outcome(session, by=session.patron, at=at, **answers)


def row_of(session):
    return session.conversations.get(is_about_outcome=True)


def state(row):
    return row.status, row.reason, row.waiting_since, row.at_desk_from


def replayed(row):
    """Return whether a replay of the history gives the state of the row."""
    replay, state = states.replay(row), states.state_of(row)
    return replace(replay, at_desk_from=replay.at_desk_from or state.at_desk_from) == state


@pytest.mark.parametrize(("found", "reason"), [("no", "found_nothing"), ("part", "found_part")])
def test_conversation_is_assigned_to_the_helper_if_the_patron_found_nothing_or_only_a_part(
    session, staff, at, found, reason
):
    take(session, at, found=found)
    row = row_of(session)
    assert state(row) == ("waiting_for_staff", reason, at, at + minute)
    assert (row.assignee, row.assigned_at, row.patron, row.branch) == (
        staff,
        at,
        session.patron,
        session.branch,
    )
    assert (row.subject, row.messages.count(), row.last_message_at) == ("Where is the tax form?", 0, None)
    assert replayed(row)
    assert not Conversation.objects.belonging_to(Viewer(session.patron)).exists()


@pytest.mark.parametrize("found", ["all", "something_else", "still_working"])
def test_outcome_starts_no_conversation_unless_the_answer_is_no_or_partly(session, at, found):
    take(session, at, found=found)
    assert not session.conversations.exists()


def test_time_of_the_answer_is_stored_for_each_outcome_question(session, at):
    take(session, at, satisfaction="poor")
    take(session, at + minute, found="all")
    take(session, at + 2 * minute, would_return="maybe", by_link=True)
    session.refresh_from_db()
    assert (session.satisfaction, session.satisfaction_at) == ("poor", at)
    assert (session.found, session.found_at) == ("all", at + minute)
    assert (session.would_return, session.would_return_at) == ("maybe", at + 2 * minute)
    assert session.answered_at == at + 2 * minute


def test_visit_counts_as_answered_by_link_only_if_the_link_answers_what_was_found(session, at):
    marks = []
    for number, (answer, by_link) in enumerate(
        [
            ({"satisfaction": "poor"}, True),
            ({"found": "part"}, True),
            ({"would_return": "yes"}, False),
            ({"found": "all"}, False),
            ({"satisfaction": "good"}, True),
        ]
    ):
        take(session, at + number * minute, **answer, by_link=by_link)
        session.refresh_from_db()
        marks.append(session.answered_by_link)
    assert marks == [False, True, True, False, False]
    take(session, at + 9 * minute, found="no", by_link=True)
    outcomes.clear_outcome(session, at=at + 10 * minute)
    session.refresh_from_db()
    assert not session.answered_by_link


def test_conversation_without_messages_closes_if_the_outcome_is_corrected(session, at):
    take(session, at, found="no")
    take(session, at + second, found="all")
    row = row_of(session)
    assert (row.status, row.waiting_since, row.promised_at) == ("closed", None, None)
    assert replayed(row)
    take(session, at + 2 * second, found="part")
    row = row_of(session)
    assert state(row) == ("waiting_for_staff", "found_part", at + 2 * second, at + 2 * second + minute)


def test_conversation_is_closed_if_the_patron_removes_the_outcome(session, at):
    take(session, at, found="no", satisfaction="poor", would_return="no")
    outcomes.clear_outcome(session, at=at + second)
    session.refresh_from_db()
    assert (session.found, session.satisfaction, session.would_return) == ("", "", "")
    assert {session.found_at, session.satisfaction_at, session.would_return_at, session.answered_at} == {None}
    assert row_of(session).status == "closed"


def test_conversation_keeps_its_place_in_the_queue_if_the_outcome_changes_to_partly(session, staff, at):
    take(session, at, found="no")
    take(session, at + second, found="part")
    row = row_of(session)
    assert state(row) == ("waiting_for_staff", "found_part", at, at + minute)
    assert replayed(row)
    say(row, staff, at=at + minute)
    take(session, at + 2 * minute, found="no")
    row = row_of(session)
    assert state(row) == ("waiting_for_staff", "found_nothing", at + 2 * minute, at + 3 * minute)
    assert replayed(row)


def test_correcting_an_outcome_does_not_close_a_conversation_that_staff_have_answered(session, staff, at):
    take(session, at, found="no")
    say(row_of(session), staff, at=at + minute)
    take(session, at + 2 * minute, found="all")
    row = row_of(session)
    assert (row.status, row.messages.count()) == ("waiting_for_patron", 1)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "case", ["works", "away", "away, cover left", "away, nobody covers", "cover away too", "left", "erased"]
)
def test_conversation_about_an_outcome_is_assigned_to_the_helper_or_the_covering_colleague(
    session, staff, branch, library, at, case
):
    cover, expected = StaffFactory(branch=branch), {"works": staff}
    today = library.today(at)
    if "away" in case:
        AbsenceFactory(
            person=staff,
            first_day=today,
            last_day=today,
            cover=None if case == "away, nobody covers" else cover,
        )
    if case == "cover away too":
        AbsenceFactory(person=cover, first_day=today, last_day=today, cover=None)
    if case == "away, cover left":
        StaffRole.objects.filter(user=cover).delete()
    if case == "left":
        StaffRole.objects.filter(user=staff).delete()
    if case == "erased":
        HelpSession.objects.update(staff=None)
        session.refresh_from_db()
    take(session, at, found="no")
    assert row_of(session).assignee == {**expected, "away": cover}.get(case)


def test_staff_get_a_notice_about_an_outcome_after_a_minute(session, at):
    take(session, at, found="no")
    notice = StaffNotice.objects.get()
    assert (notice.kind, notice.due_at) == ("conversations/new", at + minute)
    take(session, at + second, found="part")
    assert StaffNotice.objects.count() == 1


def test_outcome_of_a_quiet_visit_is_not_stored(branch, staff, at):
    session = HelpSessionFactory(quiet=True, staff=staff, branch=branch)
    take(session, at, found="no")
    session.refresh_from_db()
    assert (session.found, session.answered_at, session.conversations.exists()) == ("", None, False)


@pytest.mark.parametrize("gone", ["deleted", "patron lost", "forgotten", "replaced"])
def test_outcome_of_a_deleted_or_forgotten_visit_is_refused(session, at, gone):
    if gone == "deleted":
        HelpSession.objects.all().delete()
    else:
        HelpSession.objects.update(patron=None)
    if gone == "forgotten":
        session = HelpSession.objects.get()
        HelpSession.objects.update(forgotten_on=at, staff=None, question="", summary="")
    if gone == "replaced":
        session = HelpSession.objects.get()
        HelpSession.objects.update(status="replaced")
    with pytest.raises(actions.Erased):
        take(session, at, found="no")
    assert not Conversation.objects.exists()


def wish(about, at, **fields):
    return outcomes.wish_for_answer(about, by=about.patron, at=at, language="en", **fields)


def test_patron_who_asks_for_an_answer_sends_a_message(session, at):
    take(session, at, found="no")
    row = wish(session, at + second, wanted=True, body="It was the wrong year.")
    message = row.messages.get()
    assert (message.body, message.side, message.author) == (
        "It was the wrong year.",
        "patron",
        session.patron,
    )
    assert (row.pk, row.wants_no_answer) == (row_of(session).pk, False)
    # The desk sees the message immediately, not after a minute. The reason of the conversation and its place
    # in the queue don't change.
    assert state(row) == ("waiting_for_staff", "found_nothing", at, at + second)
    assert Conversation.objects.belonging_to(Viewer(session.patron)).get() == row
    assert replayed(row)


def test_default_message_is_sent_if_the_patron_asks_for_an_answer_but_writes_nothing(session, at):
    take(session, at, found="part")
    row = wish(session, at + second, wanted=True)
    assert row.messages.get().body == "I found only a part of what I needed. Please write to me."


def test_patron_who_wants_no_answer_sends_no_message(session, at):
    take(session, at, found="no")
    row = wish(session, at + second, wanted=False)
    assert (row.wants_no_answer, row.messages.count(), row.last_message_at) == (True, 0, None)
    assert state(row) == ("waiting_for_staff", "found_nothing", at, at + minute)


def test_staff_cannot_answer_a_patron_who_wants_no_answer(session, staff, at):
    take(session, at, found="no")
    row = wish(session, at, wanted=False)
    with pytest.raises(actions.WantsNoAnswer):
        say(row, staff, at=at + minute)
    assert now_of(row).messages.count() == 0
    actions.close(row, by=staff, side="staff", at=at + 2 * minute)
    assert now_of(row).status == "closed"


def test_staff_can_answer_a_patron_who_wanted_no_answer_but_wrote_later(session, staff, at):
    take(session, at, found="no")
    row = wish(session, at, wanted=False, body="Never mind.")
    assert (row.wants_no_answer, row.messages.get().body) == (True, "Never mind.")
    say(row, session.patron, "patron", at=at + minute)
    assert now_of(row).wants_no_answer is False
    say(row, staff, at=at + 2 * minute)


def test_question_about_the_visit_is_added_to_the_conversation_about_its_outcome(session, at):
    take(session, at, found="no")
    row = wish(session, at, wanted=False)
    asked = actions.ask(
        by=session.patron,
        at=at + minute,
        help_session=session,
        body="After all: where is it?",
        language="en",
        client_token=uuid.uuid4(),
    )
    assert (asked.pk, asked.wants_no_answer) == (row.pk, False)


def test_patron_cannot_choose_to_get_no_answer_after_staff_have_answered(session, staff, at):
    take(session, at, found="no")
    say(row_of(session), staff, at=at + second)
    assert wish(session, at + minute, wanted=False).wants_no_answer is False


def test_choice_to_get_no_answer_is_ignored_for_a_visit_without_an_outcome(session, at):
    assert wish(session, at, wanted=False) is None
    assert not Conversation.objects.exists()


def test_choice_to_get_no_answer_is_deleted_if_the_outcome_is_corrected(session, at):
    take(session, at, found="no")
    wish(session, at, wanted=False)
    take(session, at + second, found="all")
    take(session, at + 2 * second, found="no")
    assert row_of(session).wants_no_answer is False


@pytest.mark.parametrize("wanted", [True, False])
def test_patron_who_gives_a_bad_verdict_can_choose_whether_staff_should_answer(session, at, wanted):
    [recommendation] = recommend_in(session, item__title="The Rodale Book")
    verdicts.take_verdict(
        recommendation, verdict="did_not_help", why="", comment="", by=session.patron, at=at
    )
    row = outcomes.wish_for_answer(
        recommendation, wanted=wanted, by=session.patron, at=at + second, language="en"
    )
    assert (row.recommendation, row.wants_no_answer) == (recommendation, not wanted)
    assert [message.body for message in row.messages.all()] == (
        ["“The Rodale Book” wasn't what I needed. Can you suggest something else?"] if wanted else []
    )
    verdicts.take_verdict(
        recommendation, verdict="helped", why="", comment="", by=session.patron, at=at + minute
    )
    row = now_of(row)
    assert (row.status, row.wants_no_answer) == ("waiting_for_staff" if wanted else "closed", False)


def test_message_sent_by_emailed_link_has_no_author_and_is_marked_as_sent_by_link(session, at):
    outcomes.take_outcome(session, by=None, at=at, by_link=True, found="no")
    row = outcomes.wish_for_answer(
        session, wanted=True, by=None, at=at + second, language="en", body="Hm", by_link=True
    )
    message = row.messages.get()
    assert (message.author, message.by_link) == (None, True)


def test_adult_of_a_shared_visit_can_give_an_outcome_and_ask_for_an_answer(session, at):
    adult = UserFactory()
    HelpSession.objects.update(with_child="shared", shared_with=adult)
    session.refresh_from_db()
    outcomes.take_outcome(session, by=adult, at=at, found="no")
    row = outcomes.wish_for_answer(session, wanted=True, by=adult, at=at + second, language="en")
    assert (row.messages.get().author, row.patron) == (adult, session.patron)


def test_patron_who_asks_for_an_answer_several_times_sends_one_message(session, at):
    take(session, at, found="no")
    for number, wanted in enumerate([True, True, False, True], 1):
        row = wish(session, at + number * second, wanted=wanted)
        assert (row.wants_no_answer, row.messages.count()) == (not wanted, 1)


def test_bad_verdict_starts_a_conversation_for_the_helper(session, staff, branch, at):
    [first, second_item] = recommend_in(session, count=2)
    take_verdict = {"why": "", "comment": "", "by": session.patron}
    verdicts.take_verdict(first, verdict="could_not_get_it", at=at, **take_verdict)
    assert Conversation.objects.get().assignee == staff
    StaffRole.objects.filter(user=staff).delete()
    verdicts.take_verdict(second_item, verdict="did_not_help", at=at, **take_verdict)
    assert Conversation.objects.get(recommendation=second_item).assignee is None
