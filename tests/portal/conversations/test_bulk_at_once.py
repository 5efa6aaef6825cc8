"""Test that many staff can change many conversations at once without a deadlock.

If actions locked conversations or the rows of branch queues in different orders, this test would find a
deadlock within a few rounds.
"""

import random
import uuid

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import actions, bulk, desk_actions, states
from portal.conversations.models import BranchQueue, Conversation
from tests.extent import times
from tests.factories import BranchFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

ROUNDS = times(8, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.mark.core
def test_simultaneous_bulk_changes_cause_no_deadlock_and_no_wrong_state(transactional_db):
    library = LibraryFactory()
    branches = [library.default_branch, BranchFactory()]
    people = [StaffFactory(branch=branch) for branch in branches * 2]
    for person in people:
        for branch in branches:
            person.staff_roles.get_or_create(branch=branch)
    patron = UserFactory()
    conversations = [
        actions.ask(
            by=patron,
            at=timezone.now(),
            body="Where?",
            language="en",
            client_token=uuid.uuid4(),
            branch=branches[number % 2],
        )
        for number in range(20)
    ]

    def some():
        """Return four random conversations in random order, each with its current desk version."""
        return {
            conversation: conversation.desk_version
            for conversation in Conversation.objects.filter(
                pk__in=random.sample([conversation.pk for conversation in conversations], 4)
            ).order_by("?")
        }

    def close_and_undo(_round):
        done = bulk.close_many(some(), by=people[0], at=timezone.now())
        return bool(done.undo) and bulk.undo(done.undo, by=people[0], at=timezone.now())

    def hand_over(_round):
        conversation = Conversation.objects.get(pk=random.choice(conversations).pk)
        return desk_actions.transfer(
            conversation,
            branch=random.choice(branches),
            by=people[1],
            at=timezone.now(),
            was=conversation.assignee,
        )

    def write(_round):
        conversation = random.choice(conversations)
        return actions.reply(
            conversation,
            by=patron,
            side="patron",
            at=timezone.now(),
            body="And?",
            language="en",
            client_token=uuid.uuid4(),
        )

    def check(_round, outcomes):
        assert {"OperationalError", "DeadlockDetected"}.isdisjoint(map(str, outcomes))
        for conversation in Conversation.objects.all():
            kept = states.state_of(conversation)
            assert (kept.status, kept.waiting_since) == (
                states.replay(conversation).status,
                states.replay(conversation).waiting_since,
            )

    works = [
        close_and_undo,
        lambda _round: bulk.close_many(some(), by=people[1], at=timezone.now()).undo,
        lambda _round: (
            bulk.snooze_many(
                some(),
                until=timezone.localdate() + timezone.timedelta(days=2),
                by=people[2],
                at=timezone.now(),
            ).undo
        ),
        lambda _round: bulk.take_many(some(), by=people[3], at=timezone.now()).undo,
        lambda _round: bulk.assign_many(some(), to=people[0], by=people[2], at=timezone.now()).undo,
        hand_over,
        write,
        write,
    ]
    rounds(works, ROUNDS, after=check, refusals={"AlreadyTaken"})
    assert BranchQueue.objects.count() == len(branches)
