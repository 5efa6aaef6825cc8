"""Test that no message is lost if a merge is undone while messages are written."""

import uuid
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.patron.people import person_without_address
from portal.conversations import actions
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import HelpSession
from portal.privacy import unmerging
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds

ROUNDS = times(6, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(_number):
    """Create a person whose two records were merged, and a conversation of the record that was deleted."""
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    going, into = person_without_address(at=timezone.now(), language="en"), UserFactory()
    session = HelpSessionFactory(branch=branch, staff=StaffFactory(branch=branch), patron=going)
    conversation = actions.ask(
        by=going,
        at=timezone.now(),
        help_session=session,
        body="Where?",
        language="en",
        client_token=uuid.uuid4(),
    )
    joined = unmerging.merge_for_a_day(going, into, by=session.staff, at=timezone.now())
    return SimpleNamespace(going=going, into=into, session=session, conversation=conversation, joined=joined)


def reply(side):
    def work(data):
        by = data.into if side == "patron" else data.session.staff
        return actions.reply(
            data.conversation,
            by=by,
            side=side,
            at=timezone.now(),
            body=side,
            language="en",
            client_token=uuid.uuid4(),
        ).pk

    return work


def ask_anew(data):
    return actions.ask(
        by=data.into, at=timezone.now(), body="Something else?", language="en", client_token=uuid.uuid4()
    ).pk


def undo_merge(data):
    return unmerging.unmerge(data.joined, by=data.session.staff, at=timezone.now()).pk


def check(data, outcomes):
    said_by_patron, said_by_staff, asked, parted, again = outcomes
    assert sorted(map(str, [parted, again])) == sorted([str(data.going.pk), "CannotUnmerge"])
    assert User.objects.filter(pk__in=[data.going.pk, data.into.pk]).count() == 2
    conversation = Conversation.objects.get(pk=data.conversation.pk)
    assert (conversation.patron, HelpSession.objects.get(pk=data.session.pk).patron) == (
        data.going,
        data.going,
    )
    assert set(conversation.messages.values_list("pk", flat=True)) >= {said_by_patron, said_by_staff}
    # If `data.into` sent this message after the unmerge, the message has no author.
    assert Message.objects.get(pk=said_by_patron).author_id in {
        data.going.pk,
        None,
    }
    assert Conversation.objects.get(pk=asked).patron == data.into
    assert (
        AuditEvent.objects.filter(action="unmerged_people", patron__in=[data.going, data.into]).count() == 2
    )


def test_messages_sent_while_records_are_unmerged_are_not_lost(transactional_db):
    rounds(
        [reply("patron"), reply("staff"), ask_anew, undo_merge, undo_merge],
        ROUNDS,
        before=begin,
        after=check,
        refusals={"CannotUnmerge"},
    )
