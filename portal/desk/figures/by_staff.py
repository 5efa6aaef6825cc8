"""How many contacts each staff member recorded. Only the page shows these numbers, and no file or report.

The numbers are counted from the help sessions, because the tables of counts name nobody. A forgotten session
no longer says who helped. So the numbers of earlier periods are incomplete.
"""

from datetime import timedelta

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import Library, User
from accounts.patron.retention_choice import SHORT_PERIOD
from portal.counts.counting import COUNTED
from portal.helpsessions.models import HelpSession

from . import labels
from .workload import TOTAL, Figure, Row

# The name of the breakdown by staff member, and the names of its numbers.
STAFF, OF_STAFF = "staff", ("contacts", "minutes")
StaffFigures = Library.StaffFigures


def figure_by_staff(period, branches, *, user, sees_all, library):
    """Count the contacts of each staff member that `user` may see, and return a Figure.

    `branches` are primary keys of branches that the user may see. `sees_all` is true for a coordinator who
    has shown the second factor. Everybody sees their own numbers. The library's setting says who also sees
    the numbers of others.
    """
    sessions = HelpSession.objects.filter(
        happened_on__range=(period.first, period.last),
        branch__in=branches,
        status__in=COUNTED,
        staff__isnull=False,
    )
    setting = library.staff_figures
    sees_others = setting == StaffFigures.BRANCH or (setting == StaffFigures.COORDINATORS and sees_all)
    if not sees_others:
        sessions = sessions.filter(staff=user)
    counted = {
        staff: numbers
        for staff, *numbers in sessions.order_by()
        .values_list("staff")
        .annotate(contacts=Count("*"), sum_of_minutes=Coalesce(Sum("minutes"), 0))
    }
    people = User.objects.filter(pk__in=counted)
    rows = [Row(person.pk, str(person), tuple(counted[person.pk])) for person in people]
    rows.sort(key=lambda row: row.label.casefold())
    total = Row(TOTAL, _("Total"), tuple(sum(row.numbers[place] for row in rows) for place in (0, 1)))
    headings = [labels.of_breakdown(STAFF), *map(labels.of_number, OF_STAFF)]
    return Figure(STAFF, period, None, OF_STAFF, rows, total, headings)


def complete_from(today):
    """Return the day from which the figures by staff member are complete.

    The library keeps sessions for at least SHORT_PERIOD, so the sessions of this day and of later days
    still say who helped. A session that somebody has erased since then is missing.
    """
    return today - SHORT_PERIOD + timedelta(days=1)
