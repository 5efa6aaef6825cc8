"""ISBNs as files have them. A spreadsheet drops leading zeros and rounds long numbers; only a check digit proves a repair."""

import re
from enum import StrEnum

from stdnum import isbn
from stdnum.exceptions import ValidationError

ROUNDED = re.compile(r"9[.,]7([89]?\d*)[eE]\+?12")
FIRST_NUMBER = re.compile(r"[\s:]*([0-9][0-9\s‐-―-]*[0-9xX]|[0-9])")
SHORTEST = 6  # digits left of an ISBN-10 that lost its zeros; with fewer, chance would pass for proof


class Repair(StrEnum):
    ABSENT = "absent"
    AS_GIVEN = "as given"
    REPAIRED = "repaired"
    LEFT_EMPTY = "left empty"


def read(text):
    """(ISBN-13, Repair). Qualifiers as in MARC 020 ("0306406152 (pbk.)") are passed over."""
    text = str(text).strip()
    if not text:
        return "", Repair.ABSENT
    if rounded := ROUNDED.fullmatch(text):
        digits = "97" + rounded.group(1)
        # Twelve decimals are the whole number; with fewer the check digit itself is lost, and proves nothing.
        return _checked(digits, Repair.REPAIRED) if len(digits) == 13 else ("", Repair.LEFT_EMPTY)
    found = FIRST_NUMBER.match(re.sub(r"^(isbn(-1[03])?)", "", text, flags=re.IGNORECASE))
    if not found:
        return "", Repair.LEFT_EMPTY
    digits = re.sub(r"[^0-9xX]", "", found.group(1)).upper()
    if len(digits) in (10, 13):
        return _checked(digits, Repair.AS_GIVEN)
    if SHORTEST <= len(digits) < 10:
        return _checked(digits.zfill(10), Repair.REPAIRED)
    return "", Repair.LEFT_EMPTY


def best_of(texts):
    """The first that reads as an ISBN."""
    outcome = ("", Repair.ABSENT)
    for text in texts:
        number, repair = read(text)
        if number:
            return number, repair
        if repair != Repair.ABSENT:
            outcome = number, repair
    return outcome


def _checked(digits, repair):
    try:
        if not digits.strip("0"):
            return "", Repair.LEFT_EMPTY
        return isbn.to_isbn13(isbn.validate(digits)), repair
    except ValidationError:
        return "", Repair.LEFT_EMPTY
