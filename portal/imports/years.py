"""Find the year of publication in the Gregorian calendar.

Many libraries copy a year of another calendar from the book, and add the Gregorian year in brackets: "2021
[1964]" for a book from Nepal, "5724 [1964]" for a book in Hebrew.
"""

import re
import unicodedata

from django.utils import timezone

FIRST_YEAR = 1000
YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
# The Gregorian or corrected year, which catalogers put in brackets, or after "i.e." or "=". Brackets after a
# dash, as in "1998-[2003]", contain the last year and don't match.
CONVERTED = re.compile(r"(?:(?<![-–—])(?<![-–—]\s)[\[(〔（［]|\bi\.\s?e\.|=)([^\])〕）］]*)")
# Signs that a year in brackets is the year of copyright or of a later printing, not of publication.
NOT_PUBLISHED = re.compile(r"[©℗]|\b[cp]\d{4}|print|copyright|reimpr", re.IGNORECASE)
# A year that is known only to the decade or the century, such as "196-" or "19--".
UNKNOWN_YEAR = re.compile(r"\b(?:1\d|20)\d?[-–?]")
# A year that is marked as a year of another calendar, such as "1384 H", "A.H. 1384" or "2021 B.S.".
CALENDAR = r"(?:A\.?\s?[HM]|B\.?\s?[ES]|V\.?\s?S|H|هـ?|[Ss]h|[Hh]ijri|[Ss]a[ṃm]vat|[ŚS]aka)(?!\w)\.?"
OTHER_CALENDAR = re.compile(rf"\d{{4}}\s?{CALENDAR}|(?<!\w){CALENDAR}\s?\d{{4}}")


def find_year(texts, fixed=""):
    """Return (year, fault). Either is "" if there is none.

    `texts` are the dates of publication as text, the best first. `fixed` is the first date in the coded field
    008.

    Prefer a year in brackets, then the coded year, then other years. Ignore years later than next year,
    because they belong to another calendar or are typing errors.
    """
    texts = [unicodedata.normalize("NFC", text) for text in texts if re.search(r"\d", text)]
    texts = [OTHER_CALENDAR.sub("", text) for text in texts]
    coded = [int(fixed)] if re.fullmatch(r"\d{4}", fixed) else []
    bracketed, is_vague = _converted(texts[0]) if texts else ([], False)
    plain = [] if is_vague else [year for text in texts for year in _years(text)]
    # The coded year decides between two years in brackets, as in "[1963 or 1964]".
    found = [year for year in coded if year in bracketed] + bracketed + coded + plain
    latest = timezone.localdate().year + 1
    year = next((year for year in found if FIRST_YEAR <= year <= latest), None)
    if year is None and (late := [year for year in found if year > latest]):
        return "", f"its year, {late[0]}, is after next year, so the item has no year"
    return str(year or ""), ""


def _converted(text):
    """Return (the years in brackets, whether the brackets name only the decade)."""
    inside = [
        match.group(1) for match in CONVERTED.finditer(text) if not NOT_PUBLISHED.search(match.group(1))
    ]
    # In "[1384 i.e. 1964]" the second year counts.
    inside = [re.split(r"i\.\s?e\.|=", part)[-1] for part in inside]
    years = [year for part in inside for year in _years(part)]
    return years, not years and any(UNKNOWN_YEAR.search(part) for part in inside)


def _years(text):
    # int() reads the digits of all scripts.
    return [int(digits) for digits in YEAR.findall(text)]
