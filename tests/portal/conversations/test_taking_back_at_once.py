"""Test that a patron never sees an answer that is taken back, even if requests wait for each other.

The test runs on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import random
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from portal.conversations import changes, taking_back
from portal.conversations.models import Message
from portal.notifications.actions import take_next
from portal.notifications.models import Notification
from tests import conversations
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

# The number of conversations whose undo windows end at the same time. Three processes work on each of them: a
# colleague, the author of the answer, and the patron.
TOGETHER = 5
ROUNDS = times(1, 12)
# The author tries to take the answer back between EARLIEST and LATEST seconds before the undo window ends. In
# the last second of the undo window, it is too late to take the answer back.
EARLIEST, LATEST = 1.6, 0.9

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def wait_until(moment):
    time.sleep(max(0, (moment - timezone.now()).total_seconds()))


@pytest.mark.core
def test_patron_never_sees_an_answer_that_is_taken_back_at_the_last_moment(transactional_db, sign_in):
    branch = LibraryFactory().default_branch
    staff = StaffFactory(branch=branch)
    patrons = [UserFactory(email=f"sam{number}@example.org") for number in range(TOGETHER)]
    phones = [sign_in(Client(), patron) for patron in patrons]
    endings, emails_too_many = [], 0

    def prepare(_number):
        """Send one answer to each patron, dated about 13 seconds ago.

        For each patron, return (answer, time when its author takes the answer back, time when a colleague
        unlocks the row).

        Each process gets the answer as an object. A process that starts late could not load the answer from
        the database, because taking an answer back deletes its row.
        """
        Notification.objects.all().delete()
        long_ago = timezone.now() - timedelta(minutes=1)
        sessions = [HelpSessionFactory(branch=branch, staff=staff, patron=patron) for patron in patrons]
        asked = [conversations.ask(row.patron, help_session=row, at=long_ago) for row in sessions]
        sent_at = timezone.now() + timedelta(seconds=EARLIEST + 0.3) - Message.UNDO_WINDOW
        answers = [conversations.say(row, staff, at=sent_at, body="Come at five") for row in asked]
        return [
            (
                row,
                row.shown_from - timedelta(seconds=random.uniform(EARLIEST, LATEST)),
                row.shown_from + timedelta(seconds=random.choice([-EARLIEST, random.uniform(-LATEST, 0.2)])),
            )
            for row in answers
        ]

    def hold(number):
        """Return a function that lets a colleague lock the row of a conversation until the prepared time."""

        def work(data):
            answer, _taken_back, held_until = data[number]
            with transaction.atomic():
                changes.lock_conversation(answer.conversation, timezone.now())
                wait_until(held_until)

        return work

    def take_back(number):
        def work(data):
            answer, at, _held = data[number]
            wait_until(at)
            taking_back.take_back(answer, by=staff, at=timezone.now())
            return "taken back"

        return work

    def read(number):
        """Return a function that reloads the patron's page and takes emails from the outbox.

        The function stops shortly after the undo window and the lock have ended.
        """

        def work(data):
            answer, _taken_back, held_until = data[number]
            seen, mails, is_over = False, 0, False
            # The loop runs at least once, so even a process that starts late opens the page.
            while not is_over:
                is_over = timezone.now() >= max(answer.shown_from, held_until) + timedelta(seconds=0.2)
                page = phones[number].get(answer.conversation.get_absolute_url())
                assert page.status_code == 200
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
