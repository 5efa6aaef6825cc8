"""Test that a staff member's action is either saved before the role ends, or refused.

After the role ends, no conversation is assigned to that person, and the person has no draft. This test fails
within a few rounds if actions don't call `lock_roles`. The test deadlocks if an action locks a conversation
before the roles.
"""

import multiprocessing
import uuid
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import StaffRole, User
from portal.conversations import actions, bulk, departures, desk_actions, drafts, notes
from portal.conversations.models import Conversation, ConversationNote, Draft, Message
from portal.notifications.models import Notification
from tests.extent import times
from tests.factories import LibraryFactory, StaffFactory, UserFactory
from tests.processes import MAX_WAIT, rounds

ROUNDS = times(6, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.mark.core
def test_staff_member_whose_role_has_ended_keeps_no_conversation_and_no_draft(transactional_db):
    branch = LibraryFactory().default_branch
    coordinator, patron = (
        StaffFactory(branch=branch, branch__role="coordinator"),
        UserFactory(email="sam@example.org"),
    )
    ana = StaffFactory(name="Ana", branch=branch)
    conversations = [
        actions.ask(
            by=patron,
            at=timezone.now(),
            body=f"Where {n}?",
            language="en",
            client_token=uuid.uuid4(),
            branch=branch,
        )
        for n in range(3)
    ]

    has_replied = multiprocessing.get_context("fork").Event()

    def restore(number):
        has_replied.clear()
        StaffRole.objects.get_or_create(user=ana, branch=branch)
        for conversation in conversations:
            conversation.refresh_from_db()
            desk_actions.assign(
                conversation, to=coordinator, by=coordinator, at=timezone.now(), was=conversation.assignee
            )
        for conversation in conversations[:2]:
            conversation.refresh_from_db()
            desk_actions.assign(conversation, to=ana, by=coordinator, at=timezone.now(), was=coordinator)
        return SimpleNamespace(number=number, token=uuid.uuid4())

    def at_desk(work):
        """Return a function that loads Ana from the database, as views do, and calls work(ana, token)."""

        def working(data):
            person = User.objects.get(pk=ana.pk)
            if not person.is_staff:
                return "not there"
            work(person, data.token)
            return "saved"

        return working

    def replies(person, token):
        actions.reply(
            conversations[0],
            by=person,
            side="staff",
            at=timezone.now(),
            body="Here",
            language="en",
            client_token=token,
        )
        has_replied.set()

    def is_typing(person, token):
        words = {"person": person, "side": "staff", "kind": "note", "client_token": token, "body": "typing"}
        drafts.save_draft(conversations[2], sequence=1, at=timezone.now(), **words)

    def takes_many(person, token):
        bulk.take_many(Conversation.objects.all(), by=person, at=timezone.now())

    def gets_assigned(data):
        desk_actions.assign(conversations[2], to=ana, by=coordinator, at=timezone.now(), was=coordinator)
        return "saved"

    def ends(data):
        if data.number % 2:
            # In every second round, the role ends only after the reply is saved.
            has_replied.wait(MAX_WAIT)
        departures.end_role(User.objects.get(pk=ana.pk), branch=branch, by=coordinator, at=timezone.now())

    def check(data, outcomes):
        assert outcomes[0] is None
        assert set(outcomes[1:]) <= {"saved", "not there", "RoleEnded"}
        replied, noted = outcomes[1] == "saved", outcomes[2] == "saved"
        assert Message.objects.filter(client_token=data.token).count() == replied
        assert ConversationNote.objects.filter(client_token=data.token).count() == noted
        assert (
            Notification.objects.filter(kind="conversations/answer").count()
            == Message.objects.filter(side="staff").count()
        )
        assert not Conversation.objects.filter(assignee=ana).exists()
        assert not Draft.objects.filter(person=ana).exists()

    works = [
        ends,
        at_desk(replies),
        at_desk(
            lambda person, token: notes.write_note(
                conversations[1], by=person, at=timezone.now(), body="n", client_token=token
            )
        ),
        at_desk(is_typing),
        at_desk(takes_many),
        gets_assigned,
    ]
    rounds(works, ROUNDS, before=restore, after=check, refusals={"RoleEnded"})
    assert Message.objects.filter(side="staff").exists()
