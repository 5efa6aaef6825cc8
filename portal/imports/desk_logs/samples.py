"""Show what the values of a column look like, without showing what people wrote."""

import re

from .values import NEVER_NAMES, looks_personal

SAMPLES, SAMPLE_MAX = 3, 24
# Matches dates, times, durations and other numbers, which have hardly any letters.
MOSTLY_DIGITS = re.compile(r"[\W\d_]*\d[\W\d_]*(?:[^\W\d_]{1,7}\.?[\W\d_]*){0,2}")


def samples_of(column, plain_name):
    """Return up to three values of the Column. If a value may be private, return only its shape.

    `plain_name` is the name of the column as `overview.plain` returns it.
    """
    is_private = plain_name in NEVER_NAMES
    return [_sample(value, is_private or column.has_many_values) for value in list(column.values)[:SAMPLES]]


def _sample(value, is_private):
    is_number = MOSTLY_DIGITS.fullmatch(value) and not looks_personal(value)
    if (is_private and not is_number) or looks_personal(value):
        return shape_of(value)
    return value if len(value) <= SAMPLE_MAX else value[: SAMPLE_MAX - 1] + "…"


def shape_of(value):
    """Return the value with "a" or "A" for each letter and "9" for each digit."""
    letters = ("9" if sign.isdigit() else _letter(sign) if sign.isalnum() else sign for sign in value)
    shape = "".join(letters)
    return shape if len(shape) <= SAMPLE_MAX else shape[: SAMPLE_MAX - 1] + "…"


def _letter(sign):
    return "A" if sign.isupper() else "a"
