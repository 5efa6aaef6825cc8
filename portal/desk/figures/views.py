"""The page about how much work the desk had."""

from django.db.models import BigAutoField, Count
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from accounts.sign_in.access import has_shown_second_factor, staff_only
from portal.conversations.models import Conversation
from portal.desk.views.csv_response import csv_response
from portal.prepared import prepared

from .by_staff import complete_from
from .charts import chart_of, sentence_of
from .forms import FigureForm, branches_of
from .kept_period import query_of
from .labels import of_period
from .month_email import entered_later
from .unfinished import unfinished_import
from .workload import ANSWERS


@staff_only
@require_safe
def figures(request):
    """Show how many contacts there were in a period, broken down, as a table and as a chart."""
    form = _form(request)
    context = {"form": form, "kept": _kept(request, form)}
    if form.is_valid():
        figure = form.figure()
        earlier, later = form.neighbors()
        context |= {
            "figure": figure,
            "period": capfirst(of_period(figure.period)),
            "before": capfirst(of_period(figure.earlier)) if figure.earlier else "",
            "table": figure.table(),
            "chart": chart_of(figure),
            "sentence": sentence_of(figure),
            "csv": "" if form.is_by_staff else f"{reverse('figures_csv')}?{request.GET.urlencode()}",
            "complete_from": complete_from(request.library.today()) if form.is_by_staff else None,
            "earlier": earlier and _address(request, earlier),
            "later": later and _address(request, later),
            "compares_days": bool(figure.earlier) and figure.by == "time" and figure.period.step == "day",
            "branches": form.chosen_branches,
            "entered_later": entered_later(figure, [branch.pk for branch in form.chosen_branches]),
            "unfinished_import": unfinished_import(request.user),
            "left_out": form.left_out,
            "promised_hours": _promised_hours(figure, form.chosen_branches),
            "promises": sum(_open_promises(branches=[branch.pk for branch in form.chosen_branches])),
        }
    return render(request, "desk/figures/work.html", context)


@staff_only
@require_safe
def figures_csv(request):
    """Send the table of the page as a CSV file."""
    form = _form(request)
    if not form.is_valid() or form.is_by_staff:
        # Redirect to the page. It shows the errors, or the figures by staff member, which have no file.
        return redirect(f"{reverse('figures')}?{request.GET.urlencode()}")
    figure = form.figure()
    name = f"{figure.by}-{figure.period.first}-{figure.period.last}.csv"
    return csv_response(name, figure.headings, figure.table())


def _form(request):
    # A coordinator who has only typed a PIN sees no more than other staff.
    sees_all = request.user.is_coordinator and has_shown_second_factor(request)
    branches = branches_of(request.user, sees_all=sees_all)
    return FigureForm(
        request.GET.dict(),
        branches=branches,
        user=request.user,
        sees_all=sees_all,
        library=request.library,
    )


def _kept(request, form):
    """Return the query with which the links to the other pages keep the period and the comparison."""
    if not form.is_valid():
        return ""
    return query_of(request.GET, year_starts_in=request.library.year_starts_in)


def _address(request, dates):
    """Return the address of the same figure for another month or year."""
    asked = request.GET.copy()
    for name in ("first_day", "last_day"):
        asked.pop(name, None)
    asked["dates"] = dates
    return f"?{asked.urlencode()}"


def _promised_hours(figure, branches):
    """Return how many opening hours the branches promise.

    Return None if their promises differ, or if the figure isn't about first answers.
    """
    hours = {branch.promise_hours for branch in branches}
    return hours.pop() if figure.by == ANSWERS and len(hours) == 1 else None


@prepared(branches=BigAutoField())
def _open_promises(branches):
    """Return how many conversations of each branch are now waiting for an answer that was promised."""
    waiting = Conversation.objects.filter(status=Conversation.Status.WAITING_FOR_STAFF, branch__in=branches)
    numbers = (
        waiting.filter(promised_at__isnull=False).order_by().values("branch").annotate(number=Count("pk"))
    )
    return numbers.values_list("number", flat=True)
