"""Test requests for a call: who can ask, when the number is deleted, and the state of the conversation."""

import datetime
import uuid
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts.models import User
from portal.conversations import actions, call_backs, desk_actions, jobs, merging, states, taking_back
from portal.conversations.call_backs import Caller
from portal.conversations.models import CallBack, Conversation, Event
from portal.jobs import JOBS
from portal.privacy import holds
from portal.privacy.call_numbers import forget_call_numbers, remove
from tests.conversations import ask, now_of, say
from tests.factories import BranchFactory, HelpSessionFactory, QuietSessionFactory, StaffFactory, UserFactory

minute, hour, day = (datetime.timedelta(**{name: 1}) for name in ("minutes", "hours", "days"))
NUMBER = "414-555-0134"
CALLER = Caller(NUMBER, "Ada", may_leave_message=True)


@pytest.fixture
def at():
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Where is the tax form?")


def request(about, at, *, by=None, caller=CALLER, **fields):
    """Ask for a call about the visit `about`, by default as its patron. Return the conversation."""
    return call_backs.ask(
        caller,
        by=by or about.patron,
        at=at,
        client_token=uuid.uuid4(),
        language="en",
        help_session=about,
        **fields,
    )


def take(conversation, staff, at):
    return desk_actions.take(conversation, by=staff, at=at)


def events_of(conversation):
    return list(conversation.events.order_by("at", "pk").values_list("kind", flat=True))


def state_matches_history(conversation):
    """Return whether the row has the state that follows from its history.

    Ignore `at_desk_from`, because it keeps an old value after the conversation stops waiting.
    """
    row = now_of(conversation)
    saved, replayed = (
        replace(state, at_desk_from=None) for state in (states.state_of(row), states.replay(row))
    )
    return saved == replayed


def test_request_for_a_call_puts_the_conversation_in_the_queue(session, branch, at):
    conversation = now_of(request(session, at))
    assert (conversation.status, conversation.reason, conversation.call_since) == (
        "waiting_for_staff",
        "call",
        at,
    )
    assert conversation.promised_at == at + branch.promise_hours * hour
    number = CallBack.objects.get()
    assert (number.number, number.ask_for, number.may_leave_message, number.by) == (
        NUMBER,
        "Ada",
        True,
        session.patron,
    )
    assert events_of(conversation) == ["call_asked"]
    assert state_matches_history(conversation)


def test_request_for_a_call_sent_twice_is_saved_once(session, at):
    token = uuid.uuid4()
    fields = {"by": session.patron, "client_token": token, "language": "en", "help_session": session}
    first = call_backs.ask(CALLER, at=at, **fields)
    assert call_backs.ask(CALLER, at=at + minute, **fields) == first
    assert (Conversation.objects.count(), CallBack.objects.count(), Event.objects.count()) == (1, 1, 1)


def test_message_in_a_request_for_a_call_still_waits_for_an_answer_after_the_call(session, staff, at):
    conversation = request(session, at, body="The copier ate my form.")
    assert conversation.messages.get().body == "The copier ate my form."
    assert (conversation.reason, conversation.call_since > at) == ("asked", True)
    take(conversation, staff, at + minute)
    call_backs.record_outcome(conversation, "give_up", by=staff, at=at + hour)
    row = now_of(conversation)
    assert (row.status, row.reason, row.waiting_since) == ("waiting_for_staff", "asked", at)
    assert state_matches_history(row)


def test_patron_can_ask_for_a_call_in_a_closed_conversation(session, staff, at):
    conversation = ask(session.patron, help_session=session, at=at)
    actions.close(conversation, by=staff, side="staff", at=at + minute)
    call_backs.ask_in(conversation, CALLER, by=session.patron, at=at + hour, client_token=uuid.uuid4())
    row = now_of(conversation)
    assert (row.status, row.reason, row.waiting_since) == ("waiting_for_staff", "call", at + hour)
    assert state_matches_history(row)


def test_conversation_with_an_open_call_stays_in_the_queue_after_a_written_answer(session, staff, at):
    conversation = request(session, at, body="Where?")
    since = now_of(conversation).call_since
    say(conversation, by=staff, side="staff", at=at + hour)
    row = now_of(conversation)
    assert (row.status, row.reason, row.waiting_since, row.call_since) == (
        "waiting_for_staff",
        "call",
        since,
        since,
    )
    assert state_matches_history(row)


def test_conversation_with_an_open_call_stays_snoozed_after_a_written_answer(session, staff, at):
    conversation = request(session, at)
    until = (at + 2 * day).date()
    desk_actions.snooze(conversation, until=until, by=staff, at=at + minute)
    say(conversation, by=staff, side="staff", at=at + hour)
    row = now_of(conversation)
    assert (row.status, row.snoozed_until, row.call_since) == ("snoozed", until, at)
    assert state_matches_history(row)


@pytest.mark.parametrize(
    ("outcome", "status", "kinds"),
    [
        ("spoken", "waiting_for_patron", ["call_spoken"]),
        ("no_answer", "waiting_for_staff", ["call_tried"]),
        ("give_up", "waiting_for_patron", ["call_given_up"]),
    ],
)
def test_staff_can_record_and_undo_the_outcome_of_a_call(session, staff, at, outcome, status, kinds):
    conversation = take(request(session, at), staff, at + minute)
    before = states.state_of(conversation)
    called = call_backs.record_outcome(conversation, outcome, by=staff, at=at + hour)
    assert (called.status, events_of(called)) == (status, ["call_asked", *kinds])
    assert state_matches_history(called)
    assert CallBack.objects.filter(done_at=None).exists() is (outcome == "no_answer")
    assert desk_actions.can_be_undone(called, by=staff)
    desk_actions.undo(called, done_at=called.changed_at, by=staff, at=at + hour + minute)
    row = now_of(conversation)
    assert (states.state_of(row), events_of(row)) == (before, ["call_asked"])
    assert CallBack.objects.get().done_at is None


def test_call_ends_after_the_last_allowed_try_and_the_try_can_be_undone(session, staff, branch, at):
    type(branch).objects.filter(pk=branch.pk).update(call_tries=2)
    conversation = take(request(session, at), staff, at + minute)
    call_backs.record_outcome(conversation, "no_answer", by=staff, at=at + hour)
    called = call_backs.record_outcome(now_of(conversation), "no_answer", by=staff, at=at + 2 * hour)
    assert (called.status, called.call_since) == ("waiting_for_patron", None)
    assert events_of(called) == ["call_asked", "call_tried", "call_tried", "call_given_up"]
    assert list(called.events.filter(kind="call_tried").order_by("at").values_list("at", flat=True)) == [
        at + hour,
        at + 2 * hour,
    ]
    desk_actions.undo(called, done_at=called.changed_at, by=staff, at=at + 2 * hour + minute)
    row = now_of(conversation)
    assert (row.call_since, call_backs.tries(row)) == (at, 1)


def test_tries_of_an_earlier_call_do_not_count_for_the_next_call(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    call_backs.record_outcome(conversation, "no_answer", by=staff, at=at + hour)
    call_backs.record_outcome(now_of(conversation), "give_up", by=staff, at=at + 2 * hour)
    call_backs.ask_in(
        now_of(conversation), CALLER, by=session.patron, at=at + 3 * hour, client_token=uuid.uuid4()
    )
    assert call_backs.tries(now_of(conversation)) == 0


def test_only_the_assignee_can_record_the_outcome_of_a_call(session, staff, branch, at):
    conversation = take(request(session, at), staff, at + minute)
    colleague = StaffFactory(branch=branch)
    with pytest.raises(desk_actions.AlreadyTaken):
        call_backs.record_outcome(conversation, "spoken", by=colleague, at=at + hour)
    assert events_of(conversation) == ["call_asked"]


def test_patron_can_undo_canceling_a_call_for_ten_minutes(session, at):
    conversation = request(session, at)
    before = states.state_of(now_of(conversation))
    canceled = call_backs.cancel(conversation, by=session.patron, at=at + hour)
    assert (canceled.status, canceled.call_since) == ("closed", None)
    assert state_matches_history(canceled)
    call_backs.undo_cancel(canceled, at=at + hour + 9 * minute)
    assert states.state_of(now_of(conversation)) == before
    call_backs.cancel(conversation, by=session.patron, at=at + 2 * hour)
    with pytest.raises(call_backs.TooLate):
        call_backs.undo_cancel(canceled, at=at + 2 * hour + 11 * minute)
    with pytest.raises(call_backs.NoCall):
        call_backs.cancel(conversation, by=session.patron, at=at + 3 * hour)


@pytest.mark.parametrize("ends", ["spoken", "give_up", "cancel", "close", "answer and close"])
def test_phone_number_is_deleted_ten_minutes_after_the_call_ended(session, staff, at, ends):
    conversation, ended = take(request(session, at), staff, at + minute), at + hour
    if ends == "cancel":
        call_backs.cancel(conversation, by=session.patron, at=ended)
    elif ends == "close":
        actions.close(conversation, by=staff, side="staff", at=ended)
    elif ends == "answer and close":
        say(conversation, by=staff, side="staff", at=ended, then="close")
    else:
        call_backs.record_outcome(conversation, ends, by=staff, at=ended)
    assert call_backs.open_call(conversation) is None
    forget_call_numbers(at=ended + 9 * minute)
    assert CallBack.objects.count() == 1
    forget_call_numbers(at=ended + 10 * minute)
    assert CallBack.objects.count() == 0
    assert events_of(conversation)[0] == "call_asked"


@pytest.mark.parametrize(("quiet", "kept"), [(False, 7 * day), (True, day)])
def test_phone_number_is_deleted_after_the_promised_time_if_nobody_calls(staff, branch, at, quiet, kept):
    factory = QuietSessionFactory if quiet else HelpSessionFactory
    session = factory(staff=staff, branch=branch)
    conversation = request(session, at, by=session.patron)
    promised = now_of(conversation).promised_at
    call_backs.expire_calls(at=promised + kept - minute)
    assert now_of(conversation).call_since == at
    call_backs.expire_calls(at=promised + kept)
    forget_call_numbers(at=promised + kept)
    row = now_of(conversation)
    assert (CallBack.objects.count(), events_of(row)) == (0, ["call_asked", "call_expired"])
    # The patron still waits, so the conversation keeps its place in the queue.
    assert (row.status, row.reason, row.waiting_since) == ("waiting_for_staff", "call", at)
    assert state_matches_history(row)


def test_worker_expires_calls_and_forgets_phone_numbers_every_minute():
    intervals = {job.__name__: interval for job, interval in JOBS}
    assert [intervals[name] for name in ("expire_calls", "forget_call_numbers")] == [minute, minute]


def test_conversation_keeps_its_place_in_the_queue_if_the_patron_changes_the_number(session, at):
    conversation = request(session, at)
    call_backs.ask_in(
        conversation, Caller("555-0199"), by=session.patron, at=at + hour, client_token=uuid.uuid4()
    )
    row = now_of(conversation)
    assert (call_backs.open_call(row).number, row.waiting_since, events_of(row)) == (
        "555-0199",
        at,
        ["call_asked"],
    )
    forget_call_numbers(at=at + 2 * hour)
    assert CallBack.objects.get().number == "555-0199"


def test_staff_can_add_and_undo_a_call_for_a_patron_without_a_visit(patron, staff, branch, at):
    conversation = call_backs.add(
        CALLER, by=staff, at=at, client_token=uuid.uuid4(), patron=patron, branch=branch
    )
    row = now_of(conversation)
    assert (row.patron, row.branch, row.help_session, row.reason) == (patron, branch, None, "call")
    assert (row.last_message_at, CallBack.objects.get().by) == (at, None)
    desk_actions.undo(row, done_at=row.changed_at, by=staff, at=at + minute)
    row = now_of(row)
    assert (row.status, row.last_message_at, events_of(row)) == ("closed", None, [])
    forget_call_numbers(at=at + hour)
    assert CallBack.objects.count() == 0


def test_staff_cannot_add_a_call_if_the_patron_wants_no_answer(session, staff, at):
    conversation = ask(session.patron, help_session=session, at=at)
    Conversation.objects.filter(pk=conversation.pk).update(wants_no_answer=True)
    with pytest.raises(actions.WantsNoAnswer):
        call_backs.add(CALLER, by=staff, at=at + hour, client_token=uuid.uuid4(), conversation=conversation)


def test_erasing_a_conversation_deletes_its_phone_number_immediately(session, staff, at):
    conversation = request(session, at)
    desk_actions.erase(conversation, by=staff, at=at + hour)
    assert (CallBack.objects.count(), now_of(conversation).call_since) == (0, None)


@pytest.mark.parametrize("both_wait", [True, False])
def test_merge_keeps_the_latest_phone_number_and_the_time_of_the_first_call_request(
    session, staff, at, both_wait
):
    first = request(session, at)
    second = ask(session.patron, help_session=session, at=at + minute, body="Which shelf?")
    if both_wait:
        call_backs.ask_in(
            second, Caller("555-0199"), by=session.patron, at=at + hour, client_token=uuid.uuid4()
        )
    into = merging.merge(first, into=second, by=staff, at=at + 2 * hour)
    row = now_of(into)
    assert (row.call_since, row.waiting_since, row.reason) == (at, at, "asked")
    assert call_backs.open_call(row).number == ("555-0199" if both_wait else NUMBER)
    assert now_of(first).call_since is None
    assert state_matches_history(row)


def test_transferred_call_keeps_its_phone_number_and_promised_time(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    elsewhere = BranchFactory()
    promised = conversation.promised_at
    moved = desk_actions.transfer(conversation, branch=elsewhere, by=staff, at=at + hour, was=staff)
    row = now_of(moved)
    assert (row.assignee, row.promised_at, call_backs.open_call(row).number) == (None, promised, NUMBER)
    assert state_matches_history(row)


def seen_by(conversation):
    """Return the `seen` of a page that is opened now: (key of the phone number, number of tries)."""
    return call_backs.open_call(conversation).pk, call_backs.tries(now_of(conversation))


@pytest.mark.parametrize("body", ["", "It is urgent."])
def test_second_call_request_about_a_visit_replaces_the_phone_number(session, at, body):
    first = request(session, at)
    second = request(session, at + hour, caller=Caller("555-0199"), body=body)
    row = now_of(first)
    assert (second.pk, Conversation.objects.count(), row.call_since) == (first.pk, 1, at)
    assert call_backs.open_call(row).number == "555-0199"
    assert list(row.messages.values_list("body", flat=True)) == ([body] if body else [])
    assert state_matches_history(row)


def test_two_colleagues_who_add_a_call_about_the_same_visit_save_one_call(session, staff, branch, at):
    fields = {"help_session": session}
    first = call_backs.add(CALLER, by=staff, at=at, client_token=uuid.uuid4(), **fields)
    colleague, other = StaffFactory(branch=branch), Caller("555-0199")
    second = call_backs.add(other, by=colleague, at=at + minute, client_token=uuid.uuid4(), **fields)
    assert (second.pk, Conversation.objects.count()) == (first.pk, 1)
    assert call_backs.open_call(first).number == "555-0199"


def test_call_request_about_a_visit_does_not_replace_the_number_of_an_earlier_patron(session, at):
    first = request(session, at)
    Conversation.objects.filter(pk=first.pk).update(patron=UserFactory())
    second = request(session, at + hour, caller=Caller("555-0199"))
    assert second.pk != first.pk
    assert call_backs.open_call(first).number == NUMBER


def test_second_call_added_by_staff_replaces_the_phone_number_of_the_first_call(patron, staff, branch, at):
    fields = {"by": staff, "patron": patron, "branch": branch}
    first = call_backs.add(CALLER, at=at, client_token=uuid.uuid4(), **fields)
    second = call_backs.add(Caller("555-0199"), at=at + hour, client_token=uuid.uuid4(), **fields)
    assert (second.pk, Conversation.objects.count()) == (first.pk, 1)
    assert call_backs.open_call(first).number == "555-0199"


def test_call_that_staff_add_does_not_replace_a_call_requested_in_another_conversation(
    patron, staff, branch, at
):
    about = ask(patron, at=at, branch=branch)
    call_backs.ask_in(about, CALLER, by=patron, at=at + minute, client_token=uuid.uuid4())
    added = call_backs.add(
        Caller("555-0199"), by=staff, at=at + hour, client_token=uuid.uuid4(), patron=patron, branch=branch
    )
    assert added.pk != about.pk
    assert call_backs.open_call(about).number == NUMBER


@pytest.mark.parametrize("ends", ["close", "answer and close"])
def test_patron_cannot_undo_canceling_a_call_after_staff_closed_the_conversation(session, staff, at, ends):
    conversation = request(session, at, body="Where?")
    call_backs.cancel(conversation, by=session.patron, at=at + hour)
    if ends == "close":
        actions.close(conversation, by=staff, side="staff", at=at + hour + minute)
    else:
        say(conversation, by=staff, side="staff", at=at + hour + minute, then="close")
    before = states.state_of(now_of(conversation))
    with pytest.raises(call_backs.TooLate):
        call_backs.undo_cancel(conversation, at=at + hour + 2 * minute)
    assert states.state_of(now_of(conversation)) == before
    assert events_of(conversation).count("call_canceled") == 1


def test_outcome_of_a_call_is_recorded_once_if_the_button_is_pressed_twice(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    seen = seen_by(conversation)
    call_backs.record_outcome(conversation, "no_answer", by=staff, at=at + hour, seen=seen)
    with pytest.raises(call_backs.CallChanged) as refused:
        call_backs.record_outcome(conversation, "no_answer", by=staff, at=at + hour, seen=seen)
    assert not refused.value.has_new_number
    assert call_backs.tries(now_of(conversation)) == 1


def test_staff_cannot_record_the_outcome_of_a_call_if_the_patron_changed_the_number(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    seen = seen_by(conversation)
    call_backs.ask_in(
        conversation, Caller("555-0199"), by=session.patron, at=at + hour, client_token=uuid.uuid4()
    )
    with pytest.raises(call_backs.CallChanged) as refused:
        call_backs.record_outcome(conversation, "spoken", by=staff, at=at + 2 * hour, seen=seen)
    assert refused.value.has_new_number
    assert events_of(conversation) == ["call_asked"]
    called = call_backs.record_outcome(
        conversation, "spoken", by=staff, at=at + 2 * hour, seen=seen_by(conversation)
    )
    assert called.call_since is None


def test_undoing_the_end_of_a_call_does_not_restore_a_replaced_number(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    call_backs.ask_in(
        conversation, Caller("555-0199"), by=session.patron, at=at + hour, client_token=uuid.uuid4()
    )
    CallBack.objects.filter(number="555-0199").delete()
    called = call_backs.record_outcome(conversation, "give_up", by=staff, at=at + 2 * hour)
    desk_actions.undo(called, done_at=called.changed_at, by=staff, at=at + 2 * hour + minute)
    assert now_of(conversation).call_since == at
    assert call_backs.open_call(conversation) is None


def test_undoing_the_end_of_a_call_does_not_show_a_number_kept_for_a_legal_hold(
    session, staff, coordinator, at
):
    conversation = take(request(session, at), staff, at + minute)
    holds.hold(conversation, reason="Court", by=coordinator, at=at + minute)
    remove(CallBack.objects.filter(conversation=conversation), at=at + hour)
    called = call_backs.record_outcome(conversation, "give_up", by=staff, at=at + 2 * hour)
    desk_actions.undo(called, done_at=called.changed_at, by=staff, at=at + 2 * hour + minute)
    assert call_backs.open_call(conversation) is None
    call_backs.cancel(conversation, by=session.patron, at=at + 3 * hour)
    with pytest.raises(call_backs.TooLate):
        call_backs.undo_cancel(conversation, at=at + 3 * hour + minute)
    assert CallBack.objects.get().done_at == at + hour


def test_taking_back_the_answer_that_ended_a_call_restores_the_phone_number(session, staff, at):
    conversation = request(session, at)
    answer = say(conversation, by=staff, side="staff", at=at + hour, then="close")
    assert call_backs.open_call(conversation) is None
    taking_back.take_back(answer, by=staff, at=at + hour)
    assert call_backs.open_call(conversation).number == NUMBER


def test_snoozed_conversation_is_back_in_the_queue_when_its_call_expires(session, staff, at):
    conversation = request(session, at)
    promised = now_of(conversation).promised_at
    until = (at + 60 * day).date()
    desk_actions.snooze(conversation, until=until, by=staff, at=at + minute)
    call_backs.expire_calls(at=promised + 7 * day)
    row = now_of(conversation)
    assert (row.status, row.snoozed_until, row.waiting_since) == ("waiting_for_staff", None, at)
    assert row.call_since is None
    assert state_matches_history(row)


def test_canceling_a_call_does_not_reveal_a_pending_answer(session, staff, at):
    conversation = request(session, at, body="Where?")
    say(conversation, by=staff, side="staff", at=at + hour)
    call_backs.cancel(conversation, by=session.patron, at=at + hour)
    row = now_of(conversation)
    assert (row.status, row.status_at(at + hour)) == ("closed", "waiting_for_staff")
    call_backs.undo_cancel(conversation, at=at + hour)
    assert now_of(conversation).status_at(at + hour) == "waiting_for_staff"


def test_conversation_stays_assigned_to_a_staff_member_who_tried_to_call(session, staff, at):
    conversation = take(request(session, at), staff, at + minute)
    call_backs.record_outcome(conversation, "no_answer", by=staff, at=at + 2 * day)
    jobs.release_untouched(at=at + 3 * day + hour)
    assert now_of(conversation).assignee == staff
    jobs.release_untouched(at=at + 5 * day + hour)
    assert now_of(conversation).assignee is None


def test_call_cannot_be_added_for_an_erased_patron(patron, staff, branch, at):
    known = User.objects.get(pk=patron.pk)
    patron.delete()
    with pytest.raises(actions.Erased):
        call_backs.add(CALLER, by=staff, at=at, client_token=uuid.uuid4(), patron=known, branch=branch)


def test_call_request_does_not_change_why_a_conversation_already_waits_for_an_answer(session, staff, at):
    conversation = request(session, at)
    actions.close(conversation, by=staff, side="staff", at=at + minute)
    say(conversation, by=staff, side="staff", at=at + hour, then="ours")
    call_backs.ask_in(conversation, CALLER, by=session.patron, at=at + 2 * hour, client_token=uuid.uuid4())
    row = now_of(conversation)
    assert (row.reason, row.waiting_since, row.call_since) == ("asked", at + hour, at + 2 * hour)
    assert state_matches_history(row)
