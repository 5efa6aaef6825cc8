"""Read pasted records in RIS and BibTeX, the formats of citation programs."""

import re

from django.utils import timezone
from django.utils.translation import gettext as _

from recommendations.models import Item

from .entries import Entry, first_doi, first_isbn, shortened

Kind = Item.Kind
# {type of reference in RIS: kind}. Other types are OTHER.
RIS_KINDS = {
    **dict.fromkeys(["BOOK", "EBOOK", "EDBOOK", "CHAP", "ECHAP", "CONF", "THES"], Kind.BOOK),
    **dict.fromkeys(["JOUR", "EJOUR", "MGZN", "NEWS", "ABST", "INPR", "CPAPER"], Kind.ARTICLE),
    **dict.fromkeys(["ELEC", "BLOG"], Kind.WEB_PAGE),
    **dict.fromkeys(["DBASE", "AGGR"], Kind.DATABASE),
    **dict.fromkeys(["VIDEO", "MPCT", "ADVS"], Kind.VIDEO),
    "SOUND": Kind.SOUND,
    "MUSIC": Kind.SCORE,
    "MAP": Kind.MAP,
    "SER": Kind.SERIAL,
    "JFULL": Kind.SERIAL,
}
# {type of entry in BibTeX and BibLaTeX: kind}. Other types are OTHER.
BIBTEX_KINDS = {
    **dict.fromkeys(
        [
            "book",
            "mvbook",
            "inbook",
            "incollection",
            "collection",
            "booklet",
            "phdthesis",
            "mastersthesis",
            "thesis",
        ],
        Kind.BOOK,
    ),
    **dict.fromkeys(["article", "inproceedings", "conference"], Kind.ARTICLE),
    **dict.fromkeys(["online", "electronic", "www", "webpage"], Kind.WEB_PAGE),
    "audio": Kind.SOUND,
    "music": Kind.SOUND,
    **dict.fromkeys(["video", "movie"], Kind.VIDEO),
    "periodical": Kind.SERIAL,
}
START_OF_RECORD = re.compile(r"^\s*(?=TY  ?-)", re.MULTILINE)
END_OF_RIS = re.compile(r"^\s*ER  ?-.*$", re.MULTILINE)
# Lines such as "Provider: ProQuest", which databases write before the first record.
ADDED_TO_RIS = re.compile(
    r"^(Provider|Database|Content|Source|Export Date): .*$", re.MULTILINE | re.IGNORECASE
)
LETTER = re.compile(r"[^\W\d_]")
START_OF_FIELD = re.compile(r"^\s*([A-Z][A-Z0-9])  ?- ?", re.MULTILINE)
END_OF_RECORD = re.compile(r"^ER  - .*\Z", re.MULTILINE | re.DOTALL)
AND = re.compile(r"\s+and\s+", re.IGNORECASE)
YEAR = re.compile(r"\d{4}", re.ASCII)


def read_ris(text):
    """Return an Entry for each RIS record, and for each text outside the records."""
    return [
        _read_ris(number, part) if START_OF_RECORD.match(part) else Entry(number, part, fault=_outside())
        for number, part in enumerate(_ris_parts(text), start=1)
    ]


def _ris_parts(text):
    """Yield the records of a RIS file, and the texts outside them, but not the lines that databases add."""
    for part in START_OF_RECORD.split(text):
        outside = part
        if START_OF_RECORD.match(part):
            end = END_OF_RIS.search(part)
            length = end.end() if end else len(part)
            yield part[:length].strip()
            outside = part[length:]
        if LETTER.search(ADDED_TO_RIS.sub("", outside)):
            yield outside.strip()


def _read_ris(number, part):
    # Importing rispy and bibtexparser takes a tenth of a second, and most processes never read records.
    import rispy

    # Each record is read alone and gets an ER line. Without an ER line, rispy would add the fields of the
    # next record. START_OF_FIELD repairs lines in which a program has written one space before the hyphen, or
    # none after it.
    record = START_OF_FIELD.sub(r"\1  - ", part)
    record = END_OF_RECORD.sub("", record).rstrip() + "\nER  - \n"
    try:
        # By default, rispy would split a link at each semicolon.
        [found] = rispy.loads(record, delimiter_tags_mapping={})
    except (KeyError, TypeError, ValueError, AttributeError):
        return Entry(number, part, fault=_unreadable())
    urls = found.get("urls", [])
    year = YEAR.search(_text(found, "year", "publication_year", "date"))
    values = {
        "kind": RIS_KINDS.get(found.get("type_of_reference", "").upper(), Kind.OTHER),
        "title": _text(found, "title", "primary_title", "short_title"),
        "creators": "; ".join(found.get("authors") or found.get("first_authors") or []),
        "publisher": _text(found, "publisher"),
        "year": year[0] if year else "",
        "series": _text(found, "secondary_title", "journal_name", "alternate_title3"),
        "doi": first_doi([_text(found, "doi"), *urls]),
        "isbn": first_isbn([_text(found, "issn")]),
        "url": _first_url(urls),
    }
    return _finished(number, part, values, had_doi=bool(_text(found, "doi")))


def read_bibtex(text):
    """Return an Entry for each BibTeX entry, and for each text between the entries."""
    from bibtexparser import model

    faults: dict[type, str] = {
        model.ImplicitComment: _outside(),
        model.DuplicateFieldKeyBlock: _("This entry has the same field twice. Remove one of the two."),
    }
    skipped = model.ExplicitComment, model.Preamble, model.String
    entries: list[Entry] = []
    for block in _blocks(text):
        number, source = len(entries) + 1, (block.raw or "").strip()
        if isinstance(block, model.DuplicateBlockKeyBlock):
            # Two entries with the same key are two items. bibtexparser accepts the second one only if it is
            # parsed alone.
            block = next(iter(_blocks(source)), block)
        if isinstance(block, model.Entry):
            entries.append(_read_bibtex(number, source, block))
        elif not isinstance(block, skipped):
            entries.append(Entry(number, source, fault=faults.get(type(block)) or _unreadable()))
    return entries


def _blocks(text):
    """Return the blocks of a BibTeX file. LaTeX commands are replaced by the characters that they print."""
    import bibtexparser
    from bibtexparser.middlewares import LatexDecodingMiddleware

    return bibtexparser.parse_string(text, append_middleware=[LatexDecodingMiddleware()]).blocks


def _read_bibtex(number, source, entry):
    found = {field.key.lower(): _plain(field.value) for field in entry.fields}
    year = YEAR.search(found.get("year") or found.get("date") or "")
    values = {
        "kind": BIBTEX_KINDS.get(entry.entry_type.lower(), Kind.OTHER),
        "title": ": ".join(filter(None, [found.get("title"), found.get("subtitle")])),
        "creators": "; ".join(filter(None, AND.split(found.get("author") or found.get("editor") or ""))),
        "publisher": found.get("publisher", ""),
        "year": year[0] if year else "",
        "series": found.get("journaltitle")
        or found.get("journal")
        or found.get("booktitle")
        or found.get("series"),
        "doi": first_doi([found.get("doi", ""), found.get("url", "")]),
        "isbn": first_isbn([found.get("isbn", "")]),
        "url": _first_url([found.get("url", "")]),
    }
    return _finished(number, source, values, had_doi=bool(found.get("doi")))


def _finished(number, source, values, *, had_doi):
    values = shortened({name: value or "" for name, value in values.items()})
    values.setdefault("title", values.get("doi") or values.get("isbn") or "")
    if not values["title"]:
        return Entry(number, source, fault=_("This entry has no title. Add the title and try again."))
    remarks = []
    if had_doi and not values.get("doi"):
        remarks.append(_("The DOI of this entry is not valid, so we left the DOI out."))
    if int(values.get("year", 0)) > timezone.localdate().year + 1:
        year = values.pop("year")
        remarks.append(_("The year %(year)s is after next year, so we left the year out.") % {"year": year})
    return Entry(number, source, values, remark=" ".join(remarks))


def _outside():
    return _("This text is outside the entries. If it names an item, paste only this text.")


def _unreadable():
    return _("We can't read this entry. Export it again from your citation program, or type it as a line.")


def _text(found, *names):
    return next((str(found[name]) for name in names if found.get(name)), "")


def _first_url(urls):
    return next(
        (url for url in urls if url.lower().startswith(("http://", "https://")) and not first_doi([url])), ""
    )


def _plain(value):
    """Return the text of a field as one line, without the braces that BibTeX uses to keep capital letters.

    Each run of spaces becomes one space, because long runs would make AND very slow.
    """
    return " ".join(str(value).replace("{", "").replace("}", "").split())
