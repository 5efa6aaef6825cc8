"""Functions that read values from URLs and posted forms."""

from django.utils.dateparse import parse_datetime

# Years near the limits of datetime are refused, because converting them to another time zone fails.
YEARS = range(2000, 9000)


def parse_moment(text):
    """Parse a time in ISO format. Return None if the text is not a valid time with a time zone."""
    try:
        moment = parse_datetime(text or "")
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


def number_or_none(text):
    """Return the text as a whole number, or None if it isn't a whole number from 0 to 999,999,999."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
