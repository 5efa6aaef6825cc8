"""The statistics page for coordinators: how many contacts the desk had, and how patrons rated the help."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.sign_in.access import coordinator_only

from . import counts
from .pooling import MIN_PEOPLE
from .quarters import Quarter
from .tables import contacts_table, outcome_tables


@coordinator_only
@require_safe
def figures(request):
    """Show the statistics of a quarter.

    If the URL contains no valid quarter, show the last quarter that has ended.

    Patrons' replies appear only after the quarter has ended. Otherwise, a coordinator could find out one
    patron's reply by comparing the page before and after the reply. A reply that arrives after the end of the
    quarter is counted immediately, so it is not protected in this way.
    """
    now = Quarter.of(request.library.today())
    first = min(counts.first_quarter() or now, now)
    asked = Quarter.read(request.GET.get("quarter", ""))
    quarter = asked if asked and first <= asked <= now else max(now.before, first)
    context = {
        "quarter": quarter,
        "earlier": quarter.before if quarter > first else None,
        "later": quarter.after if quarter < now else None,
        "contacts": contacts_table(quarter),
        "is_over": quarter < now,
        "outcomes": outcome_tables(quarter) if quarter < now else [],
        "least": MIN_PEOPLE,
    }
    return render(request, "desk/figures/figures.html", context)
