"""Test the readers of catalog files. The samples are written by pymarc, and some tests damage them."""

import io

import pymarc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymarc import Field, Indicators, Subfield

from portal.imports.readers.marc import read_binary
from portal.imports.readers.marc_xml import read_xml
from portal.imports.readers.table import read_table
from portal.imports.records import Fault, Held, Record, Unreadable

LEADER = "00000nam a2200000 a 4500"


def marc(*fields, number="1", leader=LEADER):
    record = pymarc.Record()
    record.leader = pymarc.Leader(leader)
    if number:
        record.add_field(Field(tag="001", data=number))
    for tag, *parts in fields:
        if isinstance(parts[0], str) and len(parts) == 1:
            record.add_field(Field(tag=tag, data=parts[0]))
        else:
            second, *subfields = parts
            record.add_field(
                Field(
                    tag=tag,
                    indicators=Indicators(" ", second),
                    subfields=[Subfield(code, value) for code, value in subfields],
                )
            )
    return record


def titled(title, **options):
    return marc(("245", "0", ("a", title)), **options)


def binary(*records):
    return list(
        read_binary(
            io.BytesIO(
                b"".join(record if isinstance(record, bytes) else record.as_marc() for record in records)
            )
        )
    )


def outcome(found):
    """Return a list with one value for each record: its title, or its number if it has a fault."""
    return [one.number if isinstance(one, Fault) else one.values["title"] for one in found]


FULL = (
    ("003", "XX"),
    ("008", "030512s1999    nyu           000 0 spa d"),
    ("020", " ", ("a", "0306406153 (bad)")),
    ("020", " ", ("a", "0-306-40615-2 (pbk.)")),
    ("050", " ", ("a", "QA76.73"), ("b", ".C15")),
    ("082", " ", ("a", "005.13")),
    ("100", " ", ("a", "Rivas, Ana,"), ("d", "1950-")),
    ("245", "0", ("6", "880-01"), ("a", "Zima :"), ("b", "a winter /"), ("c", "by Ana Rivas")),
    ("260", " ", ("a", "Old :"), ("b", "Old House,"), ("c", "1901.")),
    ("264", "1", ("a", "New :"), ("b", "New House,"), ("c", "[2003]")),
    ("490", " ", ("a", "Seasons ;"), ("v", "4")),
    ("520", " ", ("a", "Snow falls.")),
    ("700", " ", ("a", "Lee, J.")),
    ("856", "2", ("u", "https://example.org/review")),
    ("856", "0", ("u", "https://example.org/zima")),
    ("880", "0", ("6", "245-01"), ("a", "Зима :"), ("b", "повесть /")),
)
FULL_VALUES = {
    "kind": "book",
    "title": "Zima : a winter",
    "creators": "Rivas, Ana; Lee, J.",
    "original_title": "Зима : повесть",
    "original_creators": "",
    "original_lang": "und-Cyrl",
    "publisher": "New House",
    "year": "2003",
    "isbn": "9780306406157",
    "doi": "",
    "url": "https://example.org/zima",
    "series": "Seasons ; 4",
    "summary": "Snow falls.",
    "language": "spa",
    "search_words": "",
    "subjects": "",
    "form": "print",
    "extent": "",
    "audience": "",
    "audience_note": "",
    "is_fiction": False,
}


def as_xml(*records, prefix=""):
    texts = [pymarc.record_to_xml(record).decode() for record in records]
    if prefix:
        texts = [
            text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:").replace(f"<{prefix}:/", "</")
            for text in texts
        ]
        return f'<?xml version="1.0" encoding="UTF-8"?><{prefix}:collection xmlns:{prefix}="http://www.loc.gov/MARC21/slim">{"".join(texts)}</{prefix}:collection>'.encode()
    return f'<?xml version="1.0"?>\n<collection xmlns="http://www.loc.gov/MARC21/slim">{"".join(texts)}</collection>'.encode()


def test_marc_record_fields_are_read():
    [found] = binary(marc(*FULL))
    assert found == Record(1, "XX:1", FULL_VALUES, (Held("", "QA76.73 .C15"),), "as given")


@pytest.mark.parametrize("prefix", ["", "marc"])
def test_marcxml_file_gives_the_same_record_as_binary_marc(prefix):
    [found] = read_xml(io.BytesIO(as_xml(marc(*FULL), prefix=prefix)))
    assert found == Record(1, "XX:1", FULL_VALUES, (Held("", "QA76.73 .C15"),), "as given")


def test_call_number_of_the_holding_is_preferred_to_the_classification():
    [found] = binary(
        marc(
            ("245", "0", ("a", "T")),
            ("050", " ", ("a", "QA76")),
            ("852", " ", ("h", "FIC"), ("i", "RIV")),
            ("852", " ", ("h", "FIC"), ("i", "RIV")),
        )
    )
    assert found.holdings == (Held("", "FIC RIV"),)


@pytest.mark.parametrize(
    ("type_and_level", "kind"),
    [
        ("am", "book"),
        ("tm", "book"),
        ("as", "serial"),
        ("cm", "score"),
        ("em", "map"),
        ("gm", "video"),
        ("im", "audiobook"),
        ("jm", "sound"),
        ("mm", "other"),
    ],
)
def test_marc_record_type_and_level_determine_the_kind_of_item(type_and_level, kind):
    [found] = binary(titled("T", leader=f"00000n{type_and_level} a2200000 a 4500"))
    assert found.values["kind"] == kind


@pytest.mark.parametrize(
    ("field", "creators"),
    [
        (("100", " ", ("a", "Rivas, Ana,"), ("d", "1950-")), "Rivas, Ana"),
        (("110", " ", ("a", "Unesco."), ("b", "Office of Statistics.")), "Unesco. Office of Statistics"),
        (("111", " ", ("a", "Pugwash Conference"), ("d", "1957")), "Pugwash Conference"),
        (("700", " ", ("a", "Lee, J.")), "Lee, J."),
        (("710", " ", ("a", "Acme Jazz Band.")), "Acme Jazz Band"),
        (("711", " ", ("a", "Newport Jazz Festival"), ("n", "(3rd)")), "Newport Jazz Festival"),
        (("710", " ", ("a", "(G)I-DLE (Musical group)")), "(G)I-DLE (Musical group)"),
    ],
)
def test_people_and_organizations_and_meetings_are_creators(field, creators):
    [found] = binary(marc(("245", "0", ("a", "T")), field))
    assert found.values["creators"] == creators


@pytest.mark.parametrize(
    ("fields", "title", "search_words"),
    [
        ([("245", "0", ("a", "First /")), ("245", "0", ("a", "Second"))], "First", "Second"),
        ([("240", " ", ("a", "Symphonies,"), ("n", "no. 5"))], "Symphonies, no. 5", ""),
        ([("730", " ", ("a", "Beowulf."))], "Beowulf", ""),
        ([("740", " ", ("a", "Hidden song."))], "Hidden song", ""),
        ([("740", " ", ("a", "Song")), ("240", " ", ("a", "Works"))], "Works", "Song"),
        ([("245", "0", ("c", "by Ana")), ("730", " ", ("a", "Beowulf"))], "Beowulf", ""),
        ([("245", "0", ("a", "T")), ("240", " ", ("a", "Works"))], "T", "Works"),
    ],
)
def test_title_is_read_from_another_field_if_field_245_is_missing(fields, title, search_words):
    [found] = binary(marc(*fields))
    assert (found.values["title"], found.values["search_words"]) == (title, search_words)


def fixed(position, codes):
    """Return a field 008 that has these codes, beginning at this position."""
    return ("008", " " * position + codes + " " * (40 - position - len(codes)))


@pytest.mark.parametrize(
    ("type_and_level", "fields", "is_fiction"),
    [
        ("am", [fixed(33, "1")], True),
        ("am", [fixed(33, "f")], True),
        ("am", [fixed(33, "p")], True),
        ("am", [fixed(33, "0")], False),
        ("am", [fixed(33, "e")], False),
        ("am", [], False),
        # In field 008 of a talking book, the code for fiction is at position 30 or 31, never at 33.
        ("im", [fixed(30, "f")], True),
        ("im", [fixed(30, "b"), ("655", "7", ("a", "Biographies."))], False),
        ("im", [fixed(33, "1")], False),
        ("as", [fixed(33, "1")], False),
        ("gm", [fixed(33, "f")], False),
        ("am", [("655", "7", ("a", "Detective and mystery fiction."))], True),
        ("am", [("655", "7", ("a", "Graphic novels."))], True),
        ("am", [("655", "7", ("a", "Comics (Graphic works)"))], True),
        ("am", [("655", "7", ("a", "Nonfiction comics."))], False),
        ("am", [("650", "1", ("a", "Spiders"), ("v", "Juvenile fiction."))], True),
        ("am", [("650", "0", ("a", "Fiction"), ("v", "History and criticism."))], False),
        ("am", [("852", " ", ("h", "J FIC"), ("i", "LOWRY"))], True),
        ("am", [("852", " ", ("h", "617.46"), ("i", "FICHTE"))], False),
    ],
)
def test_fiction_is_recognized_from_the_fields_of_a_marc_record(type_and_level, fields, is_fiction):
    title = ("245", "0", ("a", "T"))
    [found] = binary(marc(title, *fields, leader=f"00000n{type_and_level} a2200000 a 4500"))
    assert found.values["is_fiction"] is is_fiction


@pytest.mark.parametrize(
    ("column", "cell", "is_fiction"),
    [
        ("fiction", "yes", True),
        ("Fiction", "1", True),
        ("fiction", "no", False),
        ("fiction", "", False),
        ("genre", "Science fiction; American", True),
        ("Género", "Novela", True),
        ("genre", "Non-fiction", False),
        ("genre", "Nonfiction", False),
        ("genre", "No ficción", False),
        ("genre", "Cooking", False),
        ("call number", "YA FIC BUTLER", True),
        ("call number", "641.5 FICKLE", False),
    ],
)
def test_fiction_is_recognized_from_the_columns_of_a_csv_file(column, cell, is_fiction):
    [found] = table(f"title,{column}\nT,{cell}\n")
    assert found.values["is_fiction"] is is_fiction


def test_marc_8_and_utf_8_are_recognized_without_an_encoding_mark():
    def unmarked(raw):
        # pymarc marks every record as UTF-8 in byte 9, so remove this mark.
        return raw[:9] + b" " + raw[10:]

    in_marc_8 = unmarked(titled("XXtude").as_marc().replace(b"XX", b"\xe2E"))
    in_utf_8 = unmarked(titled("Étude", number="2").as_marc())
    assert outcome(binary(in_marc_8, in_utf_8)) == ["Étude", "Étude"]


GOOD, LAST = titled("First").as_marc(), titled("Last", number="3").as_marc()
BAD = titled("Bad one", number="2").as_marc()


@pytest.mark.parametrize(
    "damaged",
    [
        BAD[:40],
        BAD[:-1],
        BAD[:3],
        b"00009" + BAD[5:],
        b"99999" + BAD[5:],
        b"x" + BAD[1:],
        BAD[:12] + b"00000" + BAD[17:],
        BAD[:12] + b"99998" + BAD[17:],
        BAD.replace(b"Bad", b"B\xffd"),
        BAD[:30] + b"zz" + BAD[32:],
        BAD.replace(b"245", b"246"),
        b"\x1d",
        b"rubbish between records\x1d",
    ],
)
def test_damaged_marc_record_does_not_affect_other_records(damaged):
    found = binary(GOOD, damaged, LAST)
    assert outcome(found) == ["First", 2, "Last"]
    assert found[1].reason


SHIFTED = marc(
    ("008", " " * 40),
    ("035", " ", ("a", "(Sirsi) AAY-1602")),
    ("100", " ", ("a", "Rivas, Ana")),
    ("245", "0", ("a", "Zima")),
    ("300", " ", ("a", "1 v.")),
).as_marc()


def with_directory(record, change):
    """Return the record with a changed directory. `change` gets the list of entries and returns a new list."""
    end = int(record[12:17]) - 1
    entries = [record[start : start + 12] for start in range(24, end, 12)]
    return record[:24] + b"".join(change(entries)) + record[end:]


def tagged(*tags):
    return lambda entries: [tag.encode() + entry[3:] for tag, entry in zip(tags, entries, strict=True)]


def moved(by):
    def move(entries):
        first, *others = entries
        return [first, *(entry[:7] + b"%05d" % (int(entry[7:]) + by) for entry in others)]

    return move


@pytest.mark.parametrize(
    "change",
    [
        tagged("001", "008", "100", "245", "300", "500"),
        tagged("001", "008", "245", "100", "300", "500"),
        tagged("008", "035", "100", "245", "300", "500"),
        tagged("001", "003", "008", "035", "100", "245"),
        moved(3),
        moved(-2),
        lambda entries: [
            one[:3] + other[3:] for one, other in zip(entries, entries[1:] + entries[:1], strict=True)
        ],
    ],
)
def test_marc_record_with_a_shifted_directory_is_a_fault(change):
    damaged = with_directory(SHIFTED, change)
    assert outcome(binary(GOOD, damaged, LAST)) == ["First", 2, "Last"]
    assert outcome(binary(SHIFTED)) == ["Zima"]


def test_xml_record_with_a_control_number_as_author_is_a_fault():
    shifted = marc(("245", "0", ("a", "T")), ("100", " ", ("a", "(Sirsi) AAY-1602")))
    [found] = read_xml(io.BytesIO(as_xml(shifted)))
    assert found == Fault(
        1, "it has the control number '(Sirsi) AAY-1602' as a title or name. Export it again"
    )


def test_truncated_last_marc_record_does_not_affect_earlier_records():
    assert outcome(binary(GOOD, BAD[:50])) == ["First", 2]
    assert "cut off after 50 bytes" in binary(GOOD, BAD[:50])[1].reason


def test_line_endings_between_marc_records_are_ignored():
    assert outcome(binary(GOOD + b"\r\n", LAST + b"\n\x1a")) == ["First", "Last"]


@settings(max_examples=150)
@given(st.integers(0, len(BAD) - 1), st.binary(max_size=6))
def test_damage_inside_a_marc_record_never_affects_neighboring_records(position, put):
    damaged = BAD[:position] + put.replace(b"\x1d", b"") + BAD[position + len(put) :]
    found = binary(GOOD, damaged if damaged.endswith(b"\x1d") else damaged + b"\x1d", LAST)
    assert outcome(found)[0] == "First"
    assert outcome(found)[-1] == "Last"


@pytest.mark.parametrize(
    "damaged",
    [
        b"<record><leader>a & b</leader></record>",
        b"<record><leader>x",
        b"<record><datafield></record>",
        b"</record>",
        b"<record></record>",
    ],
)
def test_damaged_xml_record_does_not_affect_other_records(damaged):
    start, first, last = (
        b"<collection>",
        pymarc.record_to_xml(titled("First")),
        pymarc.record_to_xml(titled("Last")),
    )
    assert outcome(read_xml(io.BytesIO(start + first + damaged + last + b"</collection>"))) == [
        "First",
        2,
        "Last",
    ]


def test_marc_record_nested_in_a_harvested_xml_record_is_read():
    text = pymarc.record_to_xml(titled("First")).decode()
    assert outcome(
        read_xml(io.BytesIO(f"<list><record><header/><metadata>{text}</metadata></record></list>".encode()))
    ) == ["First"]


def test_xml_record_that_uses_entities_of_a_doctype_is_a_fault():
    bomb = b'<!DOCTYPE a [<!ENTITY b "bang"><!ENTITY c SYSTEM "file:///etc/hostname">]>'
    text = pymarc.record_to_xml(titled("First")).replace(b"First", b"&b;&c;")
    [found] = read_xml(io.BytesIO(bomb + b"<collection>" + text + b"</collection>"))
    assert isinstance(found, Fault)


def table(text, encoding="utf-8", **mapping):
    return list(read_table(io.BytesIO(text.encode(encoding)), mapping=mapping))


def test_recognized_title_column_is_used_if_the_mapped_column_is_empty():
    records = table(
        "id,original_title,title\n1,Homage to Catalonia,Homage\n2,,Homage\n", title=["original_title"]
    )
    assert [record.values["title"] for record in records] == ["Homage to Catalonia", "Homage"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_columns_are_recognized_by_heading_in_any_encoding(encoding, delimiter):
    [found] = table(
        delimiter.join(["Title", "Author", "ISBN", "Publication Year"])
        + "\r\n"
        + delimiter.join(["Étude", "Brontë", "306406152", "1999.0"]),
        encoding,
    )
    assert found.values["title"] == "Étude"
    assert found.values["creators"] == "Brontë"
    assert found.values["isbn"] == "9780306406157"
    assert found.values["year"] == "1999"


@pytest.mark.parametrize("cell", ['="0306406152"', '"=""0306406152"""', "=0306406152", "'0306406152"])
def test_csv_isbn_marked_as_text_by_a_spreadsheet_is_read(cell):
    [found] = table(f"title,isbn\nT,{cell}\n")
    assert found.values["isbn"] == "9780306406157"


def test_csv_cell_marked_as_text_by_a_formula_is_read_without_the_formula():
    [found] = table('id,title\n="0012","=""The ""good"" one"""\n')
    assert (found.key, found.values["title"]) == ("id:0012", 'The "good" one')


def test_csv_columns_can_be_mapped_to_item_fields():
    [found] = table(
        "title,original_title,who,shelf\nA,B,C,D\n",
        title=["original_title"],
        creators=["WHO"],
        call_number=["shelf"],
    )
    assert (found.values["title"], found.values["creators"], found.holdings) == ("B", "C", (Held("", "D"),))


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("a,b\n1,2\n", {}, "--map title=COLUMN. The columns are: a, b."),
        ("title,b\n1,2\n", {"creators": ["who"]}, "There is no column 'who'. The columns are: title, b."),
        ("title,b\n1,2\n", {"color": ["b"]}, "There is no field 'color'"),
        ("", {}, "no line of column names"),
    ],
)
def test_csv_with_missing_or_unknown_columns_is_refused_with_a_reason(text, mapping, words):
    with pytest.raises(Unreadable) as reason:
        table(text, **mapping)
    assert words in str(reason.value)


def test_bad_csv_row_does_not_affect_other_rows():
    found = table(
        'title,by\nFirst,A\n,B\nToo,many,cells\n\n"On two\nlines",C\nShort\n' + "x" * 140_000 + ",D\nLast,E\n"
    )
    assert outcome(found) == ["First", 2, 3, "On two lines", "Short", 6, "Last"]


def test_csv_row_is_identified_by_its_id_or_isbn_or_title():
    keys = [one.key.partition(":")[0] for one in table("id,title,isbn\n7,A,306406152\n,A,306406152\n,A,\n")]
    assert keys == ["id", "isbn", "sha256"]


def test_hostile_csv_text_is_cleaned_and_shortened():
    [found] = table("title,url,summary\n" + "A\x00\u202eB" + "x" * 500 + ",javascript:alert(1),\x07ok\n")
    assert found.values["title"].startswith("ABxx")
    assert len(found.values["title"]) == 400
    assert (found.values["url"], found.values["summary"]) == ("", "ok")
