import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import isbn

from portal.imports.isbns import Repair, best_of, read


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ("", Repair.ABSENT)),
        ("9780306406157", ("9780306406157", Repair.AS_GIVEN)),
        ("978-0-306-40615-7", ("9780306406157", Repair.AS_GIVEN)),
        ("ISBN 0-306-40615-2 (pbk.) : $12.50", ("9780306406157", Repair.AS_GIVEN)),
        ("080442957X", ("9780804429573", Repair.AS_GIVEN)),
        ("306406152", ("9780306406157", Repair.REPAIRED)),
        ("9.780306406157E+12", ("9780306406157", Repair.REPAIRED)),
        ('="9780306406157"', ("9780306406157", Repair.AS_GIVEN)),
        ("306406152.0", ("9780306406157", Repair.REPAIRED)),
        ("306406153", ("", Repair.LEFT_EMPTY)),
        ("9.78030640616E+12", ("", Repair.LEFT_EMPTY)),
        ("9.78E+12", ("", Repair.LEFT_EMPTY)),
        ("0000000000", ("", Repair.LEFT_EMPTY)),
        ("0", ("", Repair.LEFT_EMPTY)),
        ("9780306406158", ("", Repair.LEFT_EMPTY)),
        ("ISBN13: 9780306406157", ("9780306406157", Repair.AS_GIVEN)),
        ("(pbk.) 0306406152", ("9780306406157", Repair.AS_GIVEN)),
        ("[0306406152]", ("9780306406157", Repair.AS_GIVEN)),
        ("9780306406157 2nd ed.", ("9780306406157", Repair.AS_GIVEN)),
        ("0306406152 9780804429573", ("9780306406157", Repair.AS_GIVEN)),
        ("9780306406158, 978-0-306-40615-7", ("9780306406157", Repair.AS_GIVEN)),
        ("1234567890306406152", ("", Repair.LEFT_EMPTY)),
        ("９７８０３０６４０６１５７", ("9780306406157", Repair.AS_GIVEN)),
        ("٩٧٨٠٣٠٦٤٠٦١٥٧", ("9780306406157", Repair.AS_GIVEN)),
        ("978\u00ad0306406157", ("9780306406157", Repair.AS_GIVEN)),
        ("978\u22120\u2212306\u221240615\u22127", ("9780306406157", Repair.AS_GIVEN)),
        ("$12.50", ("", Repair.LEFT_EMPTY)),
    ],
)
def test_isbn_is_repaired_only_if_the_check_digit_matches(given, expected):
    assert read(given) == expected


@given(st.integers(10**5, 10**9 - 1))
def test_missing_leading_zeros_of_an_isbn_10_are_restored(body):
    whole = f"{body:09}" + isbn._calc_isbn10_check_digit(f"{body:09}")
    number, repair = read(whole.lstrip("0"))
    assert number == isbn.to_isbn13(whole)
    assert repair == (Repair.REPAIRED if whole.startswith("0") else Repair.AS_GIVEN)


@given(st.text())
def test_isbn_read_from_any_text_is_valid_or_empty(text):
    number, _repair = read(text)
    assert number == "" or (isbn.is_valid(number) and len(number) == 13)


def test_first_valid_isbn_of_several_is_used():
    assert best_of(["9.78E+12", "306406152"]) == ("9780306406157", Repair.REPAIRED)
    assert best_of([]) == ("", Repair.ABSENT)
