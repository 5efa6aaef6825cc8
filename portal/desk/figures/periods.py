"""Periods of days for which figures are counted."""

import datetime
from dataclasses import dataclass

from accounts.reporting_year import ReportingYear

# A figure by time has a row for each day if the period has at most MOST_DAYS days. It has a row for each
# month if the period has at most MOST_MONTHS months. Otherwise, it has a row for each year.
MOST_DAYS = 62
MOST_MONTHS = 36


@dataclass(frozen=True)
class Period:
    """All days from `first` to `last`."""

    first: datetime.date
    last: datetime.date

    @classmethod
    def of_month(cls, day):
        """Return the month that this day is in."""
        first = day.replace(day=1)
        return cls(first, _months_later(first, 1) - datetime.timedelta(days=1))

    @classmethod
    def of_year(cls, year):
        """Return all days of a ReportingYear."""
        return cls(year.first_day, year.last_day)

    @property
    def days(self):
        return (self.last - self.first).days + 1

    @property
    def months(self):
        """Return how many months contain at least one day of the period."""
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    @property
    def is_whole_months(self):
        return self.first.day == 1 and (self.last + datetime.timedelta(days=1)).day == 1

    @property
    def whole_months(self):
        """Return the Period of all whole months in this period, or None."""
        first = self.first if self.first.day == 1 else _months_later(self.first.replace(day=1), 1)
        next_day = self.last + datetime.timedelta(days=1)
        last = next_day.replace(day=1) - datetime.timedelta(days=1)
        return Period(first, last) if first <= last else None

    def without(self, part):
        """Return what is left of this period without `part`, as a list of Periods. `part` can be None."""
        if part is None:
            return [self]
        day = datetime.timedelta(days=1)
        around = [Period(self.first, part.first - day), Period(part.last + day, self.last)]
        return [each for each in around if each.first <= each.last]

    @property
    def is_month(self):
        return self.is_whole_months and self.months == 1

    @property
    def is_year(self):
        """Return whether the period is twelve whole months, such as a reporting year."""
        return self.is_whole_months and self.months == 12

    @property
    def before(self):
        """Return the period of the same length before this one.

        If this period consists of whole months, the period before has as many whole months. Otherwise, it has
        as many days.
        """
        last = self.first - datetime.timedelta(days=1)
        if self.is_whole_months:
            return Period(_months_later(self.first, -self.months), last)
        return Period(self.first - datetime.timedelta(days=self.days), last)

    @property
    def after(self):
        """Return the period that follows this one and has as many months. Both consist of whole months."""
        first = self.last + datetime.timedelta(days=1)
        return Period(first, _months_later(first, self.months) - datetime.timedelta(days=1))

    @property
    def year_before(self):
        """Return the same days of the year before. February 29 becomes February 28."""
        first, last = _year_before(self.first), _year_before(self.last)
        return Period(first, Period.of_month(last).last if self.is_whole_months else last)

    def steps(self, step, year_starts_in):
        """Return the days, months or reporting years of the period, as [(first day, last day)].

        `step` is "day", "month" or "year". `year_starts_in` is the first month of a reporting year. The first
        and the last step can be shorter.
        """
        firsts = [self.first]
        while (following := _step_after(firsts[-1], step, year_starts_in)) <= self.last:
            firsts.append(following)
        lasts = [first - datetime.timedelta(days=1) for first in firsts[1:]]
        return list(zip(firsts, [*lasts, self.last], strict=True))

    def by_reporting_year(self, year_starts_in):
        """Divide a period of whole months by reporting year, and return [(ReportingYear, months)].

        `months` are the first days of the period's months in this year. If the period contains the whole
        year, `months` is None.
        """
        parts = []
        for first, last in self.steps("year", year_starts_in):
            year = ReportingYear.of(first, year_starts_in)
            months = [day for day, _last in Period(first, last).steps("month", year_starts_in)]
            parts.append((year, None if len(months) == 12 else months))
        return parts

    @property
    def step(self):
        """Return "day", "month" or "year": the steps into which a figure by time divides this period."""
        if self.days <= MOST_DAYS:
            return "day"
        return "month" if self.months <= MOST_MONTHS else "year"


def _step_after(day, step, year_starts_in):
    if step == "day":
        return day + datetime.timedelta(days=1)
    if step == "month":
        return _months_later(day.replace(day=1), 1)
    return ReportingYear.of(day, year_starts_in).after.first_day


def _months_later(first_day, number):
    """Return the first day of the month that is `number` months later. The number can be negative."""
    months = first_day.year * 12 + first_day.month - 1 + number
    return datetime.date(months // 12, months % 12 + 1, 1)


def _year_before(day):
    if (day.month, day.day) == (2, 29):
        return datetime.date(day.year - 1, 2, 28)
    return day.replace(year=day.year - 1)
