"""Write a list in BibTeX, in UTF-8. It uses the types and fields of BibLaTeX that Zotero also reads."""

import re
from urllib.parse import quote

from django.utils.translation import gettext as _

from portal.text import clean
from recommendations.bibliography.csl import GENRES
from recommendations.bibliography.names import names_of
from recommendations.models import Item

Kind = Item.Kind
# {kind of an item: type of its entry}. Items of all other kinds become "online" or "misc", because Zotero
# leaves out entries of types that it doesn't know.
TYPES = {
    Kind.BOOK: "book",
    Kind.AUDIOBOOK: "audio",
    Kind.SOUND: "audio",
    Kind.SCORE: "book",
    Kind.VIDEO: "video",
    Kind.ARTICLE: "article",
    Kind.DATABASE: "online",
    Kind.WEB_PAGE: "online",
}
# BibTeX counts braces even after a backslash. So each brace has a matching brace inside \vphantom, which
# prints nothing. Some programs would read an unescaped "@" before a brace as the beginning of an entry.
ESCAPED = str.maketrans(
    {
        "\\": r"{\textbackslash}",
        "{": r"\{\vphantom{\}}",
        "}": r"\vphantom{\{}\}",
        "~": r"{\textasciitilde}",
        "^": r"{\textasciicircum}",
        "@": "{@}",
        **{character: f"\\{character}" for character in "#$%&_"},
    }
)
# Matches between two characters that LaTeX would join: "--" becomes a dash, and "?`" becomes "¿".
LIGATURE = re.compile(r"(?<=[-`'?!])(?=[-`'])")
# BibTeX separates two names with the word "and", so a name that contains this word gets braces.
AND = re.compile(r"\band\b", re.IGNORECASE)


def write(entries, *, library):
    """Return the file as bytes."""
    return "\n".join(map(_entry, entries)).encode()


def _entry(entry):
    item = entry.item
    call_numbers = entry.call_numbers
    notes = entry.remarks
    if call_numbers:
        # Zotero doesn't read the field `library`, so add the call numbers to the notes too.
        notes = [*notes, _("Call number: %(number)s") % {"number": call_numbers}]
    fields = {
        # With a second pair of braces, styles don't change the capital letters of the title.
        "title": f"{{{_escaped(item.title)}}}",
        "author": " and ".join(map(_author, names_of(item))),
        "publisher": _escaped(item.publisher),
        "year": _escaped(item.year),
        "date": _date(item),
        "series": _escaped(item.series),
        "isbn": _escaped(item.isbn),
        "doi": _address(item.doi),
        "url": _address(item.url),
        "language": _escaped(item.language),
        "keywords": _escaped(str(GENRES.get(item.kind, ""))),
        "library": _escaped(call_numbers),
        "abstract": _escaped(item.summary),
        "annote": _escaped("\n".join(notes)),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    kind = TYPES.get(item.kind, "online" if item.url else "misc")
    return "\n".join([f"@{kind}{{{entry.key},", *lines, "}", ""])


def _escaped(text):
    return LIGATURE.sub("{}", clean(text).translate(ESCAPED))


def _author(name):
    if name.literal:
        return f"{{{_escaped(name.literal)}}}"
    # BibTeX expects the suffix, such as Jr., between the family name and the first names.
    parts = filter(None, [name.family, name.suffix, name.first_names])
    return ", ".join(f"{{{_escaped(part)}}}" if AND.search(part) else _escaped(part) for part in parts)


def _date(item):
    """Return the days of an event or course in EDTF, such as "2027-05-03/2027-05-05".

    Return "" if the item has no day.
    """
    return "/".join(day.isoformat() for day in (item.starts_on, item.ends_on) if day)


def _address(text):
    """Return a DOI or a URL. Programs read no escapes in these fields, so braces become "%7B" and "%7D"."""
    return re.sub(r"[{}\\\s]", lambda match: quote(match[0]), clean(text))
