"""Check the phone number that a patron gives for a call, and make links that start a call.

`with_phone_links` finds phone numbers in text that the library wrote, and never in patrons' text. The
patterns are strict, so that ISBNs, years, page numbers and call numbers don't become links.
"""

import re
import unicodedata

from django.utils.html import escape
from django.utils.safestring import mark_safe

INTERNATIONAL = r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"
# Matches a number with an area code, such as (414) 555-0134, 1-414-555-0134 or 414.555.0134.
WITH_AREA = r"(?:1[ .-])?(?:\([2-9]\d{2}\) ?\d{3}[ .-]\d{4}|[2-9]\d{2}(?P<by>[ .-])\d{3}(?P=by)\d{4})"
LOCAL = r"[2-9]\d{2}-\d{4}"
# Numbers of three digits, such as 911 and 988, become links only after a word such as "call", "dial" or
# "text".
SHORT = r"(?:(?<=call )|(?<=dial )|(?<=text )|(?<=llame al )|(?<=marque )|(?<=marque el ))(?:[2-9]11|988)"
PHONE = re.compile(
    rf"(?<![\w.,/:#-])(?:{INTERNATIONAL}|{WITH_AREA}|{LOCAL}|{SHORT})(?![\w/-]|[.,]\d)",
    re.IGNORECASE | re.ASCII,
)

DIGIT = re.compile("[0-9]")

# Matches a number that a patron types for a call: digits, separators, and perhaps an extension ("ext. 12").
TYPED = re.compile(
    r"(?P<main>\+? ?[\d(][\d ().\-/]*)"
    r"(?:[ ,]*(?:x|ext\.?|extension|extensión|int\.?) ?\.?(?P<extension>\d{1,6}))?",
    re.IGNORECASE | re.ASCII,
)
# How many digits a number may have. A number without an area code has 7, and the longest international
# numbers have 15.
DIGITS = range(7, 16)
MAX_LENGTH = 40


def clean_number(text):
    """Return the typed phone number with plain digits and spaces.

    Return "" if the text is no phone number.
    """
    number = " ".join("".join(map(_plain, unicodedata.normalize("NFKC", text))).split())
    match = TYPED.fullmatch(number)
    if match is None or len(number) > MAX_LENGTH or len(_digits(match["main"])) not in DIGITS:
        return ""
    return number


def call_url(number):
    """Return the `tel:` address of a number that `clean_number` returned."""
    main, extension = _parts(number)
    plus = "+" if main.startswith("+") else ""
    return f"tel:{plus}{_digits(main)}" + (f";ext={extension}" if extension else "")


def ending(number):
    """Return the last two digits of a number, so that the owner can recognize it."""
    return _digits(_parts(number)[0])[-2:]


def _parts(number):
    """Return (the number, its extension or None)."""
    match = TYPED.fullmatch(number)
    return (match["main"], match["extension"]) if match else (number, None)


def _plain(character):
    """Return the ASCII digit, hyphen or space for a digit, hyphen or space of any script."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return "-" if unicodedata.category(character) == "Pd" else character


def _digits(text):
    return re.sub(r"\D", "", text)


def with_phone_links(text):
    """Return the text as HTML: escaped, and with a `tel:` link for each phone number."""
    # Most texts have no digit. The search for phone numbers takes a hundred times as long as this check.
    if not DIGIT.search(text):
        return escape(text)
    parts, end = [], 0
    for match in PHONE.finditer(text):
        digits = re.sub(r"[^\d+]", "", match[0])
        parts += [escape(text[end : match.start()]), f'<a href="tel:{digits}">{escape(match[0])}</a>']
        end = match.end()
    return mark_safe("".join([*parts, escape(text[end:])]))


def call_link(number):
    """Return the `tel:` address of a phone number that staff typed, or "" if it has no digits.

    An extension after "ext." or "x" is left out, because phones dial it in different ways.
    """
    number = re.split(r"(?i)ext|x|#|,|;|/", number)[0]
    digits = re.sub(r"[^\d+]", "", number)
    return f"tel:{digits[:1]}{digits[1:].replace('+', '')}" if re.search(r"\d", digits) else ""
