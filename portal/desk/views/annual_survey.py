"""The page with the numbers that coordinators send to an annual survey."""

from django.db.models import Min
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.reporting_year import ReportingYear
from accounts.sign_in.access import coordinator_only
from portal.counts.models import DayCount
from portal.desk.figures import labels
from portal.desk.figures.kept_period import kept_period, query_of
from portal.desk.figures.periods import Period
from portal.desk.figures.unfinished import unfinished_import
from portal.desk.views.csv_response import csv_response
from portal.surveys.models import RuleSet, Survey
from portal.surveys.report import report


@coordinator_only
@require_safe
def annual_survey(request):
    """Show the answers to the questions of a survey for a reporting year."""
    return render(request, "desk/annual_survey.html", _context(request))


@coordinator_only
@require_safe
def annual_survey_csv(request):
    """Send the answers of the page as a CSV file."""
    shown = _context(request)
    if shown["report"].problem:
        # Redirect to the page, which shows the problem.
        return redirect(f"{reverse('annual_survey')}?{request.GET.urlencode()}")
    name = f"survey-{shown['survey']}-{shown['year']}.csv"
    rows = [
        [f"{question.number} {question.name}", question.wording, answer]
        for question, answer, *_sums in shown["answers"]
    ]
    return csv_response(name, [_("Question"), _("Wording"), _("Answer")], rows)


def _context(request):
    """Return the context of the page.

    The URL names the survey and the year. By default, they are the first survey with rules, and the year of
    the page that led here, or else the last year that has ended. If the survey's rules start after that year,
    the default is the current year.
    """
    today, first_month = request.library.today(), request.library.year_starts_in
    now = ReportingYear.of(today, first_month)
    first = DayCount.objects.aggregate(day=Min("happened_on"))["day"]
    first = min(ReportingYear.of(first, first_month), now) if first else now
    chosen = ReportingYear.read(request.GET.get("year", ""), first_month)
    chosen = chosen if chosen and first <= chosen <= now else None
    starts = {
        row["survey"]: row["day"] for row in RuleSet.objects.values("survey").annotate(day=Min("starts_on"))
    }
    surveys = [survey for survey in Survey if survey in starts]
    survey = request.GET.get("survey", "")
    survey = Survey(survey) if survey in Survey else next(iter(surveys), Survey.PLS)
    ended = max(now.before, first)
    usual = now if survey in starts and starts[survey] > ended.last_day else ended
    kept = _kept_year(request, first_month)
    year = chosen or (kept if kept and first <= kept <= now else usual)
    found = report(survey, year, today=today)
    return {
        "survey": survey,
        "surveys": surveys if survey in starts else [survey, *surveys],
        "report": found,
        "answers": [
            (question, answer, _addends(by_type), sum(by_type.values()))
            for (question, answer), by_type in zip(found.answers, found.sums, strict=True)
        ],
        "kept": query_of(request.GET, chosen and Period.of_year(chosen), year_starts_in=first_month),
        "unfinished_import": unfinished_import(request.user),
        "is_over": year < now,
        "year": year,
        "earlier": year.before if year > first else None,
        "later": year.after if year < now else None,
    }


def _kept_year(request, first_month):
    """Return the ReportingYear of the page that led here, or None if that page had another period."""
    kept = kept_period(request.GET, year_starts_in=first_month)
    year = ReportingYear.of(kept.first, first_month) if kept else None
    return year if year and Period.of_year(year) == kept else None


def _addends(by_type):
    """Return the numbers that add up to an answer, as [(label of a question type, contacts)]. Omit zeros."""
    kinds = [(question_type, label) for (_is_tally, question_type), label in labels.question_types()]
    return [(label, by_type[kind]) for kind, label in kinds if by_type.get(kind)]
