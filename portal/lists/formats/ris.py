"""Write a list in RIS, which Zotero, EndNote and other reference managers read.

https://en.wikipedia.org/wiki/RIS_(file_format) has the tags. Zotero's RIS translator says what it reads.
"""

from portal.text import clean
from recommendations.bibliography.csl import GENRES
from recommendations.bibliography.names import names_of
from recommendations.models import Item

Kind = Item.Kind
# {kind: type of reference}. Items of other kinds have the type GEN, or TYPE_WITH_LINK if they have a link.
TYPES = {
    Kind.BOOK: "BOOK",
    Kind.AUDIOBOOK: "SOUND",
    Kind.SOUND: "SOUND",
    # RIS has the type MUSIC for scores, but Zotero reads MUSIC as a recording.
    Kind.SCORE: "BOOK",
    Kind.VIDEO: "VIDEO",
    Kind.MAP: "MAP",
    Kind.SERIAL: "SER",
    Kind.ARTICLE: "JOUR",
    Kind.DATABASE: "DBASE",
    Kind.WEB_PAGE: "ELEC",
}
# Zotero reads ELEC as a web page, but GEN as an article.
TYPE_WITH_LINK = "ELEC"


def write(entries, *, library):
    """Return the file as bytes."""
    return "".join(_reference(entry, library) for entry in entries).encode()


def _reference(entry, library):
    item = entry.item
    fields = [
        ("TY", TYPES.get(item.kind, TYPE_WITH_LINK if item.url else "GEN")),
        ("ID", entry.key),
        ("TI", item.title),
        *[("AU", name.inverted) for name in names_of(item)],
        ("PB", item.publisher),
        ("PY", item.year),
        ("DA", f"{item.starts_on:%Y/%m/%d}/" if item.starts_on else ""),
        ("T2", item.series),
        ("SN", item.isbn),
        ("DO", item.doi),
        ("UR", item.url),
        ("LA", item.language),
        ("KW", GENRES.get(item.kind, "")),
        ("CN", entry.call_numbers),
        ("DP", library.name),
        ("AB", item.summary),
        *[("N1", remark) for remark in entry.remarks],
    ]
    # A value has one line, because a second line could look like another field.
    lines = [f"{tag}  - {value}" for tag, text in fields if (value := clean(text))]
    return "\r\n".join([*lines, "ER  - ", "", ""])
