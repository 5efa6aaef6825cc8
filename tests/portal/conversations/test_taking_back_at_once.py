"""Check that a patron never saw an answer that was taken back, however long the requests wait for each other.

The test runs on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import random
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from portal.conversations import actions, changes
from portal.conversations.models import Message
from portal.notifications.actions import take_next
from portal.notifications.models import Notification
from tests import conversations
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

# Conversations that end their undo windows at the same time. Each has a colleague, its author and its patron.
TOGETHER = 5
ROUNDS = times(1, 12)
# The author takes the answer back this many seconds before the patron sees it. The last second is too late.
EARLIEST, LATEST = 1.6, 0.9

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def wait_until(moment):
    time.sleep(max(0, (moment - timezone.now()).total_seconds()))


def test_patron_never_saw_an_answer_that_was_taken_back(transactional_db, sign_in):
    branch = LibraryFactory().default_branch
    staff = StaffFactory(branch=branch)
    patrons = [UserFactory(email=f"sam{number}@example.org") for number in range(TOGETHER)]
    phones = [sign_in(Client(), patron) for patron in patrons]
    endings, emails_too_many = [], 0

    def prepare(_number):
        """Send one answer to each patron, as if that was 13 seconds ago.

        Return (answer, when its author takes it back, until when a colleague holds the row) for each patron.
        The times are seconds relative to the moment when the patron sees the answer.
        """
        Notification.objects.all().delete()
        long_ago = timezone.now() - timedelta(minutes=1)
        sessions = [HelpSessionFactory(branch=branch, staff=staff, patron=patron) for patron in patrons]
        asked = [conversations.ask(row.patron, help_session=row, at=long_ago) for row in sessions]
        sent_at = timezone.now() + timedelta(seconds=EARLIEST + 0.3) - Message.UNDO_WINDOW
        answers = [conversations.say(row, staff, at=sent_at, body="Come at five") for row in asked]
        return [
            (
                row.pk,
                -random.uniform(EARLIEST, LATEST),
                random.choice([-EARLIEST, random.uniform(-LATEST, 0.2)]),
            )
            for row in answers
        ]

    def moment(data, number):
        pk, taken_back, held = data[number]
        answer = Message.objects.select_related("conversation").get(pk=pk)
        return answer, *(answer.shown_from + timedelta(seconds=seconds) for seconds in (taken_back, held))

    def hold(number):
        """Let a colleague hold the row of the conversation for a while."""

        def work(data):
            answer, _taken_back, held_until = moment(data, number)
            with transaction.atomic():
                changes.lock_conversation(answer.conversation, timezone.now())
                wait_until(held_until)

        return work

    def take_back(number):
        def work(data):
            answer, at, _held = moment(data, number)
            wait_until(at)
            actions.take_back(answer, by=staff, at=timezone.now())
            return "taken back"

        return work

    def read(number):
        """Open the patron's page, and take emails as the worker does, until the row is free and a bit longer."""

        def work(data):
            answer, _taken_back, held_until = moment(data, number)
            seen, mails, now = False, 0, timezone.now()
            while now < max(answer.shown_from, held_until) + timedelta(seconds=0.2):
                now = timezone.now()
                page = phones[number].get(answer.conversation.get_absolute_url())
                seen = seen or "Come at five" in page.content.decode()
                mails += take_next(at=timezone.now()) is not None
            return seen, mails

        return work

    def check(_data, outcomes):
        nonlocal emails_too_many
        held, taken_back, read = (outcomes[part::3] for part in range(3))
        assert held == [None] * TOGETHER
        endings.extend((ending, seen) for ending, (seen, _mails) in zip(taken_back, read, strict=True))
        emails_too_many += max(0, sum(mails for _seen, mails in read) - taken_back.count("TooLate"))

    rounds(
        [work(number) for number in range(TOGETHER) for work in (hold, take_back, read)],
        ROUNDS,
        before=prepare,
        after=check,
        refusals={"TooLate"},
    )
    assert (set(endings) - {("taken back", False), ("TooLate", True)}, emails_too_many) == (set(), 0)
