"""Test which emails have a reply address, and where mail servers report failures."""

import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from portal.conversations import actions
from portal.conversations.reply_addresses import address_for, read_address
from portal.notifications import bounces
from portal.notifications.delivery import build
from portal.notifications.models import Notification
from portal.notifications.writing import notify, write
from portal.worker import Worker
from tests.factories import ConversationFactory, QuietSessionFactory, SharedSessionFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def reply_address(settings):
    settings.REPLY_ADDRESS = "reply@library.example"


@pytest.fixture
def conversation(patron, branch):
    return ConversationFactory(patron=patron, branch=branch, help_session=None)


@pytest.fixture
def answer(staff):
    """Return answer(conversation), which sends an answer now and returns the emails about it."""

    def answer(conversation):
        arguments = {"by": staff, "side": "staff", "body": "Yes.", "language": "en"}
        actions.reply(conversation, at=timezone.now(), client_token=uuid.uuid4(), **arguments)
        return list(Notification.objects.filter(kind="conversations/answer").order_by("pk"))

    return answer


def test_reply_address_of_an_answer_email_identifies_conversation_and_patron(answer, conversation, patron):
    [email] = answer(conversation)
    read = read_address(email.headers["Reply-To"], at=timezone.now())
    assert (read.conversation, read.person, read.is_expired) == (conversation, patron, False)
    assert email.text.startswith("Write your answer above this line.\n")


def test_child_and_adult_each_get_their_own_reply_address(answer, patron, branch, staff):
    adult = UserFactory()
    session = SharedSessionFactory(branch=branch, staff=staff, patron=patron, shared_with=adult)
    emails = answer(ConversationFactory(help_session=session))
    people = [read_address(email.headers["Reply-To"], at=timezone.now()).person for email in emails]
    assert people == [patron, adult]


def test_email_to_an_unconfirmed_address_has_no_reply_address(answer, conversation, patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
    [email] = answer(conversation)
    assert "Reply-To" not in email.headers
    assert "above this line" not in email.text + email.html


def test_answer_email_has_no_reply_address_if_the_library_has_no_reply_address(
    answer, conversation, settings
):
    settings.REPLY_ADDRESS = ""
    [email] = answer(conversation)
    assert "Reply-To" not in email.headers
    assert "above this line" not in email.text + email.html
    assert "A reply to this email doesn't reach your conversation." in email.text


def test_answer_about_a_quiet_visit_is_not_emailed_even_with_a_reply_address(answer, branch, staff):
    session = QuietSessionFactory(branch=branch, staff=staff)
    assert answer(ConversationFactory(help_session=session)) == []


def test_answer_email_to_a_just_changed_address_has_no_reply_address(
    answer, conversation, patron, time_machine, mailoutbox
):
    answer(conversation)
    patron.email = "new@example.org"
    patron.save()
    time_machine.move_to(timezone.now() + timedelta(minutes=1))
    Worker().deliver_due()
    [email] = mailoutbox
    assert (email.to, "Reply-To" in email.extra_headers) == (["new@example.org"], False)
    assert "above this line" not in email.body


def test_email_that_needs_no_reply_has_no_reply_address(library, patron):
    email = notify(
        "privacy/export_ready",
        to=patron.email,
        at=timezone.now(),
        recipient=patron,
        language="en",
        context={"url": "http://localhost:8000/", "days": 7},
    )
    assert "Reply-To" not in email.headers
    assert "above this line" not in email.text + email.html


def test_envelope_sender_identifies_the_email_while_the_from_header_names_the_library(library, patron):
    row = write(
        kind="test/mail",
        to=patron.email,
        at=timezone.now(),
        language="en",
        subject="Hello",
        text="Hello",
    )
    email = build(row, library)
    assert bounces.email_of_report(email.from_email) == row
    assert email.message()["From"] == "Harbour Library <library@localhost>"


def test_envelope_sender_is_the_librarys_address_if_there_is_no_reply_address(library, patron, settings):
    settings.REPLY_ADDRESS = ""
    row = write(kind="test/mail", to=patron.email, at=timezone.now(), language="en", subject="x", text="x")
    assert build(row, library).from_email == "Harbour Library <library@localhost>"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_mail_server_receives_the_envelope_sender_with_the_token(library, patron, smtp, monkeypatch):
    senders = []
    accept = type(smtp).handle_MAIL

    async def note(self, server, session, envelope, address, options):
        senders.append(address)
        return await accept(self, server, session, envelope, address, options)

    monkeypatch.setattr(type(smtp), "handle_MAIL", note)
    row = write(kind="test/mail", to=patron.email, at=timezone.now(), language="en", subject="x", text="x")
    worker = Worker()
    worker.deliver_due()
    worker.outgoing.close()
    assert senders == [bounces.envelope_for(row)]
    assert [email["From"] for email in smtp.received] == ["Harbour Library <library@localhost>"]


def test_two_patrons_have_different_reply_addresses(conversation, patron):
    other = UserFactory()
    addresses = {address_for(conversation, person, at=timezone.now()) for person in (patron, other)}
    assert len(addresses) == 2
