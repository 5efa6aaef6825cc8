"""Test several processes that receive emails while conversations and people are erased.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import io
import random
import sys
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from portal.conversations import desk_actions, merging
from portal.conversations.models import Message
from portal.conversations.reply_addresses import address_for
from portal.incoming.actions import Outcome, receive
from portal.incoming.models import DroppedEmails, IncomingEmail
from portal.notifications import bounces, writing
from portal.notifications.models import FailingAddress, Notification
from portal.privacy import erasure
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from tests.extent import times
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, UserFactory
from tests.portal.incoming.test_automatic import report
from tests.processes import rounds, run_simultaneously

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
NOW = timezone.now
ROUNDS = times(4, long=50)


@pytest.mark.core
def test_receiving_the_same_email_in_three_processes_makes_one_message(conversation, write, disk):
    def take(raw):
        return receive(raw, at=NOW()).name

    def compare(_raw, outcomes):
        assert sorted(outcomes) == ["DROPPED", "DROPPED", "MESSAGE"]

    rounds([take] * 3, ROUNDS, before=lambda number: write(message_id=f"<{number}@x>"), after=compare)
    assert Message.objects.filter(by_email="own").count() == ROUNDS
    assert len(disk()) == ROUNDS
    assert DroppedEmails.objects.get().count == 2 * ROUNDS


def test_receiving_empty_emails_in_two_processes_sends_one_reply(conversation, write):
    def take_one(number):
        return receive(write("", message_id=f"<{number}@one>"), at=NOW()).name

    def take_another(number):
        return receive(write("", message_id=f"<{number}@another>"), at=NOW()).name

    def compare(_number, outcomes):
        assert outcomes == ["NOT_MATCHED", "NOT_MATCHED"]

    rounds([take_one, take_another], ROUNDS, after=compare)
    assert Notification.objects.filter(kind="incoming/not_read").count() == 1


def test_only_the_time_of_an_email_is_stored_if_its_conversation_is_erased_simultaneously(
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


def test_only_the_time_of_an_email_is_stored_if_its_sender_is_erased_simultaneously(
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


def test_email_leaves_no_name_and_no_file_if_its_visit_becomes_quiet_simultaneously(
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


def test_email_is_added_to_the_remaining_conversation_during_a_simultaneous_merge(
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


PROCESSES = 8
REPORTS = times(240, long=1000)


def deliver_email(person, *, at):
    """Write an email to `person` that counts as delivered, and return its envelope sender address."""
    row = writing.write(
        kind="conversations/answer",
        to=person.email,
        at=at,
        recipient=person,
        language="en",
        subject="x",
        text="x",
    )
    Notification.objects.filter(pk=row.pk).update(state="delivered", delivered_at=at)
    return bounces.envelope_for(row)


def run_receive_mail(raw):
    """Run `manage.py receive_mail` as a mail server does, and return its exit status."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(raw))
    try:
        call_command("receive_mail", "--sender", "<>")
    except SystemExit as ended:
        return ended.code


def test_simultaneous_reports_turn_off_notices_only_after_failures_a_day_apart(conversation, reply_to, write):
    """Let several processes receive up to 1,000 reports about emails to four groups of patrons."""
    now, day_ago = NOW(), NOW() - bounces.APART - timedelta(minutes=1)
    failed_before, fail_today, full, healthy = (
        [UserFactory(email=f"{name}{number}@example.org") for number in range(5)]
        for name in ("before", "today", "full", "healthy")
    )
    for person in [*failed_before, *full]:
        bounces.note_report(deliver_email(person, at=day_ago), status="5.1.1", at=day_ago)
    raws = []
    for number in range(REPORTS // 8):
        emails = [
            deliver_email(group[number % 5], at=now) for group in (failed_before, fail_today, full, healthy)
        ]
        statuses = ["5.1.1", "5.1.1", "4.2.2"]
        raws += [
            report(to, status=status, number=len(raws)) for to, status in zip(emails, statuses, strict=False)
        ]
        # Each report comes twice.
        raws += raws[-2:]
        # These reports turn off no notices. The first has a forged token, and the second has the token of
        # a reply address.
        forged = emails[3].replace("+", "+a", 1)
        raws += [report(forged), report(reply_to), write("", from_="mailer-daemon@mx.example")]
    random.Random(1).shuffle(raws)  # noqa: S311  nothing here is secret
    before = set(Notification.objects.values_list("pk", flat=True))

    def receive_some(first):
        return [run_receive_mail(raw) for raw in raws[first::PROCESSES]]

    statuses = run_simultaneously(*[partial(receive_some, first) for first in range(PROCESSES)])
    assert statuses == [[0] * (REPORTS // PROCESSES)] * PROCESSES
    assert DroppedEmails.objects.get().count == len(raws) == REPORTS
    # No email was written, and none waits to be sent again.
    after = dict(Notification.objects.values_list("pk", "state"))
    assert set(after) == before
    assert set(after.values()) == {"delivered", "dead"}
    assert (IncomingEmail.objects.count(), Message.objects.filter(by_email="own").count()) == (0, 0)
    off = {person for person in User.objects.all() if bounces.is_off(person)}
    assert off == set(failed_before)
    counted = FailingAddress.objects.filter(off_at=None).values_list("person", flat=True)
    assert set(counted) == {person.pk for person in [*fail_today, *full]}
