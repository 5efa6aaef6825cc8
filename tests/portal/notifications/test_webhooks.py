"""Test which signed events another system gets, and what happens if the system doesn't accept an event."""

import datetime
import json
import uuid

import pytest
from django.utils import timezone

from portal.api.events import announce_numbers
from portal.conversations import actions, desk_actions
from portal.notifications import webhooks
from portal.notifications.models import WebhookEvent
from portal.worker import Worker
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    recommend_in,
    recommend_in_message,
)

from .webhook_receiver import SECRET, Receiver, is_signed

pytestmark = pytest.mark.django_db
# A Monday, 10:42 at the library.
MONDAY = datetime.datetime(2026, 3, 2, 16, 42, 7, tzinfo=datetime.UTC)


@pytest.fixture
def receiver(settings, library):
    with Receiver() as running:
        settings.WEBHOOK_URL, settings.WEBHOOK_SECRET = running.url, SECRET
        yield running


@pytest.fixture
def ask(patron, branch):
    """Return ask(help_session=None), which sends a question about this visit, or about something new."""

    def ask(help_session=None, *, by=patron, branch=branch):
        return actions.ask(
            by=by,
            at=MONDAY,
            body="SECRET words of Maria?",
            language="en",
            client_token=uuid.uuid4(),
            help_session=help_session,
            branch=None if help_session else branch,
        )

    return ask


def test_new_conversation_is_announced_with_its_kind_and_branch_and_hour(receiver, ask, branch, time_machine):
    time_machine.move_to(MONDAY, tick=False)
    ask()
    Worker().send_events()
    [(headers, body)] = receiver.received
    assert json.loads(body) == {
        "type": "conversation.new",
        "timestamp": "2026-03-02T16:00:00+00:00",
        "data": {"branch": branch.slug},
    }
    assert is_signed(headers, body)
    assert headers["webhook-timestamp"] == str(int(MONDAY.timestamp()))
    assert not WebhookEvent.objects.exists()


def test_answer_and_reply_in_an_announced_conversation_create_no_webhook_event(receiver, ask, staff, patron):
    conversation = ask()
    WebhookEvent.objects.all().delete()
    for side, person in (("staff", staff), ("patron", patron)):
        actions.reply(
            conversation,
            by=person,
            at=MONDAY,
            side=side,
            body="SECRET",
            language="en",
            client_token=uuid.uuid4(),
        )
    assert not WebhookEvent.objects.exists()


def test_transferred_conversation_is_announced_to_its_new_branch(receiver, ask, staff):
    conversation, other = ask(), BranchFactory()
    WebhookEvent.objects.all().delete()
    desk_actions.transfer(conversation, branch=other, by=staff, at=timezone.now(), was=None)
    assert WebhookEvent.objects.get().content["data"] == {"branch": other.slug}


@pytest.mark.parametrize("kind", ["quiet", "with a child", "by a child"])
def test_conversation_of_a_quiet_visit_or_a_child_is_never_announced(
    receiver, ask, branch, patron, staff, kind
):
    if kind == "quiet":
        ask(QuietSessionFactory(branch=branch, staff=staff), by=None)
    elif kind == "with a child":
        ask(SharedSessionFactory(branch=branch, staff=staff, patron=patron))
    else:
        ask(by=UserFactory(name="Mia", child_since=MONDAY))
    assert not WebhookEvent.objects.exists()


def test_no_event_is_saved_if_the_library_has_no_webhook(ask, settings):
    settings.WEBHOOK_URL = ""
    ask()
    assert not WebhookEvent.objects.exists()


def test_no_event_is_saved_if_saving_the_question_fails(receiver, ask, monkeypatch):
    monkeypatch.setattr(actions.staff_notices, "announce", lambda notices: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask()
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 500, 503])
def test_event_that_is_not_accepted_is_sent_again_with_the_same_id(receiver, ask, time_machine, status):
    time_machine.move_to(MONDAY, tick=False)
    ask()
    receiver.status = status
    Worker().send_events()
    Worker().send_events()
    assert len(receiver.received) == 1
    receiver.status = 200
    time_machine.move_to(MONDAY + webhooks.RETRY_AFTER[0], tick=False)
    Worker().send_events()
    assert len({headers["webhook-id"] for headers, _body in receiver.received}) == 1
    assert len({headers["webhook-timestamp"] for headers, _body in receiver.received}) == 2
    assert all(is_signed(headers, body) for headers, body in receiver.received)
    assert not WebhookEvent.objects.exists()


def test_event_is_given_up_after_the_last_try(receiver, ask, time_machine, caplog):
    now = MONDAY
    time_machine.move_to(now, tick=False)
    ask()
    receiver.status = 500
    for wait in [*webhooks.RETRY_AFTER, datetime.timedelta(days=9)]:
        Worker().send_events()
        now += wait
        time_machine.move_to(now, tick=False)
    assert len(receiver.received) == len(webhooks.RETRY_AFTER) + 1
    assert not WebhookEvent.objects.exists()
    assert "given up after 7 tries" in caplog.text


def test_event_is_not_deleted_if_the_receiving_system_is_unreachable(ask, settings):
    settings.WEBHOOK_URL, settings.WEBHOOK_SECRET = "http://127.0.0.1:9/", SECRET
    ask()
    Worker().send_events()
    assert WebhookEvent.objects.get().attempts == 1


def test_event_is_not_deleted_if_the_receiving_system_does_not_answer_in_time(receiver, ask, monkeypatch):
    monkeypatch.setattr(webhooks, "STEP_SECONDS", 0.2)
    receiver.is_slow = True
    ask()
    Worker().send_events()
    assert (len(receiver.received), WebhookEvent.objects.get().attempts) == (1, 1)


def test_event_that_a_worker_has_taken_is_not_taken_again_before_the_lease_ends(receiver, ask):
    ask()
    at = timezone.now()
    assert webhooks.take_next(at=at) is not None
    assert webhooks.take_next(at=at) is None
    assert webhooks.take_next(at=at + webhooks.LEASE) is not None


def test_event_dated_in_the_future_by_a_fast_clock_becomes_due(receiver, ask):
    ask()
    at = timezone.now()
    WebhookEvent.objects.update(
        due_at=at + datetime.timedelta(days=30), leased_until=at + datetime.timedelta(days=30)
    )
    webhooks.correct_times_of_events(at=at)
    assert webhooks.take_next(at=at) is not None


class TestNumbersOfADay:
    @pytest.fixture
    def answered(self, branch, staff, patron):
        """Return answered(verdicts, check_ins), which saves these numbers of verdicts and answered check-ins.

        Their day is March 1, unless `at` is given.
        """

        def answered(verdicts, check_ins, *, at=MONDAY - datetime.timedelta(days=1), **visit):
            for _ in range(verdicts):
                session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, **visit)
                recommend_in(session, 1, verdict="helped", decided_at=at, never_counted=session.quiet)
            for _ in range(check_ins):
                session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, **visit)
                CheckInFactory(help_session=session, status="answered", answered_at=at)

        return answered

    def test_numbers_of_yesterday_are_announced_once(self, receiver, answered):
        answered(5, 7)
        answered(9, 9, at=MONDAY)
        for hour in range(3):
            announce_numbers(at=MONDAY + datetime.timedelta(hours=hour))
        assert WebhookEvent.objects.get().content == {
            "type": "answers.day",
            "timestamp": "2026-03-01T00:00:00-06:00",
            "data": {"day": "2026-03-01", "verdicts": 5, "check_ins": 7},
        }

    def test_event_about_a_day_leaves_out_numbers_below_five(self, receiver, answered):
        answered(4, 5)
        announce_numbers(at=MONDAY)
        assert WebhookEvent.objects.get().content["data"] == {"day": "2026-03-01", "check_ins": 5}

    def test_event_about_a_day_leaves_out_numbers_of_fewer_than_five_visits(self, receiver, branch, staff):
        at = MONDAY - datetime.timedelta(days=1)
        for _visit in range(4):
            session = HelpSessionFactory(branch=branch, staff=staff)
            recommend_in(session, 2, verdict="helped", decided_at=at, visit_number=session.pk)
            for _ in range(2):
                CheckInFactory(help_session=session, status="answered", answered_at=at)
        announce_numbers(at=MONDAY)
        assert not WebhookEvent.objects.exists()

    def test_day_with_fewer_than_five_answers_causes_no_webhook_event(self, receiver, answered):
        answered(4, 4)
        announce_numbers(at=MONDAY)
        assert not WebhookEvent.objects.exists()

    @pytest.mark.parametrize("visit", [{"quiet": True, "patron": None}, {"with_child": "own"}], ids=str)
    def test_numbers_of_a_day_leave_out_quiet_visits_and_visits_with_a_child(
        self, receiver, branch, staff, visit
    ):
        at = MONDAY - datetime.timedelta(days=1)
        for _ in range(6):
            session = HelpSessionFactory(branch=branch, staff=staff, **visit)
            recommend_in(session, 1, verdict="helped", decided_at=at, never_counted=session.quiet)
            CheckInFactory(help_session=session, status="answered", answered_at=at)
        announce_numbers(at=MONDAY)
        assert not WebhookEvent.objects.exists()

    def test_numbers_of_a_day_leave_out_items_in_answers_about_a_visit_with_a_child(
        self, receiver, branch, staff, patron
    ):
        at = MONDAY - datetime.timedelta(days=1)
        for _ in range(6):
            visit = SharedSessionFactory(branch=branch, staff=staff, shared_with=patron)
            answer = MessageFactory(
                conversation__help_session=visit, conversation__patron=patron, author=staff, side="staff"
            )
            recommend_in_message(answer, verdict="helped", decided_at=at, patron=patron)
        announce_numbers(at=MONDAY)
        assert not WebhookEvent.objects.exists()
