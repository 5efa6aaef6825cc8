"""Test that the links between the pages of figures keep the period and the comparison."""

import datetime
import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.counts.actions import rebuild
from portal.counts.outcomes import count_outcomes
from portal.desk.figures.periods import Period
from portal.surveys.models import Survey
from tests.factories import HelpSessionFactory
from tests.portal.surveys.rules import save_preset

# The library's clock says March 4, 2026.
pytestmark = pytest.mark.usefixtures("at_noon")
PAGES = ("figures", "outcomes", "annual_survey", "director")


@pytest.fixture
def desk(client, coordinator, sign_in, branch):
    """Record contacts in 2024 and 2025, and sign a coordinator in."""
    for year in (2024, 2025):
        for month in (2, 5, 8, 11):
            HelpSessionFactory(branch=branch, happened_on=datetime.date(year, month, 5), found="all")
    rebuild()
    count_outcomes(at=timezone.now())
    save_preset(Survey.PLS, datetime.date(2024, 1, 1))
    return sign_in(client, coordinator)


def links(page):
    """Return {name of the page: address} of the links at the top of a page of figures."""
    nav = html.unescape(page.content.decode()).partition('<nav class="choices')[2].partition("</nav>")[0]
    return dict(zip(PAGES, re.findall(r'href="([^"]+)"', nav), strict=True))


def period_of(name, page):
    """Return (first day, last day) of the period that a page shows, as texts."""
    if name == "annual_survey":
        year = page.context["year"]
        return str(year.first_day), str(year.last_day)
    period = page.context["period"] if name == "outcomes" else page.context["figure"].period
    days = (period.first_day, period.last_day) if name == "outcomes" else (period.first, period.last)
    return tuple(map(str, days))


def shown_after(desk, name, asked):
    """Open a page and follow its links. Return {name of a linked page: the period that this page shows}."""
    top = links(desk.get(reverse(name), asked))
    return {other: period_of(other, desk.get(address)) for other, address in top.items()}


YEAR, MAY = ("2024-01-01", "2024-12-31"), ("2025-05-01", "2025-05-31")
# The periods that the pages show by default on March 4, 2026. The last contacts are in November 2025.
LAST_QUARTER, LAST_YEAR, LAST_MONTH = (
    ("2025-10-01", "2025-12-31"),
    ("2025-01-01", "2025-12-31"),
    ("2025-11-01", "2025-11-30"),
)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("figures", {"dates": "2024"}),
        ("figures", {"first_day": "2024-01-01", "last_day": "2024-12-31"}),
        ("outcomes", {"period": "year-2024-01"}),
        ("annual_survey", {"year": "2024"}),
        ("director", {"dates": "2024"}),
    ],
)
def test_links_between_the_pages_of_figures_keep_a_year_on_every_page(desk, name, asked):
    assert shown_after(desk, name, asked) == dict.fromkeys(PAGES, YEAR)


def test_links_between_the_pages_of_figures_keep_a_month_if_the_page_can_show_it(desk):
    for name in ("figures", "director"):
        assert shown_after(desk, name, {"dates": "2025-05"}) == {
            "figures": MAY,
            "outcomes": LAST_QUARTER,
            "annual_survey": LAST_YEAR,
            "director": MAY,
        }


def test_links_between_the_pages_of_figures_keep_a_quarter_if_the_page_can_show_it(desk):
    quarter = ("2025-04-01", "2025-06-30")
    days = {"first_day": quarter[0], "last_day": quarter[1]}
    for name, asked in (("figures", days), ("outcomes", {"period": "2025-04"})):
        assert shown_after(desk, name, asked) == {
            "figures": quarter,
            "outcomes": quarter,
            "annual_survey": LAST_YEAR,
            "director": LAST_MONTH,
        }


@pytest.mark.parametrize("between", PAGES)
def test_figures_keep_the_period_after_staff_open_a_page_that_cannot_show_the_period(desk, between):
    asked = {"dates": "", "first_day": "2025-05-03", "last_day": "2025-05-09", "compare": "before"}
    top = links(desk.get(links(desk.get(reverse("figures"), asked))[between]))
    figure = desk.get(top["figures"]).context["figure"]
    assert figure.period == Period(datetime.date(2025, 5, 3), datetime.date(2025, 5, 9))
    assert figure.earlier == figure.period.before


def test_links_between_the_pages_of_figures_keep_the_comparison_if_staff_change_the_year(desk):
    page = desk.get(
        links(desk.get(reverse("figures"), {"dates": "2025", "compare": "year"}))["annual_survey"]
    )
    [earlier] = re.findall(r'id="earlier" href="([^"]+)"', page.content.decode())
    top = links(desk.get(reverse("annual_survey") + html.unescape(earlier)))
    figure = desk.get(top["figures"]).context["figure"]
    assert (str(figure.period.first), str(figure.earlier.first)) == ("2024-01-01", "2023-01-01")
    for name in ("outcomes", "director"):
        page = desk.get(reverse(name), {"compare": "year"})
        assert '<input type="hidden" name="compare" value="year">' in page.content.decode()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"dates": "x", "first_day": "x"},
        {"first_day": "0001-01-01", "last_day": "9999-12-31"},
        {"first_day": "2025-05-09", "last_day": "2025-05-03"},
        {"dates": "2999"},
    ],
)
def test_pages_of_figures_show_their_usual_period_if_the_link_has_no_valid_period(desk, asked):
    assert period_of("outcomes", desk.get(reverse("outcomes"), asked)) == LAST_QUARTER
    assert period_of("annual_survey", desk.get(reverse("annual_survey"), asked)) == LAST_YEAR
    assert links(desk.get(reverse("figures"), {"dates": "x"}))["director"] == reverse("director")
