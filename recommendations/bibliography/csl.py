"""Describe items in CSL JSON, the format of citation programs. https://docs.citationstyles.org"""

import re

from django.utils.translation import pgettext_lazy

from portal.text import clean
from recommendations.models import Item

from .names import names_of

Kind = Item.Kind
# {kind of item: type in CSL}. Zotero reads all of these types, but not CSL's types for periodicals and
# scores.
TYPES = {
    Kind.BOOK: "book",
    Kind.AUDIOBOOK: "song",
    Kind.SOUND: "song",
    Kind.SCORE: "book",
    Kind.VIDEO: "motion_picture",
    Kind.MAP: "map",
    Kind.SERIAL: "book",
    Kind.ARTICLE: "article-journal",
    Kind.DATABASE: "webpage",
    Kind.WEB_PAGE: "webpage",
    Kind.PERSON: "document",
    Kind.COURSE: "document",
    Kind.EVENT: "document",
    Kind.OTHER: "document",
}
# {kind: the description in brackets in a citation, such as "Map"}. Other kinds need no description.
GENRES = {
    Kind.AUDIOBOOK: pgettext_lazy("kind of a work in a citation", "Audiobook"),
    Kind.SOUND: pgettext_lazy("kind of a work in a citation", "Sound recording"),
    Kind.SCORE: pgettext_lazy("kind of a work in a citation", "Music score"),
    Kind.VIDEO: pgettext_lazy("kind of a work in a citation", "Video"),
    Kind.MAP: pgettext_lazy("kind of a work in a citation", "Map"),
    Kind.DATABASE: pgettext_lazy("kind of a work in a citation", "Database"),
    Kind.COURSE: pgettext_lazy("kind of a work in a citation", "Course"),
    Kind.EVENT: pgettext_lazy("kind of a work in a citation", "Event"),
}
# {code of a language in MARC records: BCP 47 tag}. Citations are the same for all languages not listed here.
LANGUAGES = {"eng": "en", "spa": "es"}
YEAR = re.compile(r"-?[1-9]\d{0,3}", re.ASCII)


def as_csl(item, *, key):
    """Return the item as a dict in CSL JSON. `key` is the id of the item in the file.

    Each text has one line. The genre is in the current language.
    """
    fields = {
        "id": key,
        "type": TYPES.get(item.kind, "document"),
        "title": clean(item.title),
        "author": [_author(name) for name in names_of(item)],
        "original-title": clean(item.original_title),
        "publisher": clean(item.publisher),
        "collection-title": clean(item.series),
        "issued": _days(item) or _date(clean(item.year)),
        "genre": str(GENRES.get(item.kind, "")),
        "language": LANGUAGES.get(item.language, item.language),
        "ISBN": item.isbn,
        "DOI": clean(item.doi),
        "URL": clean(item.url),
        "abstract": clean(item.summary),
    }
    return {name: value for name, value in fields.items() if value}


def _date(year):
    if YEAR.fullmatch(year):
        return {"date-parts": [[int(year)]]}
    return {"literal": year} if year else {}


def _days(item):
    days = [day for day in (item.starts_on, item.ends_on) if day]
    return {"date-parts": [[day.year, day.month, day.day] for day in days]} if days else {}


def _author(name):
    if name.literal:
        return {"literal": clean(name.literal)}
    parts = {
        "family": name.family,
        "given": name.given,
        "dropping-particle": name.particle,
        "suffix": name.suffix,
    }
    return {part: clean(text) for part, text in parts.items() if text}
