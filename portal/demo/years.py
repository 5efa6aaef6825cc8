"""The demo library's reporting year, and how the library counts for its annual survey.

In the reporting year before the library began to use Afterword, it kept another desk log and estimated its
numbers from two weeks. Since then it counts every contact.
"""

import datetime

import accounts.library
from accounts.models import Library
from accounts.reporting_year import ReportingYear
from portal.counts.outcomes import DAYS_TO_ANSWER
from portal.counts.quarters import Quarter
from portal.helpsessions.models import TallyKind
from portal.surveys.actions import mark_week, save_rule_set
from portal.surveys.models import CountsAs, RuleSet
from portal.surveys.presets import PLS

YEAR_STARTS_IN = 7
# The demo's own visits begin this many days before the build.
FIRST_VISIT_DAYS_AGO = 90
# (month, day) for each sampled week, in the year of the old log. The week begins on the next Monday.
SAMPLED = ((10, 11), (4, 10))
SAMPLED_WEEKS = len(SAMPLED)


def last_counted_quarter(today):
    """Return the last quarter whose outcomes are counted."""
    day = today - DAYS_TO_ANSWER + datetime.timedelta(days=1)
    return Quarter.of(day, YEAR_STARTS_IN).before


def took_up_on(today):
    """Return the day on which the library began to use Afterword.

    It is the first day of the last reporting year whose four quarters are counted.
    """
    day = last_counted_quarter(today).after.first_day
    return ReportingYear.of(day, YEAR_STARTS_IN).before.first_day


def year_of_log(today):
    """Return the ReportingYear that ended when the library began to use Afterword."""
    return ReportingYear.of(took_up_on(today), YEAR_STARTS_IN).before


def start_year(*, by, at):
    """Let the reporting year start in July, as in many states."""
    accounts.library.change_library(Library.current(), by=by, at=at, year_starts_in=YEAR_STARTS_IN)


def add_rules(builder):
    """Add the rules of the preset for both years, and mark the sampled weeks."""
    today, by = Library.current().today(builder.now), builder.people["rosa"]
    first = took_up_on(today)
    year = year_of_log(today)
    at = datetime.datetime.combine(first, datetime.time(12), Library.current().zone)
    phone = TallyKind.objects.filter(name="Phone")
    for starts_on, method in ((year.first_day, RuleSet.Method.ESTIMATE), (first, RuleSet.Method.COUNT)):
        save_rule_set(
            None,
            survey=PLS.survey,
            starts_on=starts_on,
            method=method,
            weeks=SAMPLED_WEEKS,
            multiplier=PLS.multiplier,
            counting={(kind.value, ""): counts_as for kind, counts_as in PLS.counts_as.items()},
            tallies=dict.fromkeys(phone.values_list("pk", flat=True), CountsAs.TRANSACTION),
            by=by,
            at=at,
        )
    for month, day in SAMPLED:
        number = year.number + (month < YEAR_STARTS_IN)
        # The library marks its sampled weeks on the day on which it begins to use Afterword. The weeks are in
        # the year of its old log, which has ended by then. So may_change_past is needed.
        mark_week(_monday_after(datetime.date(number, month, day)), may_change_past=True, by=by, at=at)


def _monday_after(day):
    return day + datetime.timedelta(days=7 - day.weekday())
