"""Find phone numbers in text that the library wrote, and turn them into links that a phone can call.

Only numbers that are written as phone numbers are found. So ISBNs, years, page numbers and call numbers stay
text. The text of patrons is never searched, because their own numbers are not the library's to call.
"""

import re

from django.utils.html import escape
from django.utils.safestring import mark_safe

INTERNATIONAL = r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"
# The number of the area, the exchange and the line: (414) 555-0134, 1-414-555-0134, 414.555.0134
WITH_AREA = r"(?:1[ .-])?(?:\([2-9]\d{2}\) ?\d{3}[ .-]\d{4}|[2-9]\d{2}(?P<by>[ .-])\d{3}(?P=by)\d{4})"
LOCAL = r"[2-9]\d{2}-\d{4}"
# Three digits, such as 911 and 988, count only after a word that says what to do with them.
SHORT = r"(?:(?<=call )|(?<=dial )|(?<=text )|(?<=llame al )|(?<=marque )|(?<=marque el ))(?:[2-9]11|988)"
PHONE = re.compile(
    rf"(?<![\w.,/:#-])(?:{INTERNATIONAL}|{WITH_AREA}|{LOCAL}|{SHORT})(?![\w/-]|[.,]\d)",
    re.IGNORECASE | re.ASCII,
)


def with_phone_links(text):
    """Return the text as HTML: escaped, and with a `tel:` link for each phone number."""
    parts, end = [], 0
    for match in PHONE.finditer(text):
        digits = re.sub(r"[^\d+]", "", match[0])
        parts += [escape(text[end : match.start()]), f'<a href="tel:{digits}">{escape(match[0])}</a>']
        end = match.end()
    return mark_safe("".join([*parts, escape(text[end:])]))
