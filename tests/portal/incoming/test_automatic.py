"""Test that automatic emails never become messages.

Reports of failed deliveries count, but only if they are about the portal's own emails.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.incoming.actions import Outcome, receive
from portal.incoming.models import DroppedEmails, IncomingEmail
from portal.notifications import actions as outbox
from portal.notifications import bounces, writing
from portal.notifications.models import FailingAddress, Notification
from tests.extent import times

pytestmark = pytest.mark.django_db
NOW = timezone.now
DAY = timedelta(days=1)
REPORT = """From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: <{to}>
Message-ID: <{number}@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="b"

--b
Content-Type: text/plain

Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; sam@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such mailbox
--b--
"""


def dropped():
    return dict(DroppedEmails.objects.values_list("kind", "count"))


def report(to, *, status="5.1.1", action="failed", kind="delivery-status", number=1):
    return REPORT.format(**locals()).replace("\n", "\r\n").encode()


@pytest.fixture
def delivered(patron):
    """Return a function that creates an email to the patron. The mail server has accepted this email."""

    def deliver(at=None):
        at = at or NOW()
        row = writing.write(
            kind="conversations/answer",
            to=patron.email,
            at=at,
            recipient=patron,
            language="en",
            subject="x",
            text="x",
        )
        assert outbox.take_next(at=at) == row
        row.leased_until = at + outbox.LEASE
        outbox.mark_delivered(row, at=at)
        return row

    return deliver


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("header", "value", "kind"),
    [
        ("Auto-Submitted", "auto-replied", "automatic"),
        ("Auto-Submitted", "auto-generated; owner-email=x@y.example", "automatic"),
        ("auto-submitted", "", "automatic"),
        ("X-Autoreply", "yes", "automatic"),
        ("X-Autorespond", "Re: The library has answered", "automatic"),
        ("X-Auto-Response", "1", "automatic"),
        ("Return-Path", "<>", "automatic"),
        ("Precedence", "bulk", "list"),
        ("Precedence", "List", "list"),
        ("Precedence", "junk", "list"),
        ("Precedence", "auto_reply", "list"),
        ("List-Id", "<friends.list.example>", "list"),
        ("List-Unsubscribe", "<mailto:x@list.example>", "list"),
    ],
)
def test_automatic_email_is_counted_and_discarded(conversation, write, header, value, kind):
    assert receive(write("I am away until Monday.", **{header: value}), at=NOW()) == Outcome.DROPPED
    assert (conversation.messages.count(), IncomingEmail.objects.count()) == (1, 0)
    assert (dropped(), Notification.objects.count()) == ({kind: 1}, 0)


@pytest.mark.parametrize("value", ["no", "No", "no; x=y"])
def test_email_marked_as_not_automatic_becomes_a_message(conversation, write, value):
    assert receive(write(**{"Auto-Submitted": value}), at=NOW()) == Outcome.MESSAGE


def test_email_with_the_null_sender_is_discarded(conversation, write):
    assert receive(write(), at=NOW(), sender="") == Outcome.DROPPED
    assert receive(b"\xff", at=NOW(), sender="") == Outcome.DROPPED
    assert receive(write(), at=NOW(), sender="sam@example.org") == Outcome.MESSAGE


def test_read_receipt_is_discarded(conversation, reply_to):
    raw = report(reply_to, kind="disposition-notification")
    assert receive(raw, at=NOW()) == Outcome.DROPPED
    assert not FailingAddress.objects.exists()


@pytest.mark.parametrize("sender", ["mailer-daemon@mx.example", "postmaster@mx.example"])
def test_delivery_report_in_plain_text_is_discarded(conversation, write, sender):
    assert receive(write("550 no such user", from_=sender), at=NOW()) == Outcome.DROPPED
    assert (dropped(), IncomingEmail.objects.count()) == ({"bounce": 1}, 0)


# Tests of delivery reports about the portal's emails.


def test_failure_reports_a_day_apart_turn_off_notices_to_the_address(delivered, patron):
    first, second = delivered(NOW() - DAY), delivered()
    receive(report(bounces.envelope_for(first)), at=NOW() - DAY)
    assert not bounces.is_off(patron)
    receive(report(bounces.envelope_for(second).upper(), number=2), at=NOW())
    assert bounces.is_off(patron)
    first.refresh_from_db()
    assert (first.state, first.delivered_at) == ("dead", None)
    assert first.last_error.endswith("reported later that it did not arrive: 5.1.1")


def test_failure_report_counts_even_before_the_email_is_marked_as_delivered(patron):
    row = writing.write(
        kind="account/mail",
        to=patron.email,
        at=NOW(),
        recipient=patron,
        language="en",
        subject="x",
        text="Your code is 1234",
        blank=True,
    )
    waiting = report(bounces.envelope_for(row))
    receive(waiting, at=NOW())
    assert not FailingAddress.objects.exists()
    taken = outbox.take_next(at=NOW())
    receive(waiting, at=NOW())
    outbox.mark_delivered(taken, at=NOW())
    row.refresh_from_db()
    assert (row.state, row.text, row.leased_until, row.delivered_at) == ("dead", "", None, None)
    assert FailingAddress.objects.get().email == patron.email


def test_several_failure_reports_about_one_email_count_once(delivered, patron):
    email = delivered()
    for number in range(5):
        receive(report(bounces.envelope_for(email), number=number), at=NOW() + number * DAY)
    assert FailingAddress.objects.get().off_at is None


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "fields",
    [
        {"status": "4.4.1"},
        {"status": "4.2.2", "action": "delayed"},
        {"status": "5.1.1", "action": "delayed"},
        {"status": "2.0.0", "action": "relayed"},
        {"status": "5.7.1"},
        {"status": "5.2.2"},
        {"status": "x"},
        {"status": ""},
        {"kind": "disposition-notification", "action": "displayed"},
    ],
)
def test_delivery_report_is_a_hard_failure_only_if_the_address_fails_permanently(delivered, fields):
    envelope = bounces.envelope_for(delivered())
    assert receive(report(envelope, **fields), at=NOW()) == Outcome.DROPPED
    assert not FailingAddress.objects.exists()


def test_temporary_failure_of_delivery_is_never_counted(delivered):
    email = delivered()
    assert not bounces.note_report(bounces.envelope_for(email), status="4.1.1", at=NOW())
    email.refresh_from_db()
    assert (email.state, FailingAddress.objects.count()) == ("delivered", 0)


def test_delivery_report_to_an_invalid_envelope_address_has_no_effect(delivered, reply_to):
    email = delivered()
    envelope = bounces.envelope_for(email)
    others = ["reply@library.example", reply_to, f"{envelope[:12]}aaaa{envelope[16:]}", "sam@example.org", ""]
    for number, to in enumerate(others):
        receive(report(to, number=number), at=NOW())
    email.refresh_from_db()
    assert (email.state, FailingAddress.objects.count(), dropped()["bounce"]) == ("delivered", 0, 5)


def test_delivery_report_about_a_deleted_email_has_no_effect(delivered):
    email = delivered()
    envelope = bounces.envelope_for(email)
    email.delete()
    receive(report(envelope), at=NOW())
    assert not FailingAddress.objects.exists()


def test_reply_address_and_envelope_address_are_not_interchangeable(delivered, conversation, reply_to, write):
    envelope = bounces.envelope_for(delivered())
    assert bounces.email_of_report(reply_to) is None
    receive(write(to=envelope), at=NOW())
    assert IncomingEmail.objects.get().reason == "no_address"


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.long
def test_many_delivery_reports_cause_no_email(delivered, reply_to):
    envelope = bounces.envelope_for(delivered())
    before = Notification.objects.count()
    for number in range(times(200, long=1000)):
        receive(report(envelope if number % 2 else reply_to, number=number), at=NOW())
    assert (Notification.objects.count(), dropped()) == (before, {"bounce": times(200, long=1000)})


def test_unmarked_automatic_reply_causes_no_endless_exchange_of_emails(conversation, reply_to, patron):
    """Let a program answer each email to the patron without marking its answers as automatic."""
    at, sent = NOW(), 0
    text = ""
    for number in range(20):
        raw = (
            f"From: {patron.email}\r\nTo: {reply_to}\r\nSubject: Away\r\nMessage-ID: <{number}@x>\r\n\r\n{text}"
        ).encode()
        receive(raw, at=at + number * timedelta(minutes=1))
        emails = Notification.objects.filter(recipient=patron)
        if emails.count() == sent:
            break
        sent = emails.count()
    assert (number, sent) == (1, 1)
    assert conversation.messages.count() == 1


def test_delivery_report_about_many_recipients_runs_few_queries(delivered, django_assert_max_num_queries):
    emails = [delivered() for _number in range(7)]
    ours = [bounces.envelope_for(email) for email in emails]
    others = [f"{number}@library.example" for number in range(800)]
    block = "Final-Recipient: rfc822; sam@example.org\nAction: failed\nStatus: {}\n\n"
    statuses = "".join(map(block.format, ["4.4.1", "5.1.1", *["5.1.2"] * 180]))
    raw = report(">, <".join([*others, ours[0], *ours]))
    before, after = raw.split(b"Final-Recipient", 1)
    raw = before + statuses.replace("\n", "\r\n").encode() + b"Final-Recipient" + after
    with django_assert_max_num_queries(80):
        receive(raw, at=NOW())
    errors = Notification.objects.filter(state="dead").order_by("pk").values_list("last_error", flat=True)
    assert [error.rsplit(" ", 1)[1] for error in errors] == ["5.1.1"] * 5
