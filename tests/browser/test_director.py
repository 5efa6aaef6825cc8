"""Test that the printed report for the director fits on one sheet of each paper size."""

import datetime
import re

import pytest
from django.utils import timezone

from accounts.models import Branch
from portal.counts.actions import rebuild
from portal.counts.models import MonthEmail
from portal.desk.figures.periods import Period
from tests.extent import rarely
from tests.factories import BranchFactory, HelpSessionFactory

from .conftest import DESK
from .states.figure_steps import imported_estimates
from .states.past_outcomes import add_past_outcomes

pytestmark = pytest.mark.browser


@pytest.fixture
def report(branch, coordinator, opened, show):
    """Return report(dates), which opens the report of a busy library. `dates` is "month" or "year"."""
    BranchFactory(name="West")
    today = timezone.localdate()
    month = Period.of_month(today.replace(day=1) - datetime.timedelta(days=1))
    for period in (month, month.year_before):
        for day in range(28):
            HelpSessionFactory.create_batch(
                1 + day % 3, branch=branch, happened_on=period.first + datetime.timedelta(days=day), minutes=7
            )
    add_past_outcomes(branch)
    rebuild()

    def report(dates, *, javascript=True):
        page = show(opened(DESK, javascript=javascript), coordinator)
        dates = f"{month.first:%Y-%m}" if dates == "month" else f"{month.first.year}"
        page.goto(f"/desk/figures/director/?dates={dates}")
        return page

    return report


@pytest.mark.parametrize("dates", [pytest.param("month", marks=pytest.mark.core), *[rarely("year")]])
def test_director_report_fits_on_one_sheet_of_each_paper_size(report, dates):
    page = report(dates)
    assert page.locator("#main-numbers tbody tr").count() == 4
    assert page.locator(".chart svg").count() == 1
    assert sheets(page) == {"A4": 1, "Letter": 1}


def test_report_with_an_imported_log_and_late_entries_fits_on_one_sheet(report):
    month = Period.of_month(timezone.localdate().replace(day=1) - datetime.timedelta(days=1))
    numbers = {str(branch.pk): [1, 1, 1, 1] for branch in Branch.objects.all()}
    MonthEmail.objects.create(month=month.first, written_at=timezone.now(), numbers=numbers)
    with imported_estimates(month.last):
        page = report("month")
        assert page.locator("#main-numbers tbody tr").count() == 5
        assert page.locator("#entered-later span").count() == 4
        assert page.locator(".imported").count() == 1
        assert sheets(page) == {"A4": 1, "Letter": 1}


def sheets(page):
    """Return {size of paper: number of pages}."""
    found = {}
    for size in ("A4", "Letter"):
        content = page.pdf(format=size, margin=dict.fromkeys(("top", "bottom", "left", "right"), "10mm"))
        found[size] = len(re.findall(rb"/Type\s*/Page\b", content))
    return found
