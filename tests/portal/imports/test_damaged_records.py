"""Test records that another program has damaged. What can be read for certain is imported."""

import pytest

from portal.imports.records import Fault, Held
from tests.portal.imports.test_readers import GOOD, binary, marc, outcome, titled

NOT_VALID = "it has bytes that are not valid in its encoding"


def in_latin_1(record):
    """Return the record in UTF-8, but with the lengths that its fields have in Latin-1."""
    return record.as_marc().decode("latin-1").encode()


def priced(**changes):
    """Return a record that claims to be in UTF-8. `changes` is {word of the record: bytes to replace it}."""
    raw = marc(
        ("020", " ", ("a", "0306406152"), ("c", "PRICE")),
        ("245", "0", ("a", "TITLE")),
        ("852", " ", ("b", "MAIN"), ("h", "NUMBER"), ("c", "PLACE")),
    ).as_marc()
    for name, text in changes.items():
        raw = raw.replace(name.encode(), text)
    return raw


def test_record_that_was_converted_to_utf_8_without_new_lengths_is_read():
    converted = in_latin_1(titled("Zéphyr à l'aube"))
    assert int(converted[:5]) < len(converted)
    assert outcome(binary(GOOD, converted, GOOD)) == ["First", "Zéphyr à l'aube", "First"]


@pytest.mark.parametrize(
    "title", ["Étude", "Pe\u0301tain", "Wang, Chi-chʻien", "日本", "\x98Der \x9cBär", "São João"]
)
def test_utf_8_letters_that_were_read_as_latin_1_are_restored(title):
    [found, right] = binary(titled(title.encode().decode("latin-1")), titled(title, number="2"))
    assert found.values["title"] == right.values["title"]


def test_letters_of_a_record_that_was_converted_twice_are_restored():
    [found] = binary(in_latin_1(titled("Pe\u0301tain".encode().decode("latin-1"))))
    assert found.values["title"] == "Pétain"


@pytest.mark.parametrize(
    "change", [lambda raw: b"%05d" % (int(raw[:5]) - 1) + raw[5:], lambda raw: raw + b"x"]
)
def test_record_that_does_not_have_the_stated_length_in_any_encoding_is_a_fault(change):
    converted = change(in_latin_1(titled("Zéphyr"))[:-1]) + b"\x1d"
    [found, _good] = binary(converted, GOOD)
    assert "bytes long and is" in found.reason


@pytest.mark.parametrize("price", [b"\xb90.75", b"\xa30.75", b"\xe9\xe8\xff42"])
def test_damaged_letters_in_a_field_that_is_not_imported_do_not_affect_the_item(price):
    [found] = binary(priced(PRICE=price))
    assert (found.values["title"], found.values["isbn"]) == ("TITLE", "9780306406157")
    assert found.holdings == (Held("MAIN", "NUMBER", "PLACE"),)


@pytest.mark.parametrize(
    "damage", [{"TITLE": b"\xe9tude"}, {"NUMBER": b"813 \xb9R"}, {"PLACE": b"Z\xf4nes"}], ids=str
)
def test_damaged_letters_in_a_text_of_the_item_are_a_fault(damage):
    assert binary(priced(**damage)) == [Fault(1, NOT_VALID)]


@pytest.mark.parametrize("encoding", ["cp1251", "koi8_r", "cp1253", "iso8859_5"])
def test_record_in_an_old_cyrillic_or_greek_encoding_is_a_fault(encoding):
    title = {"cp1253": "Ιστορία της τέχνης"}.get(encoding, "Мио, мой Мио: повести").encode(encoding)
    record = titled("X" * len(title)).as_marc().replace(b"X" * len(title), title)
    assert binary(record[:9] + b" " + record[10:]) == [Fault(1, NOT_VALID)]


def in_marc_8(raw):
    """Return the record with a leader that says that the encoding is MARC-8."""
    return raw[:9] + b" " + raw[10:]


@pytest.mark.parametrize("lost", [b"linn\x1benne", b"Soci\xe2et\x1b,", b"Soci\x1bS\xe2e", b"caf\x1b"])
def test_lost_marc_8_letter_in_a_text_of_the_item_is_a_fault(lost):
    raw = titled("X" * len(lost)).as_marc().replace(b"X" * len(lost), lost)
    assert binary(in_marc_8(raw), GOOD)[0] == Fault(1, NOT_VALID)


@pytest.mark.parametrize("price", [b"\x1b0.75", b"2\x1b,50"])
def test_lost_marc_8_letter_in_a_field_that_is_not_imported_is_not_a_fault(price):
    [found] = binary(in_marc_8(priced(PRICE=price)))
    assert (found.values["title"], found.values["isbn"], found.remark) == ("TITLE", "9780306406157", "")


@pytest.mark.parametrize("code", ["\ufffd", "é"])
def test_text_after_a_damaged_subfield_mark_is_left_out_and_reported(code):
    damaged = marc(("245", "0", ("a", "Snow country")), ("260", " ", ("a", "Tokyo"), ("~", "bKodansha")))
    size = len(code.encode()) - 1
    raw = damaged.as_marc().replace(b"Tokyo", b"T" * (5 - size)).replace(b"\x1f~", b"\x1f" + code.encode())
    [found] = binary(raw)
    assert (found.values["title"], found.values["publisher"]) == ("Snow country", "")
    assert found.remark == "the mark of a subfield is damaged, so a text may be missing"


def test_record_without_fields_is_reported_as_a_record_without_fields():
    assert binary(b"00026     2200025   4500\x1e\x1d", GOOD)[0] == Fault(1, "it has no fields")


def test_subfield_mark_at_the_end_of_a_control_number_is_ignored():
    [found] = binary(titled("T", number="   00038361\x1f"))
    assert found.key == ":00038361"


def test_empty_record_is_reported_as_empty():
    assert binary(GOOD, b"\x1d")[1] == Fault(2, "it is empty")


def test_html_entities_in_a_branch_code_are_decoded():
    [found] = binary(marc(("245", "0", ("a", "T")), ("852", " ", ("b", "St Anne&apos;s"), ("h", "1"))))
    assert found.holdings == (Held("St Anne's", "1"),)
