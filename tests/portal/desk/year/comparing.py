"""Compare every figure of a library with the same figure in plain SQL, cell by cell."""

import datetime

from django.db.models import Sum

from accounts.models import Library, User
from accounts.reporting_year import ReportingYear
from portal.desk.figures import workload
from portal.desk.figures.by_staff import complete_from, figure_by_staff
from portal.desk.figures.charts import sentence_of
from portal.desk.figures.labels import of_time
from portal.desk.figures.periods import Period
from portal.surveys.models import CountsAs, RuleSet, SampledWeek
from portal.surveys.report import report

NOTHING = (0, 0, 0, 0)
PROMISED = 8 * 60 * 60
# Numbers below this one are shown only as part of *Other*.
FEWEST = 5


def by_day(year, period, branches, breakdown, earlier=None):
    """Return {key: numbers} of a breakdown for any days, once from the figure and once from the SQL."""
    figure = workload.figure(period, branches, breakdown, earlier=earlier)
    wanted = _numbers_by_day(year, period, branches, breakdown)
    found = {_key(breakdown, row.key): row.numbers for row in figure.rows if _is_known(row.numbers)}
    assert figure.total.numbers == tuple(map(sum, zip(NOTHING, *wanted.values(), strict=True)))
    if earlier:
        before = _numbers_by_day(year, earlier, branches, breakdown)
        rows = {_key(breakdown, row.key): row.contacts_before for row in figure.rows if row.contacts_before}
        assert rows == {key: numbers[0] for key, numbers in before.items()}
    return found, wanted


def _numbers_by_day(year, period, branches, breakdown):
    if breakdown != "time":
        return year.ledger.contacts(period.first, period.last, branches, breakdown)
    step = "day" if period.days <= 62 else "month"
    found = year.ledger.contacts(period.first, period.last, branches, step)
    return {_place(key, period, step): numbers for key, numbers in found.items()}


def _place(key, period, step):
    """Return the position of a day or month in the period. The first one has the position 0."""
    if step == "day":
        return (datetime.date.fromisoformat(key) - period.first).days
    of_year, month = map(int, key.split("-"))
    return (of_year - period.first.year) * 12 + month - period.first.month


def _is_known(numbers):
    return any(numbers) and None not in numbers


def _key(breakdown, key):
    """Return the key of a figure's row as the SQL returns it."""
    if breakdown in ("question_type", "read_level", "tally_kind"):
        is_tally, key = key
        if breakdown == "tally_kind":
            return key if is_tally else -1
        if is_tally:
            return {"question_type": "tally", "read_level": -1}[breakdown]
    return key


def grid(year, period, branches):
    """Return {(hour, weekday): contacts}, once from the figure and once from the SQL."""
    figure = workload.figure(period, branches, workload.GRID)
    found = {
        (row.key, weekday): number
        for row in figure.rows
        for weekday, number in enumerate(row.numbers[1:])
        if number
    }
    return found, year.ledger.hours_and_weekdays(period.first, period.last, branches)


def by_month(year, period, branches, breakdown):
    """Check a breakdown that hides small numbers, and return how many rows the figure shows.

    Each number that is shown must be the number of the SQL. Numbers below five must not be shown. *Other*
    must be the rest.
    """
    figure = workload.figure(period, branches, breakdown)
    days = period.first, period.last, branches
    if breakdown.startswith(workload.OWN):
        wanted = year.ledger.own(*days, breakdown.removeprefix(workload.OWN))
    else:
        wanted = year.ledger.described(*days, breakdown)
    total = year.ledger.recorded(*days)
    shown = {row.key: row.contacts for row in figure.rows if row.key != workload.OTHER}
    assert shown == {key: wanted[key] for key in shown}
    assert all(number >= FEWEST for number in shown.values())
    others = [row.contacts for row in figure.rows if row.key == workload.OTHER]
    assert sum(others) == total - sum(shown.values())
    assert figure.total.numbers == (total,)
    return len(shown)


def cells(table, column, month, branch):
    """Return {key: contacts} of a table of counts in one month at one branch.

    If `month` is None, return the sums of all months and branches.
    """
    rows = table.objects.filter(**{"month": month, "branch": branch} if month else {}).order_by()
    found = dict(rows.values_list(column).annotate(Sum("contacts")))
    return {key: number for key, number in found.items() if number}


def rows_of(table):
    """Return {key: numbers} of a table of counts. Add up the rows that have the same key."""
    rows = table.objects.order_by().values_list(*table.KEY).annotate(*map(Sum, table.NUMBERS))
    size = len(table.KEY)
    return {row[:size]: row[size:] for row in rows}


def answers(year, period, branches):
    """Return two dicts {upper limit of a band: (answers, answers in the promised time)}.

    The first dict is from the figure, and the second from the SQL. If they are equal, also check the figure's
    sentence.
    """
    figure = workload.figure(period, branches, workload.ANSWERS)
    waits = year.ledger.waits(period.first, period.last, branches)
    wanted: dict = {}
    for _branch, seconds in waits:
        band = year.ledger.band_of(seconds)
        number, in_time = wanted.get(band, (0, 0))
        wanted[band] = number + 1, in_time + (seconds <= PROMISED)
    found = {row.key: row.numbers for row in figure.rows}
    if waits and found == wanted:
        median, most = (waits[-(-len(waits) * percent // 100) - 1][1] for percent in (50, 90))
        median, most = (of_time(year.ledger.band_of(seconds)) for seconds in (median, most))
        says = f"half of the patrons waited up to {median}, and 90% waited up to {most}."
        assert says in sentence_of(figure)
    return found, wanted


def by_staff(year, branches):
    """Return {staff member: (contacts, minutes)}, once from the figure and once from the SQL.

    The period begins on the first day for which the figure is complete.
    """
    period = Period(complete_from(year.last_day), year.last_day)
    user = User.objects.get(pk=year.staff[0].pk)
    figure = figure_by_staff(period, branches, user=user, sees_all=True, library=Library.current())
    found = {row.key: row.numbers for row in figure.rows}
    return found, year.ledger.by_staff(period.first, period.last, branches)


def survey(year, name, method):
    """Return the answers for two reporting years, once from the report and once from the SQL.

    First, set the method of all rules of the survey to `method`.
    """
    RuleSet.objects.filter(survey=name).update(method=method)
    start = Library.current().year_starts_in
    first = ReportingYear.of(datetime.date(2026, 1, 1), start)
    pairs = [_survey_of(year, name, method, each) for each in (first, first.after)]
    return [found for found, _wanted in pairs], [wanted for _found, wanted in pairs]


def _survey_of(year, name, method, reporting_year):
    found = report(name, reporting_year, today=year.last_day)
    first, last = reporting_year.first_day, min(reporting_year.last_day, year.last_day)
    if method == "count":
        wanted = year.ledger.for_survey(name, first, last)
    else:
        wanted = _estimate(year, name, first, last, found.rules)
    if wanted is None:
        assert found.problem is not None
        return None, None
    asked = [question for question in found.preset.questions if question.counts]
    given = dict(zip((question.number for question, _answer in found.answers), found.answers, strict=True))
    return (
        [given[question.number][1] for question in asked],
        [sum(wanted.get(str(counts), 0) for counts in question.counts) for question in asked],
    )


def _estimate(year, name, first, last, rules):
    """Return {counts as: estimate} from the sampled weeks that are over, or None if too few are over."""
    weeks = [
        starts
        for (starts,) in SampledWeek.objects.values_list("starts_on")
        if first <= starts
        and starts + datetime.timedelta(6) <= last
        and starts + datetime.timedelta(6) < year.last_day
    ]
    if len(weeks) < rules.weeks:
        return None
    days = [starts + datetime.timedelta(number) for starts in weeks for number in range(7)]
    sums = year.ledger.for_survey(name, first, last, days)
    exact = {
        counts_as: sums.get(counts_as, 0) * rules.multiplier / len(weeks) for counts_as in CountsAs.values
    }
    return {counts_as: int(number + 0.5) for counts_as, number in exact.items()}
