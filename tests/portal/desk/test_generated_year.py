"""Compare every figure of a generated year with a calculation in plain SQL.

The year has everything that could change a figure by mistake: forgetting, erasure, merging, imports, undoing,
changed rules, corrections and deletions. The SQL reads a ledger (year/ledger.py) that the portal doesn't use.
"""

import datetime
import io
import itertools
import random

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import settings as searching
from hypothesis import strategies as st

from accounts.models import User
from portal.counts.actions import rebuild
from portal.counts.models import TABLES, GroupCount, LanguageCount, OwnCount, TopicCount
from portal.desk.figures import workload
from portal.desk.figures.periods import Period
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, retention
from portal.privacy.unmerging import merge_for_a_day, unmerge
from portal.surveys.models import RuleSet, Survey
from tests.extent import rarely

from .year import comparing
from .year.history import Year

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow]

DAY = datetime.timedelta(days=1)
WHOLE = Period(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))
SPRING = Period(datetime.date(2026, 3, 1), datetime.date(2026, 5, 31))
# The figures read whole months from the tables by month, and all other days from the table by day. So some of
# these periods begin and end within a month.
PERIODS = [
    WHOLE,
    SPRING,
    Period(datetime.date(2026, 2, 10), datetime.date(2026, 9, 20)),
    Period(datetime.date(2026, 6, 29), datetime.date(2026, 7, 5)),
    Period(datetime.date(2026, 11, 3), datetime.date(2026, 11, 3)),
]


@pytest.fixture(scope="module")
def year(built_once, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    with built_once(lambda: Year(1, steps=200, nights=7, folder=folder)) as built:
        yield built


def check_contacts(year):
    """Compare figures for periods of any days with plain SQL.

    Do this for all branches together, for each branch, and for two branches.
    """
    some = [year.branches, *([branch] for branch in year.branches), year.branches[1:]]
    for period, branches in [*itertools.product(PERIODS[:1], some), *((each, some[0]) for each in PERIODS)]:
        for by in workload.BY_DAY:
            found, wanted = comparing.by_day(year, period, branches, by)
            assert found == wanted, (by, period)
        found, wanted = comparing.grid(year, period, branches)
        assert found == wanted
    found, wanted = comparing.by_day(year, SPRING, year.branches, "mode", earlier=SPRING.before)
    assert found == wanted != {}


def check_months(year):
    """Compare the figures that hide small numbers, and all cells of the tables behind them, with plain SQL.

    Return how many rows the figures showed.
    """
    own = [f"{workload.OWN}{field.pk}" for field in year.fields]
    shown = 0
    for period in (WHOLE, SPRING, Period.of_month(SPRING.last)):
        for by, branches in itertools.product([*workload.BY_MONTH, *own], (year.branches, year.branches[:1])):
            shown += comparing.by_month(year, period, branches, by)
    for table, column in ((TopicCount, "topic"), (GroupCount, "patron_group"), (LanguageCount, "language")):
        for month in {*table.objects.values_list("month", flat=True)}:
            days = Period.of_month(month)
            for branch in year.branches:
                found = comparing.cells(table, column, month, branch)
                assert found == year.ledger.described(days.first, days.last, [branch], column)
    for field, values in year.values.items():
        found = comparing.cells(OwnCount, "own_value", None, None)
        wanted = year.ledger.own(WHOLE.first, WHOLE.last, year.branches, field)
        assert {key: number for key, number in found.items() if key in values} == wanted
    return shown


def check_answers(year):
    for period in (WHOLE, SPRING):
        for branches in (year.branches, year.branches[:1]):
            found, wanted = comparing.answers(year, period, branches)
            assert found == wanted


def check_staff(year):
    for branches in (year.branches, year.branches[:1]):
        found, wanted = comparing.by_staff(year, branches)
        assert found == wanted


def check_surveys(year):
    for survey, method in itertools.product(Survey.values, RuleSet.Method.values):
        found, wanted = comparing.survey(year, survey, method)
        assert found == wanted, (survey, method)


CHECKS = [check_contacts, check_months, check_answers, check_staff, check_surveys]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_every_figure_of_a_generated_year_has_the_numbers_of_plain_sql(year, check):
    check(year)


def test_figures_do_not_change_when_everything_is_counted_again_and_forgotten(year):
    before = {table: comparing.rows_of(table) for table in TABLES}
    assert rebuild() == 0
    retention.forget(at=year.ended_at + datetime.timedelta(days=800))
    kept = HelpSession.objects.filter(forgotten_on=None, status__in=["recorded", "tally"])
    # Every visit was forgotten, except those with an open conversation.
    assert not kept.filter(conversations=None).exists()
    assert {table: comparing.rows_of(table) for table in TABLES} == before
    for check in (check_contacts, check_months, check_answers):
        check(year)


@pytest.mark.parametrize("seed", [0, rarely(1), rarely(2)])
def test_no_figure_changes_when_people_are_merged_or_erased_or_visits_are_forgotten(year, seed):
    chance, at, erased = random.Random(seed), year.ended_at, set()
    before = {table: comparing.rows_of(table) for table in TABLES}
    for step in chance.sample(["merge", "merge", "erase", "erase", "forget", "forget", "count"], 7):
        at += datetime.timedelta(days=chance.randint(1, 60))
        known = [person for person in year.patrons if person.pk not in erased]
        people = [User.objects.get(pk=person.pk) for person in chance.sample(known, 2)]
        if step == "merge":
            merged = merge_for_a_day(*people, by=year.staff[0], at=at)
            assert {table: comparing.rows_of(table) for table in TABLES} == before
            unmerge(merged, by=year.staff[0], at=at)
        elif step == "erase":
            erasure.erase(people[0], language="en", at=at)
            erased.add(people[0].pk)
        elif step == "forget":
            retention.forget(at=at)
        else:
            rebuild()
        assert {table: comparing.rows_of(table) for table in TABLES} == before, step


def test_rebuilding_the_lost_counts_of_existing_visits_gives_the_same_counts(year):
    before = {table: comparing.rows_of(table) for table in TABLES}
    for table in TABLES:
        assert table.objects.filter(is_final=False).delete()[0]
    call_command("rebuild_counts", stdout=io.StringIO())
    assert {table: comparing.rows_of(table) for table in TABLES} == before


def test_figures_of_the_parts_of_a_period_add_up_to_the_figure_of_the_whole_period(year):
    days = st.dates(WHOLE.first, WHOLE.last)

    @searching(max_examples=12, deadline=None, database=None)
    @given(
        st.lists(days, min_size=3, max_size=4, unique=True).map(sorted), st.sampled_from([*workload.BY_DAY])
    )
    def check(days, by):
        parts = [Period(first, last - DAY) for first, last in itertools.pairwise(days)]
        whole = Period(days[0], days[-1] - DAY)
        if by == "time":
            found = [workload.figure(part, year.branches, by).total.numbers for part in parts]
            assert sums(found) == workload.figure(whole, year.branches, by).total.numbers
            return
        assert added(parts, [year.branches], by) == added([whole], [[pk] for pk in year.branches], by)

    check()


def added(periods, branches, by):
    """Add up the figures of these periods, and return {key of a row: numbers}.

    `branches` is a list of lists of branches. Each of these lists has a figure for each period.
    """
    found: dict = {}
    for period, some in itertools.product(periods, branches):
        for row in workload.figure(period, some, by).rows:
            if any(row.numbers):
                found.setdefault(row.key, []).append(row.numbers)
    return {key: sums(numbers) for key, numbers in found.items()}


def sums(rows):
    return tuple(map(sum, zip(*rows, strict=True)))


def test_generated_year_contains_every_event_that_could_change_a_figure(year):
    assert year.what_happened() == dict.fromkeys(year.what_happened(), True)
