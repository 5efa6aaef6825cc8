"""Test the figures about outcomes, for coordinators. They must not reveal anything about a single patron."""

import datetime
import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from portal.desk.figures.pooling import MIN_PEOPLE, is_small, pooled
from portal.desk.figures.quarters import Quarter
from portal.helpsessions.forgetting import forget
from portal.helpsessions.models import HelpSession
from tests.factories import HelpSessionFactory, TopicFactory
from tests.portal.pages import text

pytestmark = pytest.mark.sql

ROWS = st.dictionaries(
    st.integers(0, 30), st.tuples(*[st.integers(0, 14)] * 4).filter(any), min_size=1, max_size=12
)


@pytest.mark.slow
@searching(suppress_health_check=[HealthCheck.too_slow])
@given(ROWS)
def test_statistics_hide_counts_below_five(rows):
    shown = pooled(rows)
    if shown is None:
        assert is_small(tuple(map(sum, zip(*rows.values(), strict=True))))
        return
    numbers = [*shown.rows.values(), *filter(None, [shown.rest]), shown.total]
    assert [cell for row in numbers for cell in row if 0 < cell < MIN_PEOPLE] == []


@pytest.mark.slow
@given(ROWS)
def test_combined_statistics_add_up_to_the_total(rows):
    if shown := pooled(rows):
        parts = [*shown.rows.values(), *filter(None, [shown.rest])]
        assert (
            tuple(map(sum, zip(*parts, strict=True)))
            == shown.total
            == tuple(map(sum, zip(*rows.values(), strict=True)))
        )
        assert {key: rows[key] for key in shown.rows} == shown.rows


@pytest.mark.parametrize(
    ("rows", "alone", "rest"),
    [
        ({"a": (5, 0), "b": (9, 7)}, {"a", "b"}, None),
        ({"a": (5, 0), "b": (9, 7), "c": (3, 2), "d": (2, 3)}, {"a", "b"}, (5, 5)),
        # If only "c" were hidden, the total would reveal the count of "c". So "a" and "c" are combined.
        ({"a": (5, 0), "b": (9, 7), "c": (1, 0)}, {"b"}, (6, 0)),
    ],
)
def test_table_rows_with_counts_below_five_are_combined_into_one_row(rows, alone, rest):
    shown = pooled(rows)
    assert (set(shown.rows), shown.rest) == (alone, rest)


def test_statistics_are_hidden_if_a_total_is_between_one_and_four():
    assert pooled({"a": (4, 0), "b": (0, 3)}) is None


@pytest.mark.parametrize(
    ("day", "quarter", "first", "last"),
    [
        ("2026-01-01", "2026-1", "2026-01-01", "2026-03-31"),
        ("2024-12-31", "2024-4", "2024-10-01", "2024-12-31"),
        ("2026-08-15", "2026-3", "2026-07-01", "2026-09-30"),
    ],
)
def test_quarter_has_the_right_first_and_last_day_and_the_right_neighboring_quarters(
    day, quarter, first, last
):
    found = Quarter.of(datetime.date.fromisoformat(day))
    assert (str(found), str(found.first_day), str(found.last_day)) == (quarter, first, last)
    assert found.before.after == found == Quarter.read(quarter)


@pytest.fixture
def quarter(library):
    """Return the last quarter that has ended."""
    return Quarter.of(library.today()).before


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def recorded(quarter, branch, staff):
    def recorded(count=1, *, month=0, **more):
        return HelpSessionFactory.create_batch(
            count, happened_on=quarter.months[month], branch=branch, staff=staff, **more
        )

    return recorded


def table(page, heading):
    """Return the rows of the table under a heading as {first cell: [other cells]}."""
    part = html.unescape(page.content.decode()).partition(f">{heading}</h2>")[2].partition("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return {row[0]: row[1:] for row in rows[1:]}


def test_visits_that_were_kept_or_rated_still_count_after_they_are_deleted(desk, recorded, quarter, library):
    recorded(6, month=2, kept_at=timezone.now())
    recorded(4, answered_at=timezone.now())
    recorded(5, status="unfinished", kept_at=timezone.now())
    HelpSessionFactory(happened_on=quarter.before.last_day, kept_at=timezone.now())
    HelpSessionFactory(happened_on=quarter.after.first_day, kept_at=timezone.now())
    forget(list(HelpSession.objects.filter(status="recorded")), on=library.today(), zone=library.zone)
    page = html.unescape(text(desk.get(reverse("outcomes"), {"quarter": quarter})))
    assert "Kept in a patron's account 6 Patron gave feedback on the visit fewer than 5" in page


def test_statistics_page_combines_topics_with_counts_below_five_into_one_row(desk, recorded):
    health, law, taxes = (TopicFactory(name=name) for name in ("Health", "Law", "Taxes"))
    recorded(6, topic=health, found="all")
    recorded(5, topic=law, found="no")
    recorded(1, topic=law, found="part")
    recorded(4, topic=taxes, found="part")
    page = desk.get(reverse("outcomes"))
    assert "“Other topics together” combines" in text(page)
    counted = table(page, "Did patrons find what they needed?")
    assert counted == {
        "Health": ["6", "0", "0", "0", "0"],
        "Other topics together": ["0", "5", "0", "5", "0"],
        "All topics": ["6", "5", "0", "5", "0"],
    }


def test_statistics_page_hides_a_table_if_a_total_would_reveal_a_count_below_five(desk, recorded):
    taxes = TopicFactory(name="Taxes")
    recorded(5, topic=taxes, satisfaction="good", would_return="yes")
    recorded(6, topic=taxes, would_return="no")
    recorded(4, topic=TopicFactory(name="Law"), would_return="maybe")
    page = desk.get(reverse("outcomes"))
    assert "Other topics together" not in text(page)
    assert table(page, "How was the help?") == {
        "Taxes": ["0", "5", "0", "0"],
        "All topics": ["0", "5", "0", "0"],
    }
    # Only four patrons answered "maybe". A row or a total could reveal this count, so the table is empty.
    assert table(page, "Would patrons come back with another question?") == {}


def test_statistics_page_hides_outcomes_if_fewer_than_five_patrons_gave_feedback(desk, recorded):
    recorded(4, found="no", topic=TopicFactory(name="Bereavement"))
    page = desk.get(reverse("outcomes"))
    assert table(page, "Did patrons find what they needed?") == {}
    assert "Too few patrons answered" in text(page)
    assert "Bereavement" not in text(page)


def test_statistics_page_shows_outcomes_only_after_the_quarter_ends(desk, branch, library):
    HelpSessionFactory.create_batch(9, branch=branch, happened_on=library.today(), found="no")
    page = text(desk.get(reverse("outcomes")))
    assert "Did patrons find what they needed?" not in page
    assert "after the quarter ends" in page


@pytest.mark.few_cases
@pytest.mark.parametrize("asked", ["", "2026", "2026-5", "1999-1", "9999-4", "nonsense", "٢٠٢٦-1"])
def test_invalid_quarter_in_the_url_shows_the_last_complete_quarter(desk, recorded, quarter, asked):
    recorded()
    page = desk.get(reverse("outcomes"), {"quarter": asked})
    assert (page.status_code, page.context["quarter"]) == (200, quarter)


def test_statistics_page_links_to_no_quarter_before_the_first_recorded_visit(desk, recorded, quarter, branch):
    HelpSessionFactory(branch=branch, happened_on=quarter.before.first_day)
    pages = [
        desk.get(reverse("outcomes"), {"quarter": each}).context
        for each in (quarter.before, quarter, quarter.after)
    ]
    assert [(page["earlier"], page["later"]) for page in pages] == [
        (None, quarter),
        (quarter.before, quarter.after),
        (quarter, None),
    ]


def test_statistics_page_without_data_says_that_nothing_was_recorded(desk):
    assert "No help sessions in this quarter" in text(desk.get(reverse("outcomes")))


@pytest.mark.parametrize("rows", [1, 30])
def test_statistics_page_runs_the_same_number_of_queries_for_any_amount_of_data(
    desk, recorded, django_assert_num_queries, rows
):
    for number in range(rows):
        recorded(topic=TopicFactory(), found="all", satisfaction="good", month=number % 3)
    with django_assert_num_queries(9):
        desk.get(reverse("outcomes"))
