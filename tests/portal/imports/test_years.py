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
        # Some library systems copy the first four digits of the printed year into field 008.
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
        # If the brackets contain only a decade, the year before them is from another calendar.
        ("2021 [196-]", "196u", ""),
        ("c1999.", "", "1999"),
        ("1999", "2001", "2001"),
        ("1999", "uuuu", "1999"),
        # A year after a dash is the last year of publication, even in brackets.
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
        # The cataloger knows the digits in brackets from another source.
        ("18[64]", "", "1864"),
        ("19[64?]", "", "1964"),
        ("[19]64", "", "1964"),
        ("19[6]", "", ""),
        ("2021 [64]", "", "2021"),
    ],
)
def test_gregorian_year_is_preferred_to_other_years(text, coded, year):
    assert find_year([text], coded) == (year, "")


@pytest.mark.parametrize(
    ("text", "coded", "late"),
    [("5724", "", 5724), ("2028", "", 2028), ("", "2099", 2099), ("[2099]", "9999", 2099)],
)
def test_year_later_than_next_year_is_reported_and_not_stored(text, coded, late):
    assert find_year([text], coded) == ("", AFTER_NEXT_YEAR.format(late))


def test_import_warns_about_a_marc_record_with_a_year_later_than_next_year():
    [found] = binary(marc(fixed(7, "5724"), ("245", "0", ("a", "Shirim")), ("260", " ", ("c", "5724."))))
    assert (found.values["title"], found.values["year"]) == ("Shirim", "")
    assert found.remark == AFTER_NEXT_YEAR.format(5724)


IN_LATIN = ("260", " ", ("6", "880-03"), ("a", "Kathmandu"), ("c", "2021 [1964]"))


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ([("880", "1", ("6", "264-00/$1"), ("c", "1964"))], "1964"),
        ([("880", " ", ("6", "260-00/(N"), ("a", "Москва"), ("c", "1964."))], "1964"),
        ([("880", " ", ("6", "260-00"), ("c", "२०२१ [१९६४]"))], "1964"),
        ([("880", " ", ("6", "260-01/(3/r"), ("c", "۱۹۶۴"))], "1964"),
        ([("880", "1", ("6", "264-00/(2/r"), ("c", 'תשכ"ד [1964]'))], "1964"),
        ([("880", "1", ("6", "264-00/$1"), ("c", "民國53 [1964]"))], "1964"),
        ([("880", "1", ("6", "264-00/$1"), ("c", "一九六四年"))], "1964"),
        ([("880", "1", ("6", "264-00/$1"), ("c", "[二〇〇五]"))], "2005"),
        # The field in Latin script has only a place, or a date without a year.
        (
            [("260", " ", ("6", "880-01"), ("a", "Taibei")), ("880", " ", ("6", "260-01/$1"), ("c", "1964"))],
            "1964",
        ),
        ([("260", " ", ("c", "n.d.")), ("880", " ", ("6", "260-01/$1"), ("c", "[1964]"))], "1964"),
        # The year of publication takes precedence over the year of copyright.
        (
            [
                ("880", "4", ("6", "264-02/$1"), ("c", "©1971")),
                ("880", "1", ("6", "264-01/$1"), ("c", "1970")),
            ],
            "1970",
        ),
        ([("264", "4", ("c", "©1971")), ("880", "1", ("6", "264-01/$1"), ("c", "1970"))], "1970"),
        # A year in Latin script or in field 008 takes precedence over the year in the original script.
        ([IN_LATIN, ("880", " ", ("6", "260-03/(N"), ("c", "2021"))], "1964"),
        ([("260", " ", ("c", "1964")), ("880", " ", ("6", "260-03/(N"), ("c", "1965"))], "1964"),
        ([fixed(7, "1964"), ("880", " ", ("6", "260-00/(N"), ("c", "2021"))], "1964"),
        # A year from a field that is not about publication, or from another calendar, is not used.
        ([("880", " ", ("6", "250-00/$1"), ("c", "1964"))], ""),
        ([("880", " ", ("a", "X"), ("c", "1964"))], ""),
        ([("880", " ", ("6", "260-00/(3/r"), ("c", "۱۳۸۴ هـ"))], ""),
        ([("260", " ", ("c", "2021 [196-]")), ("880", " ", ("6", "260-00"), ("c", "२०२१"))], ""),
        ([("880", "1", ("6", "264-00/$1"), ("c", "民國五十三年"))], ""),
    ],
)
def test_year_is_read_from_the_field_in_the_original_script_if_no_other_field_has_a_year(fields, year):
    [found] = binary(marc(("245", "0", ("a", "T")), *fields))
    assert (found.values["year"], found.remark) == (year, "")


@pytest.mark.parametrize(
    ("cell", "year"),
    [
        ("1999.0", "1999"),
        ("2021 [1964]", "1964"),
        ("May 3, 1999", "1999"),
        ("800.0", "800"),
        ("-1750.0", "-1750"),
        ("unknown", "unknown"),
        ("0", ""),
        ("19640501", "1964"),
        ("19641301", "19641301"),
        ("5724", ""),
    ],
)
def test_csv_years_are_read_like_marc_years(cell, year):
    [found] = table(f'title,year\nT,"{cell}"\n')
    assert not isinstance(found, Fault)
    assert (found.values["year"], bool(found.remark)) == (year, cell == "5724")
