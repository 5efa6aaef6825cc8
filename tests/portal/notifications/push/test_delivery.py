"""Test which notices are sent to devices, what they say, and what happens if a device can't be reached."""

import datetime
import json
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core import mail
from django.utils import timezone

from portal.conversations import actions, promise_emails, taking_back
from portal.conversations.answer_emails import count_unread
from portal.conversations.staff_notices import announce_new, announce_reply
from portal.health import readiness
from portal.helpsessions import handover, keeping, push
from portal.jobs import SOURCES
from portal.notifications.choices import choose, is_emailed_instead
from portal.notifications.kinds import CHOICES
from portal.notifications.models import (
    FailingAddress,
    Notification,
    PushMessage,
    PushSubscription,
)
from portal.notifications.push import delivery, sending
from portal.notifications.push.subscriptions import unsubscribe
from portal.notifications.settling import write_staff_notices
from portal.notifications.writing import notify, write
from portal.privacy import correction_emails
from portal.privacy.erasure import erase
from portal.privacy.merging import merge_people
from portal.worker import Worker
from tests.factories import (
    AbsenceFactory,
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    PushSubscriptionFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

# A Monday, 10:00 at the library.
MONDAY = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)
MINUTE = timedelta(minutes=1)
KIND = "conversations/answer"


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which sets the clock to Monday, 10:00, plus `minutes` minutes."""

    def now(minutes):
        time_machine.move_to(MONDAY + minutes * MINUTE, tick=False)
        return timezone.now()

    now(0)
    return now


@pytest.fixture
def conversation(now, patron, branch):
    return ConversationFactory(patron=patron, branch=branch, subject="My rash")


@pytest.fixture
def answer(now, staff):
    """Return answer(minutes, conversation), which lets staff answer `minutes` after Monday, 10:00."""

    def answer(minutes, conversation):
        return actions.reply(
            conversation,
            by=staff,
            side="staff",
            body="It looks harmless.",
            language="en",
            at=now(minutes),
            client_token=uuid.uuid4(),
        )

    return answer


@pytest.fixture
def work(now, service):
    """Return work(minutes), which lets a worker run `minutes` after Monday, 10:00.

    It returns (emails, messages), the emails and push messages that the worker sent.
    """
    worker = Worker()

    def work(minutes):
        now(minutes)
        mail.outbox.clear()
        service.received.clear()
        worker.push_pauses.clear()
        worker.deliver_due()
        worker.push_due()
        delivery.email_instead(at=timezone.now())
        worker.deliver_due()
        return list(mail.outbox), list(service.received)

    return work


def choose_push(person, choice="push", kind=KIND, **times):
    choose(person, {(kind, None): CHOICES[choice]}, times)


def device_of(person, service, path="ok", **row):
    """Give the person a device. Return its PushDevice."""
    device = service.device(f"{path}/{uuid.uuid4()}")
    PushSubscriptionFactory(person=person, device_keys=device, **row)
    return device


def test_answer_goes_to_each_device_of_a_person_who_chose_push(answer, conversation, patron, service, work):
    choose_push(patron)
    devices = [device_of(patron, service), device_of(patron, service)]
    device_of(UserFactory(), service)
    answer(0, conversation)
    emails, messages = work(1)
    assert emails == []
    contents = [
        json.loads(device.decrypt(message.body)) for device, message in zip(devices, messages, strict=True)
    ]
    tags = [content.pop("tag") for content in contents]
    assert (
        contents
        == [
            {
                "title": "Harbour Library",
                "body": "The library has answered",
                "url": f"http://localhost:8000{conversation.get_absolute_url()}#latest",
                "badge": 1,
            }
        ]
        * 2
    )
    # The two tags differ, so push services can't see that both devices belong to one person.
    assert len(set(tags)) == 2
    assert [message.headers["Topic"] for message in messages] == tags
    assert [len(tag) for tag in tags] == [32, 32]
    assert {message.headers["TTL"] for message in messages} == {str(3 * 24 * 60 * 60)}
    assert not PushMessage.objects.exists()


def test_email_text_of_a_notice_is_deleted_after_a_device_gets_the_notice(
    answer, conversation, patron, service, work
):
    choose_push(patron)
    device_of(patron, service)
    answer(0, conversation)
    work(1)
    row = Notification.objects.get()
    assert (row.state, row.way, row.delivered_at) == ("delivered", "push", MONDAY + MINUTE)
    assert (row.text, row.html, row.url, row.headers) == ("", "", "", {})


def test_person_who_chose_email_gets_no_message(answer, conversation, patron, service, work):
    device_of(patron, service)
    answer(0, conversation)
    emails, messages = work(1)
    assert (len(emails), messages) == (1, [])


def test_person_who_chose_no_notices_gets_no_email_and_no_message(
    answer, conversation, patron, service, work
):
    device_of(patron, service)
    choose_push(patron, "none")
    answer(0, conversation)
    assert work(1) == ([], [])


@pytest.mark.parametrize("lost", ["never had one", "unsubscribed", "signed out", "another key"])
def test_person_who_chose_push_but_has_no_device_gets_an_email(
    answer, conversation, patron, service, settings, work, lost
):
    choose_push(patron)
    if lost != "never had one":
        device_of(patron, service)
        assert not is_emailed_instead(patron, at=timezone.now())
    row = PushSubscription.objects.first()
    if lost == "unsubscribed":
        unsubscribe(row)
    elif lost == "signed out":
        row.sign_in.end()
    elif lost == "another key":
        PushSubscription.objects.update(key_id="old")
    answer(0, conversation)
    emails, messages = work(1)
    assert ([email.to for email in emails], messages) == ([[patron.email]], [])
    assert is_emailed_instead(patron, at=timezone.now())


def test_device_of_a_person_without_an_email_address_gets_the_answer(answer, branch, service, work):
    person = UserFactory(email=None)
    device = device_of(person, service)
    conversation = ConversationFactory(patron=person, branch=branch)
    answer(0, conversation)
    emails, [message] = work(1)
    assert emails == []
    assert json.loads(device.decrypt(message.body))["url"].endswith(
        f"{conversation.get_absolute_url()}#latest"
    )


def test_no_notice_is_written_for_a_person_with_neither_an_address_nor_a_device(answer, branch, work):
    answer(0, ConversationFactory(patron=UserFactory(email=None), branch=branch))
    assert not Notification.objects.exists()


def test_person_with_a_failing_address_gets_push_messages(answer, conversation, patron, service, work):
    device_of(patron, service)
    FailingAddress.objects.create(person=patron, email=patron.email, failed_at=MONDAY, off_at=MONDAY)
    answer(0, conversation)
    emails, messages = work(1)
    assert (emails, len(messages)) == ([], 1)


@pytest.mark.parametrize("lost", ["signed out", "another key"])
def test_nothing_is_emailed_to_a_failing_address_if_the_subscription_does_not_work(
    answer, conversation, patron, service, work, lost
):
    device_of(patron, service)
    FailingAddress.objects.create(person=patron, email=patron.email, failed_at=MONDAY, off_at=MONDAY)
    if lost == "signed out":
        Session.objects.all().delete()
    else:
        PushSubscription.objects.update(key_id="old")
    answer(0, conversation)
    assert work(1) == ([], [])
    assert [row.state for row in Notification.objects.all()] == ["dead"]


def test_nothing_is_emailed_to_a_failing_address_if_no_device_can_be_reached(
    answer, conversation, patron, service, work
):
    device_of(patron, service, "410")
    FailingAddress.objects.create(person=patron, email=patron.email, failed_at=MONDAY, off_at=MONDAY)
    answer(0, conversation)
    assert work(1) == ([], [])
    assert [row.state for row in Notification.objects.all()] == ["dead"]


@pytest.mark.parametrize("path", ["404", "410"])
def test_answer_is_emailed_if_the_push_service_has_ended_the_subscription(
    answer, conversation, patron, service, work, path
):
    choose_push(patron)
    device = device_of(patron, service, path)
    # The device also has a subscription for a visit that was opened by code.
    PushSubscriptionFactory(device_keys=device, about="visit:1", ends_at=MONDAY + timedelta(days=9))
    answer(0, conversation)
    emails, _messages = work(1)
    assert [email.to for email in emails] == [[patron.email]]
    assert "has answered you" in emails[0].body
    assert not PushSubscription.objects.exists()
    row = Notification.objects.get()
    assert (row.state, row.way) == ("delivered", "instead")


def test_answer_is_not_emailed_if_one_of_two_devices_got_it(answer, conversation, patron, service, work):
    choose_push(patron)
    device_of(patron, service, "410")
    device_of(patron, service)
    answer(0, conversation)
    emails, messages = work(1)
    assert (emails, len(messages)) == ([], 1)
    assert work(60) == ([], [])


@pytest.mark.parametrize("path", ["400", "403", "413", "redirect"])
def test_answer_is_emailed_if_the_push_service_refuses_the_message(
    answer, conversation, patron, service, work, path, caplog
):
    choose_push(patron)
    device = device_of(patron, service, path)
    answer(0, conversation)
    emails, _messages = work(1)
    assert [email.to for email in emails] == [[patron.email]]
    status = "307" if path == "redirect" else path
    assert f"127.0.0.1 refused a push message: it answered {status}" in caplog.text
    assert device.endpoint not in caplog.text
    assert PushSubscription.objects.count() == 1
    assert work(60) == ([], [])


def test_busy_push_service_can_delay_the_next_attempt_to_send_a_message(
    answer, conversation, patron, service, work, now
):
    choose_push(patron)
    device_of(patron, service, "later")
    service.retry_after = str(7 * 60)
    answer(0, conversation)
    work(1)
    assert len(service.requests) == 1
    work(7)
    assert len(service.requests) == 1
    work(8)
    assert len(service.requests) == 2


def test_answer_is_emailed_after_the_push_service_has_failed_six_times(
    answer, conversation, patron, service, work
):
    choose_push(patron)
    device_of(patron, service, "500")
    answer(0, conversation)
    minute, times = 0, []
    for wait in [1, 1, 5, 30, 120, 720]:
        minute += wait
        # Nothing is sent twelve seconds earlier. In the first round, staff can still take the answer back.
        assert work(minute - 0.8) == ([], [])
        emails, _messages = work(minute)
        times.append(len(service.requests))
    assert times == [1, 2, 3, 4, 5, 6]
    assert [email.to for email in emails] == [[patron.email]]
    assert work(10000) == ([], [])


def test_message_is_not_sent_again_after_the_patron_has_read_the_answer(
    answer, conversation, patron, service, work, now
):
    choose_push(patron)
    device_of(patron, service, "500")
    answer(0, conversation)
    work(1)
    actions.mark_read(conversation, person=patron, at=now(1.5))
    work(2)
    assert len(service.requests) == 1
    assert not Notification.objects.filter(state__in=["waiting", "pushing"]).exists()
    assert not PushMessage.objects.exists()


def test_message_to_a_second_device_is_not_sent_again_after_the_answer_was_read(
    answer, conversation, patron, service, work, now
):
    choose_push(patron)
    device_of(patron, service)
    device_of(patron, service, "500")
    answer(0, conversation)
    work(1)
    actions.mark_read(conversation, person=patron, at=now(1.5))
    work(2)
    assert len(service.requests) == 2
    assert [row.state for row in Notification.objects.all()] == ["delivered"]


def test_waiting_message_is_not_sent_after_the_person_turns_off_notices(
    answer, conversation, patron, service, work
):
    choose_push(patron)
    device_of(patron, service, "500")
    answer(0, conversation)
    work(1)
    choose_push(patron, "none")
    assert work(2) == ([], [])
    assert len(service.requests) == 1


def test_message_is_not_sent_again_until_the_quiet_hours_end(answer, conversation, patron, service, work):
    choose_push(patron, quiet_from=datetime.time(10, 1, 30), quiet_until=datetime.time(11))
    device_of(patron, service, "500")
    answer(0, conversation)
    work(1)
    work(2)
    work(59)
    assert len(service.requests) == 1
    work(61)
    assert len(service.requests) == 2


def test_no_message_is_sent_about_an_answer_that_was_taken_back_or_erased(
    answer, conversation, patron, service, work, staff
):
    choose_push(patron)
    device_of(patron, service)
    message = answer(0, conversation)
    taking_back.take_back(message, by=staff, at=timezone.now())
    assert work(1) == ([], [])
    answer(2, conversation)
    erase(patron, language="en", at=timezone.now())
    assert work(3)[1] == []
    assert not PushMessage.objects.exists()


def test_person_who_died_or_was_deactivated_gets_no_message(answer, conversation, patron, service, work):
    choose_push(patron)
    device_of(patron, service)
    for change in ({"died_at": MONDAY}, {"died_at": None, "is_active": False}):
        answer(0, conversation)
        type(patron).objects.filter(pk=patron.pk).update(**change)
        assert work(1) == ([], [])


def test_message_to_a_person_with_an_unconfirmed_address_links_only_to_the_home_page(
    answer, conversation, patron, service, work
):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
    choose_push(patron)
    device = device_of(patron, service)
    answer(0, conversation)
    _emails, [message] = work(1)
    assert json.loads(device.decrypt(message.body))["url"] == "http://localhost:8000/"


def test_answers_within_the_quiet_period_are_sent_as_one_message(answer, conversation, patron, service, work):
    choose_push(patron)
    device = device_of(patron, service)
    answer(0, conversation)
    [first] = work(1)[1]
    answer(2, conversation)
    answer(3, conversation)
    assert work(4) == ([], [])
    [second] = work(32)[1]
    tags = [json.loads(device.decrypt(message.body))["tag"] for message in (first, second)]
    # Because the tags are equal, the second message replaces the first on the device.
    assert tags[0] == tags[1]


def test_several_notices_within_the_hour_are_sent_as_one_message(answer, branch, patron, service, work):
    choose_push(patron, "push_hourly")
    device = device_of(patron, service)
    answer(0, ConversationFactory(patron=patron, branch=branch))
    assert len(work(1)[1]) == 1
    for minute in (2, 3):
        answer(minute, ConversationFactory(patron=patron, branch=branch))
    assert work(4) == ([], [])
    emails, [message] = work(61)
    content = json.loads(device.decrypt(message.body))
    assert emails == []
    assert (content["body"], content["badge"]) == ("The library has answered in 2 conversations.", 3)
    assert content["url"] == "http://localhost:8000/messages/"


def test_hourly_messages_and_hourly_emails_are_sent_separately(answer, branch, patron, service, work, now):
    choose(
        patron,
        {(KIND, None): CHOICES["push_hourly"], ("privacy/corrected", None): CHOICES["hourly"]},
        {},
    )
    device_of(patron, service)
    answer(0, ConversationFactory(patron=patron, branch=branch))
    notify(
        "privacy/corrected",
        to=patron.email,
        at=now(0),
        recipient=patron,
        language="en",
        context={"url": "http://localhost:8000/visits/1/", "branch": branch},
    )
    # The person gets at most one notice an hour, by email or on the device.
    (emails, messages), (later_emails, later_messages) = work(1), work(61)
    assert [len(found) for found in (emails, messages, later_emails, later_messages)] == [1, 0, 0, 1]


def test_message_is_in_the_persons_language(answer, branch, service, work):
    person = UserFactory(language="es")
    choose_push(person)
    device = device_of(person, service)
    answer(0, ConversationFactory(patron=person, branch=branch))
    [message] = work(1)[1]
    assert json.loads(device.decrypt(message.body))["body"] == "La biblioteca ha respondido"


def test_staff_can_choose_push_for_the_notices_of_one_branch(branch, service, work, now):
    person = StaffFactory(branch=branch)
    choose(
        person,
        {
            ("conversations/new", None): CHOICES["none"],
            ("conversations/new", branch.pk): CHOICES["push"],
        },
        {"when_closed": True},
    )
    device = device_of(person, service)
    conversation = ConversationFactory(
        branch=branch, patron=UserFactory(), status="waiting_for_staff", waiting_since=now(0)
    )
    announce_new(conversation, at=now(0))
    write_staff_notices(at=now(1), sources=SOURCES)
    emails, [message] = work(2)
    content = json.loads(device.decrypt(message.body))
    assert emails == []
    assert content["body"] == "1 new conversation is waiting at Harbour Main."
    assert content["url"].endswith(f"/desk/conversations/{conversation.public_id}/")


@pytest.mark.parametrize("role", ["the assignee", "the colleague who covers"])
def test_staff_without_an_email_address_get_notices_on_their_devices(branch, service, work, now, role):
    person = StaffFactory(branch=branch, email=None)
    assignee = person if role == "the assignee" else StaffFactory(branch=branch)
    if assignee != person:
        AbsenceFactory(person=assignee, cover=person)
    choose(person, {}, {"when_closed": True})
    device = device_of(person, service)
    conversation = ConversationFactory(
        branch=branch, assignee=assignee, status="waiting_for_staff", waiting_since=now(0)
    )
    announce_reply(conversation, at=now(0))
    write_staff_notices(at=now(1), sources=SOURCES)
    emails, [message] = work(2)
    content = json.loads(device.decrypt(message.body))
    assert emails == []
    assert content["body"] == "1 of your conversations at Harbour Main has a new message."
    assert content["url"].endswith(f"/desk/conversations/{conversation.public_id}/")


def test_staff_without_an_email_address_and_without_a_device_get_no_notices(branch, service, work, now):
    person = StaffFactory(branch=branch, email=None)
    announce_reply(
        ConversationFactory(branch=branch, assignee=person, status="waiting_for_staff", waiting_since=now(0)),
        at=now(0),
    )
    write_staff_notices(at=now(1), sources=SOURCES)
    assert work(2) == ([], [])
    assert not Notification.objects.exists()


def test_merging_two_records_ends_the_subscriptions_of_the_merged_record(
    answer, conversation, patron, service, work, now
):
    choose_push(patron)
    device_of(patron, service)
    answer(0, conversation)
    into = UserFactory(email="other@example.org")
    merge_people(patron, into, by=into, at=now(0))
    assert not PushSubscription.objects.exists()
    emails, messages = work(1)
    assert ([email.to for email in emails], messages) == ([["other@example.org"]], [])


def test_person_can_send_a_test_message_to_one_device(patron, service, work, now):
    device = device_of(patron, service, language="es")
    other = device_of(patron, service)
    row = PushSubscription.objects.get(endpoint=device.endpoint)
    delivery.send_test_message(row, at=now(0))
    [message] = work(0)[1]
    content = json.loads(device.decrypt(message.body))
    assert content["title"] == "Harbour Library"
    assert message.path != other.endpoint
    assert not Notification.objects.exists()


def test_undelivered_test_message_is_deleted_after_ten_minutes(patron, service, work, now):
    device_of(patron, service)
    delivery.send_test_message(PushSubscription.objects.get(), at=now(0))
    assert work(11) == ([], [])
    assert not PushMessage.objects.exists()


def test_error_in_one_push_message_does_not_stop_the_next_message(
    patron, service, work, now, monkeypatch, caplog
):
    for _ in range(2):
        device_of(patron, service)
    for row in PushSubscription.objects.all():
        delivery.send_test_message(row, at=now(0))
    encrypt, calls = sending.encrypt, []

    def fail_once(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise ZeroDivisionError
        return encrypt(*args, **kwargs)

    monkeypatch.setattr(sending, "encrypt", fail_once)
    assert len(work(0)[1]) == 1
    assert "a push message could not be sent" in caplog.text
    assert not PushMessage.objects.exists()


def test_notices_are_emailed_if_the_key_for_push_messages_is_removed_from_the_settings(
    answer, conversation, patron, service, work, settings
):
    choose_push(patron)
    device_of(patron, service, "500")
    answer(0, conversation)
    work(1)
    settings.PUSH_PRIVATE_KEY = ""
    emails, _messages = work(2)
    assert [email.to for email in emails] == [[patron.email]]
    assert len(service.requests) == 1


# Tests of browsers that opened a visit by code.


@pytest.fixture
def visit(branch, now):
    return HelpSessionFactory(branch=branch, created_at=now(0))


@pytest.fixture
def by_code(visit, staff, service, now):
    """Return the device of a browser that opened the visit by code."""
    handover.make_code(visit, by=staff, at=now(0))
    device = service.device()
    PushSubscriptionFactory(
        device_keys=device,
        about=push.about(visit),
        ends_at=visit.claim_codes.get().expires_at,
        language="en",
    )
    return device


def test_viewer_with_only_a_code_gets_a_message_about_an_answer(
    answer, by_code, visit, branch, work, service
):
    other = service.device("ok/other")
    PushSubscriptionFactory(
        device_keys=other, about=f"visit:{uuid.uuid4()}", ends_at=MONDAY + timedelta(days=9)
    )
    conversation = ConversationFactory(help_session=visit, branch=branch)
    answer(0, conversation)
    emails, [message] = work(1)
    content = json.loads(by_code.decrypt(message.body))
    del content["tag"]
    assert emails == []
    assert content == {
        "title": "Harbour Library",
        "body": "The library has answered",
        "url": f"http://localhost:8000{conversation.get_absolute_url()}#latest",
        "badge": 1,
    }
    row = Notification.objects.get()
    assert (row.state, row.recipient, row.to_address, row.text) == ("delivered", None, "", "")


def test_viewer_with_only_a_code_gets_one_message_in_a_quiet_period(answer, by_code, visit, branch, work):
    conversation = ConversationFactory(help_session=visit, branch=branch)
    answer(0, conversation)
    assert len(work(1)[1]) == 1
    answer(2, conversation)
    answer(3, conversation)
    assert work(4) == ([], [])
    assert len(work(31)[1]) == 1
    assert work(90) == ([], [])


def test_viewer_with_only_a_code_gets_no_message_about_an_answer_that_was_read(
    answer, by_code, visit, branch, work, now
):
    conversation = ConversationFactory(help_session=visit, branch=branch)
    answer(0, conversation)
    actions.mark_read(conversation, person=None, at=now(0.5))
    assert work(1) == ([], [])
    assert not Notification.objects.exists()


@pytest.mark.parametrize("how", ["kept", "quiet", "revoked"])
def test_viewer_with_only_a_code_gets_no_message_after_losing_access_to_the_visit(
    answer, by_code, visit, branch, work, staff, how
):
    conversation = ConversationFactory(help_session=visit, branch=branch)
    answer(0, conversation)
    if how == "kept":
        keeping.keep(visit, by=UserFactory(email=None), at=timezone.now(), wording="Keep it.", language="en")
    elif how == "quiet":
        type(visit).objects.filter(pk=visit.pk).update(quiet=True)
    else:
        handover.revoke_codes(visit, by=staff, at=timezone.now())
    assert work(1) == ([], [])


def test_notice_to_a_viewer_with_only_a_code_is_deleted_if_the_subscription_has_ended(
    answer, by_code, visit, branch, work, service
):
    PushSubscription.objects.update(endpoint=service.endpoint("410"))
    answer(0, ConversationFactory(help_session=visit, branch=branch))
    assert work(1) == ([], [])
    assert not Notification.objects.exists()
    # Nobody gets messages about this visit anymore.
    answer(2, ConversationFactory(help_session=visit, branch=branch))
    assert not Notification.objects.exists()


def test_no_notice_is_written_about_an_answer_in_a_quiet_visit(answer, by_code, visit, branch, work):
    type(visit).objects.filter(pk=visit.pk).update(quiet=True)
    answer(0, ConversationFactory(help_session=HelpSessionFactory(quiet=True), branch=branch))
    assert not Notification.objects.exists()


# Tests of notices other than answers, and of push services that can't be reached.


def test_person_without_an_email_address_gets_a_message_about_a_correction(branch, service, work, now):
    person = UserFactory(email=None)
    device = device_of(person, service)
    visit = HelpSessionFactory(branch=branch, patron=person)
    assert correction_emails.recipients(visit) == {person: ""}
    correction_emails.send(visit, version=1, at=now(0))
    emails, [message] = work(1)
    content = json.loads(device.decrypt(message.body))
    assert emails == []
    assert content["body"] == "The library corrected one of your visits"
    assert content["url"] == f"http://localhost:8000{visit.get_absolute_url()}"


def test_person_without_an_email_address_gets_a_message_about_a_new_promised_day(branch, service, work, now):
    with_device, without, unconfirmed = UserFactory(email=None), UserFactory(email=None), UserFactory()
    EmailAddress.objects.create(user=unconfirmed, email=unconfirmed.email, verified=False)
    device = device_of(with_device, service)
    device_of(unconfirmed, service)
    moved = [
        SimpleNamespace(
            conversation=ConversationFactory(patron=person, branch=branch, last_message_at=now(0)),
            changes_the_day=True,
            days=(MONDAY.date(), MONDAY.date() + timedelta(days=1)),
        )
        for person in (with_device, without, unconfirmed)
    ]
    assert promise_emails.write(moved, at=now(0)) == 1
    emails, [message] = work(1)
    content = json.loads(device.decrypt(message.body))
    assert emails == []
    assert content["body"] == "We'll answer you on a different day than promised"
    assert content["url"].endswith(moved[0].conversation.get_absolute_url())


def moves_of(visit, branch, count=1, **fields):
    """Return `count` objects like a Move, each with a conversation about the visit and a new promised day."""
    return [
        SimpleNamespace(
            conversation=ConversationFactory(
                **{"help_session": visit, "branch": branch, "last_message_at": MONDAY} | fields
            ),
            changes_the_day=True,
            days=(MONDAY.date(), MONDAY.date() + timedelta(days=1)),
        )
        for _number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_viewer_with_only_a_code_gets_one_message_about_several_new_promised_days(
    by_code, visit, branch, work, now, count
):
    moved = moves_of(visit, branch, count)
    moved += moves_of(HelpSessionFactory(branch=branch), branch)
    assert promise_emails.count(moved, at=now(0)) == 1
    assert promise_emails.write(moved, at=now(0)) == 1
    emails, [message] = work(1)
    content = json.loads(by_code.decrypt(message.body))
    del content["tag"]
    page = moved[0].conversation if count == 1 else visit
    assert emails == []
    assert content == {
        "title": "Harbour Library",
        "body": "We'll answer you on a different day than promised",
        "url": f"http://localhost:8000{page.get_absolute_url()}",
        "badge": 0,
    }
    row = Notification.objects.get()
    assert (row.state, row.recipient, row.to_address, row.text) == ("delivered", None, "", "")


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "why", ["no message yet", "same day", "pending answer", "no answer wanted", "quiet", "kept", "code ended"]
)
def test_viewer_with_only_a_code_gets_no_message_about_a_promised_day_that_they_cannot_see(
    by_code, visit, branch, patron, now, why
):
    moved = moves_of(visit, branch)
    conversation = moved[0].conversation
    if why == "same day":
        moved[0].changes_the_day = False
    elif why == "no message yet":
        conversation.last_message_at = None
    elif why == "pending answer":
        conversation.pending_from = MONDAY
    elif why == "no answer wanted":
        conversation.wants_no_answer = True
    elif why == "quiet":
        conversation.help_session.quiet = True
    elif why == "kept":
        conversation.patron = patron
    else:
        PushSubscription.objects.update(ends_at=now(0))
    assert promise_emails.browsers(moved, at=now(0)) == []
    promise_emails.write(moved, at=now(0))
    assert not Notification.objects.filter(recipient=None).exists()


def test_message_about_a_new_promised_day_is_not_sent_if_the_subscription_has_ended(
    by_code, visit, branch, work, now
):
    promise_emails.write(moves_of(visit, branch), at=now(0))
    push.end_for_visits(visit)
    assert work(1) == ([], [])
    assert not Notification.objects.exists()


def test_badge_counts_unread_answers_about_a_shared_visit(branch, answer, now):
    adult = UserFactory()
    visit = SharedSessionFactory(branch=branch, patron=ChildFactory(), shared_with=adult)
    conversation = ConversationFactory(help_session=visit, branch=branch, patron=visit.patron)
    answer(0, conversation)
    assert count_unread(adult) == 0
    now(1)
    assert [count_unread(person) for person in (adult, visit.patron, UserFactory())] == [1, 1, 0]
    actions.mark_read(conversation, person=adult, at=now(2))
    assert [count_unread(person) for person in (adult, visit.patron)] == [0, 1]


def test_unreachable_push_service_does_not_delay_messages_to_other_services(service, now):
    for host, path in (("a.example", "close/1"), ("a.example", "close/2"), ("b.example", "ok")):
        row = PushSubscriptionFactory(device_keys=service.device(path), host=host)
        delivery.send_test_message(row, at=now(0))
    worker = Worker()
    worker.push_due()
    assert [message.path for message in service.requests] == ["/close/1", "/ok"]
    assert list(worker.push_pauses) == ["a.example"]
    worker.push_due()
    assert len(service.requests) == 2
    worker.push_pauses.clear()
    worker.push_due()
    assert [message.path for message in service.requests][2:] == ["/close/2"]


def test_readiness_check_does_not_count_a_push_message_as_a_sent_email(
    answer, conversation, patron, service, work
):
    choose_push(patron)
    device_of(patron, service)
    answer(0, conversation)
    work(1)
    write(
        kind="account/mail",
        to="sam@example.org",
        at=MONDAY - timedelta(hours=1),
        language="en",
        subject="x",
        text="x",
    )
    report = readiness(at=timezone.now())
    assert report["outbox"] == "an email has waited for 3660 s"
