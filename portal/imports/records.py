"""The classes that the modules in readers/ use for all file formats.

The functions that read a file yield Faults, and Records whose texts fit into the fields of Item.
"""

import hashlib
import html
import re
from dataclasses import dataclass, field

from portal.dois import clean_doi
from portal.folding import fold
from portal.imports.scripts import lang_of
from portal.text import clean
from recommendations.models import Holding, Item

TEXTS = (
    "kind",
    "title",
    "creators",
    "original_title",
    "original_creators",
    "publisher",
    "year",
    "isbn",
    "doi",
    "url",
    "series",
    "summary",
    "language",
    "search_words",
)
FIELDS = (*TEXTS, "original_lang", "is_fiction")
# The maximum length of the fields for long texts, in characters.
LONG_TEXT_MAX = 4000
# mypy thinks that the length can be None.
KEY_MAX: int = Item._meta.get_field("source_key").max_length  # type: ignore[assignment]
CALL_NUMBER_MAX = Holding._meta.get_field("call_number").max_length


# Some systems export texts of web pages, such as "Tom &amp; Jerry" and "<p>A good book.</p>".
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")
PARAGRAPH_TAG = re.compile(r"</?(?:br|div|h[1-6]|li|ol|p|ul)(?:\s[^<>]*)?/?>", re.IGNORECASE)
TAG = re.compile(r"</?(?:a|b|em|font|i|span|strong|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)


class Refused(Exception):
    """The record can't be an item. The text of the exception says why."""


class Unreadable(Exception):
    """The file can't be read. The text of the exception says what the person who imports it can do."""


@dataclass(frozen=True)
class Fault:
    """One record that could not be read. `number` is the record's position in the file, from 1."""

    number: int
    reason: str


@dataclass(frozen=True)
class Record:
    """One record of a file.

    `number` counts from 1. `values` has the value of each of FIELDS. `isbn_repair` is one of
    isbns.Repair: whether the record has an ISBN, and whether the ISBN had to be repaired. `remark` says what
    is wrong with a record that is imported nevertheless.
    """

    number: int
    key: str
    values: dict
    call_numbers: tuple = ()
    isbn_repair: str = ""
    remark: str = ""


@dataclass
class Draft:
    """The contents of a record before the texts are cleaned and checked.

    `languages` has the codes of the languages that the record names.
    """

    number: int
    key: str
    values: dict
    call_numbers: list = field(default_factory=list)
    isbn_repair: str = ""
    languages: list = field(default_factory=list)
    remark: str = ""

    def finished(self):
        """Return the Record, or a Fault if it has no title."""
        values = {name: _tidy(name, self.values.get(name) or "") for name in TEXTS}
        if values["original_title"] and fold(values["original_title"]) in fold(values["title"]):
            values["original_title"] = ""
        original = f"{values['original_title']} {values['original_creators']}"
        values["original_lang"] = lang_of(original, self.languages)
        values["is_fiction"] = bool(self.values.get("is_fiction"))
        values["kind"] = values["kind"] or Item.Kind.BOOK
        if not values["title"]:
            return Fault(self.number, "it has no title")
        call_numbers = dict.fromkeys(
            clean(number, max_length=CALL_NUMBER_MAX) for number in self.call_numbers
        )
        return Record(
            self.number,
            _short_key(clean(self.key)),
            values,
            tuple(number for number in call_numbers if number),
            self.isbn_repair,
            self.remark,
        )


def _short_key(key):
    return key if len(key) <= KEY_MAX else "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def unescaped(text):
    """Return the text with characters for entities such as "&amp;" and "&#x05D0;"."""
    return ENTITY.sub(lambda match: html.unescape(match.group()), text) if "&" in text else text


def _tidy(name, value):
    value = unescaped(value)
    if name in {"summary", "search_words"}:
        return clean(
            TAG.sub("", PARAGRAPH_TAG.sub("\n", value)).strip(), max_length=LONG_TEXT_MAX, multiline=True
        )
    max_length: int = Item._meta.get_field(name).max_length  # type: ignore[union-attr, assignment]
    if name in {"url", "doi"}:
        # An address that is too long is left out, because a shortened address would lead to another page.
        value = clean(value)
        value = clean_doi(value) or value if name == "doi" else value
        is_address = name == "doi" or value.lower().startswith(("http://", "https://"))
        return value if len(value) <= max_length and is_address else ""
    return clean(value, max_length=max_length)
