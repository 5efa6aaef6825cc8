"""Test that no message is lost if two records are merged while messages are written."""

import uuid
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.patron.people import person_without_address
from portal.conversations import actions, verdicts
from portal.conversations.models import Conversation, Message, Participation
from portal.privacy.merging import merge_people
from recommendations.models import Recommendation
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory, recommend_in
from tests.processes import rounds

ROUNDS = times(8, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(_number):
    """Create two records of one person. One record has no email address and has a conversation."""
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    going, into = person_without_address(at=timezone.now(), language="en"), UserFactory()
    session = HelpSessionFactory(branch=branch, staff=StaffFactory(branch=branch), patron=going)
    item = recommend_in(session)[0]
    conversation = actions.ask(
        by=going,
        at=timezone.now(),
        help_session=session,
        body="Where?",
        language="en",
        client_token=uuid.uuid4(),
    )
    return SimpleNamespace(going=going, into=into, session=session, item=item, conversation=conversation)


def reply(side):
    def work(data):
        by = data.going if side == "patron" else data.session.staff
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


def verdict(data):
    verdicts.take_verdict(
        data.item, verdict="did_not_help", why="", comment="", by=data.going, at=timezone.now()
    )


def ask_anew(data):
    return actions.ask(
        by=data.going, at=timezone.now(), body="Something else?", language="en", client_token=uuid.uuid4()
    ).pk


def merge(data):
    return merge_people(data.going, data.into, by=data.into, at=timezone.now()).pk


def check(data, outcomes):
    said_by_patron, said_by_staff, _verdict, asked, joined, again = outcomes
    assert sorted(map(str, [joined, again])) == sorted([str(data.into.pk), "CannotMerge"])
    assert not User.objects.filter(pk=data.going.pk).exists()
    theirs = Conversation.objects.filter(patron=data.into)
    assert set(Message.objects.filter(conversation__in=theirs).values_list("pk", flat=True)) >= {
        said_by_patron,
        said_by_staff,
    }
    assert data.conversation in theirs
    # After the merge, the deleted person can't ask a question.
    assert asked == "Erased" or theirs.filter(pk=asked).exists()
    assert Recommendation.objects.get(pk=data.item.pk).patron_id == data.into.pk
    assert theirs.filter(recommendation=data.item, status="waiting_for_staff").exists()
    assert not Conversation.objects.filter(patron=None).exists()
    assert not Participation.objects.filter(
        person=None, conversation=data.conversation, side="staff"
    ).exists()
    assert AuditEvent.objects.filter(action="merged_people", patron=data.into).count() == 2


@pytest.mark.core
def test_messages_sent_while_records_are_merged_are_not_lost(transactional_db):
    works = [reply("patron"), reply("staff"), verdict, ask_anew, merge, merge]
    rounds(works, ROUNDS, before=begin, after=check, refusals={"CannotMerge", "Erased"})
