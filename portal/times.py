"""Write a time of day in the person's language, and say whether days may be written as "today"."""

import datetime
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from django.utils.formats import time_format
from django.utils.translation import get_language, pgettext

_absolute_days = ContextVar("absolute_days", default=False)


@contextmanager
def absolute_days():
    """Don't write "today" and "yesterday" in this block, because people may read the page on a later day."""
    token = _absolute_days.set(True)
    try:
        yield
    finally:
        _absolute_days.reset(token)


def are_days_absolute():
    return _absolute_days.get()


def time_of_day(hour, minute=0):
    """Return a time of day, such as "2:02 p.m." in English and "14:02" in Spanish.

    Don't end a sentence with it, because "p.m." and a period would make two periods.
    """
    return _in_words(hour, minute, get_language())


# Django formats times slowly, and a page often repeats the same few times. So the results are cached.
@lru_cache(maxsize=2000)
def _in_words(hour, minute, _language):
    # The space doesn't break, so that "p.m." stays on the line of its time.
    return time_format(datetime.time(hour, minute), pgettext("format of a time", "g:i\u00a0a"))
