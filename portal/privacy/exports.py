"""A copy of all that is kept about a person: asked for, built by the worker, there for seven days, then gone with its file.

Nothing of it is ever mailed: the mail says that it is ready, and nothing else.
"""

import csv
import datetime
import io
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
from portal.notifications.actions import notify
from portal.text import spreadsheet_cell

from . import contents
from .models import Export

FORMAT = "afterword-export"
VERSION = 1  # of the format: raised when a table or a column changes its name or meaning, or goes
FOLDER = "exports"
LEASE = datetime.timedelta(minutes=5)
AGAIN_AFTER = datetime.timedelta(hours=1)  # so long the one that is ready is as good as a new one
MOST_ATTEMPTS = 3
TRY_AGAIN_AFTER = datetime.timedelta(minutes=1)
STRAY_FOR = datetime.timedelta(hours=1)  # a file is written before its row says so
CHUNK = 256 * 1024

log = logging.getLogger(__name__)


class Gone(Exception):
    """The person was erased meanwhile, or another worker holds the export now: nothing of it is kept."""


@transaction.atomic
def ask_for(person, *, language, at):
    """Have a copy built. While one is being built, or has just been, it is that one. Returns the Export. Raises User.DoesNotExist."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    export = latest_of(person)
    if export is not None and (
        export.is_in_hand or (export.state == Export.State.READY and export.ready_at > at - AGAIN_AFTER)
    ):
        return export
    export = Export.objects.create(person=person, language=language, asked_at=at)
    audit.record("asked_for_export", export, by=person, patron=person, at=at)
    return export


def latest_of(person):
    """The one that was asked for last, or None."""
    return Export.objects.filter(person=person).order_by("-asked_at", "-pk").first()


def downloaded(export, *, at):
    """Note that it was opened, so that the person sees it if it wasn't them."""
    audit.record("downloaded_export", export, by=export.person, patron=export.person, at=at)


def forget_all_of(person):
    """What is in them is no longer theirs to have; one that is being built is given up."""
    _forget(Export.objects.filter(person=person))


# For the worker.


def build_exports(*, at):
    """All that wait, one after the other."""
    while (export := _take(at)) is not None:
        try:
            _build(export)
        except Gone:
            log.info("an export was given up: its person was erased, or another worker holds it")
        except DatabaseError:
            raise
        except Exception:
            log.exception("an export could not be built")
            _fail(export, at=timezone.now())
        at = timezone.now()


def forget_old_exports(*, at):
    """What the privacy policy promises: seven days, then the copy is gone with its file."""
    with transaction.atomic():
        _forget(Export.objects.select_for_update().filter(ready_at__lte=at - Export.KEPT_FOR))
        _forget(
            Export.objects.select_for_update().filter(
                state=Export.State.FAILED, asked_at__lte=at - Export.KEPT_FOR
            )
        )


def forget_stray_exports(*, at):
    """Remove the files that no row knows: those that a full or broken disk, or a killed worker, left behind."""
    storage = private_storage()
    names = [f"{FOLDER}/{name}" for name in storage.listdir(FOLDER)[1]] if storage.exists(FOLDER) else []
    old = [name for name in names if storage.get_modified_time(name) < at - STRAY_FOR]
    known = set(Export.objects.filter(file__in=old).values_list("file", flat=True))
    remove_files([name for name in old if name not in known])


def remove_files(names):
    """What the disk doesn't let go of now, forget_stray_exports tries again."""
    for name in names:
        try:
            private_storage().delete(name)
        except OSError as error:
            log.error("an export's file could not be removed, and is tried again: %s", error)


def _take(at):
    """Lease the one that waits longest; None if there is none. One that no worker could finish is given up."""
    for pk in Export.objects.due(at).values_list("pk", flat=True)[:20]:
        due = Export.objects.due(at).filter(pk=pk)
        if due.filter(attempts__gte=MOST_ATTEMPTS).update(state=Export.State.FAILED, leased_until=None):
            continue
        if due.update(
            state=Export.State.BUILDING, leased_until=at + LEASE, attempts=F("attempts") + 1, done=0, total=0
        ):
            return Export.objects.select_related("person").filter(pk=pk).first()
    return None


def _build(export):
    """Write the file, then say that it is there. Raises Gone."""
    name = ""
    try:
        with tempfile.TemporaryFile() as file:
            _write(export, file)
            size = file.tell()
            file.seek(0)
            name = private_storage().save(f"{FOLDER}/{export.public_id}.zip", File(file))
        _finish(export, name=name, size=size, at=timezone.now())
    except BaseException:
        remove_files([name] if name else [])
        raise


def _write(export, file):
    """The archive: README.txt, data.json, a CSV for each table, and the attachments."""
    person, at, library = export.person, timezone.now(), Library.current()
    files = list(contents.attachments(person, at))
    total = len(contents.TABLES) + len(files)
    said = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for done, (name, table) in enumerate(contents.TABLES.items()):
            _progress(export, done=done, total=total)
            said[name] = list(contents.entries(table, person, at))
            archive.writestr(f"csv/{name}.csv", as_csv(list(table.columns), said[name]))
        about = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": at.isoformat(),
            "library": library.name,
            "time_zone": library.time_zone,
        }
        archive.writestr("data.json", json.dumps({**about, **said}, ensure_ascii=False, indent=1))
        archive.writestr("README.txt", _readme(export, said, library, at))
        for done, attachment in enumerate(files, start=len(contents.TABLES)):
            _progress(export, done=done, total=total)
            _add_file(archive, attachment)
        _progress(export, done=total, total=total)


def as_csv(columns, rows):
    """For a spreadsheet: UTF-8 with its mark, and no cell that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([spreadsheet_cell(row[name]) for name in columns] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _readme(export, said, library, at):
    with translation.override(export.language), timezone.override(library.zone):
        tables = [(name, table.title, len(said[name])) for name, table in contents.TABLES.items()]
        context = {
            "library": library,
            "at": at,
            "tables": tables,
            "address": f"{settings.BASE_URL}{reverse('export')}",
            "days": Export.KEPT_FOR.days,
        }
        readme = get_template("privacy/export_readme.txt").template  # type: ignore[attr-defined]  # Django's own
        return readme.render(Context(context, autoescape=False)).strip() + "\n"


def _add_file(archive, attachment):
    """Packed already, so stored as it is. One whose file is lost stands in the tables alone."""
    try:
        source = attachment.file.open("rb")
    except FileNotFoundError:
        log.error("the file of attachment %s is lost", attachment.public_id)
        return
    packed = zipfile.ZipInfo(contents.path_of(attachment), attachment.added_at.timetuple()[:6])
    with source, archive.open(packed, "w") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)


def _progress(export, *, done, total):
    """Say how far it is, and hold it on. Raises Gone."""
    until = timezone.now() + LEASE
    if not _leased(export).update(done=done, total=total, leased_until=until):
        raise Gone
    export.leased_until = until


@transaction.atomic
def _finish(export, *, name, size, at):
    """It is there; those made before go. Raises Gone."""
    # The person first, as everybody does who writes rows of theirs: whoever erases them waits, or has been.
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
    given_up = export.attempts >= MOST_ATTEMPTS
    _leased(export).update(
        state=Export.State.FAILED if given_up else Export.State.WAITING,
        leased_until=None if given_up else at + TRY_AGAIN_AFTER,
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
