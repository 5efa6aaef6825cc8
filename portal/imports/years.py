"""Find the year of publication in the Gregorian calendar.

Many libraries copy a year of another calendar from the book, and add the Gregorian year in brackets: "2021
[1964]" for a book from Nepal, "5724 [1964]" for a book in Hebrew.
"""

import re
import unicodedata

from django.utils import timezone

FIRST_YEAR = 1000
# A year with a Chinese or Japanese numeral for each digit, such as 一九六四.
NUMERALS = str.maketrans("〇零○一二三四五六七八九", "000123456789")
IN_NUMERALS = re.compile(
    r"(?<![〇零○一二三四五六七八九十百千])[一二][〇零○一二三四五六七八九]{3}(?![〇零○一二三四五六七八九十百千])"
)
YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
# Matches the Gregorian or corrected year, which catalogers put in brackets, or after "i.e." or "=". Brackets
# after a dash, as in "1998-[2003]", contain the last year and don't match.
CONVERTED = re.compile(r"(?:(?<![-–—])(?<![-–—]\s)[\[(〔（［]|\bi\.\s?e\.|=)([^\])〕）］]*)")
# Matches a year with digits in brackets that the cataloger has added, such as "18[64]" or "[19]64".
COMPLETED = re.compile(r"(?<!\d)(?:(\d{1,3})\[(\d{1,3})\??\]|\[(\d{1,3})\](\d{1,3}))(?!\d)")
# Matches a sign that a year in brackets is the year of copyright or of a later printing, not of publication.
NOT_PUBLISHED = re.compile(r"[©℗]|\b[cp]\d{4}|print|copyright|reimpr", re.IGNORECASE)
# Matches a year that is known only to the decade or the century, such as "196-" or "19--".
UNKNOWN_YEAR = re.compile(r"\b(?:1\d|20)\d?[-–?]")
# A year that is marked as a year of another calendar, such as "1384 H", "A.H. 1384" or "2021 B.S.".
CALENDAR = r"(?:A\.?\s?[HM]|B\.?\s?[ES]|V\.?\s?S|H|هـ?|[Ss]h|[Hh]ijri|[Ss]a[ṃm]vat|[ŚS]aka)(?!\w)\.?"
OTHER_CALENDAR = re.compile(rf"\d{{4}}\s?{CALENDAR}|(?<!\w){CALENDAR}\s?\d{{4}}")


def find_year(texts, fixed=""):
    """Return (year, fault). Each is "" if there is none.

    `texts` are the dates of publication as text, best first. `fixed` is the first date in the coded field
    008.

    Prefer a year in brackets, then the coded year, then other years. Ignore years later than next year,
    because they belong to another calendar or are typing errors.
    """
    texts = [IN_NUMERALS.sub(lambda match: match.group().translate(NUMERALS), text) for text in texts]
    texts = [unicodedata.normalize("NFC", text) for text in texts if re.search(r"\d", text)]
    texts = [OTHER_CALENDAR.sub("", COMPLETED.sub(_completed, text)) for text in texts]
    coded = [int(fixed)] if re.fullmatch(r"\d{4}", fixed) else []
    bracketed, is_vague = _converted(texts[0]) if texts else ([], False)
    plain = [] if is_vague else [year for text in texts for year in _years(text)]
    # Of two years in brackets, as in "[1963 or 1964]", prefer the one that is also the coded year.
    found = [year for year in coded if year in bracketed] + bracketed + coded + plain
    latest = timezone.localdate().year + 1
    year = next((year for year in found if FIRST_YEAR <= year <= latest), None)
    if year is None and (late := [year for year in found if year > latest]):
        return "", f"its year, {late[0]}, is after next year, so the item has no year"
    return str(year or ""), ""


def _completed(match):
    """Return the year without its brackets if it has four digits. Otherwise, return the text as it is."""
    digits = "".join(filter(None, match.groups()))
    return digits if len(digits) == 4 else match.group()


def _converted(text):
    """Return (years in brackets, whether the brackets name only a decade or century)."""
    inside = [
        match.group(1) for match in CONVERTED.finditer(text) if not NOT_PUBLISHED.search(match.group(1))
    ]
    # In "[1384 i.e. 1964]", 1964 is the Gregorian year.
    inside = [re.split(r"i\.\s?e\.|=", part)[-1] for part in inside]
    years = [year for part in inside for year in _years(part)]
    return years, not years and any(UNKNOWN_YEAR.search(part) for part in inside)


def _years(text):
    # int() reads the digits of all scripts.
    return [int(digits) for digits in YEAR.findall(text)]
