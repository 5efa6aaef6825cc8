"""Read the dates, times and durations of desk logs."""

import datetime
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.folding import fold

# Dates before FIRST_YEAR are mistakes. Excel stores a date as a serial number. The numbers in SERIALS are
# days from 1968 to 2064.
FIRST_YEAR = 1970
SERIALS = range(25_000, 60_000)
EPOCHS = {1900: datetime.date(1899, 12, 30), 1904: datetime.date(1904, 1, 1)}
MAX_MINUTES = 600

# The possible orders of day and month in a column. ISO dates, and dates with the name of a month, can be read
# without knowing the order.
DAY_FIRST, MONTH_FIRST = "day first", "month first"
ORDERS = (DAY_FIRST, MONTH_FIRST)
NO_DAY = {
    "": gettext_lazy("“%(text)s” is not a day of the calendar. Correct the date"),
    DAY_FIRST: gettext_lazy(
        "“%(text)s” is not a day of the calendar. The dates of this column have the day first. Correct the "
        "date"
    ),
    MONTH_FIRST: gettext_lazy(
        "“%(text)s” is not a day of the calendar. The dates of this column have the month first. Correct the "
        "date"
    ),
}

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january enero ene janvier januar",
            "feb february febrero fevrier februar",
            "mar march marzo mars marz maerz",
            "apr april abril abr avril",
            "may mayo mai",
            "jun june junio juin juni",
            "jul july julio juillet juli",
            "aug august agosto ago aout",
            "sep sept september septiembre setiembre set septembre",
            "oct october octubre octobre oktober okt",
            "nov november noviembre novembre",
            "dec december diciembre dic decembre dezember dez",
        ),
        start=1,
    )
    for name in names.split()
}
ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
COMPACT = re.compile(r"((?:19|20)\d\d)(0[1-9]|1[0-2])([0-3]\d)(?!\d)")
NUMBERS = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})(?!\d)")
SERIAL = re.compile(r"(\d{5})(\.\d+)?$")
WEEKDAY = re.compile(r"^[^\W\d_]{2,10}\.?,?\s+(?=\d|[^\W\d_]+\.?\s+\d)")
DAY_AND_NAME = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|\.|º)?[-\s/]*(?:de\s+)?([^\W\d_]{3,10})\.?,?[-\s/]*(?:de\s+)?(\d{4}|\d{2})(?!\d)"
)
NAME_AND_DAY = re.compile(r"([^\W\d_]{3,10})\.?[-\s]+(\d{1,2})(?:st|nd|rd|th)?,?[-\s]+(\d{4})(?!\d)")
CLOCK = re.compile(
    r"(?:^|[T\s,])(\d{1,2})[:.h](\d{2})(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:([ap])(?:\.?\s*m\.?|\s*$))?",
    re.IGNORECASE,
)
HOUR_ONLY = re.compile(r"(?:^|\s)(\d{1,2})\s*([ap])(?:\.?\s*m\.?)?$", re.IGNORECASE)
# Matches a date at midnight. Spreadsheets and other programs write a date without a time in this way.
MIDNIGHT = re.compile(
    r".*[T\s](?:0?0[:.h]00(?:[:.]00(?:[.,]0+)?)?(?:\s*a\.?\s*m\.?)?|12:00(?::00)?\s*a\.?\s*m\.?)"
    r"\s*(?:Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
SOME_TIME = re.compile(r"\d[:h]\d\d|\s\d{1,2}\.\d\d|\d\s*[ap]\.?\s*m\.?$|^\d{5}\.\d", re.IGNORECASE)
OFFSET = re.compile(r"\d{2}(?:[.,]\d+)?\s*(Z|[+-]\d{2}:?\d{2})$")


class NotRead(Exception):
    """The text can't be read. The text of the exception says why, and what to do."""


class Parts(NamedTuple):
    """A date as it is written. `first` and `second` are the day and the month in an unknown order."""

    first: int
    second: int
    year: int
    rest: str


@dataclass
class Evidence:
    """What the dates of one column say about the order of day and month, and whether they have times.

    `midnights` is the number of dates at midnight, and `timed` the number of dates at another time.
    """

    day_first: int = 0
    month_first: int = 0
    either: int = 0
    serials: int = 0
    examples: list = field(default_factory=list)
    midnights: int = 0
    timed: int = 0

    def add(self, text):
        if MIDNIGHT.fullmatch(text):
            self.midnights += 1
        elif SOME_TIME.search(text):
            self.timed += 1
        if SERIAL.match(text):
            self.serials += 1
            return
        parts = _numbers(text)
        if parts is None:
            return
        if parts.first > 12 >= parts.second:
            self.day_first += 1
        elif parts.second > 12 >= parts.first:
            self.month_first += 1
        else:
            self.either += 1
            if len(self.examples) < 3 and parts.first != parts.second:
                self.examples.append(text[:40])

    @property
    def has_only_days(self):
        """Return whether the times in the column mean nothing, because each of them is midnight."""
        return bool(self.midnights) and not self.timed

    @property
    def order(self):
        """Return DAY_FIRST or MONTH_FIRST, or "" if the dates don't show the order."""
        if self.day_first and not self.month_first:
            return DAY_FIRST
        if self.month_first and not self.day_first:
            return MONTH_FIRST
        return ""

    @property
    def needs_answer(self):
        """Return whether a person has to say whether the day or the month comes first."""
        return not self.order and bool(self.examples or (self.day_first and self.month_first))


def _numbers(text):
    if ISO.match(text) or COMPACT.match(text):
        return None
    text = WEEKDAY.sub("", text)
    match = NUMBERS.match(text)
    return match and Parts(int(match[1]), int(match[2]), _year(match[3]), text[match.end() :])


def _year(digits):
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


@lru_cache(maxsize=20_000)
def read_day(text, order, epoch, zone):
    """Return (day, hour). The hour is None if the text has no time. Raises NotRead.

    `order` is one of ORDERS. `epoch` is 1900 or 1904, the year from which serial dates count. `zone` is the
    library's time zone. If the text has a time with another offset, the day and hour are those in the
    library's time zone. If `zone` is None, the day is the one in the text.
    """
    if zone is not None and OFFSET.search(text):
        try:
            moment = datetime.datetime.fromisoformat(text.replace(" Z", "Z"))
        except ValueError:
            pass
        else:
            if moment.tzinfo is not None:
                local = moment.astimezone(zone)
                return _checked(local.date(), text), local.hour
    if match := SERIAL.match(text):
        return _from_serial(match, epoch, text)
    day, rest = _written_day(text, order)
    return day, _hour_after(rest, text)


def _from_serial(match, epoch, text):
    number = int(match[1])
    if number not in SERIALS:
        raise _no_date(text)
    day = EPOCHS[epoch] + datetime.timedelta(days=number)
    hour = int((float(match[2]) * 86_400 + 0.5) // 3600) % 24 if match[2] else None
    return _checked(day, text), hour


def _written_day(text, order):
    try:
        if match := ISO.match(text) or COMPACT.match(text):
            return _checked(datetime.date(*map(int, match.groups())), text), text[match.end() :]
        if parts := _numbers(text):
            day, month = (parts.second, parts.first) if order == MONTH_FIRST else (parts.first, parts.second)
            return _checked(datetime.date(parts.year, month, day), text), parts.rest
        without = WEEKDAY.sub("", text)
        if (match := DAY_AND_NAME.match(without)) and (month := MONTHS.get(fold(match[2]))):
            found = datetime.date(_year(match[3]), month, int(match[1]))
            return _checked(found, text), without[match.end() :]
        for words in (text, without):
            if (match := NAME_AND_DAY.match(words)) and (month := MONTHS.get(fold(match[1]))):
                found = datetime.date(int(match[3]), month, int(match[2]))
                return _checked(found, text), words[match.end() :]
    except ValueError as error:
        raise NotRead(NO_DAY[order] % {"text": text[:40]}) from error
    raise _no_date(text)


def _no_date(text):
    return NotRead(_("“%(text)s” is not a date. Write it like 2025-12-31") % {"text": text[:40]})


def _checked(day, text):
    if day.year < FIRST_YEAR:
        wrong = _("“%(text)s” is before %(year)d. Correct the date")
        raise NotRead(wrong % {"text": text[:40], "year": FIRST_YEAR})
    return day


def _hour_after(rest, text):
    rest = rest.strip(" ,T")
    if not rest:
        return None
    try:
        return read_hour(rest)
    except NotRead:
        raise NotRead(
            _("“%(text)s” has no time that we can read. Write it like 14:30") % {"text": text[:40]}
        ) from None


@lru_cache(maxsize=20_000)
def read_hour(text):
    """Return the hour, from 0 to 23. Raises NotRead."""
    wrong = _("“%(text)s” is not a time. Write it like 14:30 or 2:30 PM") % {"text": text[:40]}
    if match := re.fullmatch(r"0?\.\d+", text):
        return int((float(text) * 86_400 + 0.5) // 3600) % 24
    if match := ISO.match(text):
        # Some workbooks store a day with each time, so skip the day.
        text = text[match.end() :].strip(" T")
    if match := re.fullmatch(r"([01]?\d|2[0-4])([0-5]\d)\s*(?:h|hrs)?", text):
        hour, half = int(match[1]), ""
    elif (match := CLOCK.match(text)) or (match := HOUR_ONLY.match(text)):
        hour, half = int(match[1]), (match[match.lastindex] or "").lower() if match.lastindex else ""
        half = half if half in ("a", "p") else ""
    else:
        raise NotRead(wrong)
    if half and not 1 <= hour <= 12:
        raise NotRead(wrong)
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    if hour == 24:
        hour = 0
    if hour > 23:
        raise NotRead(wrong)
    return hour


class Duration(NamedTuple):
    """How long a contact took. If the log has only a band, such as 10-30 min, `minutes` is an estimate."""

    minutes: int
    band: tuple[int, int | None] | None = None

    @property
    def in_fingerprints(self):
        """Return the Duration for a row's fingerprint. Half a minute is rounded up, as in earlier releases.

        With any other rounding, rows that an earlier release imported would look new.
        """
        low, high = self.band or (0, None)
        return self if high is None else self._replace(minutes=int((low + high) / 2 + 0.5))


UNIT = (
    r"\s*(h(?:ou)?rs?\.?|hours?|h|horas?|stunden?|std\.?"
    r"|minuten|m(?:in(?:ute|uto)?s?)?\.?|s(?:ec(?:ond)?s?)?\.?)?"
)
SPAN = re.compile(rf"(\d+(?:[.,]\d+)?){UNIT}\s*(?:-|–|—|to|a|bis|y)\s*(\d+(?:[.,]\d+)?){UNIT}")
ONE = re.compile(rf"(\d+(?:[.,]\d+)?){UNIT}")
HOURS_AND_MINUTES = re.compile(
    r"(\d+)\s*h(?:ours?|rs?|oras?)?\.?\s*(?:and|y)?\s*(\d+)\s*(?:m(?:in(?:ute|uto)?s?)?\.?)?"
)
BELOW = re.compile(
    r"^(?:<|≤|under|less than|up to|below|menos de|hasta|unter|bis)\s*=?\s*"
    r"|\s*(?:or less|or fewer|o menos|oder weniger)$"
)
ABOVE = re.compile(
    r"^(?:>|≥|over|more than|above|at least|más de|mas de|über)\s*=?\s*"
    r"|\s*(?:\+|or more|o más|o mas|and up|oder mehr)$|(?<=\d)\+(?=\s*[a-z])"
)


@lru_cache(maxsize=5_000)
def read_duration(text):
    """Return the Duration. Raises NotRead.

    If the text is a band, `minutes` is the middle of the band. Half a minute is rounded to the even number,
    so that a sum over different bands isn't too high. If the band has no upper end, such as 30+, `minutes` is
    its lower end.
    """
    words = " ".join(text.lower().split())
    if match := re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?", words):
        return _exact(int(match[1]) * 60 + int(match[2]) + int(match[3]) / 60, text)
    if match := re.fullmatch(r"(\d{1,2}):([0-5]\d)", words):
        return _exact(int(match[1]) * 60 + int(match[2]), text)
    if match := HOURS_AND_MINUTES.fullmatch(words):
        return _exact(int(match[1]) * 60 + int(match[2]), text)
    if match := SPAN.fullmatch(words):
        low_unit, high_unit = match[2] or match[4], match[4] or match[2]
        low, high = _minutes(match[1], low_unit), _minutes(match[3], high_unit)
        if low > high:
            raise _no_duration(text)
        return _band(low, high, text)
    below, above = BELOW.search(words), ABOVE.search(words)
    rest = ABOVE.sub("", BELOW.sub("", words)).strip()
    if match := ONE.fullmatch(rest):
        minutes = _minutes(match[1], match[2])
        if below and not above:
            return _band(0, minutes, text)
        if above and not below:
            return _band(minutes, None, text)
        if not below and not above:
            return _exact(minutes, text)
    raise _no_duration(text)


def _no_duration(text):
    return NotRead(
        _("“%(text)s” is not a duration. Write minutes, such as 15, or a band, such as 10-30 min")
        % {"text": text[:40]}
    )


def _minutes(digits, unit):
    number = float(digits.replace(",", "."))
    unit = unit or "m"
    if unit.startswith(("h", "st")):
        return number * 60
    return number / 60 if unit.startswith("s") else number


def _exact(minutes, text):
    return Duration(_checked_minutes(int(minutes + 0.5), text))


def _band(low, high, text):
    low, high = int(low + 0.5), None if high is None else int(high + 0.5)
    middle = low if high is None else round((low + high) / 2)
    return Duration(_checked_minutes(middle, text), (low, high))


def _checked_minutes(minutes, text):
    if minutes > MAX_MINUTES:
        wrong = _("“%(text)s” is longer than %(count)d minutes. Correct it, or empty the cell")
        raise NotRead(wrong % {"text": text[:40], "count": MAX_MINUTES})
    return minutes
