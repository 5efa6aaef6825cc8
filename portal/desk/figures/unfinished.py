"""Find out whether the numbers of an imported desk log are changing now."""

from django.db.models import Q

from portal.counts.models import LogImport
from portal.imports.models import LogUpload
from portal.prepared import prepared

IMPORT, UNDO = "import", "undo"


def unfinished_import(user):
    """Return UNDO or IMPORT if figures have only a part of an import now. Otherwise, return "".

    Only coordinators can see the imports, so the result for other staff is always "".
    """
    if not user.is_coordinator:
        return ""
    undone_from = _unfinished_imports()
    if any(undone_from):
        return UNDO
    return IMPORT if undone_from or _waiting_uploads() else ""


@prepared()
def _unfinished_imports():
    """Return `undo_asked_at` of each import that isn't complete. None means that nobody asked for an undo."""
    unfinished = LogImport.objects.filter(Q(ended_at=None) | ~Q(undo_asked_at=None))
    return unfinished.values_list("undo_asked_at", flat=True)


@prepared()
def _waiting_uploads():
    return LogUpload.objects.filter(task=LogUpload.Task.IMPORT).values_list("pk", flat=True)
