"""Test reading MARC records in the styles of many systems, countries and cataloging rules."""

import io

import pytest
from django.utils import timezone

from portal.imports.readers.marc_xml import read_xml
from portal.imports.records import Fault
from recommendations.actions import add_item
from recommendations.models import Item
from recommendations.search.finding import find_items
from tests.portal.imports.test_readers import GOOD, as_xml, binary, fixed, marc, outcome, titled

TITLE = ("245", "0", ("a", "T"))


def values_of(*fields, leader="am"):
    [found] = binary(marc(*fields, leader=f"00000n{leader} a2200000 a 4500"))
    return found.values


@pytest.mark.parametrize(
    ("subfields", "title"),
    [
        # The punctuation before the subtitle is at the end of the medium, which is in subfield h.
        (
            [("a", "Kind of blue"), ("h", "[sound recording] :"), ("b", "live /"), ("c", "M. D.")],
            "Kind of blue : live",
        ),
        ([("a", "War"), ("h", "[videorecording] ="), ("b", "Guerre /")], "War = Guerre"),
        (
            [("a", "Lost"), ("h", "[videorecording]."), ("n", "Season 1,"), ("p", "Pilot /")],
            "Lost. Season 1, Pilot",
        ),
        ([("a", "Lost :"), ("h", "[videorecording] :"), ("b", "pilot")], "Lost : pilot"),
        ([("a", "Zima"), ("h", "[sound recording].")], "Zima"),
        # If a record has no punctuation between the parts of the title, the reader adds it.
        ([("a", "Zauberberg"), ("b", "Roman"), ("c", "Thomas Mann")], "Zauberberg : Roman"),
        ([("a", "Handbuch"), ("n", "Band 2"), ("p", "Praxis")], "Handbuch. Band 2, Praxis"),
        ([("a", "Who am I?"), ("n", "Part 2")], "Who am I? Part 2"),
        # If a record has punctuation between the parts of the title, the reader keeps it.
        ([("a", "Main :"), ("b", "sub. "), ("n", "Part 1,"), ("p", "Name /")], "Main : sub. Part 1, Name"),
        ([("a", "Hamlet ;"), ("b", "Macbeth /")], "Hamlet ; Macbeth"),
        ([("a", "呐喊 ："), ("b", "选")], "呐喊 ： 选"),
        # Records of archives have a kind of document, such as "Letters", instead of a title.
        ([("k", "Letters,"), ("f", "1901-1920")], "Letters"),
        ([("a", "Four years at Yale :"), ("k", "diaries")], "Four years at Yale : diaries"),
        # Some records mark a leading article, such as "Der", because sorting ignores it.
        ([("a", "<<Der>> Zauberberg")], "Der Zauberberg"),
        ([("a", "¬Der ¬Zauberberg")], "Der Zauberberg"),
        ([("a", "\x98Der \x9cZauberberg")], "Der Zauberberg"),
        ([("a", "E\u0301tude")], "Étude"),
        ([("a", "Tom &amp; Jerry &#x2122; &#1488;")], "Tom & Jerry ™ א"),
    ],
)
def test_marc_title_keeps_the_punctuation_between_its_parts(subfields, title):
    assert values_of(("245", "0", *subfields))["title"] == title


def test_marc_title_in_its_original_script_keeps_the_punctuation_between_its_parts():
    original = ("880", "0", ("6", "245-01/$1"), ("a", "呐喊"), ("h", "[DVD] :"), ("b", "选"))
    assert (
        values_of(("245", "0", ("6", "880-01"), ("a", "Na han")), original)["original_title"] == "呐喊 : 选"
    )


def test_other_titles_of_a_record_are_searched_but_not_shown():
    values = values_of(
        ("130", " ", ("a", "Beowulf.")),
        ("240", " ", ("a", "Cien años de soledad."), ("l", "English")),
        ("245", "0", ("a", "One hundred years of solitude")),
        ("246", " ", ("a", "100 years")),
        ("246", " ", ("a", "One Hundred Years of Solitude.")),
        ("740", " ", ("a", "Macondo.")),
        ("880", " ", ("6", "246-02/(N"), ("a", "Стужа")),
    )
    assert values["title"] == "One hundred years of solitude"
    assert values["search_words"].split("\n") == [
        "Cien años de soledad", "Beowulf", "Macondo", "100 years", "Стужа"
    ]  # fmt: skip


NUMBERS = (
    ("020", " ", ("a", "9780306406157"), ("q", "hardback")),
    ("020", " ", ("a", "0-8044-2957-X (pbk.)")),
    ("020", " ", ("z", "9780262033848")),
    ("022", " ", ("a", "0317-8471")),
    ("024", " ", ("a", "012345678905")),
)


@pytest.mark.few_cases
@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    ["9780306406157", "978-0-306-40615-7", "0306406152", "9780804429573", "978-0-8044-2957-3", "0-8044-2957-X"]
    + ["080442957x", "0317-8471", "03178471", "012345678905"],
)  # fmt: skip
def test_item_is_found_by_each_of_its_numbers_with_and_without_hyphens(query):
    now = timezone.now()
    item = add_item(at=now, **values_of(*NUMBERS, TITLE))
    add_item(at=now, kind=Item.Kind.BOOK, title="Another", isbn="9780262033848")
    assert find_items(query) == [item]


@pytest.mark.parametrize(
    ("leader", "fields", "kind"),
    [
        ("ab", [], "article"),
        ("aa", [], "book"),
        ("ai", [fixed(21, "d")], "database"),
        ("ai", [fixed(21, "w")], "web_page"),
        ("ai", [fixed(21, "l")], "book"),
        ("Am", [], "book"),
        ("mm", [fixed(26, "d")], "book"),
        ("mm", [fixed(26, "g")], "other"),
        ("rm", [], "other"),
        ("om", [], "other"),
        # In many templates for records, the leader has the code "a" (text) by default. So field 336, which
        # names the content, takes precedence.
        ("am", [("336", " ", ("a", "spoken word"), ("b", "spw"))], "audiobook"),
        ("am", [("336", " ", ("a", "two-dimensional moving image"))], "video"),
        ("am", [("336", " ", ("b", "txt")), ("336", " ", ("b", "spw"))], "book"),
        ("gm", [("336", " ", ("b", "txt"))], "video"),
    ],
)
def test_kind_of_item_is_read_from_the_codes_of_the_record(leader, fields, kind):
    assert values_of(TITLE, *fields, leader=leader)["kind"] == kind


@pytest.mark.parametrize(
    ("field", "creators"),
    [
        (("110", " ", ("a", "OverDrive, Inc.")), "OverDrive, Inc."),
        (("110", " ", ("a", "Acme Corp."), ("e", "author.")), "Acme Corp."),
        (("710", " ", ("a", "Kanopy (Firm),"), ("e", "distributor.")), ""),
        (("710", " ", ("a", "Kanopy (Firm),"), ("4", "dst")), ""),
        (("710", " ", ("a", "Acme Band,"), ("e", "performer,"), ("e", "publisher.")), "Acme Band"),
        (("720", " ", ("a", "Jane Doe")), "Jane Doe"),
        (
            ("100", " ", ("a", "King, Martin Luther,"), ("c", "Jr.,"), ("d", "1929-1968.")),
            "King, Martin Luther, Jr.",
        ),
    ],
)
def test_only_people_and_organizations_that_made_the_item_are_creators(field, creators):
    assert values_of(TITLE, field)["creators"] == creators


@pytest.mark.parametrize(
    ("subfields", "name"),
    [
        (
            [("a", "Olympic Games"), ("n", "(21st :"), ("e", "Organizing Committee.")],
            "Olympic Games. Organizing Committee",
        ),
        ([("a", "Ministry,"), ("e", "Department")], "Ministry. Department"),
    ],
)
def test_name_of_a_meeting_and_its_department_are_separated_by_a_period(subfields, name):
    assert values_of(TITLE, ("711", " ", *subfields))["creators"] == name


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["United States.", "Department of Gardens."], "United States. Department of Gardens"),
        (
            ["United States", "Department of Gardens", "Soil Office"],
            "United States. Department of Gardens. Soil Office",
        ),
        (["Acme Inc.", "Press"], "Acme Inc. Press"),
    ],
)
def test_name_of_an_organization_and_its_department_are_separated_by_a_period(parts, name):
    subfields = zip(["a", *["b"] * len(parts)], parts, strict=False)
    assert values_of(TITLE, ("110", " ", *subfields))["creators"] == name


def test_main_author_is_the_first_creator_in_any_order_of_the_fields():
    added, main = ("700", "1", ("a", "Zed, Zoe")), ("100", "1", ("a", "Abel, Ann"))
    assert values_of(TITLE, added, main)["creators"] == "Abel, Ann; Zed, Zoe"


@pytest.mark.parametrize(
    "unknown", ["[s.n.],", "s.n.]", "[publisher not identified],", "[Verlag nicht ermittelbar]"]
)
def test_placeholder_for_an_unknown_publisher_is_not_imported(unknown):
    known = ("264", "2", ("b", "House,"))
    assert values_of(TITLE, ("264", "1", ("b", unknown)), known)["publisher"] == "House"


@pytest.mark.parametrize("tag", ["490", "440", "830"])
def test_series_is_read_from_each_field_for_series(tag):
    field = (tag, " ", ("a", "Penguin classics ;"), ("v", "12."))
    assert values_of(TITLE, field)["series"] == "Penguin classics ; 12"


@pytest.mark.parametrize("coded", [[], [fixed(35, "   ")], [fixed(35, "|||")]])
def test_language_is_read_from_field_041_if_field_008_has_no_language(coded):
    assert values_of(TITLE, *coded, ("041", " ", ("a", "gereng")))["language"] == "ger"


def test_link_to_the_whole_title_is_preferred_to_a_link_to_a_part():
    cover = ("856", "0", ("3", "Cover image"), ("u", "https://example.org/cover"))
    assert values_of(TITLE, cover, ("856", "0", ("u", "https://example.org/all")))["url"].endswith("/all")


@pytest.mark.parametrize(
    ("second", "part"),
    [
        ("2", ("u", "https://example.org/other")),
        ("1", ("3", "Table of contents only")),
        ("2", ("3", "Contributor biographical information")),
        ("1", ("3", "Sample text")),
        ("2", ("3", "Publisher description")),
        ("0", ("y", "Inhaltsverzeichnis")),
        ("0", ("z", "Cover image")),
    ],
)
def test_link_to_a_text_about_the_item_is_not_imported_as_the_link_of_the_item(second, part):
    about = ("856", second, part, ("u", "https://example.org/about"))
    assert values_of(TITLE, about)["url"] == ""
    volume = ("856", "0", ("3", "Volume 2"), ("u", "https://example.org/2"))
    assert values_of(TITLE, about, volume)["url"] == "https://example.org/2"


@pytest.mark.parametrize(
    ("subfields", "title"),
    [
        ([("a", "European artists.")], "European artists"),
        ([("a", "American soaps."), ("b", "A treatise."), ("c", "By A. B.")], "American soaps. A treatise"),
        ([("a", "Made in the U.S.")], "Made in the U.S."),
        ([("a", "Smith & Co.")], "Smith & Co."),
        ([("a", "Stars, planets, etc.")], "Stars, planets, etc."),
        ([("a", "Report of the Dept. /"), ("c", "A. B.")], "Report of the Dept."),
        ([("a", "Once upon a time...")], "Once upon a time..."),
    ],
)
def test_period_at_the_end_of_a_title_is_kept_only_after_an_abbreviation(subfields, title):
    assert values_of(("245", "0", *subfields))["title"] == title


def test_html_tags_in_a_summary_are_removed():
    text = "<p>A <b>great</b> book.</p><p>5 &lt; 6, if a<b.</p>"
    assert values_of(TITLE, ("520", " ", ("a", text)))["summary"] == "A great book.\n\n5 < 6, if a<b."


UNIMARC = (("200", " ", ("a", "L'étranger")), ("700", "1", ("a", "Camus")), ("740", " ", ("a", "Camus")))


@pytest.mark.parametrize("read", [lambda *records: list(read_xml(io.BytesIO(as_xml(*records)))), binary])
def test_refusal_of_a_unimarc_record_says_what_to_export_instead(read):
    reason = "it is a UNIMARC record. Export MARC 21, MARCXML (MARC 21) or CSV"
    assert read(marc(*UNIMARC), marc(*UNIMARC)) == [Fault(1, reason), Fault(2, reason)]


def test_local_fields_and_empty_fields_of_a_marc_record_are_ignored():
    # Records from the library system Aleph have fields without subfields. The tags of these fields are
    # letters.
    record = marc(TITLE, ("500", " ", ("a", "X"))).as_marc()
    local, empty = (
        record.replace(b"5000006", b"FMT0006").replace(b"  \x1faX", b"BK   "),
        record.replace(b"  \x1faX", b"     "),
    )
    assert outcome(binary(local, empty)) == ["T", "T"]


def test_marc_8_escape_sequences_are_decoded_even_if_the_leader_says_utf_8():
    original = ("880", "0", ("6", "245-00/(2/r"), ("a", "\x1b(2yixim\x1b(B"))
    [found] = binary(marc(("245", "0", ("a", "Shirim")), original))
    assert (found.values["original_title"], found.values["original_lang"]) == ("שירים", "und-Hebr")


def test_error_about_a_record_longer_than_marc_allows_says_what_to_do():
    copies = [("952", " ", ("a", "x" * 900))] * 110
    whole = marc(TITLE, *copies).as_marc()
    long = b"99999" + whole[whole.index(b"nam") :]
    [found, last] = binary(long, GOOD)
    assert found.reason == f"it is {len(long)} bytes long, and MARC allows 99999. Export it as MARCXML"
    assert last.values["title"] == "First"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_marcxml_is_read_in_any_unicode_encoding(encoding):
    text = as_xml(titled("Étude")).decode().replace('version="1.0"', 'version="1.0" encoding="utf-16"')
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    assert outcome(read_xml(io.BytesIO(mark + text.encode(encoding)))) == ["Étude"]


def test_xml_record_with_an_undeclared_namespace_prefix_is_read():
    text = as_xml(titled("Read 1:2='3' aloud")).replace(b"<record>", b'<record xsi:type="Bibliographic">')
    assert outcome(read_xml(io.BytesIO(text))) == ["Read 1:2='3' aloud"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_byte_order_mark_before_a_binary_record_is_ignored(mark):
    assert outcome(binary(mark + GOOD, mark + GOOD)) == ["First", "First"]


DELETED = "it is marked as deleted in its system"


def test_record_marked_as_deleted_is_reported_and_not_imported():
    deleted = titled("Gone", leader="00000dam a2200000 a 4500")
    assert binary(deleted) == [Fault(1, DELETED)]
    assert list(read_xml(io.BytesIO(as_xml(deleted)))) == [Fault(1, DELETED)]


def test_each_record_of_an_oai_pmh_harvest_is_read_once():
    inner = as_xml(titled("First")).decode().partition('slim">')[2].removesuffix("</collection>")
    around = f"<record><header/><metadata>{inner}</metadata></record>"
    deleted = '<record><header status="deleted"><identifier>7</identifier></header></record>'
    harvest = f"<OAI-PMH><ListRecords>{around}{deleted}{around}</ListRecords></OAI-PMH>"
    assert outcome(read_xml(io.BytesIO(harvest.encode()))) == ["First", 2, "First"]
    [_, fault, _] = read_xml(io.BytesIO(harvest.encode()))
    assert fault.reason == DELETED


def test_error_about_a_record_that_is_not_marcxml_says_what_to_export():
    dublin_core = '<metadata><dc xmlns:d="x"><d:title>T</d:title></dc></metadata>'
    harvest = f"<OAI-PMH><ListRecords><record><header/>{dublin_core}</record></ListRecords></OAI-PMH>"
    [fault] = read_xml(io.BytesIO(harvest.encode()))
    assert fault == Fault(1, "it is not a MARC record. Export the catalog as MARCXML")


def test_long_identifiers_with_different_ends_have_different_keys():
    first, second = binary(titled("A", number="x" * 130 + "1"), titled("B", number="x" * 130 + "2"))
    assert first.key != second.key
    assert max(len(first.key), len(second.key)) <= 120


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (b"\x1b(NzIMA\x1b(B", "Зима"),
        (b"\x1b)N\xfa\xc9\xcd\xc1", "Зима"),
        (b"\x1b(2yixim\x1b(B", "שירים"),
        (b"\x1b-2\xf9\xe9\xf8\xe9\xed", "שירים"),
        (b"H\x1bb2\x1bsO", "H₂O"),
        (b"Vi\xf2\xe3et \xa1\xe2od\xe2z", "Việt Łódź"),
        # Extended Cyrillic and extended Arabic in the lower half of the code table.
        (b"\x1b(QG\x1b(NVAK\x1b(B", "їжак"),
        (b"\x1b(4)\x1b(3GQS\x1b(B", "پارس"),
    ],
)
def test_letters_in_both_halves_of_the_marc_8_code_table_are_decoded(text, title):
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert outcome(binary(raw[:9] + b" " + raw[10:])) == [title]


@pytest.mark.parametrize(
    "title",
    ["Étude pour piano à Genève", "Über die Straße", "L’École", "MÜLLER"],
)
def test_windows_1252_is_recognized_by_letters_that_marc_8_does_not_have(title):
    text = title.encode("cp1252")
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert outcome(binary(raw[:9] + b" " + raw[10:])) == [title]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        # A quotation mark in the encoding Windows-1252.
        (b"L\x92\xe2et\xe2e", "Lété"),
        # Somebody typed an accent instead of an apostrophe, so the accent belongs to no letter.
        (b"Easy livin\xe1 -- \xe2Et\xe2e", "Easy livin \u0300-- Été"),
    ],
)
def test_wrong_character_in_a_marc_8_record_does_not_affect_the_accents(text, title):
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert outcome(binary(raw[:9] + b" " + raw[10:])) == [title]


def test_east_asian_letters_in_the_upper_half_of_the_code_table_are_a_fault():
    text = b"\x1b$)1\xa1\xb0\xd1"
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert binary(raw) == [Fault(1, "it has bytes that are not valid in its encoding")]


def test_incomplete_east_asian_letter_causes_no_output_in_the_terminal(capsys):
    text = b"\x1b$1!0Q!0"
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert [found.number for found in binary(raw)] == [1]
    assert capsys.readouterr() == ("", "")


def test_record_without_a_length_is_read():
    assert outcome(binary(b"00000" + GOOD[5:], GOOD)) == ["First", "First"]


def test_unimarc_record_with_a_local_field_245_is_refused():
    coded = ("100", " ", ("a", "20200101d1964    m  y0frey50      ba"))
    [found] = binary(marc(coded, *UNIMARC, ("245", " ", ("a", "checked"))))
    assert found.reason.startswith("it is a UNIMARC record")


def test_markup_inside_an_xml_subfield_does_not_cut_the_text():
    text = as_xml(titled("The WORD story")).replace(b"WORD", b"<i>Zima</i> and <b>Vesna</b>")
    assert outcome(read_xml(io.BytesIO(text))) == ["The Zima and Vesna story"]


def test_spaces_around_the_leader_of_an_xml_record_are_ignored():
    text = as_xml(marc(TITLE, leader="00000njm a2200000 a 4500"))
    text = text.replace(b"<leader>", b"<leader>\n    ").replace(b"</leader>", b"\n  </leader>")
    [found] = read_xml(io.BytesIO(text))
    assert found.values["kind"] == "sound"


def test_first_web_address_among_the_links_becomes_the_link_of_the_item():
    links = ("856", "0", ("u", "javascript:alert(1)")), ("856", "0", ("u", "https://example.org/x"))
    assert values_of(TITLE, *links)["url"] == "https://example.org/x"


def test_each_subject_and_genre_is_read_once_for_the_search():
    subjects = [
        ("650", "0", ("a", "Gardening"), ("z", "Chile.")),
        ("650", "7", ("a", "Gardening"), ("z", "Chile"), ("2", "fast")),
        ("655", "7", ("a", "Handbooks."), ("2", "lcgft")),
    ]
    assert values_of(TITLE, *subjects)["subjects"] == "Gardening Chile\nHandbooks"


@pytest.mark.django_db
def test_item_is_found_by_its_subject_and_its_series():
    values = {"kind": "book", "title": "T", "subjects": "Gardening Chile\nHandbooks", "series": "Green hands"}
    item = add_item(at=timezone.now(), **values)
    for query in ("gardening", "handb", "green hands"):
        assert find_items(query) == [item]
