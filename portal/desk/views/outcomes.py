"""The page about how help turned out, and its file."""

from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.sign_in.access import has_shown_second_factor, staff_only
from portal.counts.models import OutcomePeriod
from portal.counts.outcomes import readable_on
from portal.counts.pooling import MIN_PEOPLE
from portal.desk.figures.forms import branches_of
from portal.desk.figures.kept_period import query_of
from portal.desk.figures.outcome_forms import OutcomeForm, name_of
from portal.desk.figures.outcome_tables import breakdowns, cells_of, follow_ups_of, tables_of
from portal.desk.figures.periods import Period
from portal.desk.views.csv_response import csv_response


@staff_only
@require_safe
def outcomes(request):
    """Show how the help of a quarter or year turned out.

    If the period in the URL is missing or unknown, show the last quarter that is counted.
    """
    form = _form(request)
    context = {"form": form, "most_hidden": MIN_PEOPLE - 1, "kept": _kept(request, form)}
    if form.is_valid() and form.chosen_period:
        period = form.chosen_period
        is_counted = isinstance(period, OutcomePeriod)
        context |= {"name": name_of(period), "branch": form.chosen_branch, "is_counted": is_counted}
        if is_counted:
            context |= _counted(form) | {
                "csv": f"{reverse('outcomes_csv')}?{request.GET.urlencode()}",
                "period": period,
                "by": form.cleaned_data["by"],
            }
        else:
            context["readable_on"] = readable_on(period)
    return render(request, "desk/figures/outcomes.html", context)


@staff_only
@require_safe
def outcomes_csv(request):
    """Send the tables of the page as one CSV file."""
    form = _form(request)
    if not (form.is_valid() and isinstance(form.chosen_period, OutcomePeriod)):
        # Redirect to the page. It shows what is wrong, or on which day the numbers of the quarter appear.
        return redirect(f"{reverse('outcomes')}?{request.GET.urlencode()}")
    counted = _counted(form)
    headings = [_("Question"), dict(breakdowns())[form.cleaned_data["by"]], _("Answer"), _("Number")]
    if not form.cleaned_data["by"]:
        headings[1] = _("Row")
    name = f"outcomes-{form.chosen_period.first_day}-{form.chosen_period.last_day}.csv"
    return csv_response(name, headings, cells_of(counted["tables"], counted["follow_ups"]))


def _form(request):
    # A coordinator who has only typed a PIN sees no more than other staff.
    sees_all = request.user.is_coordinator and has_shown_second_factor(request)
    branches = branches_of(request.user, sees_all=sees_all)
    return OutcomeForm(request.GET.dict(), branches=branches, library=request.library)


def _kept(request, form):
    """Return the query with which the links to the other pages keep the period and the comparison."""
    chosen = form.chosen_period if form.is_valid() and form.is_period_asked else None
    period = Period(chosen.first_day, chosen.last_day) if chosen else None
    return query_of(request.GET, period, year_starts_in=request.library.year_starts_in)


def _counted(form):
    period, branch = form.chosen_period, form.chosen_branch
    return {
        "tables": tables_of(period, branch, form.cleaned_data["by"]),
        "follow_ups": follow_ups_of(period, branch),
    }
