"""Check the worker's loop and repeated jobs. tests/portal/notifications/ checks the delivery of emails."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.utils import timezone

from portal import jobs, worker
from portal.conversations.models import Message
from portal.jobs import EVERY_HOUR
from portal.notifications import actions, writing
from portal.notifications.models import Heartbeat, Notification, RepeatedJob
from portal.worker import Worker
from recommendations.covers import nightly as covers
from tests.cover_source import CoverSource
from tests.factories import ConversationFactory, ItemFactory, MessageFactory

AT = timezone.now()
AT_NIGHT = datetime(2026, 11, 28, 2, tzinfo=UTC)


@pytest.fixture
def ran(monkeypatch):
    """Give the worker one hourly job, and return a list. Each run of the job adds its time to the list."""
    ran = []

    def job(*, at):
        ran.append(at)

    monkeypatch.setattr(worker, "JOBS", [(job, EVERY_HOUR)])
    return ran


@pytest.mark.django_db
def test_hourly_job_runs_once_an_hour_across_workers(ran, time_machine):
    time_machine.move_to(AT, tick=False)
    for _ in range(3):
        Worker().round()
    assert ran == [AT]
    time_machine.move_to(AT + timedelta(hours=1), tick=False)
    for _ in range(3):
        Worker().round()
    assert ran == [AT, AT + timedelta(hours=1)]


@pytest.mark.django_db
def test_jobs_still_run_after_the_clock_is_set_back(ran, time_machine):
    fast = AT + timedelta(days=365)
    for at in (fast, AT, AT + timedelta(minutes=59), AT + timedelta(hours=1)):
        time_machine.move_to(at, tick=False)
        Worker().round()
    assert ran == [fast, AT, AT + timedelta(hours=1)]


@pytest.mark.django_db
def test_checking_a_job_that_is_not_due_runs_one_query_and_writes_nothing(django_assert_num_queries):
    assert actions.take_turn("job", at=AT, every=EVERY_HOUR)
    with django_assert_num_queries(1) as queries:
        assert not actions.take_turn("job", at=AT + timedelta(minutes=59), every=EVERY_HOUR)
    assert queries.captured_queries[0]["sql"].startswith("SELECT")
    assert actions.take_turn("job", at=AT + timedelta(hours=1), every=EVERY_HOUR)


@pytest.mark.django_db
def test_failing_job_does_not_stop_other_jobs(monkeypatch, ran, caplog):
    def broken(*, at):
        raise ValueError

    monkeypatch.setattr(worker, "JOBS", [(broken, EVERY_HOUR), *worker.JOBS])
    Worker().round()
    assert len(ran) == 1
    assert "the job broken failed" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite allows one writer at a time and so hides the race"
)
@pytest.mark.parametrize("known", [False, True])
def test_only_one_of_eight_workers_runs_a_repeated_job(known):
    if known:
        RepeatedJob.objects.create(name="job", due_at=AT)
    barrier = Barrier(8)

    def take(_):
        try:
            connection.ensure_connection()
            barrier.wait()
            return actions.take_turn("job", at=AT, every=EVERY_HOUR)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [False] * 7 + [True]


def test_every_repeated_job_has_its_own_name():
    names = [job.__name__ for job, _interval in jobs.JOBS]
    shared = {name for name in names if names.count(name) > 1}
    assert shared == set(), (
        "The worker stores the next run of a job by the name of its function, so of two jobs with one name only "
        "one would run. Give one of these functions another name."
    )


# VACUUM refuses to run inside a transaction.
@pytest.mark.django_db(transaction=True)
def test_worker_jobs_run_without_errors_on_an_empty_database():
    for job, _ in jobs.JOBS:
        job(at=AT)


@pytest.mark.django_db
def test_delivered_emails_are_deleted_after_30_days_and_failed_emails_after_90_days():
    def mail(state, age):
        sent_at = AT - timedelta(days=age)
        row = writing.write(
            kind="test/mail",
            to="a@example.org",
            at=sent_at,
            language="en",
            subject=f"{state} {age}",
            text="x",
        )
        Notification.objects.filter(pk=row.pk).update(
            state=state,
            delivered_at=sent_at if state == "delivered" else None,
            died_at=sent_at if state == "dead" else None,
        )

    for state, age in [("delivered", 29), ("delivered", 31), ("dead", 89), ("dead", 91), ("waiting", 400)]:
        mail(state, age)
    actions.forget_old_notifications(at=AT)
    assert set(Notification.objects.values_list("subject", flat=True)) == {
        "delivered 29",
        "dead 89",
        "waiting 400",
    }


@pytest.mark.django_db
def test_expired_sessions_are_deleted():
    Session.objects.create(session_key="old", session_data="x", expire_date=AT - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="x", expire_date=AT + timedelta(days=1))
    jobs.clear_expired_sign_ins(at=AT)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]


@pytest.mark.django_db
def test_expired_cache_rows_are_deleted(time_machine):
    time_machine.move_to(AT - timedelta(days=1), tick=False)
    cache.set("old", 1, timeout=60)
    cache.set("new", 1, timeout=2 * 24 * 3600)
    jobs.clear_expired_cache(at=AT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key FROM cache")
        assert cursor.fetchall() == [(":1:new",)]


@pytest.mark.django_db
def test_worker_writes_a_heartbeat_and_old_heartbeats_are_deleted(ran, time_machine):
    time_machine.move_to(AT, tick=False)
    Heartbeat.objects.create(worker="gone", beat_at=AT - timedelta(days=2))
    one = Worker()
    one.round()
    actions.forget_old_notifications(at=AT)
    assert list(Heartbeat.objects.values_list("worker", "beat_at")) == [(one.name, AT)]


@pytest.mark.django_db
@pytest.mark.parametrize("hanging", ["deliver_due", "run_jobs"])
def test_worker_writes_no_heartbeat_while_jobs_or_deliveries_hang(hanging, ran, monkeypatch):
    one = Worker()
    one.round()
    Heartbeat.objects.all().delete()
    Notification.objects.all().delete()
    one.progress = {"deliver_due": time.monotonic(), "run_jobs": time.monotonic()}
    one.progress[hanging] -= actions.LEASE.total_seconds() + 1
    monkeypatch.setattr(worker.time, "sleep", lambda _: one._stop())
    one._send_heartbeats()
    assert not Heartbeat.objects.exists()


@pytest.mark.parametrize("work", ["run_jobs", "deliver_due"])
def test_worker_continues_after_a_database_outage(work, monkeypatch, caplog):
    away = [OperationalError("gone"), OperationalError("gone"), None]
    one = Worker()

    def a_round():
        error = away.pop(0)
        if error:
            raise error
        one._stop()

    a_round.__name__ = work
    monkeypatch.setattr(worker.time, "sleep", lambda _: None)
    monkeypatch.setattr(worker.connections, "close_all", lambda: None)
    one._repeat(a_round)
    assert away == []
    assert caplog.text.count("the database can't be reached") == 2


def test_worker_stops_with_an_error_if_delivery_raises_an_exception(monkeypatch):
    """After this error, the supervisor starts a new worker."""
    one = Worker()

    def broken():
        raise ValueError("a bug")

    broken.__name__ = "deliver_due"
    monkeypatch.setattr(one, "deliver_due", broken)
    monkeypatch.setattr(one, "run_jobs", lambda: None)
    monkeypatch.setattr(one, "_send_heartbeats", lambda: None)
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
    monkeypatch.setattr(worker, "ROUND_SECONDS", 0)
    monkeypatch.setattr(worker.connections, "close_all", lambda: None)
    with pytest.raises(ValueError, match="a bug"):
        one.run()


def files_containing(word):
    """Return the tables and indexes whose files contain the word."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute(
            "SELECT relname, pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class "
            "WHERE relkind IN ('r', 'i', 't') AND relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)"
        )
        return {name for name, content in cursor.fetchall() if word.encode() in bytes(content)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite overwrites deleted rows itself")
def test_postgresql_files_do_not_contain_the_text_of_an_erased_message():
    """Check that later messages overwrite the erased text, after the nightly VACUUM has freed its space."""
    word = "zqxsecretworms"
    conversation = ConversationFactory()
    message = MessageFactory(conversation=conversation, body=f"{word} {'in the cellar ' * 20}")
    assert files_containing(word)
    Message.objects.filter(pk=message.pk).update(body="")
    jobs.vacuum(at=AT)
    MessageFactory.create_batch(40, conversation=conversation, body="Where do worms come from? " * 20)
    assert files_containing(word) == set()


@pytest.mark.django_db
def test_workers_pause_between_requests_to_the_cover_source(library, settings, time_machine):
    library.time_zone = "UTC"
    library.save()
    for number in range(3 * covers.NIGHTS):
        ItemFactory(isbn=f"978{number:010}")
    night = next(
        at for at in (AT_NIGHT + timedelta(days=n) for n in range(9)) if len(covers.isbns_of(at.date())) > 1
    )
    workers = [Worker(), Worker()]
    with CoverSource() as source:
        settings.COVER_URL = source.address("/{isbn}")
        for seconds in (0, 1, 2, 3, 4, 5):
            time_machine.move_to(night + timedelta(seconds=seconds), tick=False)
            for each in workers:
                each.ask_for_covers()
        assert len(source.requests) == 2
        time_machine.move_to(night + timedelta(hours=9), tick=False)
        for each in workers:
            each.ask_for_covers()
        assert len(source.requests) == 2


@pytest.mark.django_db
def test_cover_that_cannot_be_stored_does_not_stop_the_worker(library, monkeypatch, caplog):
    def broken(batch):
        raise OSError("the disk is full")

    monkeypatch.setattr(covers.Batch, "has_more", lambda batch, at: True)
    monkeypatch.setattr(covers.Batch, "ask_next", broken)
    Worker().ask_for_covers()
    assert "a cover could not be stored" in caplog.text


@pytest.mark.parametrize(("address", "asks"), [("", False), ("https://covers.example.org/{isbn}", True)])
def test_worker_asks_for_covers_only_if_the_library_has_named_a_source(settings, monkeypatch, address, asks):
    settings.COVER_URL = address
    begun = []
    monkeypatch.setattr(Worker, "_repeat", lambda self, work: begun.append(work.__name__))
    monkeypatch.setattr(Worker, "_send_heartbeats", lambda self: None)
    monkeypatch.setattr(Worker, "_ignoring_database_errors", lambda self, *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    Worker().run()
    assert ("ask_for_covers" in begun) is asks
