"""Test push messages with real worker processes: a push service that hangs, killed workers, and races."""

import time
import uuid
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection
from django.utils import timezone

from accounts.models import User
from portal.conversations import actions
from portal.conversations.answer_emails import withdraw_announcement
from portal.helpsessions import handover, keeping, push
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.helpsessions.push import NotOffered, subscribe_by_code
from portal.jobs import SOURCES
from portal.notifications.actions import take_next
from portal.notifications.choices import choose
from portal.notifications.kinds import CHOICES
from portal.notifications.models import Notification, PushMessage, PushSubscription, RepeatedJob
from portal.notifications.push import delivery
from portal.notifications.push.subscriptions import SignedOut, forget_subscriptions, living, subscribe
from portal.notifications.settling import settle
from portal.privacy.erasure import erase
from portal.worker import Worker
from tests.extent import times
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    LibraryFactory,
    PushSubscriptionFactory,
    StaffFactory,
    UserFactory,
    sign_in_row,
)
from tests.portal.notifications.mail_server import free_port, mail_server
from tests.portal.notifications.test_delivery import start_worker, write_email
from tests.processes import MAX_WAIT, rounds
from tests.push_device import PRIVATE_KEY, PushDevice

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
on_postgresql = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"
)

PUSH = {
    "PUSH_PRIVATE_KEY": PRIVATE_KEY,
    "PUSH_SUBJECT": "mailto:help@library.example",
    "PUSH_LOCAL": "1",
}


def wait_until(condition):
    until = time.monotonic() + MAX_WAIT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def worker(service):
    """Return worker(port), which starts a worker process that is killed at the end of the test."""
    started = []

    def worker(port=25, *options):
        connection.close()
        started.append(start_worker(*options, port=port, **PUSH))
        return started[-1]

    yield worker
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def message_to(device):
    """Make a test message to this device, and return its PushMessage."""
    row = PushSubscriptionFactory(device_keys=device)
    delivery.send_test_message(row, at=timezone.now())
    return PushMessage.objects.get(subscription=row)


@pytest.mark.only_long
def test_hanging_push_service_delays_emails_and_jobs_by_at_most_a_few_seconds(library, service, worker):
    port = free_port()
    with mail_server(port) as smtp:
        message_to(service.device("hang"))
        worker(port)
        assert service.reached.wait(MAX_WAIT)
        for number in range(3):
            began = time.monotonic()
            RepeatedJob.objects.update(due_at=timezone.now())
            write_email(f"patron{number}@example.org")
            wait_until(lambda number=number: len(smtp.received) > number)
            wait_until(lambda: not RepeatedJob.objects.filter(due_at__lte=timezone.now()).exists())
            # The email and the jobs normally take about a second. The limit is for a busy machine, and is
            # shorter than STEP_SECONDS.
            assert time.monotonic() - began < 8
        assert len(service.received) == 1


@pytest.mark.only_long
def test_message_is_sent_at_most_twice_even_if_the_worker_is_killed(library, service, worker):
    message = message_to(service.device("hang"))
    killed = worker()
    assert service.reached.wait(MAX_WAIT)
    killed.kill()
    killed.wait()
    service.released.set()
    worker()
    time.sleep(1.5)
    # The lease of the killed worker has not expired yet.
    assert len(service.received) == 1
    PushMessage.objects.filter(pk=message.pk).update(leased_until=timezone.now())
    wait_until(lambda: not PushMessage.objects.exists())
    assert len(service.received) == 2


def test_two_workers_push_each_of_five_answers_once(library, service, worker):
    device, patron = service.device(), UserFactory()
    PushSubscriptionFactory(person=patron, device_keys=device)
    choose(patron, {("conversations/answer", None): CHOICES["push"]}, {})
    branch = library.default_branch
    for _ in range(5):
        reply(ConversationFactory(patron=patron, branch=branch), StaffFactory(branch=branch))
    for _ in range(2):
        worker()
    wait_until(lambda: Notification.objects.filter(state="delivered", way="push").count() == 5)
    wait_until(lambda: not PushMessage.objects.exists())
    assert len(service.received) == 5
    assert len({message.headers["Topic"] for message in service.received}) == 5


def reply(conversation, staff, *, minutes_ago=60):
    return actions.reply(
        conversation,
        by=staff,
        side="staff",
        body="Yes.",
        language="en",
        at=timezone.now() - timedelta(minutes=minutes_ago),
        client_token=uuid.uuid4(),
    )


# The tests below let several processes race. They run on PostgreSQL only.


@pytest.mark.core
@on_postgresql
@pytest.mark.long
def test_four_simultaneous_workers_push_each_message_once(transactional_db, service):
    library = LibraryFactory()
    patron, staff = UserFactory(), StaffFactory(branch=library.default_branch)
    for number in range(3):
        PushSubscriptionFactory(person=patron, device_keys=service.device(f"ok/{number}"))
    choose(patron, {("conversations/answer", None): CHOICES["push"]}, {})

    def before(_number):
        service.received.clear()
        Notification.objects.all().delete()
        for _ in range(2):
            reply(ConversationFactory(patron=patron, branch=library.default_branch), staff)

    def work(_data):
        worker = Worker()
        for _ in range(3):
            worker.deliver_due()
            worker.push_due()
            delivery.email_instead(at=timezone.now())

    def check(_data, outcomes):
        assert outcomes == [None] * 4
        Worker().push_due()
        assert not PushMessage.objects.exists()
        assert len(service.received) == 6
        assert len({message.headers["Topic"] for message in service.received}) == 6
        assert set(Notification.objects.values_list("state", "way")) == {("delivered", "push")}

    rounds([work] * 4, ROUNDS, before=before, after=check)


@on_postgresql
@pytest.mark.long
def test_several_workers_send_one_message_to_a_viewer_with_only_a_code(transactional_db, service):
    branch = LibraryFactory().default_branch
    staff = StaffFactory(branch=branch)

    def before(_number):
        service.received.clear()
        Notification.objects.all().delete()
        PushSubscription.objects.all().delete()
        visit = HelpSessionFactory(branch=branch, staff=staff)
        handover.make_code(visit, by=staff, at=timezone.now())
        PushSubscriptionFactory(
            device_keys=service.device(f"ok/{uuid.uuid4()}"),
            about=push.about(visit),
            ends_at=timezone.now() + timedelta(days=1),
        )
        conversation = ConversationFactory(help_session=visit, branch=branch)
        for minutes_ago in (50, 40):
            reply(conversation, staff, minutes_ago=minutes_ago)
        assert Notification.objects.count() == 2

    def work(_data):
        worker = Worker()
        worker.deliver_due()
        worker.push_due()
        delivery.email_instead(at=timezone.now())

    def check(_data, outcomes):
        assert outcomes == [None] * 4
        Worker().push_due()
        assert len(service.received) == 1
        assert list(Notification.objects.values_list("state", "way")) == [("delivered", "push")]

    rounds([work] * 4, ROUNDS, before=before, after=check)


@on_postgresql
@pytest.mark.long
def test_answer_is_emailed_once_if_two_subscriptions_end_simultaneously(transactional_db, service):
    library = LibraryFactory()
    patron, staff = UserFactory(), StaffFactory(branch=library.default_branch)
    choose(patron, {("conversations/answer", None): CHOICES["push"]}, {})

    def before(_number):
        Notification.objects.all().delete()
        for number in range(2):
            PushSubscriptionFactory(person=patron, device_keys=service.device(f"410/{uuid.uuid4()}{number}"))
        reply(ConversationFactory(patron=patron, branch=library.default_branch), staff)
        Worker().deliver_due()
        assert PushMessage.objects.count() == 2

    def push_once(_data):
        Worker().push_due()
        delivery.email_instead(at=timezone.now())

    def check(_data, outcomes):
        assert outcomes == [None] * 3
        assert not PushSubscription.objects.exists()
        delivery.email_instead(at=timezone.now())
        Worker().deliver_due()
        assert list(Notification.objects.values_list("state", "way")) == [("delivered", "instead")]

    rounds([push_once] * 3, ROUNDS, before=before, after=check)


@on_postgresql
@pytest.mark.long
def test_viewer_with_only_a_code_has_no_subscription_after_an_account_gets_the_visit(
    transactional_db, settings
):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    branch = LibraryFactory().default_branch
    staff = StaffFactory(branch=branch)

    def before(_number):
        visit = HelpSessionFactory(branch=branch, staff=staff)
        handover.make_code(visit, by=staff, at=timezone.now())
        return visit.pk, ClaimCode.objects.latest("pk").pk, UserFactory().pk

    def subscribe_now(data):
        visit = HelpSession.objects.get(pk=data[0])
        subscribe_by_code(
            visit,
            opened_codes=[data[1]],
            at=timezone.now(),
            language="en",
            device="Firefox",
            **PushDevice().keys,
        )

    def keep_now(data):
        visit, person = HelpSession.objects.get(pk=data[0]), User.objects.get(pk=data[2])
        keeping.keep(visit, by=person, at=timezone.now(), wording="Keep it.", language="en")

    def check(data, outcomes):
        subscribed, kept = outcomes
        assert subscribed in (None, "NotOffered")
        assert kept is None
        about = push.about(HelpSession.objects.get(pk=data[0]))
        assert not PushSubscription.objects.filter(about=about).exists()

    rounds([subscribe_now, keep_now], ROUNDS, before=before, after=check, refusals=(NotOffered.__name__,))


@on_postgresql
@pytest.mark.long
def test_no_subscription_remains_if_the_person_is_erased_or_signed_out_simultaneously(
    transactional_db, settings
):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    LibraryFactory()

    def before(number):
        person = UserFactory()
        return person.pk, sign_in_row(person).pk, number

    def subscribe_now(data):
        person = User.objects.get(pk=data[0])
        sign_in = UserSession.objects.get(pk=data[1])
        subscribe(
            person=person,
            sign_in=sign_in,
            at=timezone.now(),
            language="en",
            device="Firefox",
            **PushDevice().keys,
        )

    def end_now(data):
        person = User.objects.get(pk=data[0])
        if data[2] % 2:
            erase(person, language="en", at=timezone.now())
        else:
            UserSession.objects.get(pk=data[1]).end()

    def check(data, outcomes):
        subscribed, ended = outcomes
        assert subscribed in (None, "SignedOut", "DoesNotExist", "IntegrityError"), subscribed
        assert ended in (None, "Erasure"), ended
        assert not living(timezone.now()).filter(sign_in=data[1]).exists()
        forget_subscriptions(at=timezone.now())
        assert not PushSubscription.objects.filter(sign_in=data[1]).exists()

    rounds(
        [subscribe_now, end_now],
        ROUNDS,
        before=before,
        after=check,
        refusals=(SignedOut.__name__, "DoesNotExist", "IntegrityError"),
    )


@on_postgresql
@pytest.mark.long
def test_notice_about_an_answer_is_either_withdrawn_or_sent_to_the_device(transactional_db, service):
    branch = LibraryFactory().default_branch
    staff, patron = StaffFactory(branch=branch), UserFactory()
    PushSubscriptionFactory(person=patron, device_keys=service.device())
    choose(patron, {("conversations/answer", None): CHOICES["push"]}, {})

    def before(_number):
        Notification.objects.all().delete()
        PushMessage.objects.all().delete()
        return reply(ConversationFactory(patron=patron, branch=branch), staff).mail_id

    def hand_over_now(_mail_id):
        if taken := take_next(at=timezone.now()):
            settle(taken, at=timezone.now(), sources=SOURCES)

    def withdraw_now(mail_id):
        return withdraw_announcement(mail_id)

    def check(mail_id, outcomes):
        _none, is_withdrawn = outcomes
        service.received.clear()
        Worker().push_due()
        assert len(service.received) == (0 if is_withdrawn else 1)

    rounds([hand_over_now, withdraw_now], ROUNDS, before=before, after=check)
