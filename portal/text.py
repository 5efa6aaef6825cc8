"""Clean text that comes from forms, emails and imports.

All text is plain text. Cleaning removes characters that are invisible or make other text look different:
- control characters
- lone surrogates, which no database accepts
- bidi embeddings, overrides and isolates, which can reverse the text after them
- piles of combining marks, which cover the lines above

The direction marks of right-to-left writing (LRM, RLM, ALM) are kept, and so are the joiners of Persian and
emoji.
"""

import csv
import io
import json
import re
import unicodedata
import uuid

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.text import Truncator

LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = re.compile(
    f"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f{BIDI_CONTROLS}\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
# Spaces and characters without a shape, such as the zero-width space, the blank braille pattern and the
# fillers of Hangul. A text that has nothing else looks empty.
BLANK = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]+"
)
# The maximum number of combining marks on one letter. Hebrew with cantillation and stacked Tibetan use up to
# six.
MAX_COMBINING_MARKS = 6
# Matches characters in a row that could be too many combining marks on one letter. All combining marks have
# code points from 0300 on.
MAYBE_MANY_MARKS = re.compile(f"[^\0-\u02ff]{{{MAX_COMBINING_MARKS + 1}}}")
MANY_LINE_ENDS = re.compile(r"\n{4,}")
ELLIPSIS = "…"
# The years that `parse_moment` accepts. It refuses years near the limits of datetime, because converting them
# to another time zone fails.
YEARS = range(2000, 9000)


def clean(text, *, max_length=None, multiline=False):
    """Return text that is safe to store and to show. Return "" if the text has no visible character.

    Text that is longer than `max_length` is cut and ends in an ellipsis.
    """
    text = str(text)
    if not text.isprintable():
        text = INVISIBLE.sub("", LINE_ENDS.sub("\n", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        if MAYBE_MANY_MARKS.search(text):
            text = "".join(_with_few_marks(text))
    if multiline:
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        text = MANY_LINE_ENDS.sub("\n\n\n", text).strip("\n")
    else:
        text = " ".join(text.split())
    if BLANK.fullmatch(text):
        return ""
    if max_length is not None and len(text) > max_length:
        text = text[: max_length - len(ELLIPSIS)].rstrip() + ELLIPSIS
    return text


def _with_few_marks(text):
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= MAX_COMBINING_MARKS:
            yield character


def printable(text):
    """Return the text for a terminal, with an escape such as \\x1b for each character that has no shape.

    Such characters could move the cursor or change other lines.
    """
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(text)
    )


# A formula in a spreadsheet begins with one of these characters. In some spreadsheets, a formula can also
# begin with a full-width or small variant of these characters.
FORMULA_PREFIXES = set("=+-@")


# The characters at which a spreadsheet may split a cell. In many languages, spreadsheets split a CSV file at
# semicolons. Such a spreadsheet doesn't recognize a quoted cell after a comma. It begins a new row at each
# line break in the cell.
CELL_ENDS = re.compile(r"([;\t\r\n])")


def spreadsheet_cell(value):
    """Return the value as the text of a CSV cell.

    Text that a spreadsheet would run as a formula gets an apostrophe in front. Spreadsheets skip spaces and
    invisible characters before a formula. If a spreadsheet would split the cell, each part that would run as
    a formula gets an apostrophe.
    """
    text = "" if value is None else str(value)
    if not text or isinstance(value, (int, float)):
        return text
    safe = "".join(map(_without_formula, CELL_ENDS.split(text)))
    return f"'{safe}" if text[0] in "\t\r\n" else safe


def _without_formula(text):
    # Spreadsheets drop a quotation mark at the beginning, and treat the rest as a formula.
    first = next(
        (letter for letter in text if unicodedata.category(letter)[0] not in "ZC" and letter != '"'), ""
    )
    return f"'{text}" if unicodedata.normalize("NFKC", first) in FORMULA_PREFIXES else text


def csv_file(columns, rows):
    """Return a CSV file for spreadsheets as bytes: UTF-8 with a byte order mark, and no formulas.

    `columns` are the names of the columns. Each row is a list of values.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([spreadsheet_cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def shortened(text, length):
    """Return the text with at most `length` characters. A text that is cut ends in an ellipsis.

    Django's Truncator takes 30 times as long for a text that is short enough.
    """
    return text if len(text) <= length else Truncator(text).chars(length)


def grouped(number):
    """Return a number with a separator after each three digits, as the reader's language writes it."""
    return number_format(number, use_l10n=True, force_grouping=True)


def uuid_or_none(text):
    """Return the text as a UUID, or None if it is not one."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def parse_json(text):
    """Return the value of a JSON text. Raises ValueError if the text isn't JSON or is too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None


def parse_moment(text):
    """Parse a time in ISO format. Return None if the text is not a valid time with a time zone."""
    try:
        moment = parse_datetime(text or "")
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


class TextField(forms.CharField):
    """A form field that cleans its text.

    If the text is too long, the person sees an error. The field never cuts text.
    """

    def __init__(self, *, max_length, multiline=False, **kwargs):
        self.multiline = multiline
        if multiline:
            kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 4}))
        super().__init__(max_length=max_length, strip=False, **kwargs)

    def to_python(self, value):
        if value in self.empty_values:
            return self.empty_value
        return clean(value, multiline=self.multiline) or self.empty_value

    def widget_attrs(self, widget):
        attrs = super().widget_attrs(widget)
        attrs["dir"] = "auto"
        if self.multiline:
            # With maxlength, a browser would cut off the end of a long pasted text without a warning.
            attrs.pop("maxlength", None)
        return attrs


SOCIAL_SECURITY = re.compile(
    r"(?<![\d-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])", re.ASCII
)
PAYMENT_CARD = re.compile(r"(?<!\d)[2-6]\d(?:[ -]?\d){12,17}(?!\d)", re.ASCII)


def looks_like_secret_number(text):
    """Return whether the text seems to contain a US social security number or a payment card number.

    Staff should not save such a number by mistake, so a form warns about it before saving.
    """
    text = unicodedata.normalize("NFKC", str(text))
    return bool(SOCIAL_SECURITY.search(text)) or any(
        _is_payment_card(match.group()) for match in PAYMENT_CARD.finditer(text)
    )


def _is_payment_card(text):
    digits = [int(character) for character in text if character.isdigit()]
    # Barcodes of library cards begin with 2, and their check digit is computed as on payment cards. But if
    # the number of a payment card begins with 2, its first four digits are from 2221 to 2720.
    if digits[0] == 2 and not 2221 <= int("".join(map(str, digits[:4]))) <= 2720:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
