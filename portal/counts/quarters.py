"""The quarters of a library's reporting year."""

import datetime
import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Quarter:
    """Three whole months, from `first_day` on."""

    first_day: datetime.date

    @classmethod
    def of(cls, day, year_starts_in=1):
        """Return the quarter that this day is in.

        `year_starts_in` is the first month of the year, 1 to 12.
        """
        back = (day.month - year_starts_in) % 3
        return cls(months_later(day.replace(day=1), -back))

    @classmethod
    def read(cls, text):
        """Parse a text from a URL, such as "2026-07" for July to September.

        Return None if the text isn't a month.
        """
        match = re.fullmatch(r"(2\d{3})-(0[1-9]|1[0-2])", text, re.ASCII)
        return cls(datetime.date(int(match[1]), int(match[2]), 1)) if match else None

    def __str__(self):
        return f"{self.first_day:%Y-%m}"

    @property
    def months(self):
        """Return the first days of the three months."""
        return [months_later(self.first_day, number) for number in range(3)]

    @property
    def last_day(self):
        return self.after.first_day - datetime.timedelta(days=1)

    @property
    def before(self):
        return Quarter(months_later(self.first_day, -3))

    @property
    def after(self):
        return Quarter(months_later(self.first_day, 3))


def months_later(first_day, number):
    """Return the first day of the month that is `number` months later. The number can be negative."""
    months = first_day.year * 12 + first_day.month - 1 + number
    return datetime.date(months // 12, months % 12 + 1, 1)
