"""Write the tables of outcomes. A quarter is counted once, some time after its end, and never changes."""

import datetime
from collections import defaultdict

from django.db import transaction

from accounts.models import Branch, Library
from portal.helpsessions.models import HelpSession

from .actions import lock_counts
from .models import LogImport, Outcome, OutcomePeriod, TypeTotal
from .outcome_counting import (
    ANSWERS,
    BREAKDOWNS,
    GUARDS,
    ITEM,
    NONE,
    QUESTION_TYPE,
    TOPIC,
    UNNAMED,
    Cell,
    count_outcomes_of,
    together,
)
from .pooling import sum_rows
from .publishing import Part, Shown, by_key, shown_branches, shown_in_year, shown_rows, too_small
from .quarters import Quarter, months_later

# Patrons' answers are counted if they come within this time after the end of the quarter. Later answers
# change no figure.
DAYS_TO_ANSWER = datetime.timedelta(days=45)
# A quarter is late if it is counted more than this long after `readable_on`. This happens, for example, if
# the portal did not count outcomes yet when the quarter ended.
IS_LATE_AFTER = datetime.timedelta(days=30)
BATCH = 500
Kind = OutcomePeriod.Kind


def readable_on(quarter):
    """Return the day on which the quarter is counted."""
    return quarter.last_day + DAYS_TO_ANSWER


def count_outcomes(*, at):
    """Count the outcomes of all quarters that are due, oldest first. The worker runs this job."""
    while _count_next(at):
        pass


@transaction.atomic
def _count_next(at):
    """Count the next quarter if it is due, and the year that ends with it. Return whether it was due."""
    lock_counts()
    library = Library.current()
    quarter = next_quarter(library.year_starts_in)
    today = library.today(at)
    if quarter is None or today < readable_on(quarter):
        return False
    period = _new_period(Kind.QUARTER, quarter.first_day, quarter.last_day, today)
    period.is_late = today > readable_on(quarter) + IS_LATE_AFTER
    period.save()
    _insert(_rows_of_quarter(period, count_outcomes_of(quarter, library.zone)))
    _count_year(quarter, library.year_starts_in, today)
    return True


def next_quarter(year_starts_in):
    """Return the next quarter to count, or None if no visit was recorded yet.

    If the library has changed the first month of its year, the next quarter begins after all counted
    quarters. The first quarter is the first one with visits that were not imported, because an imported desk
    log has no outcomes.
    """
    last = OutcomePeriod.objects.filter(kind=Kind.QUARTER).order_by("first_day").last()
    if last is not None:
        day = last.last_day + datetime.timedelta(days=1)
        quarter = Quarter.of(day, year_starts_in)
        return quarter if quarter.first_day >= day else quarter.after
    if LogImport.objects.exists():
        days = TypeTotal.objects.filter(log_import=None, is_tally=False).order_by("month")
        first = days.values_list("month", flat=True).first()
    else:
        days = HelpSession.objects.recorded().order_by("happened_on")
        first = days.values_list("happened_on", flat=True).first()
    return Quarter.of(first, year_starts_in) if first else None


def _new_period(kind, first_day, last_day, today):
    return OutcomePeriod(kind=kind, first_day=first_day, last_day=last_day, counted_on=today, is_late=False)


def _rows_of_quarter(period, counted):
    """Return the Outcomes of a quarter. `counted` is a result of count_outcomes_of."""
    rows, all_branches = [], list(Branch.objects.values_list("pk", flat=True))
    for question, breakdowns in BREAKDOWNS.items():
        sums = {branch: together(of_keys.values()) for branch, of_keys in counted[question, NONE].items()}
        branches = shown_branches(sums, question)
        empty = _empty(question)
        of_library = together([empty, *sums.values()])
        rows.append(_row(period, question, NONE, UNNAMED, of_library, branches is not None))
        if branches is not None:
            for branch in [*branches, *(branch for branch in all_branches if branch not in sums)]:
                rows.append(_row(period, question, NONE, UNNAMED, sums.get(branch, empty), branch=branch))
        for breakdown in breakdowns[1:]:
            rows += _rows_of_breakdown(period, question, breakdown, counted[question, breakdown], branches)
    return rows


def _rows_of_breakdown(period, question, breakdown, cells, branches):
    shown = Shown()
    if branches is not None:
        shown = shown_rows(cells, [branch for branch in branches if branch in cells], question, breakdown)
    rows = [
        _row(period, question, breakdown, key, cell, key in shown.keys) for key, cell in by_key(cells).items()
    ]
    for branch, of_branch in shown.branches.items():
        for key in of_branch:
            cell = cells[branch].get(key, _empty(question))
            rows.append(_row(period, question, breakdown, key, cell, branch=branch))
    return rows


def _count_year(quarter, year_starts_in, today):
    """If this quarter ends a reporting year, and its four quarters are counted, count the year."""
    first_day = months_later(quarter.first_day, -9)
    if first_day.month != year_starts_in:
        return
    years = OutcomePeriod.objects.filter(kind=Kind.YEAR, last_day__gte=first_day)
    first_days = [months_later(first_day, months) for months in (0, 3, 6, 9)]
    found = OutcomePeriod.objects.filter(kind=Kind.QUARTER, first_day__in=first_days)
    quarters = list(found.order_by("first_day"))
    # No two shown years may overlap, because somebody could subtract one from the other.
    if len(quarters) < 4 or years.exists():
        return
    year = _new_period(Kind.YEAR, first_day, quarter.last_day, today)
    year.is_late = any(each.is_late for each in quarters)
    year.save()
    stored = [_stored(each) for each in quarters]
    for question, breakdowns in BREAKDOWNS.items():
        for breakdown in breakdowns:
            _insert(_rows_of_year(year, question, breakdown, stored))


def _rows_of_year(year, question, breakdown, stored):
    """Return the Outcomes of a year. `stored` is a list with the result of `_stored` for each quarter."""
    sums = [of_quarter.get((None, question, NONE), {}).get(UNNAMED) for of_quarter in stored]
    not_shown = [number for number, found in enumerate(sums) if found and not found[1]]
    if too_small(sum_rows(sums[number][0].visits for number in not_shown), question):
        return []
    if breakdown == NONE:
        cells = [found[0] for found in sums if found]
        rows = [_row(year, question, NONE, UNNAMED, together(cells))] if cells else []
        return rows + ([] if not_shown else _branch_rows_of_year(year, question, NONE, stored))
    parts = [[number] for number in range(4) if number not in not_shown] + ([not_shown] if not_shown else [])
    of_library = [of_quarter.get((None, question, breakdown), {}) for of_quarter in stored]
    keys = {key for rows in of_library for key in rows}
    shown = shown_in_year(
        [Part(_hidden({number: of_library[number] for number in part})) for part in parts],
        keys,
        question,
        breakdown,
    )
    rows = [
        _row(year, question, breakdown, key, together(rows[key][0] for rows in of_library if key in rows))
        for key in shown
    ]
    return rows + ([] if not_shown else _branch_rows_of_year(year, question, breakdown, stored))


def _hidden(of_quarters):
    """Return {key: {number of the quarter: Cell}} for the rows that the quarters don't show."""
    hidden: dict = defaultdict(dict)
    for number, rows in of_quarters.items():
        for key, (cell, is_shown) in rows.items():
            if not is_shown:
                hidden[key][number] = cell
    return dict(hidden)


def _branch_rows_of_year(year, question, breakdown, stored):
    """Return the rows of branches for a year.

    They are sums of numbers that all four quarters already show, so they reveal nothing new.
    """
    rows = []
    for branch in {branch for of_quarter in stored for branch, *_table in of_quarter if branch}:
        sums = [of_quarter.get((branch, question, NONE), {}).get(UNNAMED) for of_quarter in stored]
        if None in sums:
            continue
        tables = [of_quarter.get((branch, question, breakdown), {}) for of_quarter in stored]
        for key in {key for table in tables for key in table}:
            is_known = all(
                key in table
                or not any(of_sum[0].visits)
                or key not in of_quarter.get((None, question, breakdown), {})
                for table, of_sum, of_quarter in zip(tables, sums, stored, strict=True)
            )
            if is_known:
                cell = together(table[key][0] for table in tables if key in table)
                rows.append(_row(year, question, breakdown, key, cell, branch=branch))
    return rows


def _stored(period):
    """Return a quarter's rows as {(branch or None, question, breakdown): {key: (Cell, is_shown)}}."""
    tables: dict = defaultdict(dict)
    for row in period.rows.all():
        key = key_of(row)
        # An earlier version stored fewer numbers in `visits`. Use 0 for the missing numbers.
        missing = len(_empty(row.question).visits) - len(row.visits)
        cell = Cell(tuple(row.numbers), (*row.visits, *[0] * missing))
        tables[row.branch_id, row.question, row.breakdown][key] = (cell, row.is_shown)
    return dict(tables)


def key_of(row):
    """Return the key of an Outcome: the primary key of its topic or item, its question type, or UNNAMED."""
    return row.topic_id or row.item_id or row.question_type or UNNAMED


def _row(period, question, breakdown, key, cell, is_shown=True, *, branch=None):
    column = {TOPIC: "topic_id", ITEM: "item_id", QUESTION_TYPE: "question_type"}.get(breakdown)
    return Outcome(
        period=period,
        branch_id=branch,
        question=question,
        breakdown=breakdown,
        is_shown=is_shown,
        numbers=cell.numbers,
        visits=cell.visits,
        **({} if column is None or key is UNNAMED else {column: key}),
    )


def _empty(question):
    zeros = (0,) * len(ANSWERS[question])
    return Cell(zeros, zeros + (0,) * GUARDS[question])


def _insert(rows):
    Outcome.objects.bulk_create(rows, batch_size=BATCH)
