import pytest
import time_machine

from portal.imports.records import Fault
from portal.imports.years import find_year
from tests.portal.imports.test_readers import binary, fixed, marc, table

AFTER_NEXT_YEAR = "its year, {}, is after next year, so the item has no year"


@pytest.fixture(autouse=True)
def in_2026():
    with time_machine.travel("2026-11-27", tick=False):
        yield


@pytest.mark.parametrize(
    ("text", "coded", "year"),
    [
        ("2021 [1964]", "1964", "1964"),
        # Some systems copy the first four digits into the coded year.
        ("2021 [1964]", "2021", "1964"),
        ("2021 [1964]", "", "1964"),
        ("2021.", "1964", "1964"),
        ("5724 [1964]", "", "1964"),
        ("5724 [1963 or 1964]", "1964", "1964"),
        ("5724 [1963/64]", "", "1963"),
        ("1384 [1964]", "", "1964"),
        ("Hijri 1384 [1964]", "", "1964"),
        ("1384 [i.e. 1964?]", "", "1964"),
        ("[1384 i.e. 1964]", "", "1964"),
        ("1384 = 1964", "", "1964"),
        ("1384 H/1964 M", "", "1964"),
        ("民國53 [1964]", "", "1964"),
        ("民國53", "1964", "1964"),
        ("Shōwa 39 [1964]", "", "1964"),
        ("2507 [1964]", "", "1964"),
        ("B.E. 2507 (1964)", "", "1964"),
        ("२०२१ [१९६४]", "", "1964"),
        ("2021 ［1964］", "", "1964"),
        ("2021 [1964", "", "1964"),
        ("1964 [2021 B.S.]", "", "1964"),
        ("5724.", "1964", "1964"),
        ("5724, 1964", "", "1964"),
        # A year of copyright or of printing is not the year of publication.
        ("1999 [c1998]", "", "1999"),
        ("[c1998]", "", "1998"),
        ("1971 [1975 printing]", "", "1971"),
        # If the brackets only say the decade, the other year is from another calendar.
        ("2021 [196-]", "196u", ""),
        ("c1999.", "", "1999"),
        ("1999", "2001", "2001"),
        ("1999", "uuuu", "1999"),
        # Brackets after a dash contain the last year.
        ("1998-[2003]", "1998", "1998"),
        ("1998– [2003?]", "", "1998"),
        ("[1998]-2003", "1998", "1998"),
        ("1998-", "1998", "1998"),
        ("[between 1986 and 1990?]", "1986", "1986"),
        ("c2010, ©2011", "", "2010"),
        ("תשע״ד [2014]", "2014", "2014"),
        ("昭和55 [1980]", "", "1980"),
        ("1384 sh.", "", ""),
        ("2027", "", "2027"),
        ("am 1964", "", "1964"),
        ("n.d.", "", ""),
        ("", "", ""),
    ],
)
def test_gregorian_year_is_preferred_to_other_years(text, coded, year):
    assert find_year([text], coded) == (year, "")


@pytest.mark.parametrize(
    ("text", "coded", "late"),
    [("5724", "", 5724), ("2028", "", 2028), ("", "2099", 2099), ("[2099]", "9999", 2099)],
)
def test_year_later_than_next_year_is_reported_and_left_empty(text, coded, late):
    assert find_year([text], coded) == ("", AFTER_NEXT_YEAR.format(late))


def test_marc_record_with_a_year_later_than_next_year_is_imported_with_a_remark():
    [found] = binary(marc(fixed(7, "5724"), ("245", "0", ("a", "Shirim")), ("260", " ", ("c", "5724."))))
    assert (found.values["title"], found.values["year"]) == ("Shirim", "")
    assert found.remark == AFTER_NEXT_YEAR.format(5724)


@pytest.mark.parametrize(
    ("cell", "year"),
    [
        ("1999.0", "1999"),
        ("2021 [1964]", "1964"),
        ("May 3, 1999", "1999"),
        ("800.0", "800"),
        ("-1750.0", "-1750"),
        ("unknown", "unknown"),
        ("5724", ""),
    ],
)
def test_year_in_a_csv_file_is_read_like_a_year_in_a_marc_record(cell, year):
    [found] = table(f'title,year\nT,"{cell}"\n')
    assert not isinstance(found, Fault)
    assert (found.values["year"], bool(found.remark)) == (year, cell == "5724")
