"""Days on which staff are away, and the colleagues who cover for them."""

from accounts.staff_actions import staff_action

from .. import audit
from ..models import Absence, Library, StaffRole, User


class Overlaps(Exception):
    """The person has an `absence` on some of these days already."""

    def __init__(self, absence):
        self.absence = absence


def away_on(day):
    """Return {primary key of a person: their Absence} for everybody who is away on this day, in one query.

    `absence.cover` is the colleague who answers their conversations. If it is None, anybody at the branch may
    take them.
    """
    return {
        absence.person_id: absence for absence in Absence.objects.on(day).select_related("person", "cover")
    }


def clashes_of(absence):
    """Return two lists of absences on the same days that leave a person without cover.

    The first has absences of the colleague who covers for this person. The second has absences of colleagues
    for whom this person was to cover.
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
    """End the person's cover for colleagues at `branch`, where they no longer work.

    A colleague whom they still meet at another branch stays covered. If they have no role left, all their
    cover and their own absences end.
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
    # Lock the person first, so that the second of two simultaneous changes sees the first.
    User.objects.select_for_update(no_key=True).get(pk=absence.person_id)
    same_days = Absence.objects.filter(
        person=absence.person_id, first_day__lte=last_day, last_day__gte=first_day
    )
    other = same_days.exclude(pk=absence.pk).first()
    if other is not None:
        raise Overlaps(other)
    absence.first_day, absence.last_day, absence.cover = first_day, last_day, cover
    absence.save()
