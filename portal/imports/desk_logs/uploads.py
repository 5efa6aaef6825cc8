"""The actions of a coordinator on desk logs: upload, map, import and delete a log, and undo an import."""

import logging

from django.core.files import File
from django.db import transaction

from accounts import audit
from accounts.models import private_storage
from accounts.staff_actions import staff_action
from portal.counts.models import LogImport
from portal.imports.models import LogUpload

from .notes import FOLDER, Notes, write_notes
from .saved import save_mapping
from .undoing import ReplacedLater, later_imports

# In the audit trail, this is the name for undoing an import.
UNDID = "undid_import_of_desk_log"
# How many files a coordinator can have at once. Each can have 40 MB.
MAX_UPLOADS = 5

log = logging.getLogger(__name__)


class TooMany(Exception):
    """The coordinator has too many files that are not imported yet."""


class Busy(Exception):
    """The upload can't be changed now: a task is not done yet, or the import has ended or failed."""


class StillRunning(Exception):
    """The import is not complete yet, so it can't be undone."""


@staff_action
def add_upload(file, *, name, language, by, at):
    """Store the file privately, and return its LogUpload with the task READ. Raises TooMany."""
    if LogUpload.objects.filter(person=by, ended_at=None).count() >= MAX_UPLOADS:
        raise TooMany
    upload = LogUpload(person=by, name=name, size=file.size, language=language, uploaded_at=at)
    upload.kept_until, upload.task = at + LogUpload.KEPT_FOR, LogUpload.Task.READ
    upload.file.name = private_storage().save(f"{FOLDER}/{upload.public_id}.log", File(file))
    try:
        upload.save()
    except BaseException:
        remove_files(upload.stored_names)
        raise
    return upload


@staff_action
def save_columns(upload, mapping, *, mapping_name="", notes, by, at):
    """Save what each column means, or the answers given so far. Raises Busy and LogUpload.DoesNotExist."""
    upload = _lock(upload)
    _replace_notes(upload, Notes(notes.overview, mapping, mapping_name))
    upload.checked_at = None
    upload.save(update_fields=["notes", "checked_at"])
    return upload


@staff_action
def save_values(upload, mapping, *, save_as="", order="", notes, by, at):
    """Save what the values mean, and give the upload the task CHECK. Raises Busy and LogUpload.DoesNotExist.

    If `save_as` is set, the mapping is saved under this name for the next file.
    """
    upload = _lock(upload)
    if save_as:
        save_mapping(save_as, mapping, order=order, at=at)
    _replace_notes(upload, Notes(notes.overview, mapping, save_as or notes.mapping_name))
    upload.task, upload.done, upload.checked_at = LogUpload.Task.CHECK, 0, None
    upload.save(update_fields=["notes", "task", "done", "checked_at"])
    return upload


@staff_action
def begin(upload, *, by, at):
    """Give the upload the task IMPORT.

    Raises Busy if a task is not done yet or there is no preview. Raises LogUpload.DoesNotExist.
    """
    upload = _lock(upload)
    if upload.checked_at is None:
        raise Busy
    upload.task, upload.done = LogUpload.Task.IMPORT, 0
    upload.save(update_fields=["task", "done"])
    return upload


@staff_action
def delete_upload(upload, *, by, at):
    """Delete the upload and its files. Raises Busy and LogUpload.DoesNotExist."""
    upload = LogUpload.objects.select_for_update(no_key=True).get(pk=upload.pk)
    if upload.task == LogUpload.Task.IMPORT:
        raise Busy
    forget(LogUpload.objects.filter(pk=upload.pk))


@staff_action
def ask_to_undo(log_import, *, by, at):
    """Ask for the import to be undone. Raises StillRunning, ReplacedLater and LogImport.DoesNotExist."""
    log_import = LogImport.objects.select_for_update(no_key=True).get(pk=log_import.pk)
    if log_import.ended_at is None and LogUpload.objects.filter(task=LogUpload.Task.IMPORT).exists():
        raise StillRunning
    if later := list(later_imports(log_import)):
        raise ReplacedLater(later)
    log_import.undo_asked_at = at
    log_import.save(update_fields=["undo_asked_at"])
    audit.record(UNDID, log_import, by=by, at=at)
    return log_import


def _lock(upload):
    upload = LogUpload.objects.select_for_update(no_key=True).get(pk=upload.pk)
    if upload.task or upload.ended_at or upload.problem:
        raise Busy
    return upload


def _replace_notes(upload, notes):
    before = upload.notes.name
    upload.notes.name = write_notes(upload, notes)
    if before:
        transaction.on_commit(lambda: remove_files([before]))


def forget(uploads):
    """Delete these uploads. Their files are deleted after the commit."""
    names = [name for upload in uploads for name in upload.stored_names]
    uploads.delete()
    transaction.on_commit(lambda: remove_files(names))


def forget_all_of(person):
    """Delete the uploads of this person."""
    forget(LogUpload.objects.filter(person=person))


def remove_files(names):
    """Delete the files. If a file can't be deleted, `forget_log_uploads` tries again later."""
    for name in names:
        try:
            private_storage().delete(name)
        except OSError as error:
            log.error("a desk log's file could not be deleted, and will be tried again: %s", error)
