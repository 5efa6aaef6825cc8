"""Record on which days a branch is staffed, so that another branch covers for it while nobody is in.

Somebody is in if they open the desk: they pass the second factor, or enter their PIN at a shared desk
computer. Everybody does that at least every twelve hours, so no other request needs to write.

`Branch.unattended_from` is the end of the first opening day after the last day on which somebody was in. From
then on, staff of `Branch.covered_by` see the branch's conversations, until somebody opens the desk again.
"""

from django.db.models import Q

from ..hours import end_of_next_opening_day
from ..models import Branch, Library


def record_attendance(person, *, at):
    """Record that somebody is in at the person's branches today. This writes once a day for each branch."""
    today = Library.current().today(at)
    branches = [role.branch for role in person.roles if role.branch.last_seen_on != today]
    for branch in sorted(branches, key=lambda branch: branch.pk):
        until = end_of_next_opening_day(branch, today)
        earlier = Branch.objects.filter(Q(last_seen_on=None) | Q(last_seen_on__lt=today), pk=branch.pk)
        earlier.update(last_seen_on=today, unattended_from=until)


def renew_unattended_from(branch, *, at):
    """Calculate `unattended_from` again, because the opening hours, closed days or cover have changed.

    A branch where nobody has ever been in counts as if somebody were in today.
    """
    seen_on = branch.last_seen_on or Library.current().today(at)
    branch.unattended_from = end_of_next_opening_day(branch, seen_on)
    branch.save(update_fields=["unattended_from"])
