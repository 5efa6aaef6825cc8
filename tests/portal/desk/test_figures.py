"""Test the page and the file about how help turned out. They must reveal nothing about a single patron."""

import csv
import datetime
import html
import io
import re
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from portal.counts.models import OutcomePeriod
from portal.counts.outcomes import DAYS_TO_ANSWER, count_outcomes, readable_on
from portal.counts.pooling import MIN_PEOPLE, is_small, pooled
from portal.counts.quarters import Quarter
from portal.templatetags.portal import whole_day
from tests.factories import BranchFactory, HelpSessionFactory, ItemFactory, TopicFactory, recommend_in
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
def test_shown_rows_and_the_combined_rest_add_up_to_the_total(rows):
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
    ("day", "starts_in", "quarter", "last"),
    [
        ("2026-01-01", 1, "2026-01", "2026-03-31"),
        ("2024-12-31", 1, "2024-10", "2024-12-31"),
        ("2026-08-15", 7, "2026-07", "2026-09-30"),
        ("2026-01-15", 9, "2025-12", "2026-02-28"),
        ("2026-09-01", 8, "2026-08", "2026-10-31"),
    ],
)
def test_quarters_are_counted_from_the_first_month_of_the_reporting_year(day, starts_in, quarter, last):
    found = Quarter.of(datetime.date.fromisoformat(day), starts_in)
    assert (str(found), str(found.last_day)) == (quarter, last)
    assert found.before.after == found == Quarter.read(quarter)


@pytest.fixture
def quarter(library):
    """Return the last quarter that is counted."""
    return Quarter.of(library.today() - DAYS_TO_ANSWER + datetime.timedelta(days=1)).before


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def recorded(quarter, branch, staff):
    def recorded(count=1, **more):
        more = {"happened_on": quarter.first_day, "branch": branch, "staff": staff} | more
        return HelpSessionFactory.create_batch(count, **more)

    return recorded


def table(page, question):
    """Return the rows of the table of a question as {first cell: [other cells]}."""
    part = html.unescape(page.content.decode()).partition(f'id="{question}"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part, re.DOTALL)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return {row[0]: row[1:] for row in rows[1:]}


def show(desk, **query):
    return desk.get(reverse("outcomes"), query)


def test_outcome_page_shows_a_quarter_by_topic_and_combines_small_rows(desk, recorded):
    health, law, taxes = (TopicFactory(name=name) for name in ("Health", "Law", "Taxes"))
    recorded(6, topic=health, found="all")
    recorded(5, topic=law, found="no")
    recorded(1, topic=law, found="part")
    recorded(4, topic=taxes, found="part")
    count_outcomes(at=timezone.now())
    page = show(desk, by="topic")
    assert table(page, "found") == {
        "Health": ["6", "0", "0", "0", "0"],
        "Other": ["0", "5", "0", "5", "0"],
        "Total": ["6", "5", "0", "5", "0"],
    }
    assert "16 answers. Most often: “Yes, everything” (6)." in text(page)
    assert list(table(show(desk), "found")) == ["Total"]


def test_outcome_page_says_that_a_table_is_not_shown_or_that_nobody_answered(desk, recorded):
    recorded(4, found="no", topic=TopicFactory(name="Bereavement"))
    count_outcomes(at=timezone.now())
    page = show(desk, by="topic")
    assert table(page, "found") == {}
    assert "Bereavement" not in text(page)
    assert text(page).count("Not shown, because readers could work out how a few patrons answered.") == 1
    assert text(page).count("Nobody has answered.") == 3


def test_outcome_page_says_on_which_day_the_numbers_of_a_quarter_will_appear(desk, recorded, library):
    recorded()
    count_outcomes(at=timezone.now())
    today = Quarter.of(library.today())
    for quarter in (today, today.before) if today.before.last_day > library.today() else (today,):
        HelpSessionFactory.create_batch(9, happened_on=today.first_day, found="no")
        page = show(desk, period=str(quarter))
        assert f"appear here on {whole_day(readable_on(quarter))}" in text(page)
        assert table(page, "found") == {}


@pytest.mark.few_cases
@pytest.mark.parametrize("asked", ["", "2026", "2026-13", "1999-01", "9999-04", "nonsense", "٢٠٢٦-01"])
def test_unknown_period_in_the_url_shows_the_last_counted_quarter(desk, recorded, quarter, asked):
    recorded()
    count_outcomes(at=timezone.now())
    page = show(desk, period=asked)
    last = OutcomePeriod.objects.filter(kind="quarter").latest("first_day")
    assert (page.status_code, page.context["period"]) == (200, last)


@pytest.mark.parametrize("query", [{"branch": "west"}, {"branch": "nowhere"}, {"by": "staff"}])
def test_outcome_page_refuses_an_unknown_breakdown_and_branches_where_staff_do_not_work(
    client, staff, sign_in, recorded, query
):
    BranchFactory(name="West", slug="west")
    recorded(6, found="all")
    count_outcomes(at=timezone.now())
    page = show(sign_in(client, staff), **query)
    assert "Select a valid choice" in text(page)
    assert table(page, "found") == {}
    file = client.get(reverse("outcomes_csv"), query)
    assert (file.status_code, file["Location"]) == (302, f"{reverse('outcomes')}?{urlencode(query)}")


def test_staff_see_outcomes_of_the_whole_library_and_of_their_own_branches(
    client, staff, branch, sign_in, recorded
):
    west = BranchFactory(name="West")
    recorded(6, found="all")
    recorded(7, found="all", branch=west)
    count_outcomes(at=timezone.now())
    desk = sign_in(client, staff)
    assert table(show(desk), "found") == {"Total": ["13", "0", "0", "0", "0"]}
    assert table(show(desk, branch=branch.slug), "found") == {"Total": ["6", "0", "0", "0", "0"]}
    assert dict(show(desk).context["form"].fields["branch"].choices).keys() == {"", branch.slug}


def test_coordinator_sees_the_outcomes_of_every_branch(desk, recorded):
    west = BranchFactory(name="West")
    recorded(6, found="all")
    recorded(7, found="all", branch=west)
    count_outcomes(at=timezone.now())
    assert table(show(desk, branch=west.slug), "found") == {"Total": ["7", "0", "0", "0", "0"]}


def test_outcome_page_shows_what_patrons_did_after_their_visits(desk, recorded):
    recorded(6, kept_at=timezone.now())
    recorded(5, answered_at=timezone.now(), found="all")
    count_outcomes(at=timezone.now())
    page = html.unescape(text(show(desk)))
    assert "Visits kept in a library account 6" in page
    assert "Visits after which the patron said how it went 5" in page
    assert "Check-ins answered 0" in page


def test_outcome_page_says_that_a_past_quarter_was_counted_late(desk, recorded):
    recorded(6, found="all", happened_on=datetime.date(2020, 2, 3))
    count_outcomes(at=timezone.now())
    assert 'id="counted-late"' in show(desk, period="2020-01").content.decode()
    assert 'id="counted-late"' in show(desk, period="year-2020-01").content.decode()
    assert 'id="counted-late"' not in show(desk).content.decode()


def test_outcome_page_without_visits_says_that_there_is_nothing_to_count(desk):
    assert "Nothing to count yet" in text(desk.get(reverse("outcomes")))


@pytest.mark.parametrize("by", ["", "topic", "question_type", "item"])
@pytest.mark.parametrize("period", ["2020-01", "year-2020-01"])
def test_outcome_file_has_exactly_the_numbers_of_the_page(desk, recorded, by, period):
    for number in range(3):
        visits = recorded(
            9,
            topic=TopicFactory(),
            found="all" if number else "part",
            satisfaction="good",
            would_return="yes",
            happened_on=datetime.date(2020, 2, 3),
            kept_at=timezone.now(),
        )
        item = ItemFactory()
        for visit in visits:
            recommend_in(visit, item=item, verdict="helped", decided_at=timezone.now())
    count_outcomes(at=timezone.now())
    page = show(desk, by=by, period=period)
    file = desk.get(reverse("outcomes_csv"), {"by": by, "period": period})
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))[1:]
    on_page = []
    titles = {question.question: question for question in page.context["tables"]}
    for question in ("found", "satisfaction", "would_return", "verdicts"):
        for label, numbers in table(page, question).items():
            for answer, number in zip(titles[question].answers, numbers, strict=True):
                on_page.append([titles[question].title, label, answer, number])
    assert [row for row in rows if row[2]] == on_page
    assert len(on_page) >= 17
    assert [row[3] for row in rows if not row[2]] == ["27", "0", "0"]


@pytest.mark.parametrize("rows", [1, 30])
def test_outcome_page_runs_the_same_number_of_queries_for_any_amount_of_data(
    desk, recorded, django_assert_num_queries, rows
):
    for _number in range(rows):
        recorded(5, topic=TopicFactory(), found="all", satisfaction="good")
    count_outcomes(at=timezone.now())
    with django_assert_num_queries(10):
        show(desk, by="topic")
