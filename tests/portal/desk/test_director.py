"""Test the page that coordinators print for the director."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.counts.actions import rebuild
from portal.counts.models import LogImport, PointTotal
from portal.counts.outcomes import count_outcomes
from portal.desk.figures.periods import Period
from portal.desk.figures.workload import figure
from portal.templatetags.portal import whole_day
from tests.factories import BranchFactory, HelpSessionFactory
from tests.portal.pages import text


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def months(branch):
    """Record contacts in February and March of 2025 and 2026, and count them."""
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


def imported(branch, day, name, contacts=3):
    """Count contacts of an imported desk log in the month of this day."""
    log = LogImport.objects.create(started_at=timezone.now(), file_key=name, file_name=name, first_day=day)
    counts = dict.fromkeys(("minutes", "handed_over", "check_ins"), 0) | {"contacts": contacts}
    PointTotal.objects.create(
        month=day.replace(day=1), branch=branch, is_final=True, log_import=log, **counts
    )


def test_director_report_names_the_imported_logs_of_both_periods(desk, months, branch):
    for year, month, name in (
        (2024, 3, "older"),
        (2025, 3, "gimlet"),
        (2026, 2, "february"),
        (2026, 3, "cards"),
    ):
        imported(branch, datetime.date(year, month, 9), f"{name}.csv")
    page = text(desk.get(reverse("director"), {"dates": "2026-03"}))
    assert "The numbers of March 2026 include an imported desk log: cards.csv" in page
    assert "The numbers of March 2025 include an imported desk log: gimlet.csv" in page
    assert page.count("imported desk log") == 2
    page = text(desk.get(reverse("director"), {"dates": "2026"})).replace(" , ", ", ")
    assert "The numbers of 2026 include imported desk logs: february.csv, cards.csv" in page


def test_director_report_without_imported_contacts_names_no_log(desk, months, branch):
    imported(branch, datetime.date(2026, 2, 9), "february.csv")
    page = text(desk.get(reverse("director"), {"dates": "2026-03"}))
    assert "imported desk log" not in page


def test_director_report_says_on_which_day_and_for_which_branches_it_was_computed(
    desk, months, branch, library
):
    today = whole_day(library.today())
    page = text(desk.get(reverse("director"))).replace(" , ", ", ")
    assert f"Computed on {today} · All branches: {branch.name}, West" in page
    BranchFactory.create_batch(4)
    assert f"Computed on {today} · All 6 branches" in text(desk.get(reverse("director")))


def test_director_report_of_a_library_with_one_branch_names_the_branch(desk, branch, library):
    assert f"Computed on {whole_day(library.today())} · {branch.name}" in text(desk.get(reverse("director")))


def test_director_report_says_that_no_new_conversation_was_answered(desk, months):
    page = text(desk.get(reverse("director"), {"dates": "2026-03"}))
    assert "March 2026: no new conversations in the portal were answered." in page


def test_director_report_of_a_year_shows_the_outcomes_of_that_year(desk, months):
    page = desk.get(reverse("director"), {"dates": "2025"})
    assert "How it turned out: 2025" in text(page)
    assert "The desk's figures for 2025" in text(page)


def test_director_report_of_an_empty_library_shows_zeros_and_says_that_nothing_is_counted(desk):
    page = text(desk.get(reverse("director")))
    assert "No quarter has been counted yet." in page
    assert "Contacts Each time staff helped somebody, even for a moment. 0 Minutes" in page
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
