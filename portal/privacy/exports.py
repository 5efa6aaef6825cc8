"""Let a person export a copy of their data. The worker builds the copy and deletes it after seven days.

The copy is never emailed. The email only says that the copy is ready.
"""

import datetime
import json
import logging
import os
import tempfile
import zipfile

from django.conf import settings
from django.core.files import File
from django.db import DatabaseError, transaction
from django.db.models import F
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation

from accounts import audit
from accounts.models import Library, User, private_storage
from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.writing import notify
from portal.text import csv_file

from . import contents
from .export_tables.conversations import attachments, incoming_emails, path_of, path_of_email
from .models import Export

FORMAT = "afterword-export"
# The version of the format. Increase the version if a table or column is renamed or removed, or if its
# meaning changes.
VERSION = 2
FOLDER = "exports"
LEASE = datetime.timedelta(minutes=5)
# How long a person must wait after an export became ready before they can ask for another export.
AGAIN_AFTER = datetime.timedelta(hours=1)
ATTEMPTS_MAX = 3
RETRY_AFTER = datetime.timedelta(minutes=1)
# A file that no Export row names is deleted when the file is older than this. A newer file's name may not be
# saved yet, because a worker writes the file first.
STRAY_AFTER = datetime.timedelta(hours=1)
CHUNK = 256 * 1024

log = logging.getLogger(__name__)


class Gone(Exception):
    """The person was erased, or another worker has taken over the export. The file must be deleted."""


@transaction.atomic
def ask_for(person, *, language, at):
    """Ask for an export and return it. Raises User.DoesNotExist.

    If an earlier export is in progress or became ready within the last hour, return that export.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    export = latest_of(person)
    if export is not None and (
        export.is_in_progress or (export.state == Export.State.READY and export.ready_at > at - AGAIN_AFTER)
    ):
        return export
    export = Export.objects.create(person=person, language=language, asked_at=at)
    audit.record("asked_for_export", export, by=person, patron=person, at=at)
    return export


def latest_of(person):
    """Return the export that the person asked for last, or None."""
    return Export.objects.filter(person=person).order_by("-asked_at", "-pk").first()


def downloaded(export, *, at):
    """Record the download, so that the person can notice a download by someone else."""
    audit.record("downloaded_export", export, by=export.person, patron=export.person, at=at)


def forget_all_of(person):
    """Delete the person's exports, which may contain a visit that staff have removed from the account."""
    _forget(Export.objects.filter(person=person))


# The worker runs the jobs below.


def build_exports(*, at):
    """Build all waiting exports."""
    while (export := _take(at)) is not None:
        try:
            _build(export)
        except Gone:
            log.info("an export was abandoned: its person was erased, or another worker has it")
        except DatabaseError:
            raise
        except OSError as error:
            log.error("an export could not be written, and is tried again in a minute: %s", error)
            _fail(export, at=timezone.now())
        except Exception:
            log.exception("an export could not be built")
            _fail(export, at=timezone.now())
        at = timezone.now()


def forget_old_exports(*, at):
    """Delete ready exports, and the rows of failed exports, after seven days."""
    ended = at - Export.KEPT_FOR
    with transaction.atomic():
        _forget(Export.objects.select_for_update().filter(ready_at__lte=ended))
        _forget(Export.objects.select_for_update().filter(state=Export.State.FAILED, asked_at__lte=ended))


def forget_stray_exports(*, at):
    """Delete files that no Export row names. A full disk or a killed worker can leave such files behind."""
    storage = private_storage()
    names = [f"{FOLDER}/{name}" for name in storage.listdir(FOLDER)[1]] if storage.exists(FOLDER) else []
    old = [name for name in names if storage.get_modified_time(name) < at - STRAY_AFTER]
    known = set(Export.objects.filter(file__in=old).values_list("file", flat=True))
    remove_files([name for name in old if name not in known])


def remove_files(names):
    """Delete the files. If a file can't be deleted, `forget_stray_exports` tries again later."""
    for name in names:
        try:
            private_storage().delete(name)
        except OSError as error:
            log.error("an export's file could not be deleted, and will be tried again: %s", error)


def _take(at):
    """Lease and return the export that has waited longest, or return None.

    Mark exports with too many attempts as failed.
    """
    for pk in Export.objects.due(at).values_list("pk", flat=True)[:20]:
        due = Export.objects.due(at).filter(pk=pk)
        if due.filter(attempts__gte=ATTEMPTS_MAX).update(state=Export.State.FAILED, leased_until=None):
            continue
        if due.update(
            state=Export.State.BUILDING, leased_until=at + LEASE, attempts=F("attempts") + 1, done=0, total=0
        ):
            return Export.objects.select_related("person").filter(pk=pk).first()
    return None


def _build(export):
    """Write the file, then mark the export as ready. Raises Gone.

    If anything fails, delete the file, because a full disk can leave a part of it. Each attempt uses a new
    file name, so a worker never deletes another worker's file.
    """
    name = f"{FOLDER}/{export.public_id}-{export.attempts}.zip"
    try:
        with tempfile.TemporaryFile() as file:
            _write(export, file)
            size = file.tell()
            file.seek(0)
            name = private_storage().save(name, File(file))
        _finish(export, name=name, size=size, at=timezone.now())
    except BaseException:
        remove_files([name])
        raise


def _write(export, file):
    """Write the archive: README.txt, data.json, one CSV file for each table, attachments and emails."""
    person, at, library = export.person, timezone.now(), Library.current()
    files = [(path_of(file), file.file, file.added_at) for file in attachments(person, at)]
    files += [(path_of_email(row), row.file, row.came_at) for row in incoming_emails(person) if row.file]
    total = len(contents.TABLES) + len(files)
    rows = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for done, (name, table) in enumerate(contents.TABLES.items()):
            _progress(export, done=done, total=total)
            rows[name] = list(contents.entries(table, person, at))
            archive.writestr(f"csv/{name}.csv", as_csv(list(table.columns), rows[name]))
        about = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": at.isoformat(),
            "library": library.name,
            "time_zone": library.time_zone,
        }
        archive.writestr("data.json", json.dumps({**about, **rows}, ensure_ascii=False, indent=1))
        archive.writestr("README.txt", _readme(export, rows, library, at))
        for done, file in enumerate(files, start=len(contents.TABLES)):
            _progress(export, done=done, total=total)
            _add_file(archive, *file)
        _progress(export, done=total, total=total)


def as_csv(columns, rows):
    """Return the rows, which are dicts, as a CSV file for spreadsheets."""
    return csv_file(columns, ([row[name] for name in columns] for row in rows))


def _readme(export, rows, library, at):
    with translation.override(export.language), timezone.override(library.zone):
        tables = [(name, table.title, len(rows[name])) for name, table in contents.TABLES.items()]
        context = {
            "library": library,
            "at": at,
            "tables": tables,
            "address": f"{settings.BASE_URL}{reverse('export')}",
            "days": Export.KEPT_FOR.days,
        }
        # mypy doesn't know `template`, because only the templates of Django's backend have this attribute.
        readme = get_template("privacy/export_readme.txt").template  # type: ignore[attr-defined]
        return readme.render(Context(context, autoescape=False)).strip() + "\n"


def _add_file(archive, path, file, at):
    """Add a stored file without compressing it again. A missing file is logged and left out."""
    try:
        source = file.open("rb")
    except FileNotFoundError:
        log.error("the file %s is missing", path)
        return
    entry = zipfile.ZipInfo(path, at.timetuple()[:6])
    with source, archive.open(entry, "w") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)


def _progress(export, *, done, total):
    """Save the progress and extend the lease. Raises Gone."""
    until = timezone.now() + LEASE
    if not _leased(export).update(done=done, total=total, leased_until=until):
        raise Gone
    export.leased_until = until


@transaction.atomic
def _finish(export, *, name, size, at):
    """Mark the export as ready, delete the person's earlier exports and email the person. Raises Gone."""
    # Lock the person first, so that a concurrent erasure waits or has already finished.
    person = User.objects.select_for_update(no_key=True).filter(pk=export.person_id).first()
    if person is None or not _leased(export).update(
        state=Export.State.READY, ready_at=at, file=name, size=size, leased_until=None
    ):
        raise Gone
    _forget(Export.objects.filter(person=person).exclude(pk=export.pk))
    if address := confirmed_address(person):
        notify(
            "privacy/export_ready",
            to=address,
            at=at,
            recipient=person,
            language=person.language or export.language,
            context={"url": f"{settings.BASE_URL}{reverse('export')}", "days": Export.KEPT_FOR.days},
        )


def _fail(export, *, at):
    is_last = export.attempts >= ATTEMPTS_MAX
    _leased(export).update(
        state=Export.State.FAILED if is_last else Export.State.WAITING,
        leased_until=None if is_last else at + RETRY_AFTER,
        done=0,
        total=0,
    )


def _leased(export):
    return Export.objects.filter(pk=export.pk, state=Export.State.BUILDING, leased_until=export.leased_until)


def _forget(exports):
    gone = [(export.pk, export.file.name) for export in exports]
    Export.objects.filter(pk__in=[pk for pk, _name in gone]).delete()
    names = [os.fspath(name) for _pk, name in gone if name]
    transaction.on_commit(lambda: remove_files(names))
