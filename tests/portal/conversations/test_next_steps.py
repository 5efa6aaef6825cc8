"""Test next steps for items that patrons couldn't get: the queue, the history, and undoing a step."""

import datetime
from dataclasses import replace

import pytest
import time_machine

from portal.conversations import (
    actions,
    desk_actions,
    jobs,
    merging,
    next_steps,
    states,
    step_history,
    verdicts,
)
from portal.conversations.models import Conversation, Event
from portal.conversations.next_steps import NothingToDo, Step, StepChanged
from portal.conversations.page_entries import _step_text
from portal.conversations.status_texts import status_sentences
from portal.helpsessions.models import HelpSession
from portal.jobs import JOBS
from portal.privacy import retention, wrong_patron
from recommendations.models import NextStep, Recommendation
from recommendations.step_texts import shown_step
from tests.conversations import ask, now_of, say
from tests.factories import HelpSessionFactory, ItemFactory, StaffFactory, recommend_in, recommend_in_message

pytestmark = [pytest.mark.sql]

AT = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
minute, hour, day = (datetime.timedelta(**{name: 1}) for name in ("minutes", "hours", "days"))
FRIDAY = datetime.date(2026, 3, 6)
ORDERED = Step("ordered", FRIDAY)


@pytest.fixture
def visit(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, created_at=AT - day)


@pytest.fixture
def missed(visit):
    """Return a recommendation that the patron couldn't get."""
    [recommendation] = recommend_in(visit)
    return say_verdict(recommendation, "could_not_get_it", AT)


def say_verdict(recommendation, verdict, at, **fields):
    recommendation = Recommendation.objects.get(pk=recommendation.pk)
    answer = {"why": None, "comment": None, **fields}
    return verdicts.take_verdict(recommendation, verdict=verdict, by=recommendation.patron, at=at, **answer)


def row_of(recommendation):
    return Conversation.objects.get(recommendation=recommendation)


def do(action, recommendation, *args, staff, at=AT + hour, **kwargs):
    return action(row_of(recommendation), recommendation, *args, by=staff, at=at, **kwargs)


def state_of(recommendation):
    """Return (status, reason, day of the snooze) of the row. Check that its history gives the same state."""
    row = row_of(recommendation)
    saved, replayed = (
        replace(state, at_desk_from=None) for state in (states.state_of(row), states.replay(row))
    )
    assert saved == replayed
    return row.status, row.reason, row.snoozed_until


def step_of(recommendation):
    """Return the columns of the NextStep. Check that the history gives the same step."""
    rows = NextStep.objects.filter(recommendation=recommendation)
    saved = rows.values().first()
    step_history.restore(recommendation)
    assert rows.values().first() == saved
    return saved


def kinds(recommendation):
    return list(row_of(recommendation).events.order_by("at", "pk").values_list("kind", flat=True))


def test_recorded_step_takes_the_conversation_out_of_the_queue_until_the_promised_day_ends(missed, staff):
    assert state_of(missed) == ("waiting_for_staff", "could_not_get_it", None)
    do(next_steps.record, missed, ORDERED, staff=staff)
    assert state_of(missed) == ("snoozed", "could_not_get_it", FRIDAY + day)
    assert row_of(missed).last_message_at is None
    assert step_of(missed) == {
        "recommendation_id": missed.pk,
        "kind": "ordered",
        "promised_on": FRIDAY,
        "other_item_id": None,
        "recorded_at": AT + hour,
        "arrived_at": None,
        "overdue_at": None,
    }
    jobs_run(AT + 3 * day)
    assert (kinds(missed), state_of(missed)[0]) == (["step_recorded"], "snoozed")


def jobs_run(at):
    """Run the jobs that put conversations back into the queue or close them, in the worker's order."""
    wanted = {next_steps.return_late_items, jobs.wake_snoozed, jobs.close_after_silence}
    for job in [job for job, _every in JOBS if job in wanted]:
        job(at=at)


@pytest.mark.parametrize(
    ("minutes", "returns"), [(-1, False), (0, True)], ids=["a minute before midnight", "midnight"]
)
def test_conversation_returns_to_the_queue_when_the_promised_day_ends_in_the_librarys_time_zone(
    missed, staff, library, minutes, returns
):
    do(next_steps.record, missed, ORDERED, staff=staff)
    midnight = datetime.datetime(2026, 3, 7, tzinfo=library.zone) + minutes * minute
    jobs_run(midnight)
    jobs_run(midnight + minute / 2)
    assert kinds(missed) == ["step_recorded", *(["step_late"] if returns else [])]
    assert state_of(missed)[0] == ("waiting_for_staff" if returns else "snoozed")
    if returns:
        row = row_of(missed)
        assert (row.reason, row.waiting_since) == ("could_not_get_it", missed.decided_at)
        assert step_of(missed)["overdue_at"] == midnight
        assert not row.desk_events.exists()


@pytest.mark.parametrize("then", ["turn", "close"])
def test_conversation_about_a_late_item_returns_to_the_queue_even_after_an_answer(
    missed, staff, patron, then
):
    do(next_steps.record, missed, ORDERED, staff=staff)
    say(row_of(missed), staff, at=AT + 2 * hour, then=then)
    assert state_of(missed)[0] == {"turn": "waiting_for_patron", "close": "closed"}[then]
    jobs_run(AT + 30 * day)
    status, reason, _day = state_of(missed)
    assert (status, reason) == ("waiting_for_staff", "could_not_get_it")


def test_unanswered_message_keeps_a_conversation_with_a_next_step_in_the_queue(missed, staff, patron):
    ask(patron, at=AT + minute, recommendation=missed, body="Is there another way?")
    do(next_steps.record, missed, ORDERED, staff=staff)
    assert state_of(missed) == ("waiting_for_staff", "could_not_get_it", None)
    assert step_of(missed)["kind"] == "ordered"


def test_conversation_about_two_items_leaves_the_queue_when_both_items_have_a_next_step(visit, staff, patron):
    conversation = ask(patron, at=AT - hour, help_session=visit)
    answer = say(conversation, staff, at=AT - hour / 2)
    first, second = recommend_in_message(answer, 2, recommended_at=AT - hour / 3)
    for number, item in enumerate((first, second)):
        say_verdict(item, "could_not_get_it", AT + number * minute)
    row = now_of(conversation)
    next_steps.record(row, first, ORDERED, by=staff, at=AT + hour)
    assert now_of(conversation).status == "waiting_for_staff"
    next_steps.record(row, second, ORDERED, by=staff, at=AT + 2 * hour)
    assert now_of(conversation).status == "snoozed"
    assert states.replay(now_of(conversation)).status == "snoozed"


def test_status_of_a_conversation_with_a_next_step_names_the_promised_day(visit, staff, patron):
    conversation = ask(patron, at=AT - hour, help_session=visit)
    answer = say(conversation, staff, at=AT - hour / 2)
    [missed] = recommend_in_message(answer, recommended_at=AT - hour / 3)
    say_verdict(missed, "could_not_get_it", AT)
    assert status_sentences(now_of(conversation), AT + minute)[0] == "Waiting for the library."
    next_steps.record(now_of(conversation), missed, ORDERED, by=staff, at=AT + hour)
    with time_machine.travel(AT + day):
        assert status_sentences(now_of(conversation), AT + day) == [
            f"“{missed.item.title}”: We've ordered it. You can expect it by Friday, March 6."
        ]


def test_staff_can_change_and_take_back_a_next_step(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    other = ItemFactory()
    instead = Step("other_item", FRIDAY + day, other)
    do(next_steps.record, missed, instead, staff=staff, at=AT + 2 * hour)
    assert state_of(missed) == ("snoozed", "could_not_get_it", FRIDAY + 2 * day)
    step = step_of(missed)
    assert (step["kind"], step["other_item_id"]) == ("other_item", other.pk)
    do(next_steps.take_back, missed, staff=staff, at=AT + 3 * hour)
    assert (state_of(missed)[0], step_of(missed)) == ("waiting_for_staff", None)
    assert kinds(missed) == ["step_recorded", "step_recorded", "step_taken_back"]


def test_next_step_that_is_recorded_twice_adds_one_event(missed, staff):
    for number in range(2):
        do(next_steps.record, missed, ORDERED, staff=staff, at=AT + number * hour)
    assert kinds(missed) == ["step_recorded"]


def test_conversation_about_an_arrived_item_waits_for_the_patron_and_is_never_late(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    do(next_steps.mark_arrived, missed, staff=staff, at=AT + 2 * hour)
    assert (state_of(missed)[0], step_of(missed)["arrived_at"]) == ("waiting_for_patron", AT + 2 * hour)
    jobs_run(AT + 10 * day)
    assert "step_late" not in kinds(missed)
    with pytest.raises(NothingToDo):
        do(next_steps.mark_arrived, missed, staff=staff, at=AT + 11 * day)
    do(next_steps.mark_given, missed, staff=staff, at=AT + 11 * day)
    assert step_of(missed) is None
    assert state_of(missed)[0] == "waiting_for_patron"


def test_conversation_about_a_late_item_leaves_the_queue_when_the_item_arrives(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    jobs_run(AT + 5 * day)
    do(next_steps.mark_arrived, missed, staff=staff, at=AT + 6 * day)
    assert state_of(missed)[0] == "waiting_for_patron"


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("helped", "closed"),
        ("not_tried", "closed"),
        ("", "closed"),
        ("did_not_help", "waiting_for_staff"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_new_verdict_of_the_patron_ends_the_next_step(missed, staff, verdict, status, is_late):
    do(next_steps.record, missed, ORDERED, staff=staff)
    if is_late:
        jobs_run(AT + 5 * day)
    say_verdict(missed, verdict, AT + 6 * day)
    assert (kinds(missed)[-1], step_of(missed)) == ("step_ended", None)
    assert state_of(missed)[0] == status
    jobs_run(AT + 30 * day)
    assert state_of(missed)[0] == status


def test_next_step_does_not_return_if_the_patron_changes_the_verdict_back_a_day_later(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    jobs_run(AT + 5 * day)
    say_verdict(missed, "helped", AT + 6 * day)
    say_verdict(missed, "could_not_get_it", AT + 7 * day)
    assert state_of(missed) == ("waiting_for_staff", "could_not_get_it", None)
    assert row_of(missed).waiting_since == AT + 7 * day
    assert step_of(missed) is None


@pytest.mark.parametrize(("minutes", "resumes"), [(9, True), (11, False)])
def test_next_step_returns_if_the_patron_corrects_the_verdict_within_ten_minutes(
    missed, staff, minutes, resumes
):
    do(next_steps.record, missed, ORDERED, staff=staff)
    before = step_of(missed)
    say_verdict(missed, "helped", AT + 2 * hour)
    say_verdict(missed, "could_not_get_it", AT + 2 * hour + minutes * minute)
    assert step_of(missed) == (before if resumes else None)
    assert state_of(missed)[0] == "waiting_for_staff"
    assert ("step_ended" in kinds(missed)) == (not resumes)


def test_next_step_does_not_end_if_the_patron_adds_a_reason_to_the_verdict(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    say_verdict(missed, "could_not_get_it", AT + day, why="checked_out")
    assert step_of(missed)["kind"] == "ordered"
    assert state_of(missed)[0] == "waiting_for_staff"


def test_next_step_cannot_be_recorded_after_the_patron_says_that_the_item_helped(missed, staff):
    say_verdict(missed, "helped", AT + minute)
    with pytest.raises(NothingToDo):
        do(next_steps.record, missed, ORDERED, staff=staff)
    assert kinds(missed) == []


def test_next_step_is_refused_if_a_colleague_recorded_a_step_after_the_page_was_loaded(missed, staff, branch):
    do(next_steps.record, missed, ORDERED, staff=staff, seen=0)
    colleague = StaffFactory(branch=branch)
    with pytest.raises(StepChanged):
        do(next_steps.record, missed, Step("reserved", FRIDAY), staff=colleague, seen=0)
    assert step_of(missed)["kind"] == "ordered"


@pytest.mark.parametrize("action", ["record", "change", "mark_arrived", "mark_given", "take_back"])
def test_undoing_a_change_restores_the_earlier_next_step_and_state_of_the_conversation(missed, staff, action):
    if action != "record":
        do(next_steps.record, missed, ORDERED, staff=staff)
    before = state_of(missed), step_of(missed)
    steps = {"record": [ORDERED], "change": [Step("on_loan", FRIDAY + 9 * day)]}.get(action, [])
    name = "record" if steps else action
    row = do(getattr(next_steps, name), missed, *steps, staff=staff, at=AT + 2 * hour)
    assert (state_of(missed), step_of(missed)) != before
    assert desk_actions.can_be_undone(row, by=staff)
    now = AT + 2 * hour + minute
    desk_actions.undo(row, done_at=row.changed_at, by=staff, at=now)
    assert (state_of(missed), step_of(missed)) == before


def test_merge_of_two_conversations_keeps_the_next_step_and_its_promised_day(missed, staff, patron, visit):
    other = ask(patron, at=AT, help_session=visit)
    do(next_steps.record, missed, ORDERED, staff=staff)
    merging.merge(row_of(missed), into=now_of(other), by=staff, at=AT + 2 * hour)
    assert step_of(missed)["kind"] == "ordered"
    say(other, staff, at=AT + 3 * hour)
    jobs_run(AT + 5 * day)
    assert now_of(other).status == "waiting_for_staff"
    assert now_of(other).events.filter(kind="step_late").count() == 1
    assert states.replay(now_of(other)).status == "waiting_for_staff"


def test_erasing_a_conversation_deletes_its_next_steps(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    desk_actions.erase(row_of(missed), by=staff, at=AT + 2 * hour)
    assert not NextStep.objects.exists()
    assert not Event.objects.exists()


def test_forgetting_a_recommendation_deletes_its_next_step(missed, staff, library):
    do(next_steps.record, missed, ORDERED, staff=staff)
    retention.forget_recommendations(Recommendation.objects.all(), library.zone)
    assert not NextStep.objects.exists()


def test_job_deletes_a_next_step_whose_conversation_no_longer_exists(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    row_of(missed).delete()
    jobs_run(AT + 5 * day)
    assert not NextStep.objects.exists()


def test_closing_a_conversation_does_not_end_its_next_step(missed, staff):
    do(next_steps.record, missed, ORDERED, staff=staff)
    actions.close(row_of(missed), by=staff, side="staff", at=AT + 2 * hour)
    assert (state_of(missed)[0], step_of(missed)["kind"]) == ("closed", "ordered")
    jobs_run(AT + 5 * day)
    assert state_of(missed)[0] == "waiting_for_staff"


def test_conversation_stays_in_the_queue_while_one_of_its_items_is_late(visit, staff, patron):
    conversation = ask(patron, at=AT - hour, help_session=visit)
    answer = say(conversation, staff, at=AT - hour / 2)
    first, second = recommend_in_message(answer, 2, recommended_at=AT - hour / 3)
    say_verdict(first, "could_not_get_it", AT)
    next_steps.record(now_of(conversation), first, ORDERED, by=staff, at=AT + hour)
    say(conversation, staff, at=AT + 2 * hour)
    jobs_run(AT + 5 * day)
    say_verdict(second, "could_not_get_it", AT + 6 * day)
    next_steps.record(
        now_of(conversation), second, Step("ordered", FRIDAY + 9 * day), by=staff, at=AT + 7 * day
    )
    assert now_of(conversation).status == "waiting_for_staff"


def two_missed(visit, staff, patron):
    """Return a conversation with an answer, and the answer's two items, which the patron couldn't get."""
    conversation = ask(patron, at=AT - hour, help_session=visit)
    answer = say(conversation, staff, at=AT - hour / 2)
    items = recommend_in_message(answer, 2, recommended_at=AT - hour / 3)
    for number, item in enumerate(items):
        say_verdict(item, "could_not_get_it", AT + number * minute)
    return conversation, *items


def test_item_that_was_given_to_the_patron_does_not_keep_the_conversation_in_the_queue(visit, staff, patron):
    conversation, first, second = two_missed(visit, staff, patron)
    next_steps.record(now_of(conversation), first, ORDERED, by=staff, at=AT + hour)
    next_steps.mark_given(now_of(conversation), first, by=staff, at=AT + 2 * hour)
    assert now_of(conversation).status == "waiting_for_staff"
    next_steps.record(now_of(conversation), second, ORDERED, by=staff, at=AT + 3 * hour)
    assert now_of(conversation).status == "snoozed"
    assert states.replay(now_of(conversation)).status == "snoozed"


def test_next_step_form_sent_twice_adds_one_event(missed, staff):
    for number in range(2):
        do(next_steps.record, missed, ORDERED, staff=staff, at=AT + number * hour, seen=0)
    assert kinds(missed) == ["step_recorded"]


def test_conversation_taken_from_a_wrong_patron_does_not_return_to_the_queue(missed, staff, patron, visit):
    do(next_steps.record, missed, ORDERED, staff=staff)
    wrong_patron.remove_wrong_patron(HelpSession.objects.get(pk=visit.pk), patron, by=staff, at=AT + 2 * hour)
    jobs_run(AT + 5 * day)
    assert row_of(missed).status == "closed"


@pytest.mark.parametrize("records", [True, False])
def test_assignee_who_records_a_next_step_keeps_the_conversation(missed, staff, patron, library, records):
    assert row_of(missed).assignee == staff
    ask(patron, at=AT + minute, recommendation=missed)
    after = library.released_after_days * day
    if records:
        do(next_steps.record, missed, Step("ordered", FRIDAY + 30 * day), staff=staff, at=AT + after)
    jobs.release_untouched(at=AT + after + hour)
    assert row_of(missed).assignee == (staff if records else None)


def test_late_item_does_not_shorten_the_days_until_a_conversation_is_unassigned(missed, staff, library):
    back = AT + (library.released_after_days + 5) * day
    promised = (back - day).date()
    do(next_steps.record, missed, Step("ordered", promised), staff=staff)
    jobs_run(back)
    assert row_of(missed).status == "waiting_for_staff"
    jobs.release_untouched(at=back)
    assert row_of(missed).assignee == staff
    jobs.release_untouched(at=back + library.released_after_days * day)
    assert row_of(missed).assignee is None


def test_texts_about_a_replacement_item_name_the_replacement(missed, staff):
    other = ItemFactory(title="Half of a Yellow Sun")
    do(next_steps.record, missed, Step("other_item", FRIDAY, other), staff=staff)
    do(next_steps.mark_arrived, missed, staff=staff, at=AT + 2 * hour)
    shown = shown_step(Recommendation.objects.get(pk=missed.pk))
    assert shown.sentence == f"You can have this instead. It's ready for you at {missed.branch}:"
    assert shown.other_item == other
    do(next_steps.mark_given, missed, staff=staff, at=AT + 3 * hour)
    events = row_of(missed).events.order_by("at")
    assert [_step_text(event) for event in events][1:] == [
        "“Half of a Yellow Sun” is ready for you",
        "You got “Half of a Yellow Sun” from us",
    ]
