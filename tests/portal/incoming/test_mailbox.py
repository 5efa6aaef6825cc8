"""Test fetching emails from a real IMAP server and from a server that never answers."""

import contextlib
import errno
import imaplib
import logging
import socket
import ssl
import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from portal.env import env_mailbox
from portal.incoming import mailbox
from portal.incoming.actions import MAX_BYTES
from portal.incoming.mailbox import MailboxUnavailable, fetch_emails
from portal.incoming.models import IncomingEmail
from portal.limits import TooOften
from portal.notifications.actions import MAILBOX
from portal.notifications.models import Heartbeat, Notification, RepeatedJob
from portal.worker import Worker
from tests.imap_server import PASSWORD, USER, SilentServer, imap_server
from tests.portal.notifications.mail_server import free_port, mail_server
from tests.portal.notifications.test_delivery import start_worker, write_email
from tests.processes import MAX_WAIT

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

# The maximum number of seconds from writing an email to its arrival at the mail server.
MAX_DELAY = 2


@pytest.fixture(scope="module")
def server():
    with imap_server() as server:
        yield server


@pytest.fixture
def box(server, settings, monkeypatch):
    """Empty the mailbox of the test server, configure it in the settings, and return the server."""
    with server.open() as imap:
        imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)") if server.flags() else None
        imap.expunge()
    monkeypatch.setattr(mailbox, "WAITING", {})
    monkeypatch.setenv("IMAP_URL", server.url)
    settings.IMAP = env_mailbox("IMAP_URL")
    return server


def test_emails_are_processed_and_deleted_from_the_mailbox(box, conversation, write):
    box.put(write("One", message_id="<1@x>"), write("Two", message_id="<2@x>"), b"Subject: spam\r\n\r\nBuy")
    assert fetch_emails() == 3
    assert [message.body for message in conversation.messages.in_order()][1:] == ["One", "Two"]
    assert list(IncomingEmail.objects.not_matched().values_list("text", flat=True)) == ["Buy"]
    assert box.flags() == []
    assert fetch_emails() == 0


def test_email_that_causes_an_error_is_flagged_and_does_not_delay_other_emails(
    box, conversation, write, monkeypatch, caplog
):
    box.put(write("One", message_id="<1@x>"), write("Two", message_id="<2@x>"))
    take = mailbox.receive

    def fail(raw, **options):
        if b"One" in raw:
            raise RuntimeError("One is a secret")
        return take(raw, **options)

    monkeypatch.setattr(mailbox, "receive", fail)
    assert fetch_emails() == 1
    assert ["Flagged" in flags for flags in box.flags()] == [True]
    assert fetch_emails() == 0
    assert [message.body for message in conversation.messages.in_order()][1:] == ["Two"]
    assert ("RuntimeError" in caplog.text, "secret" in caplog.text, "Traceback" in caplog.text) == (
        True,
        False,
        False,
    )


def test_email_stays_in_the_mailbox_without_a_flag_while_the_disk_is_full(
    box, conversation, write, monkeypatch
):
    box.put(write("One"))

    def fail(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(mailbox, "receive", fail)
        with pytest.raises(MailboxUnavailable):
            fetch_emails()
    assert fetch_emails() == 1


@pytest.fixture
def tried(monkeypatch):
    """Make `receive` raise TooOften for each email from sam@example.org.

    Return a list. Each call of `receive` appends the last word of its email to the list.
    """
    tried, take = [], mailbox.receive

    def refuse(raw, **options):
        tried.append(raw.split()[-1].decode())
        if b"From: sam@example.org" in raw:
            raise TooOften("message", timezone.now() + timedelta(hours=1))
        return take(raw, **options)

    monkeypatch.setattr(mailbox, "receive", refuse)
    return tried


def test_patron_who_writes_too_often_does_not_delay_other_emails(
    box, conversation, write, tried, monkeypatch
):
    monkeypatch.setattr(mailbox, "MAX_PER_CALL", 2)
    for number in range(5):
        box.put(write(f"flood{number}", message_id=f"<{number}@x>"))
    for number in range(3):
        box.put(write(f"other{number}", message_id=f"<o{number}@x>", from_="xsam@example.org"))
    assert (fetch_emails(), tried) == (2, ["flood0", "other0", "other1"])
    assert (fetch_emails(), tried[3:]) == (1, ["other2"])
    assert len(box.flags()) == 5


def test_emails_over_the_limit_are_tried_again_later(box, conversation, write, tried, monkeypatch):
    box.put(write("One", message_id="<1@x>"), write("Two", message_id="<2@x>"))
    fetch_emails()
    fetch_emails()
    assert tried == ["One"]
    now = timezone.now()
    monkeypatch.setattr("portal.incoming.mailbox.timezone.now", lambda: now + timedelta(hours=1))
    fetch_emails()
    assert tried == ["One", "One"]


def test_all_emails_stay_in_the_mailbox_while_the_database_is_down(box, conversation, write, monkeypatch):
    box.put(write("One", message_id="<1@x>"), write("Two", message_id="<2@x>"))

    def fail(*_args, **_options):
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(mailbox, "receive", fail)
        with pytest.raises(OperationalError):
            fetch_emails()
    assert (len(box.flags()), fetch_emails()) == (2, 2)


def test_email_of_40_megabytes_is_flagged_and_not_read(box, conversation, write, disk):
    box.put(write("My novel") + b"x" * (40 * 1024 * 1024))
    assert fetch_emails() == 1
    [email] = IncomingEmail.objects.all()
    assert (email.reason, email.sender, email.conversation) == ("too_large", "sam@example.org", conversation)
    assert (disk(), ["Flagged" in flags for flags in box.flags()]) == ([], [True])
    assert "too large" in Notification.objects.get().text
    assert fetch_emails() == 0


@pytest.mark.only_long
def test_email_of_the_maximum_size_is_read(box, conversation, write):
    raw = write("Yes", files=[("novel.txt", "text/plain", b"x" * 1000)])
    line = b"A" * 76 + b"\r\n"
    before, after = raw.rsplit(b"\n--", 1)
    box.put(before + b"\r\n" + line * ((MAX_BYTES - len(raw)) // len(line) - 10) + b"--" + after)
    fetch_emails()
    assert conversation.messages.in_order().last().body == "Yes"


def test_second_worker_does_not_save_an_email_again(box, conversation, write):
    box.put(write())
    Worker().fetch_emails()
    Worker().fetch_emails()
    assert (RepeatedJob.objects.filter(name="fetch_emails").count(), conversation.messages.count()) == (1, 2)


@pytest.mark.parametrize(
    "change", [{"password": "wrong"}, {"folder": "Nowhere"}, {"port": 1}, {"host": "nowhere.invalid"}]
)
def test_mailbox_that_cannot_be_opened_is_reported_in_the_log(box, settings, change, caplog):
    settings.IMAP = settings.IMAP | change
    with pytest.raises(MailboxUnavailable):
        fetch_emails()
    with caplog.at_level(logging.WARNING):
        Worker().fetch_emails()
    assert "the mailbox can't be read, waiting" in caplog.text
    assert "wrong" not in caplog.text


@pytest.fixture
def hanging():
    """Return the port of a server that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []

        def accept():
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        for taken in accepted:
            taken.close()


def test_connection_ends_after_the_timeout_if_the_server_never_answers(hanging, settings, monkeypatch):
    monkeypatch.setattr(mailbox, "TIMEOUT_SECONDS", 0.2)
    settings.IMAP = {
        "host": "127.0.0.1",
        "port": hanging,
        "tls": "starttls",
        "user": "x",
        "password": "y",
        "folder": "INBOX",
    }
    with pytest.raises(MailboxUnavailable):
        fetch_emails()


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_emails_are_sent_within_seconds_while_the_imap_server_hangs(hanging, library):
    port = free_port()
    with mail_server(port) as smtp:
        connection.close()
        worker = start_worker(
            port=port, IMAP_URL=f"imap://x:y@127.0.0.1:{hanging}", REPLY_ADDRESS="reply@library.example"
        )
        try:
            _wait_until(lambda: RepeatedJob.objects.filter(name="fetch_emails").exists())
            delays = [delay_of_email(smtp, number) for number in range(3)]
            assert max(delays) < MAX_DELAY, delays
        finally:
            worker.kill()
            worker.communicate()


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_silent_mailbox_does_not_delay_outgoing_emails(box, conversation, write):
    port = free_port()
    box.put(write("Yes"))
    with mail_server(port) as smtp, contextlib.closing(SilentServer(box)) as silent:
        connection.close()
        worker = start_worker(port=port, IMAP_URL=silent.url, REPLY_ADDRESS="reply@library.example")
        try:
            _wait_until(lambda: silent.kept_waiting)
            delays = []
            for number in range(12):
                began = time.monotonic()
                delays.append(delay_of_email(smtp, number))
                # Between two rounds, the worker sleeps for a second. Each email is written at another moment
                # of such a second.
                time.sleep(max(0, began + 5 + number / 12 - time.monotonic()))
            assert max(delays) < MAX_DELAY, delays
            # The worker gives up waiting for the silent server, and connects to it again.
            _wait_until(lambda: silent.kept_waiting > 1)
            assert conversation.messages.count() == 1
            silent.recover()
            _wait_until(lambda: conversation.messages.count() == 2)
        finally:
            worker.terminate()
            output = worker.communicate(timeout=40)[0].decode()
    assert worker.returncode == 0, output
    assert "the mailbox can't be read, waiting" in output
    assert conversation.messages.in_order().last().body == "Yes"
    assert box.flags() == []


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_worker_process_receives_emails_and_sends_the_reply(box, conversation, write):
    port = free_port()
    box.put(write("Yes", message_id="<1@x>"), write("", message_id="<2@x>"))
    with mail_server(port) as smtp:
        connection.close()
        worker = start_worker(port=port, IMAP_URL=box.url, REPLY_ADDRESS="reply@library.example")
        try:
            _wait_until(lambda: smtp.received)
        finally:
            worker.terminate()
            assert worker.wait(30) == 0, worker.communicate()[0].decode()
            worker.communicate()
    assert conversation.messages.in_order().last().body == "Yes"
    assert [email["Subject"] for email in smtp.received] == ["The library could not read your email"]
    assert box.flags() == []


def test_password_of_the_mailbox_is_not_sent_to_a_server_with_an_untrusted_certificate(certificate, settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with (
                contextlib.suppress(OSError),
                server.accept()[0] as taken,
                context.wrap_socket(taken, server_side=True) as secure,
            ):
                heard.append(secure.recv(1000))

        thread = threading.Thread(target=answer)
        thread.start()
        where = {"host": "localhost", "port": server.getsockname()[1], "tls": "at_once"}
        settings.IMAP = where | {"user": "x", "password": "y", "folder": "INBOX"}
        with pytest.raises(MailboxUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            fetch_emails()
        thread.join(10)
    assert heard in ([], [b""])


def test_password_of_the_mailbox_is_sent_after_starttls(certificate, settings, monkeypatch):
    trusted = ssl.create_default_context(cafile=certificate / "certificate.pem")
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusted)
    # A server on the same machine needs no TLS. So make the portal believe that no server is on this machine.
    monkeypatch.setattr(mailbox, "LOCAL_HOSTS", ())
    log_in, was_secure = imaplib.IMAP4.login, []

    def note_and_log_in(self, user, password):
        was_secure.append(isinstance(self.sock, ssl.SSLSocket))
        return log_in(self, user, password)

    monkeypatch.setattr(imaplib.IMAP4, "login", note_and_log_in)
    with imap_server(certificate=certificate) as server:
        settings.IMAP = {
            "host": "localhost",
            "port": server.port,
            "tls": "starttls",
            "user": USER,
            "password": PASSWORD,
            "folder": "INBOX",
        }
        assert (fetch_emails(), was_secure) == (0, [True])


@pytest.mark.only_long
def test_worker_records_when_it_read_the_mailbox(box):
    Worker().fetch_emails()
    assert Heartbeat.objects.get().worker == MAILBOX


def delay_of_email(smtp, number):
    """Write an email, and return the seconds until it has arrived at the mail server."""
    written_at = time.monotonic()
    write_email(f"patron{number}@example.org")
    _wait_until(lambda: len(smtp.arrived_at) > number)
    return smtp.arrived_at[number] - written_at


def _wait_until(condition):
    until = time.monotonic() + MAX_WAIT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
