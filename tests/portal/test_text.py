import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from portal.text import (
    MAX_COMBINING_MARKS,
    TextField,
    clean,
    looks_like_secret_number,
    parse_json,
    shortened,
    spreadsheet_cell,
    uuid_or_none,
)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("  two\twords\n here ", "two words here"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("\u2067isolated\u2069", "isolated"),
        ("\ufeffmark first", "mark first"),
        ("cafe\u0301", "café"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("שלום\u200f!", "שלום\u200f!"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        # A zero-width space, a soft hyphen, a blank braille pattern, a Hangul filler and a tag are invisible.
        *((blank, "") for blank in ("\u200b", "\u00ad \u200d", "\u2800", "\u3164\u200f", "\U000e0041\ufe0f")),
        ("a\u200bb", "a\u200bb"),
    ],
)
def test_cleaned_single_line_text_has_no_control_characters_and_no_extra_spaces(given_text, kept):
    assert clean(given_text) == kept


def test_cleaned_text_has_only_one_kind_of_line_ending():
    assert clean("a\r\nb\rc\u2028d\x85e  \n\n\n\n\n\nf\n", multiline=True) == "a\nb\nc\nd\ne\n\n\nf"


def test_cleaned_text_keeps_the_indentation_of_the_first_line():
    assert clean("\n  indented\n", multiline=True) == "  indented"
    assert clean(" \n \t\n", multiline=True) == ""
    assert clean("\u200b\n\u2800\n", multiline=True) == ""


def test_cleaned_text_has_a_limited_number_of_combining_marks_per_letter():
    piled = "Z" + "\u0334\u0335\u0336" * 200 + "algo"
    assert clean(piled).count("\u0334") <= MAX_COMBINING_MARKS
    assert clean(piled).endswith("algo")


@pytest.mark.parametrize(("text", "short"), [("four", "four"), ("fives", "fiv…"), ("", "")])
def test_text_over_a_length_is_cut_and_ends_in_an_ellipsis(text, short):
    assert shortened(text, 4) == short


def test_too_long_text_is_shortened_with_an_ellipsis():
    assert clean("abcdefghij", max_length=5) == "abcd…"
    assert clean("abcde", max_length=5) == "abcde"


@given(st.text(st.characters()), st.booleans())
def test_cleaned_text_can_be_stored_and_is_unchanged_by_a_second_cleaning(text, multiline):
    once = clean(text, multiline=multiline)
    assert clean(once, multiline=multiline) == once
    assert "\x00" not in once
    assert "\r" not in once
    once.encode()


class TwoFields(forms.Form):
    title = TextField(max_length=10)
    body = TextField(max_length=20, multiline=True, required=False)


def test_form_cleans_text_before_checking_its_length():
    form = TwoFields({"title": "\x00\u202e0123456789\x00", "body": "a\r\nb"})
    assert form.is_valid()
    assert form.cleaned_data == {"title": "0123456789", "body": "a\nb"}


def test_required_field_with_only_control_characters_is_an_error():
    form = TwoFields({"title": "\x00\u202e "})
    assert list(form.errors) == ["title"]


def test_too_long_text_is_an_error_and_remains_in_the_form():
    form = TwoFields({"title": "ok", "body": "b" * 21})
    assert list(form.errors) == ["body"]
    assert form["body"].value() == "b" * 21
    assert "maxlength" not in str(form["body"])
    assert 'dir="auto"' in str(form["body"])


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("her number is 536-90-4399", True),
        ("536 90 4399", True),
        ("card 4111 1111 1111 1111 exp", True),
        ("5500-0000-0000-0004", True),
        ("４１１１１１１１１１１１１１１１", True),
        ("378282246310005", True),
        ("4111 1111 1111 1112", False),
        ("ISBN 978-0-306-40615-7", False),
        ("9780306406157", False),
        ("call 555-867-5309 or 000-12-3456", False),
        ("library card 21234567890124", False),
        ("code 1234 567 890 123", False),
        ("QA76.73 .P98 2019", False),
        ("", False),
    ],
)
def test_social_security_and_credit_card_numbers_are_detected(text, warned):
    assert looks_like_secret_number(text) is warned


@pytest.mark.parametrize(
    "text", ["", "nonsense", "0d5a3f3e-6f0a-4b8e-9c55-4d8d1c9f7a1", "0" * 33, None, 7, "\0"]
)
def test_invalid_uuid_becomes_none(text):
    assert uuid_or_none(text) is None


def test_valid_uuid_text_becomes_a_uuid():
    assert str(uuid_or_none("0d5a3f3e-6f0a-4b8e-9c55-4d8d1c9f7a10")) == "0d5a3f3e-6f0a-4b8e-9c55-4d8d1c9f7a10"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 5000])
def test_json_that_is_invalid_or_too_deep_or_too_large_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_valid_json_is_parsed():
    assert parse_json('{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    "before", ["", " ", "\xa0", "\u2003", "\u3000", "\u200b", "\ufeff", "\x1f", '"', " \xa0\u2009 "]
)
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_formula_after_any_space_or_invisible_character_is_text_in_a_csv_cell(before, sign):
    assert spreadsheet_cell(f"{before}{sign}1+2") == f"'{before}{sign}1+2"


@pytest.mark.parametrize("text", ["1984", "\xa0A title", "A = B", "(=1)"])
def test_text_that_is_no_formula_is_unchanged_in_a_csv_cell(text):
    assert spreadsheet_cell(text) == text
