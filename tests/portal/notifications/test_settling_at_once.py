"""Test that several workers never send two emails for the same notices.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import datetime
import time
import uuid

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import actions
from portal.conversations.answer_emails import withdraw_announcement
from portal.conversations.staff_notices import about, desk_url
from portal.jobs import SOURCES
from portal.notifications import settling
from portal.notifications.actions import take_next
from portal.notifications.choices import choose
from portal.notifications.deciding import decide
from portal.notifications.kinds import CHOICES
from portal.notifications.models import Notification, StaffNotice
from portal.notifications.settling import settle, write_staff_notices
from portal.notifications.writing import announce
from tests.extent import times
from tests.factories import ConversationFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

WORKERS = 4
ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def conversations(transactional_db):
    """Return six conversations that wait at a branch with two staff members."""
    branch = LibraryFactory().default_branch
    for number in range(2):
        StaffFactory(branch=branch, email=f"staff{number}@example.org")
    return [ConversationFactory(branch=branch) for _ in range(6)]


def write_notices(conversations):
    """Write a notice, dated two days ago, about each conversation to each staff member."""
    at = timezone.now()
    Notification.objects.all().delete()
    announce(
        [
            StaffNotice(
                kind="conversations/new",
                about=about(conversation),
                url=desk_url(conversation),
                branch_id=conversation.branch_id,
                created_at=at - datetime.timedelta(days=2),
                due_at=at,
            )
            for conversation in conversations
        ]
    )
    write_staff_notices(at=at, sources=SOURCES)
    assert Notification.objects.count() == 2 * len(conversations)


def send(_data):
    """Send all due notices, as a worker does. Return (address, subject) of each email."""
    sent = []
    while taken := take_next(at=timezone.now()):
        if email := settle(taken, at=timezone.now(), sources=SOURCES):
            sent.append((email.to_address, email.subject))
    return sent


@pytest.mark.parametrize("choice", ["hourly", "daily"])
def test_simultaneous_workers_send_one_digest_to_each_person(conversations, choice):
    for role in conversations[0].branch.staff_roles.select_related("user"):
        choose(role.user, {("conversations/new", None): CHOICES[choice]}, {})
    expected = [
        (f"staff{number}@example.org", "6 new conversations are waiting at Harbour Main.")
        for number in range(2)
    ]

    def check(_data, outcomes):
        assert sorted(sum(outcomes, [])) == expected
        assert not Notification.objects.filter(decided_at=None).exists()

    rounds([send] * WORKERS, ROUNDS, before=lambda _: write_notices(conversations), after=check)


@pytest.mark.core
def test_simultaneous_workers_write_each_notice_once(conversations):
    def write(_data):
        return write_staff_notices(at=timezone.now(), sources=SOURCES)

    def before(_):
        write_notices(conversations)
        Notification.objects.all().delete()
        StaffNotice.objects.update(written_at=None)

    def check(_data, _outcomes):
        assert Notification.objects.count() == 2 * StaffNotice.objects.count()
        StaffNotice.objects.all().delete()

    rounds([write] * WORKERS, ROUNDS, before=before, after=check)


@pytest.mark.core
def test_answer_is_taken_back_or_emailed_but_not_both(transactional_db, monkeypatch):
    branch = LibraryFactory().default_branch
    staff, patron = StaffFactory(branch=branch), UserFactory()

    def begin(_number):
        Notification.objects.all().delete()
        conversation = ConversationFactory(branch=branch, patron=patron)
        at = timezone.now() - datetime.timedelta(hours=1)
        # One email is about both answers. The worker has taken only the row of the first answer.
        return [
            actions.reply(
                conversation,
                by=staff,
                side="staff",
                body="Yes.",
                language="en",
                at=at,
                client_token=uuid.uuid4(),
            ).mail_id
            for _ in range(2)
        ]

    def settle_slowly(_mail_ids):
        taken = take_next(at=timezone.now())
        return settle(taken, at=timezone.now(), sources=SOURCES).message_id

    def decide_slowly(*args):
        time.sleep(0.05)
        return decide(*args)

    def withdraw(mail_ids):
        time.sleep(0.03)
        return withdraw_announcement(mail_ids[1])

    def check(mail_ids, outcomes):
        sent, is_withdrawn = outcomes
        assert (sent == mail_ids[1]) is not is_withdrawn, outcomes

    monkeypatch.setattr(settling, "decide", decide_slowly)
    rounds([settle_slowly, withdraw], ROUNDS, before=begin, after=check)
