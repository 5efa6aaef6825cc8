import errno
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import OperationalError, connection

from portal.data_folder import make_private_folder, private_folder
from portal.health import readiness
from portal.management.start_notes import start_notes
from portal.notifications import actions as outbox
from portal.notifications.actions import ADDRESS_OFF
from portal.notifications.models import Heartbeat, Notification

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


@pytest.fixture
def beating():
    Heartbeat.objects.create(worker="one", beat_at=NOW - timedelta(seconds=59))
    Heartbeat.objects.create(worker="long gone", beat_at=NOW - timedelta(days=3))


def mail(due_at=NOW, **fields):
    fields = {"created_at": due_at} | fields
    return Notification.objects.create(
        kind="x",
        to_address="sam@example.org",
        language="en",
        subject="s",
        text="t",
        message_id=f"<{Notification.objects.count()}>",
        due_at=due_at,
        **fields,
    )


def test_readiness_check_passes_if_everything_works(beating):
    mail(NOW - timedelta(minutes=14))
    mail(NOW - timedelta(days=1), state="dead", died_at=NOW - timedelta(hours=1))
    mail(NOW + timedelta(hours=1), created_at=NOW - timedelta(days=3))
    assert set(readiness(at=NOW).values()) == {"ok"}


def test_readiness_check_reports_a_worker_without_a_recent_heartbeat():
    assert readiness(at=NOW)["worker"] == "never seen"
    Heartbeat.objects.create(worker="one", beat_at=NOW - timedelta(seconds=60))
    assert readiness(at=NOW)["worker"] == "silent for 60 s"


def test_readiness_check_reports_a_dead_worker_even_if_the_clock_was_set_back(beating):
    an_hour_earlier = NOW - timedelta(hours=1)
    assert readiness(at=an_hour_earlier)["worker"] == "silent since the clock was set back"
    Heartbeat.objects.create(worker="two", beat_at=an_hour_earlier)
    assert readiness(at=an_hour_earlier)["worker"] == "ok"


def test_readiness_check_reports_a_full_disk_until_there_is_room(beating, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("portal.health.tempfile.TemporaryFile", full)
        for _ in range(2):
            assert readiness(at=NOW)["disk"] == "files can't be written: No space left on device"
    assert readiness(at=NOW)["disk"] == "ok"


def test_readiness_check_reports_a_database_that_cannot_be_written(beating, monkeypatch):
    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("portal.health.take_turn", full)
    assert readiness(at=NOW)["disk"] == "the database can't be written: database or disk is full"


def test_readiness_check_writes_to_the_disk_at_most_every_thirty_seconds(beating, monkeypatch):
    written = []

    def temporary_file(dir):
        written.append(dir)
        return io.BytesIO()

    monkeypatch.setattr("portal.health.tempfile.TemporaryFile", temporary_file)
    for second in (0, 1, 29, 30, 31):
        assert readiness(at=NOW + timedelta(seconds=second))["disk"] == "ok"
    assert written == [settings.DATA_DIR, private_folder()] * 2


def test_readiness_check_reports_a_missing_or_read_only_folder_of_private_files(
    beating, monkeypatch, tmp_path
):
    private = tmp_path / "private"
    monkeypatch.setitem(storages["private"].__dict__, "location", str(private))
    assert readiness(at=NOW)["disk"] == "the folder of the private files is missing"
    private.symlink_to(tmp_path / "unmounted")
    assert readiness(at=NOW)["disk"] == "the folder of the private files is missing"
    private.unlink()
    # Root may write to every folder, even a read-only one. So put a file where the folder should be.
    private.touch()
    assert readiness(at=NOW)["disk"] == "files can't be written: Not a directory"
    private.unlink()
    private.mkdir()
    assert readiness(at=NOW)["disk"] == "ok"


@pytest.mark.usefixtures("library")
def test_readiness_check_reports_an_empty_folder_instead_of_the_private_files(beating, monkeypatch, tmp_path):
    private = tmp_path / "private"
    monkeypatch.setitem(storages["private"].__dict__, "location", str(private))
    make_private_folder()
    assert (readiness(at=NOW)["disk"], start_notes()) == ("ok", [])
    private.rename(tmp_path / "disk")
    assert readiness(at=NOW)["disk"] == "the folder of the private files is missing"
    # Without its disk, a mount point is an empty folder.
    private.mkdir()
    for hours in range(2):
        assert readiness(at=NOW + timedelta(hours=hours))["disk"] == (
            "the folder of the private files is another one than before, so a disk may be missing"
        )
        # Running `migrate` again doesn't remove the warning.
        make_private_folder()
    [note] = start_notes()
    assert note.startswith("LOOK  The folder of the private files is another one than before")
    # In the private folder of another host, the file `folder-mark` has another text.
    (private / "folder-mark").write_text("another")
    assert readiness(at=NOW)["disk"] != "ok"
    (tmp_path / "private-folder-mark").unlink()
    make_private_folder()
    assert readiness(at=NOW)["disk"] == "ok"
    assert (tmp_path / "private-folder-mark").read_text() == "another"


def test_readiness_check_reports_an_email_that_no_worker_has_tried_to_send(beating):
    mail(NOW - timedelta(minutes=15))
    assert readiness(at=NOW)["outbox"] == "an email has waited for 900 s"


def test_readiness_check_reports_an_email_that_was_deferred_often(beating):
    """Each try moves `due_at`, so only the age of the email shows the fault."""
    mail(NOW + timedelta(hours=12), created_at=NOW - timedelta(minutes=15), attempts=4)
    assert readiness(at=NOW)["outbox"] == "an email has waited for 900 s"


def test_readiness_check_reports_emails_that_were_given_up_in_the_last_hour(beating):
    for minutes in (1, 59):
        mail(NOW - timedelta(hours=2), state="dead", died_at=NOW - timedelta(minutes=minutes))
    assert readiness(at=NOW)["outbox"] == "emails given up within an hour: 2"


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ({"due_at": NOW + timedelta(hours=12), "created_at": NOW - timedelta(days=2), "attempts": 5}, 15),
        ({"state": "dead", "died_at": NOW}, 60),
    ],
    ids=["a full mailbox", "a wrong address"],
)
def test_readiness_check_ignores_one_failed_email_if_others_are_delivered(beating, fields, minutes):
    mail(**fields)
    assert readiness(at=NOW)["outbox"] != "ok"
    mail(state="delivered", delivered_at=NOW - timedelta(minutes=minutes))
    assert readiness(at=NOW)["outbox"] != "ok"
    mail(state="delivered", delivered_at=NOW - timedelta(minutes=minutes - 1))
    assert readiness(at=NOW)["outbox"] == "ok"


def test_readiness_check_ignores_unsent_notices_to_a_failing_address(beating):
    mail(state="dead", died_at=NOW, last_error=ADDRESS_OFF)
    assert readiness(at=NOW)["outbox"] == "ok"


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


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("address", "headers", "shown"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
        ("203.0.113.7", {}, False),
        ("203.0.113.7", {"authorization": "Bearer zqx"}, True),
        ("203.0.113.7", {"authorization": "Bearer zq"}, False),
        ("203.0.113.7", {"authorization": "zqx"}, False),
    ],
)
def test_readiness_check_shows_details_only_with_the_token_or_on_this_machine(
    client, settings, address, headers, shown
):
    settings.HEALTH_TOKEN = "zqx"
    response = client.get("/readyz", headers=headers, REMOTE_ADDR=address)
    assert (response.status_code, response.json()["status"]) == (503, "not ready")
    assert (response.json().get("worker") == "never seen") is shown
    assert shown or response.json() == {"status": "not ready"}


def test_details_of_the_readiness_check_are_hidden_if_the_token_is_empty(client, settings):
    settings.HEALTH_TOKEN = ""
    response = client.get("/readyz", headers={"authorization": "Bearer "}, REMOTE_ADDR="203.0.113.7")
    assert response.json() == {"status": "not ready"}


def test_process_without_a_database_is_healthy_but_not_ready(client, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("password=hunter2")

    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.ensure_connection", away)
    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", away)
    assert client.get("/healthz").json() == {"status": "ok"}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "database": "unreachable"}


@pytest.mark.django_db(transaction=True)
def test_readiness_check_opens_a_new_connection_to_the_database():
    """An open connection may not have noticed yet that the database is unreachable."""
    connection.ensure_connection()
    before = connection.connection
    assert readiness(at=NOW)["database"] == "ok"
    assert connection.connection is not before


def test_health_check_accepts_any_host_name_and_plain_http(client, settings, django_assert_num_queries):
    settings.SECURE_SSL_REDIRECT = True
    with django_assert_num_queries(0):
        assert client.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200


def test_readiness_check_reports_a_mailbox_that_no_worker_could_read(beating, settings):
    assert "mailbox" not in readiness(at=NOW)
    settings.IMAP = {"host": "imap.library.example"}
    assert readiness(at=NOW)["mailbox"] == "not read within a day"
    outbox.beat(outbox.MAILBOX, at=NOW - timedelta(minutes=14))
    assert readiness(at=NOW)["mailbox"] == "ok"
    outbox.beat(outbox.MAILBOX, at=NOW - timedelta(minutes=15))
    assert readiness(at=NOW)["mailbox"] == f"last read at {NOW - timedelta(minutes=15):%Y-%m-%d %H:%M} UTC"
    outbox.beat(outbox.MAILBOX, at=NOW + timedelta(hours=1))
    assert readiness(at=NOW)["mailbox"].startswith("last read at")


def test_reading_the_mailbox_does_not_count_as_a_worker_heartbeat(settings):
    outbox.beat(outbox.MAILBOX, at=NOW)
    assert readiness(at=NOW)["worker"] == "never seen"
