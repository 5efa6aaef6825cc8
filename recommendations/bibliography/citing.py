"""Cite items in APA, MLA and Chicago, in English and Spanish. citeproc-py does this with our own styles.

Texts of items can look like HTML, and citeproc-py removes some tags and keeps others. So this module passes
no "<" to citeproc-py. citeproc-py returns italics marked with two characters that no text contains, and
`_finished` turns these characters into HTML.
"""

import re
import threading
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import override

from portal.dois import without_prefix
from recommendations.models import Item

from .csl import as_csl

# {style: its name}. The names are the same in every language.
STYLES = {"apa": "APA 7", "mla": "MLA 9", "chicago": "Chicago 18"}
# {language of a citation: the locale of citeproc-py, which has the words and quotation marks of this
# language}
LOCALES = {"en": "en-US", "es": "es-MX"}
FOLDER = Path(__file__).parent / "styles"
# citeproc-py changes the tree of a style while it works, so only one thread may use it.
LOCK = threading.Lock()
# These characters are in Unicode's private use area. LESS replaces "<", which citeproc-py would read as the
# start of a tag.
ITALIC, UPRIGHT, LESS = "\ue000", "\ue001", "\ue002"
WITHOUT_MARKS = str.maketrans({ITALIC: None, UPRIGHT: None, LESS: None, "<": LESS})
# An item of one of these kinds is cited without its URL if it has a publisher. The URL in the catalog often
# leads to a table of contents, or works only for patrons.
NO_URL_WITH_PUBLISHER = {
    Item.Kind.BOOK,
    Item.Kind.AUDIOBOOK,
    Item.Kind.SOUND,
    Item.Kind.SCORE,
    Item.Kind.VIDEO,
    Item.Kind.MAP,
}
# Find a period that follows a title in quotation marks or italics, if the title already ends with "?" or ".".
EXTRA_PERIOD = re.compile(rf"([.?!…][”»’]?{UPRIGHT}?[”»]?)\.(?!\.)")
OUTSIDE_QUOTES = re.compile(r"(?<![.?!…])([”’])([.,])")


class Cited(NamedTuple):
    """A citation as HTML with italics, and as plain text."""

    html: SafeString
    text: str


class Marks:
    """The formatter that citeproc-py uses. It marks italics, and leaves out all other formatting."""

    @staticmethod
    def preformat(text):
        return str(text)

    @staticmethod
    def Italic(text):  # noqa: N802  # citeproc-py chooses the name
        return f"{ITALIC}{text}{UPRIGHT}"

    Oblique = Italic
    Bold = Light = Underline = Superscript = Subscript = SmallCaps = str


def cite(items, *, style, language):
    """Return a Cited for each item. `style` is a key of STYLES, and `language` a key of LOCALES."""
    # Importing citeproc-py and lxml takes 0.1 seconds and some megabytes, and most processes never cite.
    from citeproc import Citation, CitationItem, CitationStylesBibliography
    from citeproc.source.json import CiteProcJSON

    with override(language):
        references = [_reference(item, str(number)) for number, item in enumerate(items)]
    with LOCK:
        bibliography = CitationStylesBibliography(_style(style, language), CiteProcJSON(references), Marks)
        for reference in references:
            bibliography.register(Citation([CitationItem(reference["id"])]))
        texts = [str(text) for text in bibliography.bibliography()]
    return [_finished(text, language) for text in texts]


@cache
def _style(style, language):
    from citeproc import CitationStylesStyle

    return CitationStylesStyle(str(FOLDER / f"{style}.csl"), locale=LOCALES[language], validate=False)


def _reference(item, key):
    """Return the fields of the item that a citation needs, as a dict in CSL JSON."""
    found = as_csl(item, key=key)
    authors = found.get("author", [])
    publisher = found.get("publisher", "")
    # If an organization is both the author and the publisher, name it only as the author.
    if {"literal": publisher} in authors:
        publisher = ""
    needs_url = "DOI" in found or not (item.kind in NO_URL_WITH_PUBLISHER and publisher)
    fields = {
        "author": [{part: _without_marks(text) for part, text in name.items()} for name in authors],
        "title": _without_marks(found["title"]),
        "publisher": _without_marks(publisher),
        "genre": _without_marks(found.get("genre", "")),
        "DOI": _without_marks(without_prefix(found.get("DOI", ""))),
        "URL": _without_marks(found.get("URL", "")) if needs_url else "",
    }
    reference = {name: value for name, value in fields.items() if value}
    if year := str(item.starts_on.year) if item.starts_on else _without_marks(item.year.strip()):
        reference["issued"] = {"literal": year}
    # Some styles capitalize the words of English titles. "und" means that the language is unknown. If the
    # language were missing instead, citeproc-py would capitalize the title as if it were English.
    return reference | {"id": key, "type": found["type"], "language": found.get("language", "und")}


def _without_marks(text):
    return text.translate(WITHOUT_MARKS)


def _finished(text, language):
    """Clean up a citation from citeproc-py, and return it as a Cited."""
    text = EXTRA_PERIOD.sub(r"\1", text)
    if language == "en":
        text = OUTSIDE_QUOTES.sub(r"\2\1", text)
    text = text.replace(LESS, "<")
    html = escape(text).replace(ITALIC, "<i>").replace(UPRIGHT, "</i>")
    return Cited(mark_safe(html), text.replace(ITALIC, "").replace(UPRIGHT, ""))
