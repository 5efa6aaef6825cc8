"""The classes that the modules in readers/ use for all file formats.

The functions that read a file yield a Record or a Fault for each record. The texts of a Record fit into the
fields of Item.
"""

import hashlib
import html
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from accounts.models import BranchCode
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
    "subjects",
    "form",
    "extent",
    "audience",
    "audience_note",
)
FIELDS = (*TEXTS, "original_lang", "is_fiction")
# The value of each of these fields is one of the choices that Item defines, so it isn't cleaned.
CODED = {"kind", "form", "audience"}
# The maximum number of characters in `summary`, `search_words` and `subjects`.
LONG_TEXT_MAX = 4000
# mypy thinks that max_length can be None.
KEY_MAX: int = Item._meta.get_field("source_key").max_length  # type: ignore[assignment]
MAX_LENGTHS: dict[str, int] = {name: Item._meta.get_field(name).max_length for name in TEXTS}  # type: ignore
CALL_NUMBER_MAX = Holding._meta.get_field("call_number").max_length
LOCATION_MAX = Holding._meta.get_field("location").max_length
CODE_MAX: int = BranchCode._meta.get_field("code").max_length  # type: ignore[assignment]


# Some systems export texts with the entities and tags of HTML, such as "Tom &amp; Jerry" and "<p>A good
# book.</p>".
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")
PARAGRAPH_TAG = re.compile(r"</?(?:br|div|h[1-6]|li|ol|p|ul)(?:\s[^<>]*)?/?>", re.IGNORECASE)
TAG = re.compile(r"</?(?:a|b|em|font|i|span|strong|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)


class Refused(Exception):
    """The record can't be an item. The text of the exception says why."""


class Unreadable(Exception):
    """The file can't be read. The text of the exception says what the person who imports the file can do."""


@dataclass(frozen=True)
class Fault:
    """One record that could not be read. `number` is the record's position in the file, from 1."""

    number: int
    reason: str


class Held(NamedTuple):
    """A copy that a record lists, or several copies with the same call number and location.

    `code` is the code of the branch in the library's system. It is "" if the record has none.
    """

    code: str
    call_number: str
    location: str = ""
    not_for_loan: bool = False


@dataclass(frozen=True)
class Record:
    """One record of a file.

    `number` counts from 1. `values` has the value of each of FIELDS. `isbn_repair` is one of
    isbns.Repair: whether the record has an ISBN, and whether the ISBN had to be repaired. `remark` says what
    is wrong with a record that is imported nevertheless. If `says_where` is true, `holdings` has all copies
    with the codes of their branches, so the item is at no other branch.
    """

    number: int
    key: str
    values: dict
    holdings: tuple = ()
    isbn_repair: str = ""
    remark: str = ""
    says_where: bool = False


@dataclass
class Draft:
    """The contents of a record before the texts are cleaned and checked.

    `languages` has the codes of the languages that the record names.
    """

    number: int
    key: str
    values: dict
    holdings: list = field(default_factory=list)
    isbn_repair: str = ""
    languages: list = field(default_factory=list)
    remark: str = ""
    says_where: bool = False

    def finished(self):
        """Return the Record, or a Fault if it has no title."""
        values = {
            name: value if name in CODED else _tidy(name, value)
            for name in TEXTS
            for value in [self.values.get(name) or ""]
        }
        if values["original_title"] and fold(values["original_title"]) in fold(values["title"]):
            values["original_title"] = ""
        original = f"{values['original_title']} {values['original_creators']}"
        values["original_lang"] = lang_of(original, self.languages)
        values["is_fiction"] = bool(self.values.get("is_fiction"))
        values["kind"] = values["kind"] or Item.Kind.BOOK
        if not values["title"]:
            return Fault(self.number, "it has no title")
        return Record(
            self.number,
            _short_key(clean(self.key)),
            values,
            merged(self.holdings),
            self.isbn_repair,
            self.remark,
            self.says_where,
        )


def merged(holdings):
    """Return a tuple with one Held for each branch, call number and location. Clean the texts.

    A Held can be borrowed if at least one of its copies can.
    """
    found: dict[tuple[str, str, str], bool] = {}
    for copy in holdings:
        place = (
            clean(readable(copy.code), max_length=CODE_MAX),
            clean(readable(copy.call_number), max_length=CALL_NUMBER_MAX),
            clean(readable(copy.location), max_length=LOCATION_MAX),
        )
        if place[0] or place[1]:
            found[place] = found.get(place, True) and copy.not_for_loan
    return tuple(Held(*place, not_for_loan) for place, not_for_loan in found.items())


def _short_key(key):
    return key if len(key) <= KEY_MAX else "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def unescaped(text):
    """Replace entities such as "&amp;" and "&#x05D0;" by the characters that they stand for."""
    return ENTITY.sub(lambda match: html.unescape(match.group()), text) if "&" in text else text


def readable(text):
    """Replace entities. If a program has read UTF-8 as Latin-1, even twice, also restore the letters.

    Correct text doesn't change. In Latin-1, only pairs such as "Ã©" are valid UTF-8, and no language writes
    them.
    """
    while not text.isascii():
        try:
            text = text.encode("latin-1").decode()
        except UnicodeError:
            break
    return unescaped(text)


def _tidy(name, value):
    if not value:
        return ""
    value = readable(value)
    if name in {"summary", "search_words", "subjects"}:
        return clean(
            TAG.sub("", PARAGRAPH_TAG.sub("\n", value)).strip(), max_length=LONG_TEXT_MAX, multiline=True
        )
    max_length = MAX_LENGTHS[name]
    if name in {"url", "doi"}:
        # An address that is too long is left out, because a shortened address would lead to another page.
        value = clean(value)
        value = clean_doi(value) or value if name == "doi" else value
        is_address = name == "doi" or value.lower().startswith(("http://", "https://"))
        return value if len(value) <= max_length and is_address else ""
    return clean(value, max_length=max_length)
