"""Test the page that coordinators print for the director."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.counts.actions import rebuild
from portal.counts.outcomes import count_outcomes
from portal.desk.figures.periods import Period
from portal.desk.figures.workload import figure
from tests.factories import BranchFactory, HelpSessionFactory
from tests.portal.pages import text


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def months(branch):
    """Record contacts in March 2025 and 2026, and count them."""
    west = BranchFactory(name="West")
    for year, count in ((2025, 4), (2026, 7)):
        HelpSessionFactory.create_batch(
            count, branch=branch, happened_on=datetime.date(year, 3, 5), minutes=3
        )
        HelpSessionFactory.create_batch(
            6, branch=west, happened_on=datetime.date(year, 2, 5), found="all", minutes=3
        )
    rebuild()
    count_outcomes(at=timezone.now())


def test_director_report_has_the_same_numbers_as_the_figures(desk, months, branch):
    page = desk.get(reverse("director"), {"dates": "2026-03"})
    march = Period.of_month(datetime.date(2026, 3, 1))
    total = figure(march, [branch.pk], "time").total
    rows = [(row.label, row.number, row.before, row.change) for row in page.context["numbers"]]
    assert rows == [
        ("Contacts", 7, 4, 3),
        ("Minutes", 21, 12, 9),
        ("Visits given to the patron", 0, 0, 0),
        ("Check-ins sent", 0, 0, 0),
    ]
    assert [row[1] for row in rows] == list(total.numbers[: len(rows)])
    assert "The desk's figures for March 2026" in text(page)
    assert "How it turned out: January 2026 – March 2026" in text(page)
    assert "6 answers. Most often: “Yes, everything” (6)." in text(page)


def test_director_report_of_a_year_shows_the_outcomes_of_that_year(desk, months):
    page = desk.get(reverse("director"), {"dates": "2025"})
    assert "How it turned out: 2025" in text(page)
    assert "The desk's figures for 2025" in text(page)


def test_director_report_of_an_empty_library_shows_zeros_and_says_that_nothing_is_counted(desk):
    page = text(desk.get(reverse("director")))
    assert "No quarter has been counted yet." in page
    assert "Contacts Each time staff helped somebody, however short. 0 Minutes" in page
    assert "Change" not in page
    assert "Other dates" not in page


def test_director_report_of_a_year_without_outcomes_says_that_there_are_none(desk, months):
    page = text(desk.get(reverse("director"), {"dates": "2025-02"}))
    assert "The library has no outcomes for this period." in page
    assert "No quarter has been counted yet." not in page


def test_director_report_of_an_unknown_period_is_a_form_error(desk):
    page = desk.get(reverse("director"), {"dates": "nonsense"})
    assert "Select a valid choice" in text(page)


def test_staff_who_are_not_coordinators_cannot_open_the_director_report(client, staff, sign_in):
    assert sign_in(client, staff).get(reverse("director")).status_code == 404


def test_director_report_shows_the_outcomes_of_the_whole_library(desk, months):
    page = desk.get(reverse("director"), {"dates": "2026-03"})
    assert page.context["tables"][0].total == (6, 0, 0, 0, 0)
