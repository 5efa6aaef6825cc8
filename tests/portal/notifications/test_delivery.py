"""The outbox against a real mail server that takes, defers, refuses, is away, or dies with the worker."""

import os
import signal
import ssl
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from portal.notifications import actions
from portal.notifications.models import Notification
from portal.worker import Worker
from tests.mailers import SMTP, deliver_by

from .mail_server import mail_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def a_mail(to="sam@example.org", **changes):
    return actions.write(
        kind="test/mail",
        to=to,
        at=timezone.now(),
        language="en",
        subject="The library has answered",
        text="Open it",
        **changes,
    )


def deliver():
    Worker().deliver_due()


def let_time_pass(**how_long):
    """As if that long had passed for every waiting row."""
    for row in Notification.objects.filter(state="waiting"):
        row.due_at -= timedelta(**how_long)
        row.leased_until = row.leased_until and row.leased_until - timedelta(**how_long)
        row.save()


def states():
    return dict(Notification.objects.values_list("to_address", "state"))


def test_a_mail_is_delivered_once(smtp):
    mail = a_mail()
    deliver()
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.leased_until, mail.text) == ("delivered", 1, None, "Open it")
    assert [received["Message-ID"] for received in smtp.received] == [mail.message_id]


def test_what_held_a_code_is_emptied_once_delivered(smtp):
    mail = a_mail(html="<p>123</p>", blank=True)
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.text, mail.html) == ("delivered", "", "")
    assert len(smtp.received) == 1


def test_a_deferred_mail_is_tried_again_later_and_costs_the_others_nothing(smtp):
    mail = a_mail("busy@example.org")
    a_mail("ok@example.org")
    deliver()
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.last_error) == ("waiting", 1, "450 mailbox busy")
    assert timedelta(seconds=50) < mail.due_at - timezone.now() <= timedelta(minutes=1)
    assert smtp.addresses() == ["ok@example.org"]


def test_a_mail_that_is_always_deferred_is_dead_in_the_end(smtp):
    mail = a_mail("busy@example.org", blank=True)
    for _ in range(len(actions.RETRY_AFTER) + 1):
        deliver()
        let_time_pass(days=2)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.text) == ("dead", len(actions.RETRY_AFTER) + 1, "")


def test_an_unknown_mailbox_is_dead_at_once(smtp):
    a_mail("unknown@example.org")
    a_mail("ok@example.org")
    deliver()
    assert states() == {"unknown@example.org": "dead", "ok@example.org": "delivered"}


def test_an_address_no_server_could_take_is_dead_and_stops_nobody(smtp):
    a_mail("bad\r\nBcc: x@example.org")
    a_mail("ok@example.org")
    deliver()
    assert sorted(states().values()) == ["dead", "delivered"]
    assert smtp.addresses() == ["ok@example.org"]


def test_a_slow_server_that_answers_too_late_is_tried_again(smtp, settings):
    deliver_by(settings, SMTP, timeout=0.2)
    mail = a_mail("stuck@example.org")
    deliver()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("waiting", 1)


def test_forty_mails_survive_an_outage_and_each_is_delivered_once(smtp_port):
    addresses = sorted(f"patron{number}@example.org" for number in range(40))
    for address in addresses:
        a_mail(address)
    for _ in range(3):
        deliver()
    assert set(Notification.objects.values_list("state", "attempts")) == {("waiting", 0)}
    with mail_server(smtp_port) as smtp:
        deliver()
        deliver()
    assert smtp.addresses() == addresses
    assert set(states().values()) == {"delivered"}


def test_while_the_server_is_away_it_is_left_alone(smtp_port):
    a_mail()
    worker = Worker()
    worker.deliver_due()
    with mail_server(smtp_port) as smtp:
        worker.deliver_due()
        assert smtp.received == []
        worker.next_email_at = 0
        worker.deliver_due()
        assert len(smtp.received) == 1


@pytest.mark.parametrize("server", ["without TLS", "with a certificate that nobody vouches for"])
def test_mail_that_is_to_go_encrypted_waits_where_it_could_be_read(server, smtp_port, certificate, settings):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    mail = a_mail()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with mail_server(smtp_port, tls=None if server == "without TLS" else tls) as smtp:
        deliver()
        assert smtp.received == []
    mail.refresh_from_db()
    assert mail.state == "waiting"


def test_mail_goes_encrypted_where_the_certificate_is_vouched_for(
    smtp_port, certificate, settings, monkeypatch
):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    mail = a_mail()
    with mail_server(smtp_port, tls=tls) as smtp:
        deliver()
        assert [received["Message-ID"] for received in smtp.received] == [mail.message_id]


def test_a_worker_whose_lease_ran_out_does_not_overrule_the_next_one():
    a_mail()
    slow = actions.take_next(at=timezone.now())
    let_time_pass(hours=1)
    quick = actions.take_next(at=timezone.now())
    actions.mark_delivered(quick, at=timezone.now())
    actions.mark_failed(slow, at=timezone.now(), error="too late", permanent=True)
    assert states() == {"sam@example.org": "delivered"}


# Real processes, on the database of this test.


def start_worker(*options, port):
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
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def worker(smtp_port):
    """worker(*options) starts a worker; whatever still runs at the end of the test is ended."""
    started = []

    def worker(*options):
        started.append(start_worker(*options, port=smtp_port))
        return started[-1]

    yield worker
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def hold_a_mail(process, smtp):
    """Wait until the worker is in the middle of handing over a mail."""
    if not smtp.reached.wait(20):
        process.kill()
        pytest.fail(process.communicate()[0].decode() or "the worker delivered nothing")


def finish(process):
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output.decode()


def test_a_mail_in_the_hands_of_a_killed_worker_is_delivered_by_the_next(worker, smtp):
    a_mail("stuck@example.org")
    killed = worker()
    hold_a_mail(killed, smtp)
    killed.kill()
    killed.wait()
    smtp.released.set()
    finish(worker("--once"))
    assert smtp.received == []  # the lease still holds
    let_time_pass(minutes=6)
    finish(worker("--once"))
    assert smtp.addresses() == ["stuck@example.org"]
    assert states() == {"stuck@example.org": "delivered"}


def test_a_worker_killed_after_the_servers_yes_sends_the_same_mail_again(worker, smtp):
    mail = a_mail("silent@example.org")
    killed = worker()
    hold_a_mail(killed, smtp)
    killed.kill()
    killed.wait()
    smtp.released.set()
    let_time_pass(minutes=6)
    finish(worker("--once"))
    assert [received["Message-ID"] for received in smtp.received] == [mail.message_id] * 2


def test_told_to_stop_a_worker_finishes_the_mail_in_hand(worker, smtp):
    a_mail("stuck@example.org")
    a_mail("next@example.org")
    told = worker()
    hold_a_mail(told, smtp)
    told.send_signal(signal.SIGTERM)
    smtp.released.set()
    finish(told)
    assert states() == {"stuck@example.org": "delivered", "next@example.org": "waiting"}


def test_eight_workers_deliver_each_mail_once(worker, smtp):
    addresses = sorted(f"patron{number}@example.org" for number in range(60))
    for address in addresses:
        a_mail(address)
    for process in [worker("--once") for _ in range(8)]:
        finish(process)
    assert smtp.addresses() == addresses
    assert set(states().values()) == {"delivered"}
