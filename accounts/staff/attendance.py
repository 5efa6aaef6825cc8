"""Record the days when staff are at a branch. When no staff are at a branch, another branch covers for it.

A staff member counts as present if they open the desk: they pass the second factor, or enter their PIN at a
shared desk computer. They do this at least every twelve hours, so no other request needs to be recorded.

`Branch.unattended_from` is the end of the first opening day after the last day when a staff member was
present. From then on, staff of `Branch.covered_by` see the branch's conversations. This ends when a staff
member of the branch opens the desk again.
"""

from django.db.models import Q

from ..hours import end_of_next_opening_day
from ..models import Branch, Library


def record_attendance(person, *, at):
    """Record that the person works at their branches today. Write at most once a day for each branch."""
    today = Library.current().today(at)
    branches = [role.branch for role in person.roles if role.branch.last_seen_on != today]
    for branch in sorted(branches, key=lambda branch: branch.pk):
        until = end_of_next_opening_day(branch, today)
        earlier = Branch.objects.filter(Q(last_seen_on=None) | Q(last_seen_on__lt=today), pk=branch.pk)
        earlier.update(last_seen_on=today, unattended_from=until)


def renew_unattended_from(branch, *, at):
    """Calculate `unattended_from` again, because the opening hours, closed days or covering branch changed.

    If no staff member has ever opened the desk of the branch, calculate as if somebody had opened it today.
    """
    seen_on = branch.last_seen_on or Library.current().today(at)
    branch.unattended_from = end_of_next_opening_day(branch, seen_on)
    branch.save(update_fields=["unattended_from"])
