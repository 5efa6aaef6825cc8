"""Test the form, the extent and the audience of an item that an import reads from its record."""

import io

import pytest
from pymarc import Field, Indicators, Subfield

from portal.imports.readers.table import read_table
from recommendations.models import Item
from tests.portal.imports.test_readers import binary, marc

BOOK, SERIAL, SCORE = "00000nam a2200000 i 4500", "00000nas a2200000 i 4500", "00000ncm a2200000 i 4500"
SPEECH, MUSIC, FILM = "00000nim a2200000 i 4500", "00000njm a2200000 i 4500", "00000ngm a2200000 i 4500"
COMPUTER_FILE, MANUSCRIPT = "00000nmm a2200000 i 4500", "00000ntm a2200000 i 4500"
WEB_PAGE = "00000nai a2200000 i 4500"


def fixed(*, audience=" ", form=" ", at=23, kind=" "):
    """Return a field 008. The code of the form is at position 23, or at position 29 for pictures."""
    text = list("200101s2020    nyu                 eng d".ljust(40))
    text[21], text[22], text[at] = kind, audience, form
    return "008", "".join(text)


def carrier(code):
    return "338", " ", ("b", code)


def read(*fields, leader=BOOK):
    [found] = binary(marc(("245", "0", ("a", "A title")), *fields, leader=leader))
    return found.values


TEN_RECORDS = {
    "a printed book": (BOOK, [fixed()], ("book", "print")),
    "a book in large print": (BOOK, [fixed(form="d")], ("book", "large_print")),
    "a book in braille, with RDA": (BOOK, [("336", " ", ("a", "tactile text"))], ("book", "braille")),
    "an e-book": (BOOK, [fixed(form="o"), carrier("cr"), ("007", "cr |||||||||||")], ("book", "ebook")),
    "an audiobook on CD": (SPEECH, [("007", "sd fsngnn|||e|"), carrier("sd")], ("audiobook", "disc")),
    "an audiobook to stream": (SPEECH, [("007", "sr zunnnnnuneu"), ("007", "cr n")], ("audiobook", "stream")),
    "music on a cassette": (MUSIC, [("007", "ss lsnjlcmplue")], ("sound", "cassette")),
    "a film on DVD": (FILM, [fixed(), ("007", "vd cvaizq")], ("video", "disc")),
    "a film to stream": (FILM, [fixed(form="o", at=29), carrier("cr")], ("video", "stream")),
    "a newspaper on microfilm": (
        SERIAL,
        [fixed(form="a"), ("007", "hd afu---buca")],
        ("serial", "microform"),
    ),
}


@pytest.mark.parametrize(("leader", "fields", "expected"), TEN_RECORDS.values(), ids=TEN_RECORDS)
def test_kind_and_form_of_an_item_are_read_from_a_marc_record(leader, fields, expected):
    values = read(*fields, leader=leader)
    assert (values["kind"], values["form"]) == expected


@pytest.mark.parametrize(
    ("leader", "fields", "expected"),
    [
        # A book with a CD-ROM stays a printed book.
        (BOOK, [fixed(), ("007", "co cga"), ("300", " ", ("a", "321 p."), ("e", "1 CD-ROM"))], "print"),
        (BOOK, [fixed(), carrier("nc"), carrier("cd")], "print"),
        (BOOK, [fixed(form="s"), carrier("cd")], "disc"),
        (BOOK, [fixed(form="s")], "ebook"),
        (BOOK, [fixed(form="q")], "disc"),
        (BOOK, [fixed(), ("006", "m     o  d        ")], "ebook"),
        (BOOK, [("300", " ", ("a", "611 pages (large print) ;"))], "large_print"),
        (BOOK, [fixed(), ("340", " ", ("n", "large print"))], "large_print"),
        (BOOK, [fixed(), ("650", " ", ("a", "Large type books."))], "large_print"),
        (BOOK, [fixed(), ("250", " ", ("a", "Large print edition."))], "large_print"),
        (BOOK, [fixed(), ("245", "0", ("a", "T"), ("h", "[large print] /"))], "large_print"),
        (BOOK, [fixed(form="o"), ("650", " ", ("a", "Large type books."))], "ebook"),
        (BOOK, [("007", "tc")], "braille"),
        (BOOK, [("337", " ", ("b", "h"))], "microform"),
        (SCORE, [fixed()], "print"),
        (SCORE, [fixed(form="f")], "braille"),
        (SERIAL, [fixed(form="o")], "online"),
        (WEB_PAGE, [fixed(form="o", kind="w")], ""),
        (COMPUTER_FILE, [fixed(form="o"), ("006", "i    fo  ")], "stream"),
        (MANUSCRIPT, [fixed()], ""),
        (MUSIC, [], ""),
        (MUSIC, [("007", "s  b"), ("300", " ", ("a", "2 sound discs :"))], "disc"),
        (SPEECH, [("300", " ", ("a", "3 audiocassettes"))], "cassette"),
        (FILM, [("300", " ", ("a", "1 online resource (1 video file)"))], "stream"),
        (FILM, [("007", "sd fsngnn|||e|")], ""),
        # Damaged fixed fields are ignored.
        (BOOK, [("008", "x")], "print"),
        (BOOK, [("007", ""), ("006", "")], "print"),
    ],
)
def test_form_of_an_item_is_read_from_an_unusual_marc_record(leader, fields, expected):
    assert read(*fields, leader=leader)["form"] == expected


@pytest.mark.parametrize(
    ("form", "forms_kind", "label"),
    [
        ("large_print", "book", "Book, large print"),
        ("ebook", "book", "E-book"),
        ("print", "book", "Book"),
        ("", "book", "Book"),
        ("disc", "video", "Video, disc"),
        ("online", "serial", "Journal or newspaper, online"),
        ("nonsense", "book", "Book"),
    ],
)
def test_form_is_shown_beside_the_kind_of_an_item_unless_the_item_is_printed(form, forms_kind, label):
    assert Item(kind=forms_kind, form=form).kind_name == label


def test_extent_includes_material_that_comes_with_the_item():
    kit = [
        ("300", " ", ("a", "24 pages :"), ("b", "maps ;"), ("c", "30 cm +"), ("e", "1 audio disc.")),
        ("300", " ", ("a", "1 jigsaw puzzle")),
    ]
    assert read(*kit)["extent"] == "24 pages + 1 audio disc.; 1 jigsaw puzzle"
    assert read(("300", " ", ("b", "maps")))["extent"] == ""
    assert len(read(("300", " ", ("a", "x" * 4000)))["extent"]) == 120


@pytest.mark.parametrize(
    ("leader", "code", "expected"),
    [
        (BOOK, "a", "preschool"),
        (BOOK, "d", "teen"),
        (BOOK, "j", "juvenile"),
        (MUSIC, "e", "adult"),
        (BOOK, " ", ""),
        (BOOK, "|", ""),
        # In the field 008 of a journal, the position of the audience has another meaning.
        (SERIAL, "a", ""),
    ],
)
def test_audience_is_read_from_the_fixed_field(leader, code, expected):
    assert read(fixed(audience=code), leader=leader)["audience"] == expected


def test_audience_note_is_read_from_the_words_of_the_record():
    ages = Field(tag="521", indicators=Indicators("1", " "), subfields=[Subfield("a", "008-012")])
    rated = Field(tag="521", indicators=Indicators("8", " "), subfields=[Subfield("a", "Rated PG")])
    record = marc(("245", "0", ("a", "A title")))
    record.add_field(ages, rated)
    [found] = binary(record)
    assert found.values["audience_note"] == "Ages 8-12; Rated PG"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("Book,Large Print,210,Teens", ("book", "large_print", "210 p.", "Teens")),
        ("Large print book,,xii pages,", ("book", "large_print", "xii pages", "")),
        ("eBook,,,", ("book", "ebook", "", "")),
        ("DVD,,,", ("video", "disc", "", "")),
        ("Book,,,", ("book", "", "", "")),
        ("eAudiobook,,,", ("audiobook", "stream", "", "")),
    ],
)
def test_form_and_extent_and_audience_are_read_from_csv_columns(row, expected):
    text = f"title,type,form,pages,audience\nA title,{row}\n"
    [found] = read_table(io.BytesIO(text.encode()), mapping={})
    values = found.values
    assert (values["kind"], values["form"], values["extent"], values["audience_note"]) == expected
