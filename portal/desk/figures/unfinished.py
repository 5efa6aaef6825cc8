"""Find out whether the numbers of an imported desk log are changing now."""

from django.db.models import Q

from portal.counts.models import LogImport
from portal.imports.models import LogUpload

IMPORT, UNDO = "import", "undo"


def unfinished_import(user):
    """Return UNDO or IMPORT if figures have only a part of an import now. Otherwise, return "".

    Only coordinators can see the imports, so the result for other staff is always "".
    """
    if not user.is_coordinator:
        return ""
    unfinished = LogImport.objects.filter(Q(ended_at=None) | ~Q(undo_asked_at=None))
    undone_from = list(unfinished.values_list("undo_asked_at", flat=True))
    if any(undone_from):
        return UNDO
    if undone_from or LogUpload.objects.filter(task=LogUpload.Task.IMPORT).exists():
        return IMPORT
    return ""
