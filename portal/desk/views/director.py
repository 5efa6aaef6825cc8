"""One page about a month or a reporting year, which coordinators print for the director."""

from urllib.parse import urlencode

from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.sign_in.access import coordinator_only
from portal.counts.models import OutcomePeriod
from portal.desk.figures import workload
from portal.desk.figures.charts import chart_of, sentence_of
from portal.desk.figures.forms import FigureForm, branches_of
from portal.desk.figures.imported import imported_logs
from portal.desk.figures.kept_period import kept_period, query_of
from portal.desk.figures.labels import of_period
from portal.desk.figures.main_numbers import main_numbers
from portal.desk.figures.month_email import entered_later
from portal.desk.figures.outcome_forms import name_of
from portal.desk.figures.outcome_tables import follow_ups_of, tables_of
from portal.desk.figures.unfinished import unfinished_import


@coordinator_only
@require_safe
def director(request):
    """Show the main numbers of a month or year, compared with a year earlier, and how help turned out.

    `dates` in the URL is a month or a reporting year. By default, it is the last month that is over.
    """
    branches = branches_of(request.user, sees_all=True)
    form = _form(request, branches)
    context: dict = {"form": form, "kept": "", "unfinished_import": unfinished_import(request.user)}
    if form.is_valid():
        context["kept"] = query_of(request.GET, year_starts_in=request.library.year_starts_in)
        figure = form.figure()
        keys = [branch.pk for branch in branches]
        period = figure.period
        if not figure.total.contacts_before:
            # Nothing was counted a year earlier, so a comparison with zero would say nothing.
            figure = workload.figure(period, keys, "time")
        earlier = workload.figure(figure.earlier, keys, "time") if figure.earlier else None
        context |= {
            "period": of_period(period),
            "before": of_period(figure.earlier) if figure.earlier else "",
            "today": request.library.today(),
            "is_over": period.last < request.library.today(),
            "branches": branches,
            "imported": _imported(figure, keys),
            "figure": figure,
            "numbers": main_numbers(figure, earlier),
            "entered_later": entered_later(figure, keys),
            "chart": chart_of(figure),
            "chart_table": _address_of_table(figure, form.cleaned_data["dates"]),
            "sentence": sentence_of(figure),
            "answers": _about_answers(request, branches, form.cleaned_data["dates"]),
            **_outcomes(period),
        }
    return render(request, "desk/figures/director.html", context)


def _form(request, branches):
    dates = request.GET.get("dates")
    form = FigureForm(
        ({"dates": dates} if dates else {}) | {"by": "time", "compare": "year"},
        branches=branches,
        user=request.user,
        sees_all=True,
        library=request.library,
    )
    kept = kept_period(request.GET, year_starts_in=request.library.year_starts_in)
    if not dates and (key := form.key_of(kept)):
        form.data["dates"] = key
    # Leave out the first choice, "Other dates", because the page has no fields for days.
    form.fields["dates"].choices = form.fields["dates"].choices[1:]
    return form


def _imported(figure, branches):
    """Return [(period in words, names of logs)] for each shown period that contains imported contacts."""
    shown = [figure.period, figure.earlier] if figure.earlier else [figure.period]
    named = [(of_period(period), imported_logs(period, branches)) for period in shown]
    return [(words, names) for words, names in named if names]


def _outcomes(period):
    """Return the context with the outcomes of the shown year, or else of the last counted quarter."""
    counted = OutcomePeriod.objects.filter(last_day__lte=period.last).order_by("first_day")
    year = counted.filter(kind=OutcomePeriod.Kind.YEAR, first_day=period.first, last_day=period.last).last()
    found = year or counted.filter(kind=OutcomePeriod.Kind.QUARTER).last()
    if found is None:
        return {"outcomes": None, "has_outcomes": OutcomePeriod.objects.exists()}
    return {
        "outcomes": name_of(found),
        "tables": tables_of(found, None, ""),
        "follow_ups": follow_ups_of(found, None),
    }


def _about_answers(request, branches, dates):
    """Say how long patrons waited for first answers. Leave out branches where few people work."""
    form = FigureForm(
        {"dates": dates, "by": workload.ANSWERS},
        branches=branches,
        user=request.user,
        sees_all=True,
        library=request.library,
    )
    form.full_clean()
    sentences = [sentence_of(form.figure())] if form.chosen_branches else []
    if form.left_out:
        sentences.append(_("The answer times don't include branches where fewer than three people work."))
    return " ".join(sentences)


def _address_of_table(figure, dates):
    """Return the address of the page of figures that shows the numbers of the chart in a table."""
    asked = {"dates": dates} | ({"compare": "year"} if figure.earlier else {})
    return f"{reverse('figures')}?{urlencode(asked)}"
