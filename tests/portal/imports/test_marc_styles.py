"""Test the reader with records in the styles of many systems, countries and cataloging rules."""

import io

import pytest
from django.utils import timezone

from portal.imports.readers.marc import read_xml
from portal.imports.records import Fault
from recommendations.actions import add_item
from recommendations.models import Item
from recommendations.search import find_items
from tests.portal.imports.test_readers import GOOD, as_xml, binary, fixed, marc, outcome, titled

TITLE = ("245", "0", ("a", "T"))


def values_of(*fields, leader="am"):
    [found] = binary(marc(*fields, leader=f"00000n{leader} a2200000 a 4500"))
    return found.values


@pytest.mark.parametrize(
    ("subfields", "title"),
    [
        # The punctuation before the subtitle follows the medium.
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
        # Records without punctuation.
        ([("a", "Zauberberg"), ("b", "Roman"), ("c", "Thomas Mann")], "Zauberberg : Roman"),
        ([("a", "Handbuch"), ("n", "Band 2"), ("p", "Praxis")], "Handbuch. Band 2, Praxis"),
        ([("a", "Who am I?"), ("n", "Part 2")], "Who am I? Part 2"),
        # Records with punctuation stay as they are.
        ([("a", "Main :"), ("b", "sub. "), ("n", "Part 1,"), ("p", "Name /")], "Main : sub. Part 1, Name"),
        ([("a", "Hamlet ;"), ("b", "Macbeth /")], "Hamlet ; Macbeth"),
        ([("a", "呐喊 ："), ("b", "选")], "呐喊 ： 选"),
        # Archives name a form instead of a title.
        ([("k", "Letters,"), ("f", "1901-1920")], "Letters"),
        ([("a", "Four years at Yale :"), ("k", "diaries")], "Four years at Yale : diaries"),
        # Marks around an article that sorting skips.
        ([("a", "<<Der>> Zauberberg")], "Der Zauberberg"),
        ([("a", "¬Der ¬Zauberberg")], "Der Zauberberg"),
        ([("a", "\x98Der \x9cZauberberg")], "Der Zauberberg"),
        ([("a", "E\u0301tude")], "Étude"),
        ([("a", "Tom &amp; Jerry &#x2122; &#1488;")], "Tom & Jerry ™ א"),
    ],
)
def test_title_has_the_punctuation_between_its_parts(subfields, title):
    assert values_of(("245", "0", *subfields))["title"] == title


def test_original_title_has_the_punctuation_between_its_parts():
    original = ("880", "0", ("6", "245-01/$1"), ("a", "呐喊"), ("h", "[DVD] :"), ("b", "选"))
    assert (
        values_of(("245", "0", ("6", "880-01"), ("a", "Na han")), original)["original_title"] == "呐喊 : 选"
    )


def test_other_titles_are_searched_but_not_shown():
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
        # Cataloging rules name the content in field 336, and "a" is the first letter of many templates.
        ("am", [("336", " ", ("a", "spoken word"), ("b", "spw"))], "audiobook"),
        ("am", [("336", " ", ("a", "two-dimensional moving image"))], "video"),
        ("am", [("336", " ", ("b", "txt")), ("336", " ", ("b", "spw"))], "book"),
        ("gm", [("336", " ", ("b", "txt"))], "video"),
    ],
)
def test_kind_of_item_fits_the_codes_of_the_record(leader, fields, kind):
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
def test_creators_are_people_and_bodies_that_made_the_item(field, creators):
    assert values_of(TITLE, field)["creators"] == creators


@pytest.mark.parametrize(
    "unknown", ["[s.n.],", "s.n.]", "[publisher not identified],", "[Verlag nicht ermittelbar]"]
)
def test_unknown_publisher_is_left_out(unknown):
    known = ("264", "2", ("b", "House,"))
    assert values_of(TITLE, ("264", "1", ("b", unknown)), known)["publisher"] == "House"


@pytest.mark.parametrize("tag", ["490", "440", "830"])
def test_series_is_read_from_old_and_new_fields(tag):
    field = (tag, " ", ("a", "Penguin classics ;"), ("v", "12."))
    assert values_of(TITLE, field)["series"] == "Penguin classics ; 12"


@pytest.mark.parametrize("coded", [[], [fixed(35, "   ")], [fixed(35, "|||")]])
def test_language_is_read_from_041_if_008_has_none(coded):
    assert values_of(TITLE, *coded, ("041", " ", ("a", "gereng")))["language"] == "ger"


def test_link_to_a_part_comes_after_the_link_to_the_title():
    cover = ("856", "0", ("3", "Cover image"), ("u", "https://example.org/cover"))
    assert values_of(TITLE, cover, ("856", "0", ("u", "https://example.org/all")))["url"].endswith("/all")


def test_tags_in_a_summary_are_removed():
    text = "<p>A <b>great</b> book.</p><p>5 &lt; 6, if a<b.</p>"
    assert values_of(TITLE, ("520", " ", ("a", text)))["summary"] == "A great book.\n\n5 < 6, if a<b."


UNIMARC = (("200", " ", ("a", "L'étranger")), ("700", "1", ("a", "Camus")), ("740", " ", ("a", "Camus")))


@pytest.mark.parametrize("read", [lambda *records: list(read_xml(io.BytesIO(as_xml(*records)))), binary])
def test_unimarc_is_named_and_refused(read):
    reason = "it is a UNIMARC record. Export MARC 21, MARCXML (MARC 21) or CSV"
    assert read(marc(*UNIMARC), marc(*UNIMARC)) == [Fault(1, reason), Fault(2, reason)]


def test_fields_of_a_local_system_and_empty_fields_are_ignored():
    # Aleph has fields with letters as tags, and no subfields.
    record = marc(TITLE, ("500", " ", ("a", "X"))).as_marc()
    local, empty = (
        record.replace(b"5000006", b"FMT0006").replace(b"  \x1faX", b"BK   "),
        record.replace(b"  \x1faX", b"     "),
    )
    assert outcome(binary(local, empty)) == ["T", "T"]


def test_escape_sequences_are_read_as_marc_8_even_if_the_leader_says_utf_8():
    original = ("880", "0", ("6", "245-00/(2/r"), ("a", "\x1b(2yixim\x1b(B"))
    [found] = binary(marc(("245", "0", ("a", "Shirim")), original))
    assert (found.values["original_title"], found.values["original_lang"]) == ("שירים", "und-Hebr")


def test_record_longer_than_marc_allows_says_what_to_do():
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


def test_prefix_of_an_attribute_may_be_declared_outside_of_the_record():
    text = as_xml(titled("Read 1:2='3' aloud")).replace(b"<record>", b'<record xsi:type="Bibliographic">')
    assert outcome(read_xml(io.BytesIO(text))) == ["Read 1:2='3' aloud"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_byte_order_mark_before_a_binary_record_is_ignored(mark):
    assert outcome(binary(mark + GOOD, mark + GOOD)) == ["First", "First"]


DELETED = "it is marked as deleted in its system"


def test_deleted_record_is_reported_and_not_imported():
    deleted = titled("Gone", leader="00000dam a2200000 a 4500")
    assert binary(deleted) == [Fault(1, DELETED)]
    assert list(read_xml(io.BytesIO(as_xml(deleted)))) == [Fault(1, DELETED)]


def test_harvested_records_are_read_without_faults_for_the_elements_around_them():
    inner = as_xml(titled("First")).decode().partition('slim">')[2].removesuffix("</collection>")
    around = f"<record><header/><metadata>{inner}</metadata></record>"
    deleted = '<record><header status="deleted"><identifier>7</identifier></header></record>'
    harvest = f"<OAI-PMH><ListRecords>{around}{deleted}{around}</ListRecords></OAI-PMH>"
    assert outcome(read_xml(io.BytesIO(harvest.encode()))) == ["First", 2, "First"]
    [_, fault, _] = read_xml(io.BytesIO(harvest.encode()))
    assert fault.reason == DELETED


def test_long_identifiers_that_begin_alike_are_different():
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
    ],
)
def test_marc_8_letters_are_read_in_both_halves_of_the_code_table(text, title):
    raw = titled("X" * len(text)).as_marc().replace(b"X" * len(text), text)
    assert outcome(binary(raw[:9] + b" " + raw[10:])) == [title]


def test_first_link_that_is_a_web_address_is_used():
    links = ("856", "0", ("u", "javascript:alert(1)")), ("856", "0", ("u", "https://example.org/x"))
    assert values_of(TITLE, *links)["url"] == "https://example.org/x"
