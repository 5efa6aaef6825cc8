"""The pages of figures: how much work the desk had, and how patrons rated the help."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.sign_in.access import coordinator_only, has_shown_second_factor, staff_only
from portal.conversations.models import Conversation
from portal.text import csv_file

from . import counts
from .charts import chart_of, sentence_of
from .forms import FigureForm, branches_of
from .labels import of_period
from .pooling import MIN_PEOPLE
from .quarters import Quarter
from .tables import follow_ups, outcome_tables
from .workload import ANSWERS


@staff_only
@require_safe
def figures(request):
    """Show how many contacts there were in a period, broken down, as a table and as a chart."""
    form = _form(request)
    context = {"form": form}
    if form.is_valid():
        figure = form.figure()
        earlier_month, later_month = form.month_links()
        context |= {
            "figure": figure,
            "period": of_period(figure.period),
            "before": of_period(figure.earlier) if figure.earlier else "",
            "table": figure.table(),
            "chart": chart_of(figure),
            "sentence": sentence_of(figure),
            "csv": f"{reverse('figures_csv')}?{request.GET.urlencode()}",
            "earlier_month": earlier_month and _address(request, earlier_month),
            "later_month": later_month and _address(request, later_month),
            "compares_days": bool(figure.earlier) and figure.by == "time" and figure.period.step == "day",
            "branches": form.chosen_branches,
            "left_out": form.left_out,
            "promised_hours": _promised_hours(figure, form.chosen_branches),
            "promises": _open_promises(form.chosen_branches),
        }
    return render(request, "desk/figures/work.html", context)


@staff_only
@require_safe
def figures_csv(request):
    """Send the table of the page as a CSV file."""
    form = _form(request)
    if not form.is_valid():
        # The page says what is wrong.
        return redirect(f"{reverse('figures')}?{request.GET.urlencode()}")
    figure = form.figure()
    response = HttpResponse(csv_file(figure.headings, figure.table()), content_type="text/csv; charset=utf-8")
    name = f"{figure.by}-{figure.period.first}-{figure.period.last}.csv"
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["Cache-Control"] = "private, no-store"
    return response


@coordinator_only
@require_safe
def outcomes(request):
    """Show how the help of a quarter turned out.

    If the URL contains no valid quarter, show the last quarter that has ended.

    Patrons' replies appear only after the quarter has ended. Otherwise, a coordinator could find out one
    patron's reply by comparing the page before and after the reply. A reply that arrives after the end of the
    quarter is counted immediately, so it is not protected in this way.
    """
    now = Quarter.of(request.library.today())
    first = min(counts.first_quarter() or now, now)
    asked = Quarter.read(request.GET.get("quarter", ""))
    quarter = asked if asked and first <= asked <= now else max(now.before, first)
    tables = outcome_tables(quarter) if quarter < now else []
    context = {
        "quarter": quarter,
        "earlier": quarter.before if quarter > first else None,
        "later": quarter.after if quarter < now else None,
        "has_sessions": counts.has_sessions(quarter),
        "follow_ups": follow_ups(quarter) if quarter < now else [],
        "is_over": quarter < now,
        "outcomes": tables,
        "has_other": any(table["has_other"] for table in tables),
        "least": MIN_PEOPLE,
    }
    return render(request, "desk/figures/outcomes.html", context)


def _form(request):
    # With a PIN alone, a coordinator sees no more than other staff.
    sees_all = request.user.is_coordinator and has_shown_second_factor(request)
    branches = branches_of(request.user, sees_all=sees_all)
    today = request.library.today()
    return FigureForm(request.GET.dict(), branches=branches, user=request.user, today=today)


def _address(request, month):
    """Return the address of the same figure for another month."""
    asked = request.GET.copy()
    for name in ("first_day", "last_day"):
        asked.pop(name, None)
    asked["month"] = f"{month.first:%Y-%m}"
    return f"?{asked.urlencode()}"


def _promised_hours(figure, branches):
    """Return how many opening hours the branches promise, or None if they differ or nothing is about that."""
    hours = {branch.promise_hours for branch in branches}
    return hours.pop() if figure.by == ANSWERS and len(hours) == 1 else None


def _open_promises(branches):
    """Count the conversations that wait for an answer by a promised time, now."""
    waiting = Conversation.objects.filter(status=Conversation.Status.WAITING_FOR_STAFF, branch__in=branches)
    return waiting.filter(promised_at__isnull=False).count()
