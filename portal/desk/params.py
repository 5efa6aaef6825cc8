"""Values from URLs and posted forms."""

from django.utils.dateparse import parse_datetime

# Conversion to a time zone fails near the limits of datetime.
YEARS = range(2000, 9000)


def parse_moment(text):
    """Return the time that this ISO text names, or None if it is not a time with a time zone."""
    try:
        moment = parse_datetime(text or "")
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


def number_or_none(text):
    """Return the whole number below a billion that this text names, or None."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
