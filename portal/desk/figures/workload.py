"""Count how much work the desk had. The page and the files get all their numbers from `figure`.

The numbers come from the tables of counts (portal/counts/), so they stay the same when help sessions are
forgotten or people are erased.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Library
from accounts.reporting_year import ReportingYear
from portal.counts.answers import LONGER
from portal.counts.models import (
    AnswerCount,
    DayCount,
    GroupCount,
    HourTotal,
    LanguageCount,
    LevelTotal,
    ModeTotal,
    OwnCount,
    PointTotal,
    TopicCount,
    TypeTotal,
)

from . import labels
from .small_numbers import YearTable, shown_numbers

NUMBERS = ("contacts", "minutes", "handed_over", "check_ins")
# What is counted for each row. The estimated minutes are included in the minutes, and have a column of their
# own only if there are any.
ESTIMATED = "estimated_minutes"
COUNTED = (*NUMBERS, ESTIMATED)
# The breakdown of first answers by the time that patrons waited, and the names of its numbers.
ANSWERS, OF_ANSWERS = "answers", ("answers", "in_time")
# The breakdown by hour with a number for each day of the week. Monday is 0.
GRID, OF_GRID = "hour_weekday", ("contacts", *range(7))
# Breakdowns for any days: {name: (columns that make up the key of a count, table of whole months)}. The
# column DAY is the month in this table, and the day in DayCount. Only HourTotal has a column WEEKDAY.
# `_folded` adds up the counts whose keys share a row of the figure.
DAY, WEEKDAY = "day", "weekday"
BY_DAY: dict = {
    "time": ((DAY,), PointTotal),
    "branch": (("branch",), PointTotal),
    "service_point": (("service_point",), PointTotal),
    "mode": (("mode",), ModeTotal),
    "question_type": (("is_tally", "question_type"), TypeTotal),
    "read_level": (("is_tally", "read_level"), LevelTotal),
    "tally_kind": (("is_tally", "tally_kind"), PointTotal),
    "hour": (("hour",), HourTotal),
    "weekday": ((WEEKDAY,), HourTotal),
}
ONE_ROW_OF_TALLIES = ("question_type", "read_level")
# Breakdowns for whole months: {name: (table, column)}. The breakdown of one of the library's own fields has
# the name `own-` followed by the field's primary key.
BY_MONTH = {
    "topic": (TopicCount, "topic"),
    "patron_group": (GroupCount, "patron_group"),
    "language": (LanguageCount, "language"),
}
OWN = "own-"
# The keys of the row with all counts that are not shown, and of the row with the sum of all rows.
OTHER, TOTAL = "other", "total"


@dataclass(frozen=True)
class Row:
    """A row of a figure.

    `numbers` has a number for each of the figure's `names`. `contacts_before` is the number of contacts in
    the earlier period. A value is None if its period doesn't have this row. `estimated` is the part of the
    minutes that is an estimate, because an imported desk log had only a band such as "10-30 min".
    """

    key: object
    label: str
    numbers: tuple
    contacts_before: int | None = None
    estimated: int | None = 0

    @property
    def contacts(self):
        return self.numbers[0]


@dataclass(frozen=True)
class Figure:
    """The numbers of a period, broken down. `total` is the sum of `rows`."""

    by: str
    period: object
    earlier: object
    # The names of the numbers in each row, such as NUMBERS.
    names: tuple
    rows: list
    total: Row
    headings: list = field(default_factory=list)

    @cached_property
    def has_estimates(self):
        """Return whether some minutes are estimates. If so, the table has a column for these minutes."""
        return any(row.estimated for row in [*self.rows, self.total])

    @property
    def is_empty(self):
        return not (self.total.contacts or self.total.contacts_before)

    @property
    def has_other(self):
        return any(row.key == OTHER for row in self.rows)

    def table(self):
        """Return the rows as lists of cells, in the order of `headings`. The last row is the total.

        The page and the file show these cells. A cell that isn't known is None.
        """
        return [self._cells(row) for row in [*self.rows, self.total]]

    def _cells(self, row):
        cells = [row.label, row.contacts]
        if self.earlier:
            known = row.contacts is not None and row.contacts_before is not None
            cells += [row.contacts_before, row.contacts - row.contacts_before if known else None]
        if not self.has_estimates:
            return [*cells, *row.numbers[1:]]
        return [*cells, row.numbers[1], row.estimated, *row.numbers[2:]]


def is_by_month(breakdown):
    """Return whether this breakdown exists only for whole months."""
    return breakdown == ANSWERS or breakdown in BY_MONTH or breakdown.startswith(OWN)


def figure(period, branches, breakdown, *, earlier=None):
    """Count the contacts of a period at these branches, broken down, and return a Figure.

    `branches` are primary keys. `breakdown` is ANSWERS, GRID, a key of BY_DAY or BY_MONTH, or `own-` followed
    by the primary key of a field. If `is_by_month(breakdown)` is true, the period must consist of whole
    months. `earlier` is a period to compare with.
    """
    count, names = _counting(breakdown)
    step, year_starts_in = period.step, Library.current().year_starts_in
    now = count(period, branches, breakdown, step, year_starts_in)
    before = count(earlier, branches, breakdown, step, year_starts_in) if earlier else {}
    known = labels.of(
        breakdown,
        {*now, *before} - {OTHER},
        period=period,
        earlier=earlier,
        branches=branches,
        year_starts_in=year_starts_in,
    )
    missing = None if names == NUMBERS[:1] or breakdown == "time" else 0
    rows = [
        _row(
            key,
            label,
            now.get(key, (missing,) * _size(names)),
            before.get(key, (missing,))[0] if earlier else None,
            names,
        )
        for key, label in known
    ]
    if OTHER in now or OTHER in before:
        rows.append(
            Row(OTHER, _("Other"), now.get(OTHER, (0,)), before.get(OTHER, (0,))[0] if earlier else None)
        )
    total = _row(
        TOTAL,
        _("Total, not including contacts counted without details") if names == NUMBERS[:1] else _("Total"),
        _sum(now.values(), _size(names)),
        _sum(before.values(), 1)[0] if earlier else None,
        names,
    )
    figure = Figure(breakdown, period, earlier, names, rows, total)
    figure.headings.extend(_headings(figure))
    return figure


def _size(names):
    """Return how many numbers are counted in each row of a figure that has these `names`."""
    return len(COUNTED if names == NUMBERS else names)


def _row(key, label, numbers, contacts_before, names):
    """Return a Row. If `names` is NUMBERS, `numbers` has a number for each name in COUNTED."""
    if names != NUMBERS:
        return Row(key, label, numbers, contacts_before)
    return Row(key, label, numbers[:-1], contacts_before, numbers[-1])


def _counting(breakdown):
    """Return the function that counts this breakdown, and the names of its numbers."""
    if breakdown == ANSWERS:
        return _answers, OF_ANSWERS
    if breakdown == GRID:
        return _grid, OF_GRID
    return (_by_month, NUMBERS[:1]) if is_by_month(breakdown) else (_by_day, NUMBERS)


def _headings(figure):
    names, earlier = figure.names, figure.earlier
    headings = [labels.of_breakdown(figure.by), labels.of_number(names[0])]
    if earlier:
        headings += [labels.of_number_in(names[0], earlier), pgettext("from one period to another", "Change")]
    others = [*names[1:2], ESTIMATED, *names[2:]] if figure.has_estimates else names[1:]
    return headings + [labels.of_number(name) for name in others]


def _by_day(period, branches, breakdown, step, year_starts_in):
    """Count the contacts of a period that may begin and end on any day. Return {key of a row: numbers}."""
    columns, of_months = BY_DAY[breakdown]
    counted: dict = defaultdict(lambda: (0,) * len(COUNTED))
    for key, numbers in _sums(period, branches, columns, COUNTED, of_months, step):
        key = key if len(key) > 1 else key[0]
        counted[key] = _sum((counted[key], numbers), len(COUNTED))
    return _folded(counted, breakdown, period.steps(step, year_starts_in))


def _sums(period, branches, columns, names, of_months, step):
    """Yield (key, numbers) of the period. A key can come more than once.

    If `step` isn't "day", read whole months from the table `of_months`. Read all other days from DayCount.
    """
    months = period.whole_months if step != "day" else None
    if months:
        rows = of_months.objects.filter(month__range=(months.first, months.last), branch__in=branches)
        yield from _grouped(rows, ["month" if name == DAY else name for name in columns], names)
    for days in period.without(months):
        rows = DayCount.objects.filter(happened_on__range=(days.first, days.last), branch__in=branches)
        of_days = ["happened_on" if name in (DAY, WEEKDAY) else name for name in columns]
        for key, numbers in _grouped(rows, of_days, names):
            yield tuple(_of_day(*each) for each in zip(columns, key, strict=True)), numbers


def _grouped(rows, columns, names):
    for row in rows.order_by().values_list(*columns).annotate(*[Sum(name) for name in names]):
        yield row[: len(columns)], row[len(columns) :]


def _of_day(column, value):
    return value.weekday() if column == WEEKDAY else value


def _grid(period, branches, _by, step, _year):
    """Return {hour: (contacts, contacts on Mondays, contacts on Tuesdays, …)}."""
    cells: dict = defaultdict(lambda: [0] * len(OF_GRID))
    for (hour, weekday), (contacts,) in _sums(
        period, branches, ("hour", WEEKDAY), NUMBERS[:1], HourTotal, step
    ):
        cells[hour][0] += contacts
        cells[hour][1 + weekday] += contacts
    hours = [hour for hour in cells if hour is not None]
    every_hour = range(min(hours), max(hours) + 1) if hours else ()
    return {hour: tuple(cells[hour]) for hour in {*every_hour, *cells}}


def _folded(counted, breakdown, steps):
    """Return {key of a row: numbers}. If several keys share a row of the figure, add up their numbers.

    Also add rows for the days, months, years, weekdays and hours without contacts.
    """
    nothing = (0,) * len(COUNTED)
    if breakdown == "time":
        # The key of a step is its position. So the first step is compared with the first step of the earlier
        # period.
        firsts = [first for first, _last in steps]
        places = {day: bisect_right(firsts, day) - 1 for day in counted}
        empty = dict.fromkeys(range(len(steps)), nothing)
    elif breakdown == "weekday":
        places = {weekday: weekday for weekday in counted}
        empty = dict.fromkeys(range(7), nothing)
    elif breakdown == "hour":
        hours = [hour for hour in counted if hour is not None]
        places = {hour: hour for hour in counted}
        empty = dict.fromkeys(range(min(hours), max(hours) + 1), nothing) if hours else {}
    else:
        # Contacts that were counted without details have no question type and no READ level, so they share
        # one row.
        places = {key: (True, None) if breakdown in ONE_ROW_OF_TALLIES and key[0] else key for key in counted}
        empty = {}
    groups = defaultdict(list)
    for key, numbers in counted.items():
        groups[places[key]].append(numbers)
    return empty | {place: _sum(rows, len(COUNTED)) for place, rows in groups.items()}


def _by_month(period, branches, breakdown, _step, year_starts_in):
    """Return {key: (contacts,)} of a table by month. Small numbers are only in OTHER (small_numbers.py).

    OTHER also has the quiet sessions and the visits with a child.
    """
    parts = period.by_reporting_year(year_starts_in)
    days = parts[0][0].first_day, parts[-1][0].last_day
    counted, totals = _cells(breakdown, days), _totals(days)
    cells = []
    for year, months in parts:
        in_year = [
            cell
            for cell in counted.keys() | totals.keys()
            if ReportingYear.of(cell[0], year_starts_in) == year
        ]
        table = YearTable(
            {cell: counted.get(cell, {}) for cell in in_year}, {cell: totals[cell] for cell in in_year}
        )
        cells += [(table, cell) for cell in table.cells(months, branches)]
    shown, hidden = shown_numbers(cells)
    return {key: (contacts,) for key, contacts in shown.items()} | ({OTHER: (hidden,)} if hidden else {})


def _cells(breakdown, days):
    """Return {(month, branch): {key: contacts}} of a table by month."""
    table, column = BY_MONTH.get(breakdown) or (OwnCount, "own_value")
    rows = table.objects.filter(month__range=days)
    if breakdown.startswith(OWN):
        rows = rows.filter(own_value__field=breakdown.removeprefix(OWN))
    cells: dict = defaultdict(dict)
    for month, branch, key, contacts in (
        rows.order_by().values_list("month", "branch", column).annotate(Sum("contacts"))
    ):
        cells[month, branch][key] = contacts
    return cells


def _totals(days):
    """Return {(month, branch): contacts}. Leave out contacts that were counted without details."""
    rows = PointTotal.objects.filter(month__range=days, is_tally=False)
    return Counter({key: contacts for key, (contacts,) in _grouped(rows, ["month", "branch"], NUMBERS[:1])})


def _answers(period, branches, _by, _step, _year):
    """Return {end of a band in minutes: (answers, answers in the promised time)}.

    The key of the last band is None, because it has no end.
    """
    rows = AnswerCount.objects.filter(month__range=(period.first, period.last), branch__in=branches)
    in_time = Sum("answers", filter=Q(is_late=False), default=0)
    counted = rows.order_by().values_list("up_to").annotate(Sum("answers"), in_time=in_time)
    return {None if up_to == LONGER else up_to: tuple(numbers) for up_to, *numbers in counted}


def _sum(rows, size):
    rows = list(rows)
    return tuple(sum(row[place] for row in rows) for place in range(size))
