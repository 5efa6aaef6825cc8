"""Store what staff typed in a correction that they have not saved yet.

Only changed fields are stored, so that the other fields of the help session are not stored twice.
"""

import datetime

from accounts.staff_actions import staff_action
from portal.helpsessions.models import HelpSession
from portal.text import clean

from .models import UnfinishedCorrection

KEPT_FOR = datetime.timedelta(days=1)


@staff_action
def keep(help_session, *, by, at, version, fields):
    """Replace the staff member's unfinished correction. If `fields` is empty, only delete it.

    `fields` is {name of a changed field: its text}. The field "items" has a list with {name of an item's
    field: its text} for each item. `version` is the number of corrections that the staff member has seen. Do
    nothing if the help session can no longer be corrected.
    """
    sessions = HelpSession.objects.select_for_update(no_key=True).recorded()
    if not sessions.filter(pk=help_session.pk, forgotten_on=None).exists():
        return
    forms = UnfinishedCorrection.objects.filter(help_session=help_session, by=by)
    if not fields:
        forms.delete()
        return
    values = {"version": version, "fields": _cleaned(fields), "saved_at": at}
    forms.update_or_create(help_session=help_session, by=by, defaults=values)


def of_person(help_session, person, *, at):
    """Return the UnfinishedCorrection of this staff member, or None."""
    return _current(help_session, at).filter(by=person).first()


def of_others(help_session, person, *, at):
    """Return the UnfinishedCorrections of other staff members, oldest first."""
    return _current(help_session, at).exclude(by=person).select_related("by").order_by("saved_at", "pk")


def forget_unfinished_corrections(*, at):
    """Delete unfinished corrections older than KEPT_FOR. The worker runs this job."""
    UnfinishedCorrection.objects.filter(saved_at__lte=at - KEPT_FOR).delete()


def _current(help_session, at):
    return UnfinishedCorrection.objects.filter(help_session=help_session, saved_at__gt=at - KEPT_FOR)


def _cleaned(value):
    if isinstance(value, dict):
        return {clean(name): _cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return clean(value, max_length=20_000, multiline=True)
