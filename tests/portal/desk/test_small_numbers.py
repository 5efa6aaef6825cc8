"""Test, as an attacker would, whether figures by topic, group or language reveal numbers below five."""

import datetime
import itertools
import random

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from accounts.models import Branch
from portal.counts import actions
from portal.counts.pooling import MIN_PEOPLE
from portal.desk.figures.small_numbers import YEAR, YearTable, shown_numbers
from tests.factories import BranchFactory, HelpSessionFactory, PatronGroupFactory, TopicFactory

MARCH = datetime.date(2026, 3, 1)
MONTHS, BRANCHES = (1, 2, 3, 4), (1, 2, 3)
CELLS = list(itertools.product(MONTHS, BRANCHES))
YEARS = st.dictionaries(
    st.sampled_from(CELLS), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 12)), min_size=1
)


def tables_of(year):
    """Return all tables that the page can show: {(months, branches): (shown numbers, contacts in *Other*)}.

    Each key is one table: the months and the branches that somebody can choose on the page.
    """
    tables = {}
    for size in range(1, len(BRANCHES) + 1):
        for branches in itertools.combinations(BRANCHES, size):
            periods = [
                None,
                *((first,) for first in MONTHS),
                *zip(MONTHS, MONTHS[1:], strict=False),
                MONTHS[1:],
            ]
            for months in periods:
                cells = [(year, cell) for cell in year.cells(months, branches)]
                tables[months or MONTHS, branches] = shown_numbers(cells)
    return tables


def test_no_table_shows_a_number_below_five_or_reveals_one_by_subtraction():
    @searching(suppress_health_check=[HealthCheck.too_slow])
    @given(YEARS, st.integers(0, 3))
    def check(counted, quiet):
        totals = {cell: sum(keys.values()) + quiet for cell, keys in counted.items()}
        tables = tables_of(YearTable(counted, totals))
        for shown, _other in tables.values():
            assert all(number >= MIN_PEOPLE for number in shown.values())
        for (of_whole, whole), (of_part, part) in itertools.permutations(tables.items(), 2):
            if set(of_part[0]) <= set(of_whole[0]) and set(of_part[1]) <= set(of_whole[1]):
                for key in whole[0].keys() & part[0].keys():
                    assert whole[0][key] - part[0][key] not in range(1, MIN_PEOPLE)

    check()


def test_shown_rows_and_the_row_named_other_add_up_to_the_total():
    chance = random.Random(1)
    counted = {cell: {key: chance.randint(0, 9) for key in "abcd"} for cell in CELLS}
    totals = {cell: sum(keys.values()) + 1 for cell, keys in counted.items()}
    year = YearTable(counted, totals)
    for (months, branches), (shown, other) in tables_of(year).items():
        wanted = sum(totals[month, branch] for month in months for branch in branches)
        assert sum(shown.values()) + other == wanted


def test_small_number_in_one_month_hides_a_second_month_but_not_the_year():
    counted = {(month, 1): {"law": number} for month, number in zip(MONTHS, (3, 8, 9, 20), strict=True)}
    for keys in counted.values():
        keys |= {"health": 40, "taxes": 30}
    year = YearTable(counted, {cell: sum(keys.values()) + 9 for cell, keys in counted.items()})
    of_law = [shown_numbers([(year, (month, None))])[0].get("law") for month in MONTHS]
    assert (of_law, shown_numbers([(year, YEAR)])[0]["law"]) == ([None, None, 9, 20], 40)


@pytest.fixture
def busy_year(branch, library):
    """Make contacts in three months at two branches. Their topics, groups and languages are all frequent."""
    west = BranchFactory(name="West")
    topics = [TopicFactory(name=name) for name in ("Health", "Travel", "Cooking")]
    groups = [PatronGroupFactory(name=name) for name in ("Teachers", "Pupils")]
    for number in range(240):
        HelpSessionFactory(
            branch=(branch, west)[number % 2],
            happened_on=datetime.date(2026, 1 + number // 80, 1 + number % 20),
            topic=topics[number % 3],
            patron_group=groups[number // 2 % 2],
            language=("en", "es")[number // 4 % 2],
        )
    return west


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("by", "rare"),
    [
        ("topic", lambda: {"topic": TopicFactory(name="Bankruptcy")}),
        ("patron_group", lambda: {"patron_group": PatronGroupFactory(name="Visitors")}),
        ("language", lambda: {"language": "vi"}),
    ],
)
def test_one_rare_contact_changes_only_the_row_named_other_and_the_total_in_the_files(
    busy_year, client, coordinator, sign_in, branch, by, rare
):
    sign_in(client, coordinator)
    usual = {"branch": branch, "happened_on": MARCH, "hour": 10}
    fields = usual | rare()
    HelpSessionFactory.create_batch(5, **usual, quiet=True)
    HelpSessionFactory.create_batch(2, **fields)
    actions.rebuild()
    before = everything(client, by)
    HelpSessionFactory(**fields)
    actions.rebuild()
    after = everything(client, by)
    for name, rows in after.items():
        earlier = before[name]
        assert rows.keys() == earlier.keys()
        changed = {
            label: int(rows[label]) - int(earlier[label]) for label in rows if rows[label] != earlier[label]
        }
        assert changed in ({}, {"Other": 1, TOTAL: 1})


TOTAL = "Total, not including contacts counted without details"


def everything(client, by):
    """Return {(dates, branch): {label: contacts}} of all files with this breakdown."""
    found = {}
    slugs = ["", *Branch.objects.values_list("slug", flat=True)]
    for dates, slug in itertools.product(("2026", "2026-01", "2026-02", "2026-03"), slugs):
        asked = {"dates": dates, "branch": slug, "by": by}
        content = client.get(reverse("figures_csv"), asked).content.decode("utf-8-sig")
        rows = [row.rsplit(",", 1) for row in content.splitlines()[1:]]
        found[dates, slug] = {label.strip('"'): number for label, number in rows}
    return found
