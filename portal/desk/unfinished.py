"""The tray, which lists the help sessions that a staff member began and has not finished yet."""

from django.db.models import BigAutoField
from django.utils.translation import gettext as _

from portal.helpsessions.models import HelpSession
from portal.prepared import prepared


def tray(user):
    """Return the unfinished sessions of this staff member, each as a dict for desk/tray_rows.html."""
    return [
        {
            "pk": pk,
            "public_id": public_id,
            "created_at": created_at,
            "branch": branch,
            "first_words": _first_words(fields or {}),
        }
        for pk, public_id, created_at, branch, fields in _unfinished(user=user.pk)
    ]


@prepared(user=BigAutoField())
def _unfinished(user):
    sessions = HelpSession.objects.unfinished().filter(staff=user)
    return sessions.values_list("pk", "public_id", "created_at", "branch__name", "unfinished_form__fields")


def with_first_words(draft):
    """Set `first_words` on an unfinished session, so that staff can recognize it. Return the session."""
    draft.first_words = _first_words(saved_fields(draft))
    return draft


def saved_fields(draft):
    """Return the saved form fields of an unfinished session."""
    return draft.unfinished_form.fields if hasattr(draft, "unfinished_form") else {}


def _first_words(fields):
    for name in ("question", "summary", "items-0-title"):
        if fields.get(name):
            return fields[name]
    return _("No text yet")
