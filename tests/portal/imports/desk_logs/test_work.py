"""Test the background tasks of uploaded desk logs, the process that does the tasks, and what is stored."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from portal.counts.models import DayCount, LogImport
from portal.helpsessions.models import HelpSession
from portal.imports.desk_logs import undoing, uploads, work, writing
from portal.imports.desk_logs.mapping import Mapping
from portal.imports.desk_logs.notes import Notes, read_notes, write_notes
from portal.imports.desk_logs.overview import overview_of
from portal.imports.desk_logs.reading import open_log
from portal.imports.desk_logs.samples import shape_of
from portal.imports.models import LogUpload
from portal.privacy import erasure
from portal.worker import Worker
from tests.factories import LogUploadFactory, UserFactory

from .uploaded import uploaded

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
ROWS = [["Date", "Type"], *[["1/16/2024", "Reference"]] * 5]


def test_worker_starts_a_process_only_if_a_desk_log_has_a_task(library, settings, monkeypatch):
    started, popen = [], subprocess.Popen

    def start(arguments):
        started.append([str(each) for each in arguments])
        return popen([sys.executable, "-c", "pass"])

    monkeypatch.setattr(subprocess, "Popen", start)
    worker = Worker()
    worker.import_desk_logs()
    assert started == [], "there is nothing to do"
    LogUploadFactory()
    worker.next_desk_logs_at = 0
    worker.import_desk_logs()
    assert started == [[sys.executable, str(settings.BASE_DIR / "manage.py"), "work_on_desk_logs"]]


def test_command_does_the_task_of_reading_an_uploaded_log(coordinator):
    upload = uploaded(coordinator, ROWS, stage="waiting")
    call_command("work_on_desk_logs")
    upload.refresh_from_db()
    assert (upload.task, upload.rows, upload.leased_until) == ("", 5, None)


def test_stopped_import_can_be_continued_immediately(coordinator, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 2)
    upload = uploaded(coordinator, ROWS, stage="importing")
    work.do_task(upload, is_stopping=lambda: HelpSession.objects.count() >= 2)
    assert HelpSession.objects.count() == 2
    assert list(LogUpload.objects.with_task(timezone.now())) == [upload]
    work.do_all()
    assert HelpSession.objects.count() == 5


def test_process_does_not_touch_a_task_that_another_process_is_doing(coordinator):
    upload = uploaded(coordinator, ROWS, stage="importing")
    LogUpload.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    work.do_task(upload)
    assert HelpSession.objects.count() == 0


def test_import_task_of_a_deleted_upload_imports_nothing(coordinator):
    upload = uploaded(coordinator, ROWS, stage="importing")
    LogUpload.objects.filter(pk=upload.pk).delete()
    work.do_task(upload)
    assert HelpSession.objects.count() == 0


def test_import_task_ends_with_a_message_after_an_unexpected_error(coordinator, monkeypatch, caplog):
    upload = uploaded(coordinator, ROWS, stage="waiting")
    monkeypatch.setattr(work, "overview_of", lambda log: 1 / 0)
    work.do_all()
    upload.refresh_from_db()
    assert (upload.task, upload.problem) == ("", "Something went wrong on our side. Upload the file again.")
    assert "a task of a desk log failed" in caplog.text


def test_message_about_an_unreadable_upload_is_in_the_coordinators_language(coordinator):
    upload = uploaded(coordinator, b"%PDF-1.7", stage="waiting")
    LogUpload.objects.update(language="es")
    work.do_all()
    upload.refresh_from_db()
    assert upload.problem.startswith("El archivo es un documento PDF.")


def test_question_about_a_missing_column_is_in_the_coordinators_language(coordinator):
    upload = uploaded(coordinator, ROWS, stage="read")
    notes = read_notes(upload)
    notes.mapping.columns["time"] = ["Hour"]
    uploads.save_values(upload, notes.mapping, notes=notes, by=coordinator, at=timezone.now())
    LogUpload.objects.update(language="es")
    work.do_all()
    upload.refresh_from_db()
    assert upload.problem == "No hay ninguna columna «Hour». Las columnas son: Date, Type."


def test_notes_of_an_upload_are_unchanged_after_writing_and_reading_them(coordinator, tmp_path):
    upload = uploaded(coordinator, ROWS, stage="waiting")
    with upload.file.open("rb") as file:
        overview = overview_of(open_log(file))
    mapping = Mapping({"day": ["Date"]}, {"mode": {"maria lopez": "phone"}}, order="day first")
    before = Notes(overview, mapping, "Old log", {"added": 5})
    upload.notes.name = write_notes(upload, before)
    assert read_notes(upload) == before


def test_erasing_a_person_deletes_their_uploads(person_of_upload, django_capture_on_commit_callbacks):
    upload = LogUploadFactory(person=person_of_upload)
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(person_of_upload, language="en", at=timezone.now())
    assert not LogUpload.objects.exists()
    assert not upload.file.storage.exists(upload.file.name)


@pytest.fixture
def person_of_upload(library):
    """Return a person without a role at the desk, who can therefore be erased."""
    return UserFactory()


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("Maria Lopez", "Aaaaa Aaaaa"),
        ("555-0134 x2", "999-9999 a9"),
        ("日本 é", "aa a"),
        ("a" * 50, "a" * 23 + "…"),
    ],
)
def test_masked_value_of_a_desk_log_reveals_neither_its_letters_nor_its_digits(value, shape):
    assert shape_of(value) == shape


def test_file_of_failed_rows_has_the_columns_of_the_log_and_two_more(coordinator):
    upload = uploaded(coordinator, [*ROWS, ["31/31/2024", "Reference"]], stage="done")
    with upload.failed.open("rb") as file:
        again = uploaded(coordinator, file.read(), stage="read")
    assert [column.name for column in read_notes(again).overview.columns] == [
        "Date",
        "Type",
        "Why it was not imported",
        "Import and row",
    ]


def test_interrupted_undo_of_an_import_is_finished_before_the_next_import(coordinator, monkeypatch):
    uploaded(coordinator, ROWS, stage="done")
    monkeypatch.setattr(undoing, "BATCH", 2)
    delete, batches = undoing._delete_rows, []

    def killed(*args):
        if batches:
            raise KeyboardInterrupt
        batches.append(1)
        return delete(*args)

    monkeypatch.setattr(undoing, "_delete_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        undoing.undo_import(LogImport.objects.get())
    assert (HelpSession.objects.count(), DayCount.objects.count()) == (3, 0)
    assert LogImport.objects.get().undo_asked_at is not None
    monkeypatch.setattr(undoing, "_delete_rows", delete)
    uploaded(coordinator, ROWS, stage="done")
    assert (HelpSession.objects.count(), LogImport.objects.get().added) == (5, 5)
    assert DayCount.objects.get().contacts == 5
