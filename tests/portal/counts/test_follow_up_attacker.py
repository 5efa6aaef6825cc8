"""Test that nobody learns a number below five from what patrons did after their visits.

The attacker also subtracts outcomes from the workload figures, which show every number of visits exactly.
"""

import datetime

import pytest

from portal.counts import outcomes
from portal.counts.actions import rebuild
from portal.counts.models import Outcome, OutcomePeriod
from portal.counts.outcome_counting import FOLLOW_UPS, OF_VISITS, Cell, count_outcomes_of
from portal.helpsessions.models import HelpSession
from tests.extent import times
from tests.factories import BranchFactory

from .follow_up_attacker import learned_numbers, make_visits

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow]

QUARTERS = [datetime.date(2025, month, 5) for month in (1, 4, 7, 10)]
SIZES = [20, 60, 160]
AT = datetime.datetime(2026, 6, 1, 18, tzinfo=datetime.UTC)


@pytest.fixture
def attack(library, branch):
    """Return a function that publishes outcomes of a random library and returns what an attacker learns."""
    branches = [branch.pk, BranchFactory().pk, BranchFactory().pk]

    def attack(seed, most=None):
        HelpSession.objects.all().delete()
        OutcomePeriod.objects.all().delete()
        visits = make_visits(seed, most or SIZES[seed % 3], QUARTERS[: 1 + 3 * (seed % 2)], branches)
        rebuild()
        outcomes.count_outcomes(at=AT)
        if most is not None:
            return []
        return [found for question in OF_VISITS for found in learned_numbers(visits, question)]

    return attack


@pytest.mark.long
@pytest.mark.parametrize("seed", [20, *range(times(6, 20))])
def test_no_number_below_five_can_be_deduced_from_outcomes_and_workload_figures(attack, seed):
    assert attack(seed) == []
    assert OutcomePeriod.objects.exists()


# Each entry is ((question, breakdown, place), seed). Cell.visits[place] is a number that a reader can deduce
# by subtraction. In the library made from the seed, this number is below five.
GUARDS = [
    (("kept", "", 2), 3),
    (("kept", "", 3), 1),
    (("answered", "", 2), 1),
    (("answered", "", 3), 5),
    (("check_ins", "", 1), 1),
    (("would_return", "question_type", 6), 20),
]


@pytest.mark.few_cases
@pytest.mark.parametrize(("guard", "seed"), GUARDS, ids=str)
def test_attacker_deduces_a_small_number_if_the_portal_does_not_check_one_of_the_numbers(
    attack, monkeypatch, guard, seed
):
    question, breakdown, place = guard
    assert attack(seed) == []

    def without_guard(quarter, zone):
        counted = count_outcomes_of(quarter, zone)
        for of_branch in counted[question, breakdown].values():
            for key, cell in of_branch.items():
                visits = (*cell.visits[:place], 0, *cell.visits[place + 1 :])
                of_branch[key] = Cell(cell.numbers, visits)
        return counted

    monkeypatch.setattr(outcomes, "count_outcomes_of", without_guard)
    assert attack(seed)


def test_random_libraries_in_the_attack_test_show_follow_ups_by_branch_and_year(attack):
    shown = set()
    for seed in (1, 3):
        attack(seed, most=800)
        rows = Outcome.objects.filter(is_shown=True, question__in=FOLLOW_UPS).select_related("period")
        shown |= {(row.period.kind, row.branch_id is None, row.question) for row in rows if any(row.numbers)}
    # Numbers about a year of one branch are left out, because few of these numbers are shown.
    of_places = [("quarter", True), ("quarter", False), ("year", True)]
    assert shown >= {(*place, name) for place in of_places for name in FOLLOW_UPS}
