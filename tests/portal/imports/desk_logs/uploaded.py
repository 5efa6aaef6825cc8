"""Bring uploaded desk logs into each of their states, as a coordinator does on the pages."""

from django.core.files.base import ContentFile
from django.utils import timezone

from portal.imports.desk_logs import uploads, work
from portal.imports.desk_logs.notes import read_notes
from portal.imports.models import LogUpload

from .files import as_csv


def uploaded(by, rows, *, stage, name="log.csv", change=lambda mapping: None):
    """Return an upload at this stage: "waiting", "read", "checked", "importing" or "done".

    `change(mapping)` is called before the log is checked, and may change the mapping.
    """
    contents = rows if isinstance(rows, bytes) else as_csv(rows)
    at = timezone.now()
    upload = uploads.add_upload(ContentFile(contents), name=name, language="en", by=by, at=at)
    if stage == "waiting":
        return upload
    upload = _work(upload)
    if stage == "read" or upload.problem:
        return upload
    notes = read_notes(upload)
    change(notes.mapping)
    upload = _work(uploads.save_values(upload, notes.mapping, notes=notes, by=by, at=at))
    if stage == "checked":
        return upload
    upload = uploads.begin(upload, by=by, at=at)
    return upload if stage == "importing" else _work(upload)


def _work(upload):
    work.do_now(upload)
    return LogUpload.objects.get(pk=upload.pk)
