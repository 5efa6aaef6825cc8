"""The one place where text from outside is cleaned: forms, mail and imports alike.

Text is plain text. What is taken out can't be seen or would lie about the rest: NUL and other control characters, lone
surrogates (no database takes them), the bidi embeddings, overrides and isolates that can reverse what follows, and piles
of combining marks that run over the lines above. The marks that right-to-left writing needs (LRM, RLM, ALM) and the
joiners of Persian and emoji stay.
"""

import re
import unicodedata
import uuid

from django import forms

LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = re.compile(
    f"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f{BIDI_CONTROLS}\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
MARKS_IN_A_ROW = 6  # as many as Hebrew with cantillation and stacked Tibetan can ask for
BLANK_LINES_IN_A_ROW = re.compile(r"\n{4,}")
CUT = "…"


def clean(text, *, max_length=None, multiline=False):
    """`text` made safe to keep and to show. Longer than `max_length`, it is cut and ends in an ellipsis."""
    text = LINE_ENDS.sub("\n", str(text))
    text = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    text = "".join(_with_few_marks(text)) if not text.isascii() else text
    if multiline:
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        text = BLANK_LINES_IN_A_ROW.sub("\n\n\n", text).strip("\n")
        text = "" if text.isspace() else text
    else:
        text = " ".join(text.split())
    if max_length is not None and len(text) > max_length:
        text = text[: max_length - len(CUT)].rstrip() + CUT
    return text


def _with_few_marks(text):
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= MARKS_IN_A_ROW:
            yield character


RUNS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # what a spreadsheet may take for the beginning of a formula


def spreadsheet_cell(value):
    """The value as a cell of a CSV file. What would run in a spreadsheet begins with an apostrophe, which shows that it is text."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(RUNS) and not isinstance(value, (int, float)) else text


def uuid_or_none(text):
    """The public id that an address or a form names."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


class TextField(forms.CharField):
    """The text field of every form here. Too long is an error beside the field, so that nothing typed is cut in silence."""

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
            attrs.pop("maxlength", None)  # a browser would drop the end of a long paste without a word
        return attrs


SOCIAL_SECURITY = re.compile(
    r"(?<![\d-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])", re.ASCII
)
PAYMENT_CARD = re.compile(r"(?<!\d)[2-6]\d(?:[ -]?\d){12,17}(?!\d)", re.ASCII)


def looks_like_secret_number(text):
    """Whether it holds what looks like a US social security number or a payment card's, for a warning before it is kept."""
    text = unicodedata.normalize("NFKC", str(text))
    return bool(SOCIAL_SECURITY.search(text)) or any(
        _is_payment_card(found.group()) for found in PAYMENT_CARD.finditer(text)
    )


def _is_payment_card(text):
    digits = [int(character) for character in text if character.isdigit()]
    if digits[0] == 2 and not 2221 <= int("".join(map(str, digits[:4]))) <= 2720:
        return False  # a library card's barcode begins with 2 and has the same check digit
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
