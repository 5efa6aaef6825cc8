"""Read ISBNs from files.

Spreadsheets drop leading zeros and write long numbers as 9.78E+12. Such a number is repaired, and the
repaired number is accepted if its check digit is right.
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from stdnum import isbn
from stdnum.exceptions import ValidationError

ROUNDED = re.compile(r"9[.,]7([89]?\d*)[eE]\+?12")
FIRST_NUMBER = re.compile(r"[\s:='\"]*([0-9][0-9\s‐-―−-]*[0-9xX]|[0-9])")
# Matches an ISBN anywhere in a text, such as in "ISBN13: 9780306406157" or "[0306406152]".
NUMBER = re.compile(r"(?<!\d)(?:97[89][\s‐-―−-]?)?(?:\d[\s‐-―−-]?){9}[\dXx](?!\w)", re.ASCII)
SOFT_HYPHEN = "\u00ad"
# An ISBN-10 that lost its leading zeros must have at least this many digits left. With fewer digits, the
# check digit could be right by chance.
MIN_DIGITS = 6


class Repair(StrEnum):
    """A label that says whether a record has an ISBN, and whether the ISBN had to be repaired."""

    ABSENT = "absent"
    AS_GIVEN = "as given"
    REPAIRED = "repaired"
    LEFT_EMPTY = "left empty"


# The results are cached, because the ISBNs of a record are read twice: to choose its own ISBN, and to find
# the others.
@lru_cache(maxsize=100)
def read(text):
    """Return (ISBN-13 or "", Repair) for this text.

    Words around the number are ignored, as in "0306406152 (pbk.)". MARC field 020 often has such words. If
    the text has several numbers, return the first valid number.
    """
    text = str(text).strip()
    if not text:
        return "", Repair.ABSENT
    if not text.isascii():
        # The digits may be full-width, or from a script such as Arabic.
        text = "".join(str(unicodedata.decimal(one, one)) for one in text if one != SOFT_HYPHEN)
    number, repair = _read_first(text)
    if number:
        return number, repair
    valid = (
        _checked(re.sub(r"[^0-9xX]", "", found).upper(), Repair.AS_GIVEN) for found in NUMBER.findall(text)
    )
    return next((one for one in valid if one[0]), (number, repair))


def forms(number):
    """Return a list of the ISBN-13 and, if there is one, the ISBN-10 of the same book."""
    return [number, isbn.to_isbn10(number)] if number.startswith("978") else [number]


def best_of(texts):
    """Return the result of `read` for the first text that is an ISBN.

    If no text is an ISBN, return the result for the last text that isn't empty.
    """
    outcome = ("", Repair.ABSENT)
    for text in texts:
        number, repair = read(text)
        if number:
            return number, repair
        if repair != Repair.ABSENT:
            outcome = number, repair
    return outcome


def _read_first(text):
    if rounded := ROUNDED.fullmatch(text):
        digits = "97" + rounded.group(1)
        # If the spreadsheet rounded the number to fewer than 13 digits, the check digit is lost. Then the
        # number can't be verified.
        return _checked(digits, Repair.REPAIRED) if len(digits) == 13 else ("", Repair.LEFT_EMPTY)
    found = FIRST_NUMBER.match(re.sub(r"^(isbn(-1[03])?)", "", text, flags=re.IGNORECASE))
    if not found:
        return "", Repair.LEFT_EMPTY
    digits = re.sub(r"[^0-9xX]", "", found.group(1)).upper()
    if len(digits) in (10, 13):
        return _checked(digits, Repair.AS_GIVEN)
    if MIN_DIGITS <= len(digits) < 10:
        return _checked(digits.zfill(10), Repair.REPAIRED)
    return "", Repair.LEFT_EMPTY


def _checked(digits, repair):
    try:
        if not digits.strip("0"):
            return "", Repair.LEFT_EMPTY
        return isbn.to_isbn13(isbn.validate(digits)), repair
    except ValidationError:
        return "", Repair.LEFT_EMPTY
