"""Test that nobody learns a number below five by subtracting tables of outcomes from one another."""

import datetime

import pytest

from portal.counts import outcomes, pooling, publishing
from portal.counts.models import Outcome, OutcomePeriod
from portal.counts.outcome_counting import Cell
from tests.extent import times
from tests.factories import BranchFactory, HelpSessionFactory, ItemFactory, TopicFactory

from . import attacker
from .attacker import counted, random_visits, small_numbers

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow]

QUARTERS = ["2025-01", "2025-04", "2025-07", "2025-10"]
# The maximum numbers of visits in a quarter. The seed chooses one of them.
SIZES = [20, 60, 150, 500]
AT = datetime.datetime(2026, 6, 1, 18, tzinfo=datetime.UTC)


@pytest.fixture
def attack(library, branch, staff, monkeypatch):
    """Return a function that publishes outcomes of a random library and returns what an attacker learns."""
    branches = [branch.pk, *(BranchFactory().pk for _number in range(3))]
    topics = [None, *(TopicFactory().pk for _number in range(4))]
    items = [ItemFactory().pk for _number in range(5)]
    HelpSessionFactory(branch=branch, staff=staff, happened_on=datetime.date(2025, 1, 2))

    def attack(seed, most=None):
        OutcomePeriod.objects.all().delete()
        visits = random_visits(seed, most or SIZES[seed % 4], QUARTERS, branches, topics, items)
        monkeypatch.setattr(
            outcomes, "count_outcomes_of", lambda quarter, zone: attacker.counted(visits, str(quarter))
        )
        outcomes.count_outcomes(at=AT)
        return small_numbers(visits) if most is None else []

    return attack


@pytest.mark.long
@pytest.mark.parametrize("seed", range(times(4, 60)))
def test_no_number_below_five_can_be_deduced_from_the_shown_tables(attack, seed):
    assert attack(seed) == []
    assert OutcomePeriod.objects.filter(kind="year").count() == 1


def without_threshold(monkeypatch):
    monkeypatch.setattr(pooling, "MIN_PEOPLE", 3)


def without_remaining_branches(monkeypatch):
    everything = publishing.shown_branches

    def shown_branches(cells, question):
        if everything(cells, question) is None:
            return None
        return [branch for branch, cell in cells.items() if not publishing.too_small(cell.visits, question)]

    monkeypatch.setattr(outcomes, "shown_branches", shown_branches)


def without_the_same_keys(monkeypatch):
    def keys_of_branches(cells, branches, keys, question, breakdown):
        return [
            key
            for key in keys
            if not any(
                key in cells[branch] and publishing.too_small(cells[branch][key].visits, question)
                for branch in branches
            )
        ]

    monkeypatch.setattr(publishing, "_keys_of_branches", keys_of_branches)


def without_quarters_in_the_year(monkeypatch):
    monkeypatch.setattr(publishing, "_choices", lambda number: [])


def without_hidden_rows_of_the_year(monkeypatch):
    monkeypatch.setattr(outcomes, "shown_in_year", lambda parts, keys, question, breakdown: {*keys} - {None})


def without_different_visits(monkeypatch):
    def with_verdicts_as_visits(visits, quarter):
        tables = counted(visits, quarter)
        for (question, _breakdown), of_branches in tables.items():
            for rows in of_branches.values() if question == "verdicts" else ():
                rows.update({key: Cell(cell.numbers, cell.numbers) for key, cell in rows.items()})
        return tables

    monkeypatch.setattr(attacker, "counted", with_verdicts_as_visits)


RULES = [
    without_threshold,
    without_remaining_branches,
    without_the_same_keys,
    without_quarters_in_the_year,
    without_hidden_rows_of_the_year,
    without_different_visits,
]


@pytest.mark.parametrize("leave_out", RULES, ids=lambda rule: rule.__name__)
def test_attacker_deduces_a_small_number_if_one_privacy_rule_is_left_out(attack, monkeypatch, leave_out):
    leave_out(monkeypatch)
    assert any(attack(seed) for seed in range(40))


def test_random_libraries_in_the_attack_test_show_rows_by_branch_and_year(attack):
    shown = set()
    for seed in range(3):
        attack(seed, most=3000)
        rows = Outcome.objects.filter(is_shown=True).exclude(breakdown="")
        shown |= {
            (kind, branch is None, breakdown)
            for kind, branch, breakdown in rows.values_list("period__kind", "branch", "breakdown")
        }
    assert shown == {
        (kind, is_of_library, breakdown)
        for kind in ("quarter", "year")
        for is_of_library in (True, False)
        for breakdown in ("topic", "question_type", "item")
    }
