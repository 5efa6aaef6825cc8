"""Test several processes that receive emails while conversations and people are erased.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import desk_actions, merging
from portal.conversations.models import Message
from portal.conversations.reply_addresses import address_for
from portal.incoming.actions import Outcome, receive
from portal.incoming.models import DroppedEmails, IncomingEmail
from portal.notifications.models import Notification
from portal.privacy import erasure
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from tests.extent import times
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, UserFactory
from tests.processes import rounds

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
NOW = timezone.now
ROUNDS = times(4, long=20)


def test_email_that_two_processes_receive_at_once_becomes_one_message(conversation, write, disk):
    def take(raw):
        return receive(raw, at=NOW()).name

    def compare(_raw, outcomes):
        assert sorted(outcomes) == ["DROPPED", "DROPPED", "MESSAGE"]

    rounds([take] * 3, ROUNDS, before=lambda number: write(message_id=f"<{number}@x>"), after=compare)
    assert Message.objects.filter(by_email="own").count() == ROUNDS
    assert len(disk()) == ROUNDS
    assert DroppedEmails.objects.get().count == 2 * ROUNDS


def test_empty_emails_that_two_processes_receive_at_once_get_one_reply(conversation, write):
    def take_one(number):
        return receive(write("", message_id=f"<{number}@one>"), at=NOW()).name

    def take_another(number):
        return receive(write("", message_id=f"<{number}@another>"), at=NOW()).name

    def compare(_number, outcomes):
        assert outcomes == ["NOT_MATCHED", "NOT_MATCHED"]

    rounds([take_one, take_another], ROUNDS, after=compare)
    assert Notification.objects.filter(kind="incoming/not_read").count() == 1


def test_only_the_time_of_an_email_is_stored_if_its_conversation_is_erased_in_the_meantime(
    patron, branch, staff, write, disk
):
    def build(number):
        row = MessageFactory(
            conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
        )
        to = address_for(row.conversation, patron, at=NOW())
        return row.conversation, write("My secret", to=to, message_id=f"<{number}@x>")

    def erase(data):
        desk_actions.erase(data[0], by=staff, at=NOW())
        return "erased"

    def take(data):
        return receive(data[1], at=NOW()).name

    def compare(data, outcomes):
        assert outcomes[0] == "erased"
        assert outcomes[1] in (Outcome.MESSAGE.name, Outcome.NOT_MATCHED.name)
        assert not Message.objects.filter(conversation=data[0]).exists()

    rounds([erase, take], ROUNDS, before=build, after=compare)
    assert set(IncomingEmail.objects.values_list("reason", "text", "sender")) <= {("erased", "", "")}
    assert disk() == []


def test_only_the_time_of_an_email_is_stored_if_its_sender_is_erased_in_the_meantime(
    patron, branch, write, disk
):
    def build(number):
        person = UserFactory(email=f"gone{number}@example.org")
        row = MessageFactory(
            conversation=ConversationFactory(help_session=None, patron=person, branch=branch)
        )
        to = address_for(row.conversation, person, at=NOW())
        return person, write("My secret", from_=person.email, to=to, message_id=f"<{number}@x>")

    def erase(data):
        erasure.erase(data[0], language="en", at=NOW())
        return "erased"

    def take(data):
        return receive(data[1], at=NOW()).name

    def compare(data, outcomes):
        assert (outcomes[0], outcomes[1] in ("MESSAGE", "NOT_MATCHED")) == ("erased", True), outcomes

    rounds([erase, take], ROUNDS, before=build, after=compare)
    assert set(IncomingEmail.objects.values_list("reason", "text", "sender")) <= {("erased", "", "")}
    assert (Message.objects.filter(by_email="own").count(), disk()) == (0, [])


def test_no_name_and_no_original_of_an_email_is_stored_if_its_visit_becomes_quiet_in_the_meantime(
    patron, branch, staff, write, disk
):
    def build(number):
        visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=NOW())
        row = MessageFactory(conversation=ConversationFactory(help_session=visit))
        to = address_for(row.conversation, patron, at=NOW())
        return visit, write("My secret", to=to, message_id=f"<{number}@x>")

    def make_quiet(data):
        columns = {name: getattr(data[0], name) for name in COLUMNS} | {"quiet": True}
        correct(data[0], by=staff, at=NOW(), version=0, items=[], note="", **columns)
        return "quiet"

    def take(data):
        return receive(data[1], at=NOW()).name

    def compare(data, outcomes):
        assert (outcomes[0], outcomes[1] in ("MESSAGE", "NOT_MATCHED")) == ("quiet", True), outcomes
        assert not Message.objects.filter(conversation__help_session=data[0], author=patron).exists()

    rounds([make_quiet, take], ROUNDS, before=build, after=compare)
    assert disk() == []


def test_email_is_added_to_the_remaining_conversation_if_its_conversation_is_merged_in_the_meantime(
    patron, branch, staff, write
):
    def build(number):
        old, new = (
            MessageFactory(
                conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
            ).conversation
            for _each in range(2)
        )
        to = address_for(old, patron, at=NOW())
        return old, new, write(f"Number {number}", to=to, message_id=f"<{number}@x>")

    def merge(data):
        merging.merge(data[0], into=data[1], by=staff, at=NOW())
        return "merged"

    def take(data):
        return receive(data[2], at=NOW()).name

    def compare(data, outcomes):
        assert outcomes == ["merged", "MESSAGE"]
        assert not data[0].messages.exists()
        assert data[1].messages.filter(by_email="own").count() == 1

    rounds([merge, take], ROUNDS, before=build, after=compare)
