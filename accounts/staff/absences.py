"""Add, change and remove staff absences.

An absence can name a colleague who covers for the absent staff member.
"""

from accounts.staff_actions import staff_action

from .. import audit
from ..models import Absence, Library, StaffRole, User


class Overlaps(Exception):
    """The new absence overlaps `absence`, another absence of the same person."""

    def __init__(self, absence):
        self.absence = absence


def away_on(day):
    """Return {primary key of a person: their Absence} for everybody who is away on this day.

    `absence.cover` is the colleague who answers the absent person's conversations. If `absence.cover` is
    None, anybody at the branch may take over these conversations.
    """
    return {
        absence.person_id: absence for absence in Absence.objects.on(day).select_related("person", "cover")
    }


def clashes_of(absence):
    """Return two lists of absences that overlap `absence` and leave somebody without a covering colleague.

    The first list has the absences of the colleague who covers for the absent person. The second list has the
    absences of the colleagues that the absent person covers for.
    """
    same_days = Absence.objects.filter(
        first_day__lte=absence.last_day, last_day__gte=absence.first_day
    ).select_related("person")
    covers_own = list(same_days.filter(person=absence.cover_id)) if absence.cover_id else []
    return covers_own, list(same_days.filter(cover=absence.person_id))


@staff_action
def add_absence(*, person, first_day, last_day, cover, by, at):
    """Add an absence and return it. Raises Overlaps."""
    absence = Absence(person=person)
    _write(absence, first_day, last_day, cover)
    audit.record("added_absence", absence, by=by, at=at)
    return absence


@staff_action
def change_absence(absence, *, first_day, last_day, cover, by, at):
    """Change an absence and return it. Raises Overlaps."""
    _write(absence, first_day, last_day, cover)
    audit.record("changed_absence", absence, by=by, at=at)
    return absence


@staff_action
def remove_absence(absence, *, by, at):
    audit.record("removed_absence", absence, by=by, at=at)
    absence.delete()


def stop_covering(person, *, branch, at):
    """Stop the person from covering for colleagues at `branch`, where the person no longer works.

    The person still covers for a colleague who works with them at another branch. A person without any role
    covers for nobody, and their own present and future absences are deleted.
    """
    current = Absence.objects.filter(last_day__gte=Library.current().today(at))
    own_branches = StaffRole.objects.filter(user=person).values("branch")
    staff_of_branch = StaffRole.objects.filter(branch=branch).values("user")
    colleagues = StaffRole.objects.filter(branch__in=own_branches).values("user")
    covered_at_branch = current.filter(cover=person, person__in=staff_of_branch)
    covered_at_branch.exclude(person__in=colleagues).update(cover=None)
    if not StaffRole.objects.filter(user=person).exists():
        current.filter(cover=person).update(cover=None)
        current.filter(person=person).delete()


def _write(absence, first_day, last_day, cover):
    # Lock the person first, so that the second of two simultaneous changes sees the result of the first.
    User.objects.select_for_update(no_key=True).get(pk=absence.person_id)
    same_days = Absence.objects.filter(
        person=absence.person_id, first_day__lte=last_day, last_day__gte=first_day
    )
    other = same_days.exclude(pk=absence.pk).first()
    if other is not None:
        raise Overlaps(other)
    absence.first_day, absence.last_day, absence.cover = first_day, last_day, cover
    absence.save()
