"""Map the fields of a MARC record to the fields of an item."""

import hashlib
import re

from portal.imports import fiction, isbns
from portal.imports.readers.marc_forms import form_of
from portal.imports.readers.marc_holdings import holdings_of
from portal.imports.readers.marc_kinds import audience_of, kind_of
from portal.imports.readers.marc_titles import END, read_titles, repeated, text_of, without_period
from portal.imports.records import Draft, Refused, unescaped
from portal.imports.years import find_year
from recommendations.models import Item

DELETED = "it is marked as deleted in its system"
# The types of record that don't describe a title.
OTHER_RECORDS = {
    "q": "a community information",
    "u": "a holdings",
    "v": "a holdings",
    "w": "a classification",
    "x": "a holdings",
    "y": "a holdings",
    "z": "an authority",
}

NAMES = {"100": "abc", "110": "ab", "111": "ae", "700": "abc", "710": "ab", "711": "ae", "720": "a"}
# The fields for corporate bodies and meetings. A name in them may end with a department or committee.
BODIES = ("110", "111", "710", "711")
# The roles of companies that only sell or send the item, such as Kanopy. They are not creators of the item.
SELLERS = {"distributor", "dst", "publisher", "pbl", "bookseller", "bsl"}
# mypy thinks that max_length can be None.
CREATORS_MAX: int = Item._meta.get_field("creators").max_length  # type: ignore[assignment]

# A number such as "(Sirsi) AAY-1602" belongs in field 035. If a title or name is such a number, the entries
# of the record's directory point to wrong fields.
CONTROL_NUMBER = re.compile(r"\([A-Za-z][\w-]+\)\s*[\w./:-]*\d{3}[\w./:-]*")

# The fields for series. Field 440 was used until 2008. Field 830 has the same series in another form.
SERIES = ("490", "440", "830")
# Matches the words on a link that leads to a text about the item, such as its table of contents, or to its
# cover.
ABOUT_THE_ITEM = re.compile(
    r"\btables? of contents\b|\bpublisher.{0,2} description\b|\bbiograph|\bsample text\b|\breviews?\b"
    r"|\bcovers?\b|\bexcerpt|\binhalt|\bklappentext\b|\brezension|\bcubierta\b|\bportada\b|\breseña|\bíndice\b|\bsommaire\b"
    r"|\btable des matières\b|\bcouverture\b",
    re.IGNORECASE,
)
NO_PUBLISHER = re.compile(
    r"^\W*s\.\s?n\b|not identified|no identificad|non identifié|nicht ermittelbar", re.IGNORECASE
)

# The fields for subjects and genres, and the codes of their subfields that contain words.
SUBJECTS = ("600", "610", "611", "630", "650", "651", "655")
SUBJECT_WORDS = frozenset("abcdgnptvxyz")

# The codes for fiction, plays, stories and poems. They are in 008/33 for text, and in 008/30 and 008/31 for
# spoken recordings.
FICTION_IN_TEXT = set("1dfhjmp")
FICTION_IN_RECORDING = set("dfkop")


class Fields:
    """The leader and the fields of a record. It finds fields by their tag more quickly than pymarc does."""

    def __init__(self, record):
        # Store the leader as text, because reading a position of pymarc's leader is slow.
        self.leader, self.fields = str(record.leader), record.fields
        self._by_tag: dict[str, list] = {}
        for field in record.fields:
            self._by_tag.setdefault(field.tag, []).append(field)

    def get_fields(self, *tags):
        """Return the fields with these tags, in the order of the record."""
        if len(tags) == 1:
            return self._by_tag.get(tags[0], [])
        return [field for field in self.fields if field.tag in tags]


def draft(record, number, raw, layout=None):
    """Return the Draft for a pymarc record. `raw` has the bytes of the record. Raises Refused.

    `layout` is the Layout of the library's holdings, or None for the usual ones.
    """
    record = Fields(record)
    if other := OTHER_RECORDS.get(record.leader[6]):
        raise Refused(f"it is {other} record, not a title. Export bibliographic records")
    if record.leader[5] == "d":
        raise Refused(DELETED)
    if _is_unimarc(record):
        raise Refused("it is a UNIMARC record. Export MARC 21, MARCXML (MARC 21) or CSV")
    isbn, repair = isbns.best_of(_each(record, "020", "a"))
    fixed = record.get_fields("008")
    fixed = (fixed[0].data or "") if fixed else ""
    imprint = sorted(record.get_fields("264"), key=lambda field: field.indicator2 != "1")
    imprint += record.get_fields("260")
    holdings, says_where = holdings_of(record, layout, _classification(record))
    kind = kind_of(record, fixed)
    extent, subjects = _extent(record), _subjects(record)
    audience, audience_note = audience_of(record, fixed)
    title, original_title, other_titles = read_titles(record)
    names, original_names = _names(record)
    for text in (title, *names):
        if CONTROL_NUMBER.fullmatch(text):
            raise Refused(f"it has the control number {text!r} as a title or name. Export it again")
    creators, unshown = _fitting(names)
    original_creators, original_unshown = _fitting(original_names)
    languages = _languages(record, fixed)
    year, remark = find_year(_dates(record, imprint), fixed[7:11])
    return Draft(
        number=number,
        key=_key(record, raw),
        isbn_repair=repair,
        holdings=holdings,
        says_where=says_where,
        languages=languages,
        remark=remark,
        values={
            "kind": kind,
            "form": form_of(record, fixed, kind, extent, [*subjects, *_notes_on_form(record)]),
            "extent": extent,
            "audience": audience,
            "audience_note": audience_note,
            "title": title,
            "original_title": original_title,
            "creators": creators,
            "original_creators": original_creators,
            "search_words": "\n".join([*other_titles, *unshown, *original_unshown, *_numbers(record, isbn)]),
            "publisher": next((name for field in imprint if (name := _publisher(field))), ""),
            "year": year,
            "isbn": isbn,
            "series": next(
                (
                    name
                    for tag in SERIES
                    for field in record.get_fields(tag)
                    if (name := text_of(field, "anpv").rstrip("."))
                ),
                "",
            ),
            "subjects": "\n".join(subjects),
            "summary": "\n".join(_each(record, "520", "a")),
            "language": next(filter(str.isalpha, languages), ""),
            "url": _link(record),
            "is_fiction": _is_fiction(record, fixed, [copy.call_number for copy in holdings]),
        },
    )


def _key(record, raw):
    """Return a key made of the record's number and the code of the library that assigned the number.

    If the record has no number, return a hash of the record.
    """
    control = record.get_fields("001")
    if control and (control[0].data or "").strip():
        whose = record.get_fields("003")
        return f"{(whose[0].data or '').strip() if whose else ''}:{control[0].data.strip()}"
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _is_unimarc(record):
    """Return whether the title is in field 200, as in UNIMARC. MARC 21 has no field 200.

    In UNIMARC, field 100 begins with a date and a letter. In MARC 21, field 100 has a name.
    """
    if not record.get_fields("200"):
        return False
    has_coded_data = any(re.match(r"\d{8}[a-z ]", text) for text in _each(record, "100", "a"))
    return has_coded_data or not record.get_fields("245", "880")


def _each(record, tag, code):
    return [
        value.strip()
        for field in record.get_fields(tag)
        for value in field.get_subfields(code)
        if value and value.strip()
    ]


def _names(record):
    """Return (names of the creators, names of the creators in their original script)."""
    names: list[str] = []
    originals: list[str] = []
    # Sort the fields, because not all systems write the main author (1XX) first.
    fields = sorted(record.get_fields(*NAMES), key=lambda field: not field.tag.startswith("1"))
    for field in fields + record.get_fields("880"):
        tag = repeated(field) if field.tag == "880" else field.tag
        name = "" if _only_sells(field) else without_period(_name(field, tag))
        found = originals if field.tag == "880" else names
        if name and name not in found:
            found.append(name)
    return names, [name for name in originals if name not in names]


def _name(field, tag):
    """Return the name in the field. A period separates a body from its department or committee."""
    if tag not in BODIES:
        return text_of(field, NAMES.get(tag, ""))
    parts = [part for text in field.get_subfields(*NAMES[tag]) if text and (part := text.strip().rstrip(END))]
    return unescaped(". ".join([*(part.removesuffix(".") for part in parts[:-1]), *parts[-1:]]))


def _only_sells(field):
    if field.tag != "710":
        return False
    roles = {role.strip(" .,").lower() for role in field.get_subfields("e", "4") if role}
    return bool(roles) and roles <= SELLERS


def _dates(record, imprint):
    """Return the dates in the imprint, and in the fields 880 that repeat the imprint in its original script.

    Dates of production, distribution and copyright come last.
    """
    originals = [field for field in record.get_fields("880") if repeated(field) in ("260", "264")]
    fields = sorted([*imprint, *originals], key=_is_other_imprint)
    return [" ".join(field.get_subfields("c")) for field in fields]


def _is_other_imprint(field):
    tag = repeated(field) if field.tag == "880" else field.tag
    return tag == "264" and field.indicator2 != "1"


def _publisher(field):
    name = text_of(field, "b")
    return "" if NO_PUBLISHER.search(name) else name


def _numbers(record, isbn):
    """Return the numbers besides `isbn` that staff may scan or type: more ISBNs, ISSNs, and disc barcodes."""
    found = []
    for text in _each(record, "020", "a"):
        number, _repair = isbns.read(text)
        if number and number != isbn:
            found += isbns.forms(number)
    for text in _each(record, "022", "a") + _each(record, "024", "a"):
        found.append(re.sub(r"[\s-]", "", text))
    return list(dict.fromkeys(found))


def _subjects(record):
    """Return the subjects and genres of the record, each once. Records often repeat a subject."""
    found = [
        " ".join(value.strip(" .") for code, value in field.subfields if code in SUBJECT_WORDS and value)
        for field in record.get_fields(*SUBJECTS)
    ]
    return list(dict.fromkeys(subject for subject in found if subject))


def _fitting(names):
    """Return (text with the names that fit into the field for creators, list of the other names)."""
    fitting: list[str] = []
    others: list[str] = []
    for name in names:
        fits = len("; ".join([*fitting, name])) <= CREATORS_MAX
        (fitting if fits else others).append(name)
    return "; ".join(fitting), others


def _languages(record, fixed):
    """Return the codes of the record's languages.

    Old records write several codes together, as in "engheb".
    """
    coded = "".join(_each(record, "041", "a") + _each(record, "041", "h"))
    return [fixed[35:38], *(coded[start : start + 3] for start in range(0, len(coded), 3))]


def _is_fiction(record, fixed, call_numbers):
    """Return whether the record says that the title is fiction: by its codes, its genres or its shelf."""
    is_book = record.leader[6] in "at" and record.leader[7] in "acdm"
    is_recording = record.leader[6] == "i"
    genres = _each(record, "655", "a")
    for tag in ("600", "610", "611", "630", "650", "651"):
        genres += _each(record, tag, "v")
    return (is_book or is_recording) and (
        (is_book and fixed[33:34] in FICTION_IN_TEXT)
        or (is_recording and bool(FICTION_IN_RECORDING & set(fixed[30:32])))
        or fiction.names_fiction(genres)
        or fiction.has_fiction_shelf(call_numbers)
    )


def _classification(record):
    """Return one classification of the record, or "".

    Prefer a Library of Congress number, then a local one, a Dewey number and a local Dewey number.
    """
    return next(
        (
            number
            for tag in ("050", "090", "082", "092")
            for field in record.get_fields(tag)
            if (number := text_of(field, "ab"))
        ),
        "",
    )


def _extent(record):
    """Return how long the item is, and what comes with it, such as "321 pages + 1 computer disc"."""
    parts = []
    for field in record.get_fields("300"):
        main, added = text_of(field, "afg").rstrip("+ "), text_of(field, "e").rstrip("+ ")
        parts += [" + ".join(filter(None, [main, added]))]
    return "; ".join(filter(None, parts))


def _notes_on_form(record):
    """Return texts that may say "large print": the font size, the edition, and the medium after the title."""
    return [*_each(record, "340", "n"), *_each(record, "250", "a"), *_each(record, "245", "h")]


def _link(record):
    """Return the address of the item, or "".

    Links to a related resource (the second indicator is 2) are left out, and so are links to a text about the
    item. Links to another part (subfield 3 names the part) are tried last.
    """
    fields = [
        field
        for field in record.get_fields("856")
        if field.indicator2 != "2" and not ABOUT_THE_ITEM.search(" ".join(field.get_subfields("3", "y", "z")))
    ]
    fields.sort(key=lambda field: "3" in field)
    urls = [url.strip() for field in fields for url in field.get_subfields("u") if url]
    return next((url for url in urls if url.lower().startswith("http")), "")
