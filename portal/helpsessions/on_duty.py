"""Find the staff member who gets a patron's answer about a visit: the helper, or a colleague who covers."""

from accounts.models import Absence, Library
from accounts.staff_actions import lock_if_staff


def helper_on_duty(help_session, *, at):
    """Return the staff member who gets the patron's answer about the visit, or None. See `on_duty`."""
    return on_duty(help_session.staff, branch_pk=help_session.branch_id, at=at)


def on_duty(helper, *, branch_pk, at):
    """Return the helper, or the covering colleague while the helper is away.

    Return None if the helper no longer works at this branch. Also return None if the helper is away and
    nobody covers, or the covering colleague is also away or has left.

    The roles of the returned person are locked until the transaction ends, so call this before other rows are
    locked.
    """
    if helper is None or not _works(helper, branch_pk=branch_pk):
        return None
    absences = Absence.objects.on(Library.current().today(at))
    absence = absences.filter(person=helper).select_related("cover").first()
    if absence is None:
        return helper
    cover = absence.cover
    if cover is None or absences.filter(person=cover).exists() or not _works(cover):
        return None
    return cover


def _works(person, *, branch_pk=None):
    return person.is_active and lock_if_staff(person.pk, branch_pk=branch_pk)
