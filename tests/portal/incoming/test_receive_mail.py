"""Test `manage.py receive_mail`, which a mail server runs for each email."""

import io
import smtplib
import subprocess
import sys

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from portal.conversations.models import Message
from portal.incoming.actions import MAX_BYTES
from portal.incoming.models import DroppedEmails, IncomingEmail
from portal.limits import TooOften
from tests.portal.notifications.mail_server import free_port, mail_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def receive_mail(monkeypatch):
    """Return receive_mail(raw, …), which runs `manage.py receive_mail` and returns its exit status."""
    for name in ("RECIPIENT", "ORIGINAL_RECIPIENT", "SENDER"):
        monkeypatch.delenv(name, raising=False)

    def receive_mail(raw, *arguments):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        with pytest.raises(SystemExit) as ended:
            call_command("receive_mail", *arguments)
        return ended.value.code

    return receive_mail


def test_receive_mail_command_exits_with_0_if_it_accepts_the_email(
    receive_mail, conversation, write, reply_to
):
    assert receive_mail(write("One", message_id="<1@x>")) == 0
    assert receive_mail(write("Two", message_id="<2@x>", to="x@y.example"), "--recipient", reply_to) == 0
    assert receive_mail(write("Two", message_id="<2@x>")) == 0
    assert receive_mail(write("?", message_id="<3@x>", from_="stranger@example.org")) == 0
    assert [message.body for message in conversation.messages.in_order()][1:] == ["One", "Two"]
    assert IncomingEmail.objects.not_matched().count() == 1


def test_receive_mail_command_reads_sender_and_recipient_from_the_variables_of_postfix(
    receive_mail, conversation, write, reply_to, monkeypatch
):
    monkeypatch.setenv("ORIGINAL_RECIPIENT", reply_to)
    monkeypatch.setenv("SENDER", "MAILER-DAEMON")
    assert receive_mail(write(to="x@y.example")) == 0
    assert dict(DroppedEmails.objects.values_list("kind", "count")) == {"automatic": 1}
    monkeypatch.setenv("SENDER", "sam@example.org")
    assert receive_mail(write(to="x@y.example")) == 0
    assert conversation.messages.count() == 2


@pytest.mark.parametrize("sender", ["", "<>"])
def test_receive_mail_command_discards_an_email_from_the_null_sender(
    receive_mail, conversation, write, sender
):
    assert receive_mail(write(), "--sender", sender) == 0
    assert conversation.messages.count() == 1


def test_receive_mail_command_exits_with_67_if_the_email_is_not_to_a_reply_address(
    receive_mail, conversation, write
):
    for recipient in ("reply@other.example", "info@library.example", "reply-x@library.example"):
        assert receive_mail(write(), "--recipient", recipient) == 67
    assert not IncomingEmail.objects.exists()


def test_receive_mail_command_exits_with_65_without_reading_all_of_a_huge_email(
    conversation, write, monkeypatch
):
    stream = io.BytesIO(write() + b"x" * (40 * 1024 * 1024))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    with pytest.raises(SystemExit) as ended:
        call_command("receive_mail")
    assert (ended.value.code, stream.tell()) == (65, MAX_BYTES + 1)
    assert not IncomingEmail.objects.exists()


def test_receive_mail_command_exits_with_69_if_no_reply_address_is_configured(
    receive_mail, conversation, write, settings, capsys
):
    settings.REPLY_ADDRESS = ""
    assert receive_mail(write()) == 69
    assert capsys.readouterr().err == "No reply address is set. Set REPLY_ADDRESS. See docs/operations.md.\n"


@pytest.mark.parametrize(
    "error", [OperationalError("away"), OSError("disk full"), TooOften("message", timezone.now())]
)
def test_receive_mail_command_exits_with_75_after_an_error(
    receive_mail, conversation, write, monkeypatch, error
):
    def fail(*_args, **_options):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("portal.incoming.management.commands.receive_mail.receive", fail)
        assert receive_mail(write()) == 75
    assert receive_mail(write()) == 0
    assert conversation.messages.count() == 2


def test_receive_mail_command_exits_with_75_if_the_email_is_incomplete(
    conversation, monkeypatch, caplog, capsys
):
    class Broken(io.BytesIO):
        def read(self, _size):
            raise OSError("secret words")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(SystemExit) as ended:
        call_command("receive_mail")
    assert (ended.value.code, capsys.readouterr().err) == (75, "Try again later: OSError.\n")
    assert [record.getMessage() for record in caplog.records] == ["an email could not be processed: OSError"]
    assert caplog.records[0].exc_info is None


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
def test_email_to_a_mail_server_over_smtp_becomes_a_message_in_the_conversation(
    conversation, write, patron, reply_to, disk
):
    """Send an email to a mail server, which starts the command for each email as Postfix does."""
    port, url = free_port(), f"sqlite:///{connection.settings_dict['NAME']}"
    if connection.vendor != "sqlite":
        pytest.skip("the command gets the SQLite file of the test")
    connection.close()

    async def handle_DATA(server, session, envelope):  # noqa: N802  aiosmtpd chose the name
        done = subprocess.run(
            [
                sys.executable,
                "manage.py",
                "receive_mail",
                "--sender",
                envelope.mail_from,
                "--recipient",
                envelope.rcpt_tos[0],
            ],
            cwd=configured.BASE_DIR,
            input=envelope.content,
            env={
                "AFTERWORD_MODE": "test",
                "DATABASE_URL": url,
                "REPLY_ADDRESS": configured.REPLY_ADDRESS,
                "DATA_DIR": str(configured.DATA_DIR),
                "PATH": "/usr/bin",
            },
            capture_output=True,
        )
        return {0: "250 taken", 75: "451 later"}.get(
            done.returncode, f"550 {done.stderr.decode().strip()[-200:]}"
        )

    with mail_server(port) as server:
        server.handle_DATA = handle_DATA
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail(patron.email, [reply_to], write("Over SMTP"))
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail(patron.email, ["info@library.example"], write("Astray", message_id="<2@x>"))
    assert refused.value.smtp_code == 550
    assert Message.objects.filter(by_email="own").get().body == "Over SMTP"
