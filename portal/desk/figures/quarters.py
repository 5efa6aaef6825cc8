"""Quarters of a year, by which the desk counts."""

import datetime
import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Quarter:
    year: int
    number: int  # 1 to 4

    @classmethod
    def of(cls, day):
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def read(cls, text):
        """The quarter that an address names (2026-3), or None."""
        named = re.fullmatch(r"(2\d{3})-([1-4])", text, re.ASCII)
        return cls(int(named[1]), int(named[2])) if named else None

    def __str__(self):
        return f"{self.year}-{self.number}"

    @property
    def months(self):
        """The first day of each."""
        return [datetime.date(self.year, self.number * 3 - left, 1) for left in (2, 1, 0)]

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
