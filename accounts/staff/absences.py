"""Days on which a member of staff is away, and who covers. Whoever reads a conversation of theirs asks `away_on` once a page."""

from accounts.staff_actions import staff_action

from .. import audit
from ..models import Absence, Library, StaffRole, User


class Overlaps(Exception):
    """The person is away on some of these days already: `absence`."""

    def __init__(self, absence):
        self.absence = absence


def away_on(day):
    """{primary key of a person: their Absence} of everybody who is away on this day of the library's, in one query.

    `absence.cover` is the colleague to whom their conversations go; None where these are free for anybody of the branch to take.
    """
    return {
        absence.person_id: absence for absence in Absence.objects.on(day).select_related("person", "cover")
    }


def clashes_of(absence):
    """(the cover's own absences, the absences of others whom this person was to cover) on the same days: then nobody covers."""
    same_days = Absence.objects.filter(
        first_day__lte=absence.last_day, last_day__gte=absence.first_day
    ).select_related("person")
    covers_own = list(same_days.filter(person=absence.cover_id)) if absence.cover_id else []
    return covers_own, list(same_days.filter(cover=absence.person_id))


@staff_action
def add_absence(*, person, first_day, last_day, cover, by, at):
    """Raises Overlaps."""
    absence = Absence(person=person)
    _write(absence, first_day, last_day, cover)
    audit.record("added_absence", absence, by=by, at=at)
    return absence


@staff_action
def change_absence(absence, *, first_day, last_day, cover, by, at):
    """Raises Overlaps."""
    _write(absence, first_day, last_day, cover)
    audit.record("changed_absence", absence, by=by, at=at)
    return absence


@staff_action
def remove_absence(absence, *, by, at):
    audit.record("removed_absence", absence, by=by, at=at)
    absence.delete()


def stop_covering(person, *, branch, at):
    """They no longer work at `branch`: what they were to cover there is free for all. Of whoever works at no desk any more nobody waits
    for the return either."""
    still = Absence.objects.filter(last_day__gte=Library.current().today(at))
    works_at = StaffRole.objects.filter(user=person).values("branch")
    gone_there = StaffRole.objects.filter(branch=branch).values("user")
    colleagues = StaffRole.objects.filter(branch__in=works_at).values("user")
    still.filter(cover=person, person__in=gone_there).exclude(person__in=colleagues).update(cover=None)
    if not StaffRole.objects.filter(user=person).exists():
        still.filter(cover=person).update(cover=None)
        still.filter(person=person).delete()


def _write(absence, first_day, last_day, cover):
    User.objects.select_for_update(no_key=True).get(
        pk=absence.person_id
    )  # so that of two at once the second sees the first
    there = (
        Absence.objects.filter(person=absence.person_id, first_day__lte=last_day, last_day__gte=first_day)
        .exclude(pk=absence.pk)
        .first()
    )
    if there is not None:
        raise Overlaps(there)
    absence.first_day, absence.last_day, absence.cover = first_day, last_day, cover
    absence.save()
