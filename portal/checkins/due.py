"""Find the check-in that the patron's home page shows."""

from datetime import timedelta

from django.db.models import DateField, DateTimeField

from accounts.models import User
from accounts.viewer import for_viewers
from portal.helpsessions.check_ins import may_be_asked_about
from portal.helpsessions.forgetting import ends_at

from .eligibility import times_of_too_late, without_reasons
from .models import CheckIn

# The form for "Ask me later" suggests a day this long after today.
LATER = timedelta(days=7)
# The home page checks at most this many due check-ins, oldest first, to find one that it may show.
LOOKED_AT = 10


def due_check_in(viewer, library, *, at):
    """Return the viewer's check-in that has been due for the longest time, or None."""
    if not library.check_ins or _refuses(viewer.person):
        return None
    for check_in in _due(viewer, today=library.today(at), **times_of_too_late(library, at)):
        visit = check_in.help_session
        if may_be_asked(viewer, visit) and not _is_over(visit, viewer, library, at):
            return check_in
    return None


def may_be_asked(viewer, help_session):
    """Return whether the library may ask this viewer how the visit turned out.

    The library never asks an adult about a child's visit. A code doesn't tell whether a child or an adult
    uses it. So a viewer by code is asked only about a visit that is in nobody's account and that isn't a
    child's shared visit.
    """
    if not may_be_asked_about(help_session, viewer.person):
        return False
    is_theirs = viewer.person is not None and viewer.person.pk == help_session.patron_id
    return is_theirs or help_session.patron_id is None and not help_session.is_shared


def suggested_day(library, *, at):
    """Return the day that "Ask me later" suggests."""
    return library.today(at) + LATER


def _refuses(person):
    return person is not None and person.check_ins == User.CheckIns.NONE


def _is_over(help_session, viewer, library, at):
    """Return whether the visit's retention period is over, so that it will be forgotten the next night.

    Return False for a visit that the viewer opened by code, because it is not forgotten while its code works.
    Call this only if `may_be_asked` has returned True.
    """
    if help_session.patron_id is None:
        return False
    # The patron is the viewer. Assigning the person saves a query.
    help_session.patron = viewer.person
    return ends_at(help_session, library) <= at


@for_viewers(today=DateField(), late_before=DateField(), closed_after=DateTimeField())
def _due(viewer, today, late_before, closed_after):
    theirs = viewer.owns("help_session__patron", help_session=viewer.opened_sessions)
    rows = CheckIn.objects.open().filter(theirs, due_on__lte=today, help_session__forgotten_on=None)
    rows = without_reasons(rows, late_before=late_before, closed_after=closed_after)
    return rows.select_related("help_session").order_by("due_on", "pk")[:LOOKED_AT]
