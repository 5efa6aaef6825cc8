"""The library's reporting year. It starts in the month that the library has set."""

import datetime
import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class ReportingYear:
    """A reporting year. `number` is the calendar year in which it starts. `first_month` is 1 to 12."""

    number: int
    first_month: int = 1

    @classmethod
    def of(cls, day, first_month):
        """Return the reporting year that this day is in."""
        return cls(day.year if day.month >= first_month else day.year - 1, first_month)

    @classmethod
    def read(cls, text, first_month):
        """Parse a text from a URL, such as "2026". Return None if the text isn't a year."""
        match = re.fullmatch(r"2\d{3}", text, re.ASCII)
        return cls(int(text), first_month) if match else None

    def __str__(self):
        return str(self.number)

    @property
    def first_day(self):
        return datetime.date(self.number, self.first_month, 1)

    @property
    def last_day(self):
        return self.after.first_day - datetime.timedelta(days=1)

    @property
    def before(self):
        return ReportingYear(self.number - 1, self.first_month)

    @property
    def after(self):
        return ReportingYear(self.number + 1, self.first_month)
