from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from portal.health import readiness
from portal.notifications.models import Heartbeat, Notification

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def beating():
    Heartbeat.objects.create(worker="one", beat_at=NOW - timedelta(seconds=59))
    Heartbeat.objects.create(worker="long gone", beat_at=NOW - timedelta(days=3))


def mail(due_at, **fields):
    return Notification.objects.create(
        kind="x",
        to_address="sam@example.org",
        language="en",
        subject="s",
        text="t",
        message_id=f"<{due_at}>",
        created_at=NOW,
        due_at=due_at,
        **fields,
    )


def test_readiness_check_passes_if_everything_works(beating):
    mail(NOW - timedelta(minutes=14))
    mail(NOW - timedelta(hours=1), state="dead")
    mail(NOW + timedelta(hours=1))
    assert set(readiness(at=NOW).values()) == {"ok"}


def test_readiness_check_reports_a_worker_without_a_recent_heartbeat():
    assert readiness(at=NOW)["worker"] == "never seen"
    Heartbeat.objects.create(worker="one", beat_at=NOW - timedelta(seconds=60))
    assert readiness(at=NOW)["worker"] == "silent for 60 s"


def test_readiness_check_reports_undelivered_email(beating):
    mail(NOW - timedelta(minutes=15))
    assert readiness(at=NOW)["outbox"] == "oldest email due for 900 s"


def test_readiness_check_reports_an_unapplied_migration(beating):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'lists'")
    assert readiness(at=NOW)["migrations"].endswith("not applied")


def test_readiness_url_returns_503_until_the_first_worker_heartbeat(client, time_machine):
    time_machine.move_to(NOW, tick=False)
    assert client.get("/readyz").status_code == 503
    Heartbeat.objects.create(worker="one", beat_at=NOW)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_process_without_a_database_is_alive_but_not_ready(client, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("password=hunter2")

    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.ensure_connection", away)
    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", away)
    assert client.get("/healthz").json() == {"status": "ok"}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "database": "unreachable"}


def test_health_check_accepts_any_host_name_and_plain_http(client, settings, django_assert_num_queries):
    settings.SECURE_SSL_REDIRECT = True
    with django_assert_num_queries(0):
        assert client.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200
