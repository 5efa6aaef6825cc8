"""Test that each notice is sent exactly once, and never to a device that may no longer get notices."""

import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal.notifications.facts import Sources
from portal.notifications.kinds import KINDS
from portal.notifications.models import FailingAddress, Notification, PushMessage, PushSubscription
from portal.notifications.push import delivery, subscriptions
from portal.notifications.push.keys import new_private_key
from portal.privacy import correction_emails
from portal.worker import Worker
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    NotificationFactory,
    PushSubscriptionFactory,
    StaffFactory,
)
from tests.push_device import PushDevice

from .test_delivery import answer, choose_push, conversation, device_of, now, work

__all__ = ["answer", "conversation", "now", "work"]

pytestmark = pytest.mark.django_db


def end_session(person):
    """Delete the person's sessions, but no UserSession, as Django does if somebody else signs in."""
    Session.objects.filter(session_key__in=person.usersession_set.values("session_key")).delete()


def test_waiting_message_is_not_sent_to_a_device_whose_sign_in_has_ended(answer, conversation, service, work):
    device_of(conversation.patron, service, "503")
    choose_push(conversation.patron)
    answer(0, conversation)
    work(1)
    assert len(service.requests) == 1
    end_session(conversation.patron)
    emails, _messages = work(5)
    assert len(service.requests) == 1
    assert [email.to for email in emails] == [[conversation.patron.email]]


def test_nothing_is_emailed_to_a_failing_address_if_the_sign_in_has_ended(
    answer, conversation, service, work
):
    patron = conversation.patron
    device_of(patron, service)
    end_session(patron)
    FailingAddress.objects.create(
        person=patron, email=patron.email, failed_at=timezone.now(), off_at=timezone.now()
    )
    answer(0, conversation)
    emails, messages = work(1)
    assert (emails, messages) == ([], [])
    assert Notification.objects.get().state == Notification.State.DEAD


def test_messages_about_two_corrected_visits_do_not_replace_each_other(branch, patron, service, now, work):
    device = device_of(patron, service)
    choose_push(patron, kind="privacy/corrected")
    visits = [HelpSessionFactory(branch=branch, patron=patron) for _ in range(2)]
    for visit in visits:
        correction_emails.send(visit, version=1, at=now(0))
    _emails, messages = work(1)
    contents = [json.loads(device.decrypt(message.body)) for message in messages]
    assert {content["url"].rpartition("/sessions/")[2].strip("/") for content in contents} == {
        str(visit.public_id) for visit in visits
    }
    assert len({content["tag"] for content in contents}) == 2
    assert len({message.headers["Topic"] for message in messages}) == 2


def test_notice_is_not_emailed_if_its_push_message_expires_during_sending(
    answer, conversation, service, now, work
):
    device_of(conversation.patron, service)
    choose_push(conversation.patron)
    answer(0, conversation)
    now(1)

    Worker().deliver_due()
    message = delivery.take_next(at=timezone.now())
    PushMessage.objects.update(ends_at=timezone.now())
    delivery.email_instead(at=timezone.now())
    delivery._mark_taken(message, at=timezone.now())
    assert Notification.objects.get().state == Notification.State.DELIVERED


def test_subscription_is_kept_after_a_push_key_change_so_that_the_browser_can_renew_it(patron, settings):

    row = PushSubscriptionFactory(person=patron)
    settings.PUSH_PRIVATE_KEY = new_private_key()
    assert subscriptions.devices_of(patron, at=timezone.now()).count() == 0
    subscriptions.forget_subscriptions(at=timezone.now() + timedelta(days=1))
    assert list(PushSubscription.objects.all()) == [row]


def test_visit_opened_by_code_has_at_most_ten_devices(patron, settings):

    at = timezone.now()
    for number in range(12):
        subscriptions.subscribe(
            **PushDevice().keys,
            language="en",
            device="Firefox",
            at=at + timedelta(minutes=number),
            about="visit:1",
            ends_at=at + timedelta(days=1),
        )
    subscriptions.subscribe(
        **PushDevice().keys,
        language="en",
        device="Firefox",
        at=at,
        about="visit:2",
        ends_at=at + timedelta(days=1),
    )
    assert PushSubscription.objects.filter(about="visit:1").count() == subscriptions.MAX_DEVICES
    assert PushSubscription.objects.filter(about="visit:2").count() == 1


def test_encrypted_messages_have_the_same_size_for_every_kind_of_notice(
    answer, branch, patron, service, now, work
):
    device = device_of(patron, service)
    choose_push(patron)
    choose_push(patron, kind="privacy/corrected")
    correction_emails.send(HelpSessionFactory(branch=branch, patron=patron), version=1, at=now(0))
    answer(0, ConversationFactory(patron=patron, branch=branch))
    _emails, messages = work(1)
    contents = [json.loads(device.decrypt(message.body)) for message in messages]
    assert len({content["body"] for content in contents}) == 2
    assert len({len(message.body) for message in messages}) == 1


def test_digest_is_not_emailed_to_a_failing_address(patron, service, now, work):
    device_of(patron, service)
    end_session(patron)
    FailingAddress.objects.create(
        person=patron, email=patron.email, failed_at=timezone.now(), off_at=timezone.now()
    )
    digest = NotificationFactory(kind="notifications/digest", recipient=patron, to_address=patron.email)
    emails, messages = work(1)
    assert (emails, messages) == ([], [])
    digest.refresh_from_db()
    assert digest.state == Notification.State.DEAD


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if not kind.is_chosen_apart], ids=lambda k: k.key
)
@pytest.mark.parametrize("choice", ["push", "push_hourly"])
@pytest.mark.parametrize(
    ("does", "emails_and_messages"),
    [
        ("ok", (0, 1)),
        ("503+ok", (0, 1)),
        ("ok+410", (0, 1)),
        ("410+400", (1, 0)),
        ("410", (1, 0)),
        ("400", (1, 0)),
        ("503", (1, 0)),
        ("redirect", (1, 0)),
        ("close", (1, 0)),
    ],
)
def test_notice_of_each_kind_arrives_exactly_once(
    kind, choice, does, emails_and_messages, branch, patron, service, now, work, monkeypatch
):
    # Without functions in `Sources`, the worker treats each notice as if it was about something unread.
    monkeypatch.setattr("portal.worker.SOURCES", Sources())
    person = StaffFactory(branch=branch) if kind.for_staff else patron
    for each in does.split("+"):
        device_of(person, service, each)
    choose_push(person, choice, kind=kind.key)
    notify_of(kind, person, branch, at=now(0))
    emails = messages = 0
    for minute in [1, 2, 10, 45, 200, 1000, 2000]:
        sent, received = work(minute)
        emails, messages = emails + len(sent), messages + len(received)
    assert (emails, messages) == emails_and_messages
    assert not PushMessage.objects.exists()
    assert set(Notification.objects.values_list("state", flat=True)) == {"delivered"}


def notify_of(kind, person, branch, *, at):
    return NotificationFactory(
        kind=kind.key,
        recipient=person,
        to_address=person.email,
        branch=branch if kind.for_staff else None,
        url="http://localhost:8000/",
        created_at=at,
        due_at=at,
        text="" if kind.for_staff else "There is something new.",
    )
