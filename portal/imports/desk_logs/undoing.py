"""Undo an import of a desk log.

Undoing takes many short transactions, so that other processes can write in between. SQLite allows one writer
at a time, and a large import has 100,000 rows. While an import is being undone, its `undo_asked_at` is set.
"""

from django.db import transaction
from django.utils import timezone

from portal.counts.models import TABLES, LogImport
from portal.helpsessions.models import HelpSession
from portal.imports.models import ImportedRow

BATCH = 500
# One transaction deletes at most this many rows from a table of counts.
COUNTS_BATCH = 2_000


class ReplacedLater(Exception):
    """The import can't be undone, because the later `imports` replaced some of its rows."""

    def __init__(self, imports):
        super().__init__(imports)
        self.imports = imports


def later_imports(log_import):
    """Return the later imports that have replaced rows of this import. They must be undone first."""
    return LogImport.objects.filter(replaced_rows__log_import=log_import).distinct().order_by("pk")


def undo_import(log_import, *, lock=None):
    """Delete what the import has added, and bring back the rows that it replaced. Raises ReplacedLater.

    Afterward, the help sessions and the counts are the same as before the import. Return the number of
    contacts that were taken out. If the call is interrupted, call the function again. `lock` is the HeldLock
    of this process.
    """
    number = log_import.added
    with transaction.atomic():
        _renew(lock)
        if later := list(later_imports(log_import)):
            raise ReplacedLater(later)
        asked = LogImport.objects.filter(pk=log_import.pk, undo_asked_at=None)
        asked.update(undo_asked_at=timezone.now())
    for table in TABLES:
        _delete_counts(table.objects.filter(log_import=log_import), lock)
    while _delete_rows(log_import, lock):
        pass
    while _bring_back_rows(log_import, lock):
        pass
    log_import.delete()
    return number


def finish_undoing(*, lock=None):
    """Undo all imports that somebody has asked to undo.

    Without this, a new import would skip the rows of these imports, because they would still count as
    imported.
    """
    for log_import in LogImport.objects.exclude(undo_asked_at=None).order_by("-pk"):
        try:
            undo_import(log_import, lock=lock)
        except ReplacedLater:
            LogImport.objects.filter(pk=log_import.pk).update(undo_asked_at=None)


def _renew(lock):
    if lock:
        lock.renew()


def _delete_counts(counts, lock):
    while last := counts.order_by("pk").values_list("pk", flat=True)[:COUNTS_BATCH]:
        with transaction.atomic():
            _renew(lock)
            counts.filter(pk__lte=max(last)).delete()


def _delete_rows(log_import, lock):
    """Delete some of the sessions that the import has added, and return how many."""
    rows = ImportedRow.objects.filter(log_import=log_import).order_by("pk")
    sessions = list(rows.values_list("help_session", flat=True)[:BATCH])
    with transaction.atomic():
        _renew(lock)
        ImportedRow.objects.filter(help_session__in=sessions).delete()
        HelpSession.objects.filter(pk__in=sessions).delete()
    return len(sessions)


def _bring_back_rows(log_import, lock):
    """Bring back some of the rows that the import has replaced, and return how many."""
    rows = ImportedRow.objects.filter(replaced_in=log_import).order_by("pk")
    sessions = list(rows.values_list("help_session", flat=True)[:BATCH])
    with transaction.atomic():
        _renew(lock)
        HelpSession.objects.filter(pk__in=sessions).update(status=HelpSession.Status.RECORDED)
        ImportedRow.objects.filter(help_session__in=sessions).update(replaced_in=None)
    return len(sessions)
