"""Do the tasks of uploaded desk logs: read a file, try out its import, and import it.

The request does the tasks of a small file. For a large file, the worker starts a process, so that no page and
no other job of the worker has to wait. Decision 49 has the measurements.
"""

import logging
import tempfile
import time
from datetime import timedelta

from django.core.files import File
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import private_storage
from portal.counts.models import LogImport
from portal.imports.lock import AlreadyRunning, LockLost, catalog_lock, running_import
from portal.imports.models import LogUpload
from portal.imports.records import Unreadable

from .describing import warnings_of
from .mapping import Question, make_plan
from .notes import FOLDER, Notes, numbers_of, preview_of, read_notes, write_notes
from .overview import overview_of
from .reading import open_log
from .running import dry_run, run_import
from .saved import earlier_answers
from .undoing import ReplacedLater, undo_import
from .uploads import forget, remove_files
from .writing import days_with_contacts

# Up to these sizes, the request itself does the tasks, which takes less than a second.
SMALL_BYTES, SMALL_ROWS = 512 * 1024, 2_000
# If a lease was not renewed for this long, another process may do the task.
LEASE = timedelta(minutes=3)
# How long a task waits before it tries again, if another import or harvest is running.
WAIT = timedelta(seconds=20)
# How often the progress is saved, in seconds.
PROGRESS_EVERY = 1
# A private file that no LogUpload names is deleted when the file is older than this.
STRAY_AFTER = timedelta(hours=1)

log = logging.getLogger(__name__)


class Gone(Exception):
    """The upload was deleted, or another process does its task."""


class Stopped(Exception):
    """The process was asked to stop. The task is continued later."""


def is_small(upload):
    """Return whether the tasks of this upload can be done in a request."""
    return upload.size <= SMALL_BYTES and upload.rows <= SMALL_ROWS


def has_work(at):
    """Return whether the worker should start a process for tasks of uploads now."""
    if LogUpload.objects.with_task(at).exists():
        return True
    return LogImport.objects.exclude(undo_asked_at=None).exists() and running_import(at=at) is None


def do_all(*, is_stopping=lambda: False):
    """Do all tasks of uploads, and undo all imports that somebody has asked to undo."""
    while not is_stopping() and (upload := LogUpload.objects.with_task(timezone.now()).first()):
        do_task(upload, is_stopping=is_stopping)
    for log_import in LogImport.objects.exclude(undo_asked_at=None).order_by("-pk"):
        if not is_stopping():
            undo_now(log_import)


def do_now(upload):
    """Do the task of a small upload. If all questions about the file are answered, do the next task too.

    The worker does the tasks of a large upload.
    """
    if not is_small(upload):
        return
    do_task(upload)
    if upload.task == LogUpload.Task.READ:
        answered = LogUpload.objects.filter(pk=upload.pk, task=LogUpload.Task.CHECK).first()
        if answered and is_small(answered):
            do_task(answered)


def do_task(upload, *, is_stopping=lambda: False):
    """Do the task of the upload. If another import or harvest is running, the task is tried again later."""
    lease = _Lease(upload, is_stopping)
    try:
        lease.take()
        with translation.override(upload.language):
            TASKS[upload.task](upload, lease)
    except (Gone, LogUpload.DoesNotExist):
        log.info("a desk log was left alone: it was deleted, or another process has it")
    except (Unreadable, Question) as error:
        lease.end(task="", problem=str(error))
    except (AlreadyRunning, LockLost):
        lease.give_back(timezone.now() + WAIT)
    except Stopped:
        lease.give_back(None)
    except DatabaseError:
        raise
    except Exception:
        log.exception("a task of a desk log failed")
        with translation.override(upload.language):
            lease.end(task="", problem=_("Something went wrong on our side. Upload the file again."))


def _read(upload, lease):
    with upload.file.open("rb") as file:
        overview = overview_of(open_log(file))
    notes, task = Notes(overview), ""
    if earlier := earlier_answers(overview):
        log_import, notes.mapping = earlier
        notes.answers_of = log_import.file_name or "–"
        _plan, questions = make_plan(overview, notes.mapping)
        task = "" if questions else LogUpload.Task.CHECK
    lease.end(task=task, notes=write_notes(upload, notes), rows=overview.rows, done=0)


def _check(upload, lease):
    notes, at = read_notes(upload), timezone.now()
    plan, questions = make_plan(notes.overview, notes.mapping)
    if questions:
        # Somebody has changed a list of the library, so the page of the mapping has to ask again.
        lease.end(task="", checked_at=None)
        return
    with upload.file.open("rb") as file:
        result = dry_run(open_log(file), plan, at=at, report=lease.report)
    days = days_with_contacts(result, plan.branches)
    notes.preview = preview_of(result, days, warnings_of(result, days, plan), plan)
    lease.end(task="", notes=write_notes(upload, notes), checked_at=timezone.now())


def _import(upload, lease):
    notes = read_notes(upload)
    plan, questions = make_plan(notes.overview, notes.mapping)
    if questions:
        lease.end(task="", checked_at=None)
        return
    failed_name = ""
    with upload.file.open("rb") as file, tempfile.TemporaryFile() as failed_file:
        log_import, result = run_import(
            open_log(file),
            plan,
            notes.mapping,
            at=timezone.now(),
            file_name=upload.name,
            person=upload.person,
            failed_file=failed_file,
            report=lease.report,
        )
        if result.failures:
            failed_file.seek(0)
            name = f"{FOLDER}/{upload.public_id}-failed.csv"
            failed_name = private_storage().save(name, File(failed_file))
    at = timezone.now()
    lease.end(
        task="",
        file="",
        notes="",
        failed=failed_name,
        ended_at=at,
        kept_until=at + LogUpload.KEPT_FOR,
        log_import=log_import,
        result=numbers_of(result) | {"reasons": len(result.reasons)},
    )


TASKS = {LogUpload.Task.READ: _read, LogUpload.Task.CHECK: _check, LogUpload.Task.IMPORT: _import}


class _Lease:
    """The right of this process to do the task of an upload."""

    def __init__(self, upload, is_stopping):
        self.upload, self.is_stopping = upload, is_stopping
        self.until, self.saved_at = None, 0.0

    def take(self):
        at = timezone.now()
        mine = LogUpload.objects.with_task(at).filter(pk=self.upload.pk, task=self.upload.task)
        if not mine.update(leased_until=at + LEASE):
            raise Gone
        self.until = at + LEASE

    def report(self, result):
        """Save the progress and renew the lease, but not more than once a second. Raises Gone and Stopped."""
        if self.is_stopping():
            raise Stopped
        if time.monotonic() < self.saved_at + PROGRESS_EVERY:
            return
        self.saved_at, until = time.monotonic(), timezone.now() + LEASE
        if not self._rows().update(done=result.read, leased_until=until):
            raise Gone
        self.until = until

    @transaction.atomic
    def end(self, **changes):
        """Save these columns of the upload and end the lease.

        Delete the files that the upload no longer names.
        """
        row = self._rows().select_for_update(no_key=True).first()
        if row is None:
            remove_files([name for column, name in changes.items() if column in FILES and name])
            return
        before = row.stored_names
        for column, value in changes.items():
            setattr(row, column, value)
        row.leased_until = None
        row.save(update_fields=[*changes, "leased_until"])
        gone = [name for name in before if name not in row.stored_names]
        transaction.on_commit(lambda: remove_files(gone))

    def give_back(self, until):
        self._rows().update(leased_until=until)

    def _rows(self):
        return LogUpload.objects.filter(pk=self.upload.pk, leased_until=self.until)


FILES = ("file", "notes", "failed")


def undo_now(log_import):
    """Undo the import and return True. Return False if it can't be undone at all, or not now."""
    try:
        with catalog_lock("undo of an import of a desk log") as lock:
            undo_import(log_import, lock=lock)
    except (AlreadyRunning, LockLost):
        return False
    except ReplacedLater:
        LogImport.objects.filter(pk=log_import.pk).update(undo_asked_at=None)
        return False
    return True


def forget_log_uploads(*, at):
    """Delete uploads that are a day old, and files that no upload names. The worker runs this job."""
    with transaction.atomic():
        due = LogUpload.objects.filter(kept_until__lte=at).exclude(leased_until__gt=at)
        forget(LogUpload.objects.filter(pk__in=list(due.select_for_update().values_list("pk", flat=True))))
    storage = private_storage()
    names = [f"{FOLDER}/{name}" for name in storage.listdir(FOLDER)[1]] if storage.exists(FOLDER) else []
    old = {name for name in names if storage.get_modified_time(name) < at - STRAY_AFTER}
    if old:
        known = {name for row in LogUpload.objects.values_list(*FILES) for name in row}
        remove_files(sorted(old - known))
