"""Quarters of a year."""

import datetime
import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Quarter:
    """A quarter of a year. `number` is 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, day):
        """Return the quarter that this day is in."""
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def read(cls, text):
        """Parse a text from a URL, such as "2026-3". Return None if the text isn't a quarter."""
        match = re.fullmatch(r"(2\d{3})-([1-4])", text, re.ASCII)
        return cls(int(match[1]), int(match[2])) if match else None

    def __str__(self):
        return f"{self.year}-{self.number}"

    @property
    def months(self):
        """Return the first day of each month."""
        return [datetime.date(self.year, self.number * 3 - back, 1) for back in (2, 1, 0)]

    def month_of(self, day):
        """Return the index (0, 1 or 2) of the day's month in its quarter."""
        return (day.month - 1) % 3

    @property
    def first_day(self):
        return self.months[0]

    @property
    def last_day(self):
        return self.after.first_day - datetime.timedelta(days=1)

    @property
    def before(self):
        return Quarter(self.year, self.number - 1) if self.number > 1 else Quarter(self.year - 1, 4)

    @property
    def after(self):
        return Quarter(self.year, self.number + 1) if self.number < 4 else Quarter(self.year + 1, 1)
