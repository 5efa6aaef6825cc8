"""Test how the worker delivers email to a real mail server that accepts, defers, rejects or fails."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.notifications import actions, delivery, writing
from portal.notifications.models import Notification, RepeatedJob
from portal.worker import Worker
from tests.mailers import SMTP, deliver_by
from tests.processes import MAX_WAIT

from .mail_server import mail_server

pytestmark = [pytest.mark.sql, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def write_email(to="sam@example.org", **changes):
    return writing.write(
        kind="test/mail",
        to=to,
        at=timezone.now(),
        language="en",
        subject="The library has answered",
        text="Open it",
        **changes,
    )


def deliver():
    worker = Worker()
    worker.deliver_due()
    worker.outgoing.close()


@pytest.fixture
def long_running():
    """Return a worker that keeps its connection between two calls of deliver_due()."""
    worker = Worker()
    yield worker
    worker.outgoing.close()


def let_time_pass(**how_long):
    """Change the times of every waiting email as if timedelta(**how_long) had passed."""
    for row in Notification.objects.filter(state="waiting"):
        row.due_at -= timedelta(**how_long)
        row.leased_until = row.leased_until and row.leased_until - timedelta(**how_long)
        row.save()


def states():
    return dict(Notification.objects.values_list("to_address", "state"))


def test_email_is_delivered_once(smtp):
    mail = write_email()
    deliver()
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.leased_until, mail.text) == ("delivered", 1, None, "Open it")
    assert [received["Message-ID"] for received in smtp.received] == [mail.message_id]


def test_reply_address_is_deleted_once_the_email_is_delivered(smtp):
    mail = write_email(
        headers={"Reply-To": "reply+b7k2@library.example", "References": "<1@library.example>"}
    )
    deliver()
    mail.refresh_from_db()
    assert [received["Reply-To"] for received in smtp.received] == ["reply+b7k2@library.example"]
    assert (mail.state, mail.headers) == ("delivered", {"References": "<1@library.example>"})


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no such setting for one connection")
def test_worker_turns_off_synchronous_commit_only_while_it_delivers_emails(smtp, monkeypatch):
    def setting():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setting, source = 'session' FROM pg_settings WHERE name = 'synchronous_commit'"
            )
            return cursor.fetchone()

    seen, mark = [], actions.mark_delivered
    monkeypatch.setattr(
        actions, "mark_delivered", lambda *args, **at: (seen.append(setting()), mark(*args, **at))
    )
    before = setting()
    write_email()
    deliver()
    assert (seen, setting()) == ([("off", True)], before)


def test_text_of_an_email_with_a_code_is_deleted_after_delivery(smtp):
    mail = write_email(html="<p>123</p>", blank=True)
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.text, mail.html) == ("delivered", "", "")
    assert len(smtp.received) == 1


def test_deferred_email_is_retried_later_without_delaying_other_emails(smtp):
    mail = write_email("busy@example.org")
    write_email("ok@example.org")
    deliver()
    deliver()
    mail.refresh_from_db()
    # The server's reply repeats the part of the address before the @. This part is not stored.
    assert (mail.state, mail.attempts, mail.last_error) == ("waiting", 1, "450 mailbox …")
    assert timedelta(seconds=50) < mail.due_at - timezone.now() <= timedelta(minutes=1)
    assert smtp.addresses() == ["ok@example.org"]


def test_worker_gives_up_an_email_that_is_deferred_at_every_attempt(smtp):
    mail = write_email("busy@example.org", blank=True)
    for _ in range(len(actions.RETRY_AFTER) + 1):
        deliver()
        let_time_pass(days=2)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.text) == ("dead", len(actions.RETRY_AFTER) + 1, "")


def test_worker_gives_up_an_email_to_an_unknown_mailbox_immediately(smtp):
    write_email("unknown@example.org")
    write_email("ok@example.org")
    deliver()
    assert states() == {"unknown@example.org": "dead", "ok@example.org": "delivered"}


def test_log_contains_the_response_of_the_mail_server_without_the_address(smtp, caplog):
    smtp.refusal = "550 <unknown.sam@example.org>: UNKNOWN.SAM has left, write to jo@example.org"
    write_email("unknown.sam@example.org")
    deliver()
    [line] = [line.getMessage() for line in caplog.records if line.name == "portal.worker"]
    assert line.endswith(" was refused (test/mail): no more tries: 550 <…>: … has left, write to …")


def test_address_that_must_not_remain_stored_is_deleted_when_its_email_is_given_up(smtp, patron):
    mail = write_email("unknown@example.org", remove=True, recipient=patron)
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.last_error) == ("dead", "550 no such mailbox")
    assert (mail.to_address, mail.subject, mail.text, mail.recipient) == ("", "", "", None)


def test_email_is_not_sent_after_its_code_has_expired(smtp):
    at = timezone.now()
    late = write_email("late@example.org", blank=True, ends_at=at)
    write_email("early@example.org", blank=True, ends_at=at + timedelta(minutes=5))
    deliver()
    assert smtp.addresses() == ["early@example.org"]
    late.refresh_from_db()
    assert (late.state, late.text, late.last_error) == ("dead", "", actions.TOO_LATE)
    assert not actions.send_again(late, at=at)


def test_failed_email_can_be_sent_again_only_once(smtp):
    mail = write_email("unknown@example.org")
    deliver()
    assert states() == {"unknown@example.org": "dead"}
    smtp.refusal = ""
    assert actions.send_again(mail, at=timezone.now())
    assert not actions.send_again(mail, at=timezone.now())
    deliver()
    assert smtp.addresses() == ["unknown@example.org"]


def test_email_to_an_invalid_address_does_not_block_other_emails(smtp):
    write_email("bad\r\nBcc: x@example.org")
    write_email("ok@example.org")
    deliver()
    assert sorted(states().values()) == ["dead", "delivered"]
    assert smtp.addresses() == ["ok@example.org"]


def test_email_is_retried_if_the_server_answers_too_late(smtp, settings):
    deliver_by(settings, SMTP, timeout=0.2)
    mail = write_email("stuck@example.org")
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("waiting", 1)


def test_each_of_forty_emails_is_delivered_once_after_an_outage(smtp_port):
    addresses = sorted(f"patron{number}@example.org" for number in range(40))
    for address in addresses:
        write_email(address)
    for _ in range(3):
        deliver()
    assert set(Notification.objects.values_list("state", "attempts")) == {("waiting", 0)}
    with mail_server(smtp_port) as smtp:
        deliver()
        deliver()
    assert smtp.addresses() == addresses
    assert set(states().values()) == {"delivered"}


def test_worker_waits_while_the_mail_server_is_down(smtp_port, long_running):
    write_email()
    long_running.deliver_due()
    with mail_server(smtp_port) as smtp:
        long_running.deliver_due()
        assert smtp.received == []
        long_running.next_email_at = 0
        long_running.deliver_due()
        assert len(smtp.received) == 1


@pytest.mark.parametrize("server", ["without TLS", "with a certificate that nobody vouches for"])
def test_email_waits_if_the_connection_cannot_be_encrypted(server, smtp_port, certificate, settings):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    mail = write_email()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with mail_server(smtp_port, tls=None if server == "without TLS" else tls) as smtp:
        deliver()
        assert smtp.received == []
    mail.refresh_from_db()
    assert mail.state == "waiting"


def test_email_is_sent_encrypted_if_the_certificate_is_trusted(smtp_port, certificate, settings, monkeypatch):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    mail = write_email()
    with mail_server(smtp_port, tls=tls) as smtp:
        deliver()
        assert [received["Message-ID"] for received in smtp.received] == [mail.message_id]


def test_worker_with_an_expired_lease_cannot_change_the_state_of_an_email():
    write_email()
    slow = actions.take_next(at=timezone.now())
    let_time_pass(hours=1)
    quick = actions.take_next(at=timezone.now())
    actions.mark_delivered(quick, at=timezone.now())
    actions.mark_failed(slow, at=timezone.now(), error="too late", permanent=True)
    assert states() == {"sam@example.org": "delivered"}


# Tests of the connection to the mail server.


def test_emails_share_a_connection_that_closes_after_a_few_idle_seconds(smtp, long_running, monkeypatch):
    for number in range(3):
        write_email(f"patron{number}@example.org")
        long_running.deliver_due()
    assert smtp.sessions == [[f"patron{number}@example.org" for number in range(3)]]
    assert smtp.quits == 0
    monkeypatch.setattr(delivery, "IDLE_SECONDS", 0)
    long_running.deliver_due()
    assert smtp.quits == 1


def test_delivering_an_email_runs_two_sql_statements(smtp, long_running):
    def statements(count):
        for number in range(count):
            write_email(f"patron{number}@example.org")
        with CaptureQueriesContext(connection) as captured:
            long_running.deliver_due()
        return len(captured)

    assert statements(15) - statements(5) == 10 * 2
    # The worker reads 20 emails ahead, with two queries.
    assert statements(45) - statements(5) == 40 * 2 + 2 * 2


def test_emails_with_a_code_are_delivered_first(smtp, long_running):
    for number in range(25):
        write_email(f"patron{number}@example.org")
    write_email("code@example.org", ends_at=timezone.now() + timedelta(minutes=10))
    long_running.deliver_due()
    assert sum(smtp.sessions, [])[:2] == ["code@example.org", "patron0@example.org"]


def test_worker_opens_a_new_connection_after_every_refusal(smtp):
    for name in ("one", "busy", "two", "unknown", "three", "four"):
        write_email(f"{name}@example.org")
    deliver()
    assert smtp.sessions == [
        ["one@example.org"],
        ["two@example.org"],
        ["three@example.org", "four@example.org"],
    ]


def test_email_is_delivered_if_the_server_closed_the_idle_connection(smtp, long_running):
    for name in ("one", "two"):
        write_email(f"{name}@example.org")
        long_running.deliver_due()
        smtp.drop_connections()
    assert smtp.sessions == [["one@example.org"], ["two@example.org"]]
    assert set(Notification.objects.values_list("state", "attempts")) == {("delivered", 1)}


def test_all_emails_are_delivered_if_the_server_accepts_only_a_few_per_connection(smtp):
    smtp.emails_per_connection = 2
    for number in range(5):
        write_email(f"patron{number}@example.org")
    deliver()
    assert [len(session) for session in smtp.sessions] == [2, 2, 1]
    assert set(Notification.objects.values_list("state", "attempts")) == {("delivered", 1)}


def test_worker_waits_before_retrying_a_server_that_accepts_no_email(smtp):
    smtp.emails_per_connection = 0
    write_email()
    deliver()
    assert len(smtp.sessions) == 1
    assert set(Notification.objects.values_list("state", "attempts")) == {("waiting", 1)}


# The tests below start worker processes that use the test database.


def start_worker(*options, port, **environment):
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        url = f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker", *options],
        cwd=django_settings.BASE_DIR,
        env=os.environ
        | {
            "AFTERWORD_MODE": "test",
            "DATABASE_URL": url,
            "DELIVERY_EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def worker(smtp_port):
    """Return worker(*options), which starts a worker process that is killed at the end of the test."""
    started = []

    def worker(*options):
        started.append(start_worker(*options, port=smtp_port))
        return started[-1]

    yield worker
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def wait_for_delivery_to_begin(process, smtp):
    """Wait until the worker is in the middle of delivering an email."""
    if not smtp.reached.wait(MAX_WAIT):
        process.kill()
        pytest.fail(process.communicate()[0].decode() or "the worker delivered nothing")


def finish(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()


def test_jobs_run_while_the_mail_server_hangs(worker, smtp):
    write_email("stuck@example.org")
    hanging = worker()
    wait_for_delivery_to_begin(hanging, smtp)
    for _ in range(2):
        RepeatedJob.objects.update(due_at=timezone.now())
        # All jobs together normally take less than a second. The limit of 8 seconds is for a busy machine,
        # and is shorter than EMAIL_TIMEOUT.
        deadline = time.monotonic() + 8
        while RepeatedJob.objects.filter(due_at__lte=timezone.now()).exists():
            assert time.monotonic() < deadline, "the jobs wait for the mail server"
            time.sleep(0.05)
    assert states() == {"stuck@example.org": "waiting"}


@pytest.mark.only_long
@pytest.mark.one_database
def test_next_worker_delivers_the_email_that_a_killed_worker_was_sending(worker, smtp):
    write_email("stuck@example.org")
    killed = worker()
    wait_for_delivery_to_begin(killed, smtp)
    killed.kill()
    killed.wait()
    smtp.released.set()
    finish(worker("--once"))
    # The lease of the killed worker has not expired yet.
    assert smtp.received == []
    let_time_pass(minutes=6)
    finish(worker("--once"))
    assert smtp.addresses() == ["stuck@example.org"]
    assert states() == {"stuck@example.org": "delivered"}


@pytest.mark.only_long
@pytest.mark.one_database
def test_email_that_a_killed_worker_was_sending_is_sent_again_with_the_same_message_id(worker, smtp):
    mail = write_email("silent@example.org")
    killed = worker()
    wait_for_delivery_to_begin(killed, smtp)
    killed.kill()
    killed.wait()
    smtp.released.set()
    let_time_pass(minutes=6)
    finish(worker("--once"))
    assert [received["Message-ID"] for received in smtp.received] == [mail.message_id] * 2


@pytest.mark.only_long
def test_at_most_one_email_is_sent_twice_after_a_worker_is_killed(worker, smtp):
    addresses = {f"patron{number}@example.org" for number in range(60)}
    for address in sorted(addresses):
        write_email(address)
    started = []
    smtp.after_yes = lambda count: count in {1, 12, 40} and started[-1].kill()
    for _ in range(3):
        started.append(worker())
        assert started[-1].wait(MAX_WAIT) == -signal.SIGKILL
        let_time_pass(minutes=6)
    finish(worker("--once"))
    sent = Counter(email["Message-ID"] for email in smtp.received)
    assert set(smtp.addresses()) == addresses
    assert len(sent) == len(addresses)
    assert (max(sent.values()) <= 2, sent.total() <= len(addresses) + 3) == (True, True)
    assert set(states().values()) == {"delivered"}


@pytest.mark.one_database
def test_worker_finishes_the_current_email_after_sigterm(worker, smtp):
    write_email("stuck@example.org")
    # The worker's main thread handles the signal. Before it does, the thread for emails may deliver some of
    # these emails.
    later = [f"later{number}@example.org" for number in range(60)]
    for address in later:
        write_email(address)
    stopped = worker()
    wait_for_delivery_to_begin(stopped, smtp)
    stopped.send_signal(signal.SIGTERM)
    smtp.released.set()
    finish(stopped)
    delivered = Notification.objects.filter(state="delivered").values_list("to_address", flat=True)
    assert smtp.addresses() == sorted(delivered)
    assert "stuck@example.org" in delivered
    assert states()[later[-1]] == "waiting"
    assert not Notification.objects.filter(leased_until__isnull=False).exists()


@pytest.mark.only_long
def test_eight_workers_deliver_each_email_once(worker, smtp):
    addresses = sorted(f"patron{number}@example.org" for number in range(60))
    for address in addresses:
        write_email(address)
    for process in [worker("--once") for _ in range(8)]:
        finish(process)
    assert smtp.addresses() == addresses
    assert set(states().values()) == {"delivered"}
