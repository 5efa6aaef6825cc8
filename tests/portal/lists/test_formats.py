"""Read the exported files of a list with other programs, and compare the result with the items."""

import csv
import datetime
import io
import json
import re
from itertools import pairwise

import bibtexparser
import pytest
import rispy
from bibtexparser.middlewares import LatexDecodingMiddleware
from citeproc.source.json import CiteProcJSON
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Library
from portal.lists.formats import bibtex, csl_json, ris, spreadsheet
from portal.lists.formats.entries import with_keys
from portal.lists.formats.files import file_name
from portal.lists.models import SavedItem
from portal.text import clean, spreadsheet_cell
from recommendations.bibliography.csl import GENRES, TYPES
from recommendations.bibliography.names import names_of
from recommendations.models import Item, Place, Recommendation

LIBRARY = Library(name="Harbour Library")
# Texts that a program could mistake for the syntax of one of the formats.
HOSTILE = [
    "{", "}", "{{", "}}", "\\", "\\}", "&", "&amp;", "$", "#", "%", "_", "~", "^", '"', "'", "=", "=1+1", "+", "-", "--", "@",
    "@book{a,", "@", ",", ";", "|", "`", "``", "''", "?`", "!`", "<i>", "</i>", '<span class="nocase">', "</span>", "<",
    ">", "TY  - BOOK", "ER  - ", "\n", "\n\n", "\r\n", "\nER  - \nTY  - JOUR\nTI  - Another", "\u2028", "\t", "\ufeff",
    "كتاب", "ספר הזוהר", "宮崎駿", "ñandú", "Ünïcödé", "😀", " and ", " & ", ":", "/", ".", "…", "1984", "\\textbackslash",
]  # fmt: skip
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), max_size=6).map("".join)
lines = texts.map(clean)
notes = texts.map(lambda text: clean(text, multiline=True))
titles = lines.filter(bool)
links = st.sampled_from(
    [
        "",
        "https://a.example/",
        "https://a.example/a_b?q={x}&y=%20~#z;1",
        "http://a.example/\\{",
        "https://例.example/",
    ]
)
items = st.builds(
    Item,
    pk=st.just(1),
    kind=st.sampled_from(Item.Kind.values),
    title=titles,
    creators=lines
    | st.sampled_from(["Booth, Wayne C.; Colomb, Gregory G.", "Wayne C. Booth, Martin Luther King, Jr."]),
    original_title=lines,
    original_creators=lines,
    publisher=lines,
    year=st.sampled_from(["", "2012", "1", "800", "-1750", "ca. 1950", "1998-2003", "9999"]) | lines,
    isbn=st.sampled_from(["", "9780062316110", "9798602477917"]),
    doi=st.sampled_from(["", "10.1136/bmj.n71", "10.1000/a_(b)<c>{d}"]),
    url=links,
    series=lines,
    summary=notes,
    language=st.sampled_from(["", "eng", "spa", "zh", "ara"]),
    source=st.sampled_from(["", "marc"]),
)
places = st.lists(st.builds(Place, st.just(1), titles, lines, lines), max_size=3)


@st.composite
def saved_items(draw):
    """Return an unsaved SavedItem that has everything an exported file can contain."""
    item = draw(items)
    item.places = draw(places)
    reason = draw(lines)
    saved = SavedItem(
        item=item,
        note=draw(notes),
        reading=draw(st.sampled_from(["", "want", "done"])),
        saved_at=timezone.now(),
    )
    # A saved item has no recommendation anymore after its visit is forgotten.
    saved.recommendation = Recommendation(reason=reason) if draw(st.booleans()) else None
    return saved


entries = st.lists(saved_items(), min_size=1, max_size=3).map(with_keys)
searching = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def without_empty(fields):
    return {name: value for name, value in fields.items() if value}


def remarks(entry):
    reason = entry.reason and f"Why the library recommended it: {entry.reason}"
    return [text for text in (entry.saved.note, reason) if text]


@searching
@given(entries=entries)
def test_csv_reader_reads_the_same_titles_from_a_csv_file(entries):
    content = spreadsheet.write(entries, library=LIBRARY)
    assert content.startswith(b"\xef\xbb\xbfTitle,Author or creator,Call number,")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [len(row) for row in rows] == [19] * (len(entries) + 1)
    assert [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] == [
        {
            "Title": spreadsheet_cell(entry.item.title),
            "Author or creator": spreadsheet_cell(entry.item.creators),
            "Call number": spreadsheet_cell(entry.call_numbers),
            "Your note": spreadsheet_cell(entry.saved.note),
            "Why the library recommended it": spreadsheet_cell(entry.reason),
            "Reading status": entry.saved.get_reading_display().capitalize(),
            "Kind": entry.item.kind_name,
            "Year": spreadsheet_cell(entry.item.year),
            "Publisher": spreadsheet_cell(entry.item.publisher),
            "Series": spreadsheet_cell(entry.item.series),
            "ISBN": entry.item.isbn and f"{entry.item.isbn[:3]}-{entry.item.isbn[3:]}",
            "DOI": entry.item.doi,
            "Link": entry.item.url,
            "Day": "",
            "Last day": "",
            "Phone": "",
            "Title in its original script": spreadsheet_cell(entry.item.original_title),
            "Author in the original script": spreadsheet_cell(entry.item.original_creators),
            "Saved on": timezone.localdate().isoformat(),
        }
        for entry in entries
    ]


@searching
@given(entries=entries)
def test_ris_reader_reads_the_same_titles_from_a_ris_file(entries):
    found = rispy.loads(ris.write(entries, library=LIBRARY).decode())
    for reference in found:
        # rispy splits a URL at each semicolon.
        reference["urls"] = ";".join(reference.pop("urls", []))
    assert [without_empty(reference) for reference in found] == [
        without_empty(
            {
                "type_of_reference": ris.TYPES.get(entry.item.kind, "ELEC" if entry.item.url else "GEN"),
                "id": entry.key,
                "title": entry.item.title,
                "authors": [clean(name.inverted) for name in names_of(entry.item)],
                "publisher": entry.item.publisher,
                "year": entry.item.year,
                "secondary_title": entry.item.series,
                "issn": entry.item.isbn,
                "doi": entry.item.doi,
                "urls": entry.item.url,
                "language": entry.item.language,
                "keywords": [str(GENRES[entry.item.kind])] if entry.item.kind in GENRES else [],
                "call_number": clean(entry.call_numbers),
                "database_provider": "Harbour Library",
                "abstract": clean(entry.item.summary),
                "notes": [clean(text) for text in remarks(entry)],
            }
        )
        for entry in entries
    ]


def bibtex_entries(content, *middleware):
    library = bibtexparser.parse_string(content.decode(), append_middleware=middleware)
    assert library.failed_blocks == []
    return [
        {"type": entry.entry_type, "key": entry.key, **{field.key: field.value for field in entry.fields}}
        for entry in library.entries
    ]


def names_in_bibtex(text):
    """Split the field `author` at each "and" outside of braces, and return the names without braces."""
    return (
        [name.replace("{", "").replace("}", "") for name in re.split(r" and (?![^{]*\})", text)]
        if text
        else []
    )


@searching
@given(entries=entries)
def test_bibtex_reader_reads_the_same_titles_from_a_bibtex_file(entries):
    content = bibtex.write(entries, library=LIBRARY)
    found = bibtex_entries(content, LatexDecodingMiddleware())
    # The package that reads BibTeX would decode URLs as LaTeX, so compare these fields as they are written.
    for entry, raw in zip(found, bibtex_entries(content), strict=True):
        entry |= {name: raw[name] for name in ("url", "doi") if name in raw}
        entry.pop("author", None)
    # pylatexenc reads \textasciicircum as another character.
    assert [{name: value.replace("ˆ", "^") for name, value in entry.items()} for entry in found] == [
        {
            name: value.replace("ˆ", "^")
            for name, value in without_empty(
                {
                    "type": bibtex.TYPES.get(entry.item.kind, "online" if entry.item.url else "misc"),
                    "key": entry.key,
                    "title": entry.item.title,
                    "publisher": entry.item.publisher,
                    "year": entry.item.year,
                    "series": entry.item.series,
                    "isbn": entry.item.isbn,
                    "doi": entry.item.doi.replace("{", "%7B").replace("}", "%7D"),
                    "url": entry.item.url.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C"),
                    "language": entry.item.language,
                    "keywords": str(GENRES.get(entry.item.kind, "")),
                    "library": clean(entry.call_numbers),
                    "abstract": clean(entry.item.summary),
                    "annote": clean(
                        "\n".join(
                            [*remarks(entry)]
                            + ([f"Call number: {entry.call_numbers}"] if entry.call_numbers else [])
                        )
                    ),
                }
            ).items()
        }
        for entry in entries
    ]


@searching
@given(entries=entries)
def test_json_reader_reads_the_same_titles_from_a_csl_json_file(entries):
    content = csl_json.write(entries, library=LIBRARY)
    source = CiteProcJSON(json.loads(content))
    assert list(source) == [entry.key for entry in entries]
    for entry in entries:
        found = source[entry.key]
        issued = found.pop("issued", None)
        year = entry.item.year
        if issued is not None and re.fullmatch(r"-?[1-9]\d{0,3}", year, re.ASCII):
            assert issued.year == int(year)
        else:
            assert (issued.text if issued else "") == year
        key, kind = found.pop("key"), found.pop("type")
        assert (key, kind) == (entry.key, TYPES[entry.item.kind])
        names = [dict(name) for name in found.pop("author", [])]
        assert names == [
            without_empty(
                {"literal": clean(name.literal)}
                if name.literal
                else {
                    "family": clean(name.family),
                    "given": clean(name.given),
                    "dropping-particle": name.particle,
                    "suffix": name.suffix,
                }
            )
            for name in names_of(entry.item)
        ]
    # citeproc removes the tag <span class="nocase">, so compare the texts as they are written.
    assert [
        {name: value for name, value in item.items() if name not in ("id", "type", "issued", "author")}
        for item in json.loads(content)
    ] == [
        without_empty(
            {
                "title": entry.item.title,
                "original-title": entry.item.original_title,
                "publisher": entry.item.publisher,
                "collection-title": entry.item.series,
                "genre": str(GENRES.get(entry.item.kind, "")),
                "language": {"eng": "en", "spa": "es"}.get(entry.item.language, entry.item.language),
                "ISBN": entry.item.isbn,
                "DOI": entry.item.doi,
                "URL": entry.item.url,
                "abstract": clean(entry.item.summary),
                "call-number": entry.call_numbers,
                "source": "Harbour Library",
                "note": "\n\n".join(remarks(entry)),
            }
        )
        for entry in entries
    ]


def entry_of(places=(), note="", reason="", **fields):
    item = Item(pk=1, **{"kind": "book", "title": "Nine"} | fields)
    item.places = list(places)
    saved = SavedItem(item=item, note=note, saved_at=timezone.now())
    saved.recommendation = Recommendation(reason=reason)
    return with_keys([saved])[0]


def test_exported_file_of_each_format_has_the_days_of_an_event():
    days = {"starts_on": datetime.date(2027, 5, 3), "ends_on": datetime.date(2027, 5, 5)}
    entry = entry_of(kind="event", title="Seed swap", **days)
    [_names, row] = list(csv.reader(io.StringIO(spreadsheet.write([entry], library=LIBRARY).decode())))
    assert row[13:15] == ["2027-05-03", "2027-05-05"]
    [reference] = rispy.loads(ris.write([entry], library=LIBRARY).decode())
    assert (reference["date"], reference["notes"]) == ("2027/05/03/", ["From May 3, 2027 to May 5, 2027"])
    [found] = bibtex_entries(bibtex.write([entry], library=LIBRARY))
    assert (found["date"], found["annote"]) == ("2027-05-03/2027-05-05", "From May 3, 2027 to May 5, 2027")
    [item] = json.loads(csl_json.write([entry], library=LIBRARY))
    assert item["issued"] == {"date-parts": [[2027, 5, 3], [2027, 5, 5]]}


def test_exported_file_of_each_format_has_the_phone_number_of_a_person():
    entry = entry_of(kind="person", title="Ada, data librarian", phone="414-555-0134")
    [_names, row] = list(csv.reader(io.StringIO(spreadsheet.write([entry], library=LIBRARY).decode())))
    assert row[15] == "414-555-0134"
    [reference] = rispy.loads(ris.write([entry], library=LIBRARY).decode())
    [found] = bibtex_entries(bibtex.write([entry], library=LIBRARY))
    [item] = json.loads(csl_json.write([entry], library=LIBRARY))
    words = "Phone: 414-555-0134"
    assert (reference["notes"], found["annote"], item["note"]) == ([words], words, words)


@pytest.mark.parametrize(
    ("creators", "names"),
    [
        ("Booth, Wayne C.; Colomb, Gregory G.", ["Booth, Wayne C.", "Colomb, Gregory G."]),
        ("O'Brien, Ana and Smith, Jo", ["{O'Brien, Ana and Smith, Jo}"]),
        ("Martin Luther King, Jr.", ["King, Jr., Martin Luther"]),
        ("Harbor Museum", ["{Harbor Museum}"]),
        ("宮崎駿", ["{宮崎駿}"]),
    ],
)
def test_bibtex_splits_personal_names_and_puts_other_names_in_braces(creators, names):
    [written] = bibtex_entries(bibtex.write([entry_of(creators=creators)], library=LIBRARY))
    assert written["author"] == " and ".join(names)


def test_citation_keys_in_a_file_are_short_and_unique():
    saved = [entry_of(creators=creators, year=year).saved for creators, year in [
        ("Kingsolver, Barbara", "2012"), ("Kingsolver, Barbara", "2012"), ("Kingsolver, Barbara", "2012"),
        ("宮崎駿", "1984"), ("Nuñez, Ána", ""), ("", "1999"), ("", ""),
    ]]  # fmt: skip
    assert [entry.key for entry in with_keys(saved)] == [
        "kingsolver2012", "kingsolver2012-2", "kingsolver2012-3", "item1984", "nunez", "nine1999", "nine",
    ]  # fmt: skip


def test_call_number_shared_by_several_branches_is_listed_once():
    places = [
        Place(1, "Central", "650.1 YAT", ""),
        Place(2, "Harbor", "650.1 YAT", "upstairs"),
        Place(3, "Northfield", "J 650 Y", ""),
        Place(4, "West", "", "desk"),
    ]
    assert entry_of(places).call_numbers == "650.1 YAT (Central; Harbor, upstairs); J 650 Y (Northfield)"


def test_exported_files_are_in_the_language_of_the_patron():
    entry = entry_of(kind="audiobook", note="Para el tren", reason="Muy claro.")
    with translation.override("es"):
        files = [
            module.write([entry], library=LIBRARY).decode() for module in (spreadsheet, ris, bibtex, csl_json)
        ]
    assert files[0].startswith("\ufeffTítulo,Autor o creador,")
    assert all("Audiolibro" in text and "Para el tren" in text for text in files[1:])


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("For winter", "For winter"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j"),
        ("../../etc/passwd", "etc passwd"),
        ("...", "_"),
        ("", "_"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("كتب", "كتب"),
        ("List\u202egpj.exe", "List gpj.exe"),
        ("x" * 300, "x" * 80),
        ("line\nbreak\r\nX-Header: 1", "line break X-Header 1"),
    ],
)
def test_list_name_becomes_a_safe_file_name(title, name):
    assert file_name(title) == name


def test_each_entry_of_a_ris_or_bibtex_file_begins_on_a_new_line():
    files = [module.write([entry_of(), entry_of()], library=LIBRARY).decode() for module in (ris, bibtex)]
    for text in files:
        starts = [match.start() for match in re.finditer(r"^(?:TY  - |@)", text, re.MULTILINE)]
        assert len(starts) == 2
        assert all(text[:second].endswith("\n") for _first, second in pairwise(starts))
