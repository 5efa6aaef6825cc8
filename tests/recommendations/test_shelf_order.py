"""Compare the order of call numbers with the examples in shelving guides of libraries."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.shelf_order import shelf_key

# The call numbers of each list are in the order of the shelves.
CONGRESS = {
    "class letters come first": [
        "A7",
        "A50",
        "AC1",
        "B528 .S43",
        "BF1",
        "Q1",
        "QA1",
        "QC1",
        "QL1",
        "R1",
        "RA1",
    ],
    "class numbers are whole numbers": ["PS65", "PS585", "PS3515", "PS3515.115", "PS3515.12", "PS3515.5"],
    "class numbers are sorted by their decimals": ["K383.12", "K383.5", "KF250.39977", "KF250.4"],
    "Cutter numbers are decimals": [
        *("PN6231 .E29", "PN6231 .E295", "PN6231 .E4", "PN6231 .E74", "PN6231 .F44"),
        *("PS3515 .M112", "PS3515 .M12", "PS3515 .M135", "PS3515 .M2", "PS3515 .M213", "PS3515 .M23"),
    ],
    "second Cutter numbers are decimals": [
        *("QE862 .D5 L22", "QE862 .D5 L4571", "QE862 .D5 L461", "QE862 .D5 M3311", "QE862 .D5 M37"),
        *("R241 .F2498 1994", "R241 .F5 B297", "R241 .F5 B8", "R241 .J18 1990", "R2418 .J42 T14"),
    ],
    "Cutter numbers are found without spaces": [
        *("Z696.U4 C47 1999", "Z696.U4I5 1971", "Z733.U58 G65", "Z733.U58G66 1991"),
        "Z733 .U58 G7",
    ],
    "decimals of the class and Cutter numbers differ": ["QA76.5 .B3", "QA76.73.P98", "QA76.9.D3 D3", "QA77"],
    "an earlier date comes first": [
        *("HB171.5 .M187", "HB171.5 .M187 1993", "HB171.5 .M187 1996", "HB171.5 .M19 1950"),
        *("TX719 .M613 1977", "TX719.M613 1983", "TX719.W47"),
    ],
    "a date before the Cutter number": [
        *("PN101.1", "PN101.1 1989", "PN101.1 1990", "PN101.1 1990 .A3", "PN101.1 1990 .A34"),
        *("PN101.1 1990 .A34 B55", "PN101.1 1990 .A34 B6", "PN101.1 1992", "PN101.1 .A5"),
    ],
    "ordinal numbers before the Cutter number": [
        *("KF4558", "KF4558 1st", "KF4558 1st .A92", "KF4558 1st .B1", "KF4558 2nd", "KF4558 3rd"),
        *("KF4558 20th", "KF4558 101st"),
    ],
    "letters after a date": [".L55 1952", ".L55 1952a", ".L55 1952b", ".L55 1967", ".L5513 1963"],
    "work marks are sorted as letters": [
        *("PZ7.M3567585 Bs 1997x", "PZ7.M3567585 Km 1997", "PZ7.M3567585 Mh 1997x"),
        *("PZ7.M3567585 Stp 1997x", "PZ7.M3567585 Sx 1998", "PZ7.M3567585 Wel 1995x"),
    ],
    "letters after a Cutter number": ["QA101.1 .A101", "QA101.1 .A101m", "QA101.1 .A101mb", "QA101.1 .A11"],
    "volumes, issues and copies are whole numbers": [
        *("HQ1101 .D54", "HQ1101 .D54 c.2", "HQ1101 .D54 v.3 no.3", "HQ1101 .D54 v.3 no.10"),
        *("HQ1101 .D54 v.11 no.1", "HQ1101 .D54 v.11 no.1 c.2", "HQ1101 .D54 A2"),
    ],
    "volumes without a period": [
        *("QA76 .B5 1990", "QA76 .B5 1990 v2", "QA76 .B5 1990 V3", "QA76 .B5 1990 vol.10"),
        *("QA76 .B5 1990 vol 11", "QA76 .B5 1991"),
    ],
    "music": [
        *("M3 .G32 1972q", "M3 G32 2017q vol. 5", "M5 L299", "M5 L3 1902", "M5 L3 1902 V.2"),
        *("M5 .L3 K2 1880", "M5 .L3 K2 1882", "M5 .L3 K2 K.240", "M5 .L3 K2 NO.1 1880"),
        *("M5 .L3 K2 OP.7:NO.6 1880", "M5 .L3 K2 OP.7:NO.51 1880", "M5 .L3 K2 OP.8", "M5 .L3 K2 OP.79"),
        *("M5 L3 .K240", "M5 L3 K240 1900", "M5 .L3 K240A", "M5 L3 V188", "M5 L31", "M5 L31902", "M5 M2"),
    ],
}
DEWEY = {
    "numbers are decimals": ["501 BAK", "501 OSB", "501.02 TAY", "501.2 ABR", "501.22 BOR", "502.1 CRA"],
    "longer decimals": [
        *("641 BET", "641.5 COR", "641.5 WOL", "641.555 RAY", "641.594 MUN", "641.5945 FOO", "641.596 MON"),
    ],
    "leading zeros": ["004 CAB", "004.67 HAF", "025.431 DEW", "030 WOR", "100 PLA"],
    "Cutter numbers are decimals": [
        *("230.2 B277e 2015", "231.09 H967o", "232 M934s", "232.09 L975c 2016", "233.5 R725s", "233.5 V431i"),
    ],
    "work marks, dates, volumes and copies": [
        *("741.4372 A123a", "741.4372 A123b", "741.4372 A123b 2004", "741.4372 A123b 2004 c.2"),
        *("741.4372 A123b 2004 v.2", "741.4372 A123b 2004 v.10", "741.4372 A13", "741.44 A1"),
    ],
    "marks for shortening": [
        "813/.5 AAA",
        "813.52 BBB",
        "813/.54 CCC",
        "813'.6 DDD",
        "940.53/1 A",
        "940.5318 B",
    ],
    "slashes before authors": ["641/Bet", "641.5/Cor", "641.5/Wol", "641.555/Ray", "641.594/Mun"],
}
COLLECTIONS = {
    "fiction by author": ["FIC ADA", "FIC LE", "FIC LEE", "FIC LOW 1999", "FIC LOW 2006"],
    "fiction by Cutter number": ["FIC B125", "FIC B2", "FIC B35", "FIC B4"],
    "nonfiction of a collection before its fiction": ["J 398.2 GRI", "J 599.7 SIM", "J 599.75 ADA", "J 600"],
    "prefixes come one after the other": [
        *("DVD 599 PLA", "DVD 791.43 STA", "DVD STA", "FIC LEE", "J FIC DAH", "J FIC ROW"),
        *("REF 030 WOR", "REF 030.5", "REF 973 AME", "REF QA76.15 .B4", "REF QA76.9 .B5"),
    ],
    "in Spanish": [
        *("C 030 ENC", "C 346.013 MEX", "I 398.2 GRI", "I 599.7 SIM"),
        *(
            "CUENTO ALL",
            "DVD N ALM",
            "INFANTIL 599",
            "N ÁLV",
            "N GAR 1967",
            "N GAR 2014",
            "NOVELA RUL",
            "REF 030",
        ),
    ],
    "biographies": ["B C936", "B CUR", "B KAH", "BIO KAH"],
}
LOCAL = {
    "whole numbers": ["A-1", "A-2", "A-12", "A-12 bis", "B-1"],
    "accession numbers": ["7", "56", "1234", "1234 c.2", "56789"],
    "words and numbers": ["BOX 2 F9", "BOX 3", "BOX 3 F2", "BOX 3 F12", "BOX 20"],
    "issues": ["MAG 2023-11", "MAG 2024-5", "MAG 2024-05 b", "MAG 2024-12"],
    "other scripts": ["ספר 9", "ספר 10", "كتاب ٩", "كتاب ١٠"],
}
MIXED = [
    *("004.67 HAF", "813.54 LEE", "973 ZIN"),
    *("7", "1234"),
    *("J 599.7 SIM", "QA9 .B5", "QA76.9 .B5", "R 541.2 CHE", "Z1 .A2"),
    *("DVD 791.43 STA", "FIC LEE", "OVERSIZE N40", "REF 030"),
    "",
]
ORDERS = [
    pytest.param(order, id=f"{scheme}: {rule}")
    for scheme, rules in [("LC", CONGRESS), ("Dewey", DEWEY), ("collection", COLLECTIONS), ("local", LOCAL)]
    for rule, order in rules.items()
] + [pytest.param(MIXED, id="mixed schemes")]


@pytest.mark.parametrize("order", ORDERS)
def test_call_numbers_are_sorted_as_on_the_shelf(order):
    shuffled = random.Random(5).sample(order, len(order))
    assert sorted(shuffled, key=shelf_key) == order


def test_spaces_periods_and_case_of_a_call_number_do_not_change_its_place():
    for one, other in [
        ("QA 76.9 .B5 1990", "QA76.9.B5 1990"),
        ("qa76.9 b5 1990", "QA76.9 .B5 1990"),
        ("QA76 .9 B5", "QA76.9 .B5"),
        ("fic lee", "FIC LEE"),
        ("813/.54 LEE", "813.54 Lee"),
        ("v.2 N ÁLV", "v. 2 N ALV"),
        ("[QA1 .A2]", "QA1 .A2"),
        ("ML'2075'G33'1996", "ML2075 .G33 1996"),
        ("REF. ML 3651 J3 E5", "REF ML3651.J3E5"),
    ]:
        assert shelf_key(one)[:2] == shelf_key(other)[:2]


# Hypothesis makes a table of all characters before its first text. This takes seconds, so the tests have no
# deadline.
without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.one_of(
            st.sampled_from(
                ["QA", "R", "FIC", "REF", "J", "DVD", ".", " ", "/", "v.", "c", "599", ".75", ".B5", "1990a"]
            ),
            st.integers(0, 10**5).map(str),
        ),
        max_size=8,
    ).map("".join),
)


@without_deadline
@given(st.lists(TEXTS, max_size=8))
def test_sorting_call_numbers_ignores_their_original_order_and_keeps_schemes_together(texts):
    order = sorted(texts, key=shelf_key)
    assert sorted(random.Random(1).sample(texts, len(texts)), key=shelf_key) == order
    schemes = [shelf_key(text)[0] for text in order]
    assert schemes == sorted(schemes)


@without_deadline
@given(TEXTS, TEXTS)
def test_different_call_numbers_have_different_sort_keys(one, other):
    assert (shelf_key(one) == shelf_key(other)) == (one == other)
    assert (shelf_key(one) < shelf_key(other)) != (shelf_key(other) <= shelf_key(one))


@without_deadline
@given(st.integers(0, 9999), st.integers(0, 9999), st.sampled_from(["QA", "K", "PS", "J", "A-"]))
def test_class_numbers_in_call_numbers_are_sorted_as_whole_numbers(one, other, letters):
    keys = [shelf_key(f"{letters}{number} .B5") for number in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)


@without_deadline
@given(
    *[st.text("0123456789", min_size=1, max_size=6)] * 2,
    st.sampled_from(["QA76.", "813.", "QA76 .B", "FIC B"]),
)
def test_decimals_in_call_numbers_are_sorted_digit_by_digit(one, other, start):
    keys = [shelf_key(start + digits)[:2] for digits in (one, other)]
    assert (keys[0] < keys[1]) == (float(f"0.{one}") < float(f"0.{other}"))


@without_deadline
@given(st.text("0123456789", min_size=1, max_size=400))
def test_very_long_numbers_in_a_call_number_cause_no_error(digits):
    assert shelf_key(f"QA{digits}")[0] == shelf_key("QA1")[0]


def test_character_that_means_several_words_in_a_call_number_causes_no_error():
    # This character is an abbreviation of four words in Arabic.
    assert shelf_key("\ufdfa" * 400)[0] == shelf_key("FIC")[0]
