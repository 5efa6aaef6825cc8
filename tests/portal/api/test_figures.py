"""Test that other systems get the same figures that staff see on pages."""

import datetime

import pytest
from django.utils import timezone

from portal.counts.actions import count_contacts
from portal.counts.models import DayCount, LogImport
from portal.desk.figures import workload
from portal.desk.figures.periods import Period
from tests.factories import ApiTokenFactory, BranchFactory, HelpSessionFactory, StaffFactory, TopicFactory

from .test_access import MONTH
from .test_recording import problem_of

pytestmark = pytest.mark.django_db
MARCH = Period(datetime.date(2026, 3, 1), datetime.date(2026, 3, 31))


@pytest.fixture
def counted(branch):
    """Create 8 help sessions about gardening, 2 about tax and a quiet one in March 2026, and count them."""
    StaffFactory.create_batch(3, branch=branch)
    gardening, tax = TopicFactory(name="Gardening"), TopicFactory(name="Tax")
    for number in range(11):
        HelpSessionFactory(
            branch=branch,
            staff=None,
            topic=gardening if number < 8 else tax,
            quiet=number == 10,
            mode="chat" if number % 2 else "phone",
            minutes=number,
            happened_on=datetime.date(2026, 3, 1 + number),
            hour=9 + number % 3,
        )
    count_contacts(at=datetime.datetime(2026, 4, 1, 12, tzinfo=datetime.UTC))


@pytest.fixture
def read(ask, token):
    def read(**parameters):
        return ask("GET", "figures", MONTH | parameters, token=token)

    return read


@pytest.mark.parametrize("by", [*workload.BY_DAY, *workload.BY_MONTH, workload.GRID, workload.ANSWERS])
def test_api_returns_the_same_numbers_as_the_page_of_figures(read, counted, branch, by):
    answer = read(by=by).json()
    figure = workload.figure(MARCH, [branch.pk], by)
    rows = [(row["label"], tuple(row["numbers"])) for row in answer["rows"]]
    assert rows == [(str(row.label), row.numbers) for row in figure.rows]
    assert [row["estimated_minutes"] for row in answer["rows"]] == [row.estimated for row in figure.rows]
    assert tuple(answer["total"]) == figure.total.numbers
    assert answer["total_estimated_minutes"] == figure.total.estimated
    assert (answer["branches"], answer["left_out"]) == ([branch.slug], [])
    assert len(answer["names"]) == len(answer["total"])


def test_api_returns_the_estimated_minutes_in_their_own_field(read, counted, branch):
    log = LogImport.objects.create(started_at=timezone.now(), file_key="1")
    numbers = {"contacts": 1, "minutes": 20, "estimated_minutes": 20, "handed_over": 0, "check_ins": 0}
    DayCount.objects.create(
        branch=branch,
        log_import=log,
        happened_on=MARCH.first,
        mode="letter",
        question_type="reference",
        **numbers,
    )
    answer = read(by="mode").json()
    rows = {row["key"]: (row["numbers"][1], row["estimated_minutes"]) for row in answer["rows"]}
    assert rows["letter"] == (20, 20)
    assert rows["chat"][1] == 0
    assert answer["total_estimated_minutes"] == 20


def test_figure_rows_of_the_api_have_the_same_keys_in_every_language(read, ask, token, counted, branch):
    def keys(by, **headers):
        answer = ask("GET", "figures", MONTH | {"by": by}, token=token, headers=headers).json()
        return [row["key"] for row in answer["rows"]]

    assert keys("mode") == keys("mode", **{"Accept-Language": "es"}) != []
    assert set(keys("mode")) == {"chat", "phone"}
    assert keys("branch") == [branch.slug]
    assert keys("time")[:2] == ["2026-03-01", "2026-03-02"]
    assert keys("hour") == ["9", "10", "11"]
    assert keys("topic")[-1] == "other"


def test_topics_with_small_numbers_are_counted_together_as_other(read, counted):
    rows = {row["label"]: row["numbers"] for row in read(by="topic").json()["rows"]}
    assert "Tax" not in rows
    assert all(numbers[0] >= 5 for label, numbers in rows.items() if label != "Other")


def test_api_returns_figures_only_for_the_branches_of_the_token(read, counted, branch):
    elsewhere = BranchFactory()
    HelpSessionFactory.create_batch(3, branch=elsewhere, staff=None, happened_on=datetime.date(2026, 3, 2))
    count_contacts(at=datetime.datetime(2026, 4, 1, 12, tzinfo=datetime.UTC))
    assert read().json()["total"][0] == 11
    assert read(branch=branch.slug).json()["total"][0] == 11
    assert list(problem_of(read(branch=elsewhere.slug), 422)) == ["branch"]


@pytest.mark.parametrize("by", ["hour", "hour_weekday", "answers"])
def test_figures_by_hour_and_figures_about_answers_omit_a_branch_with_two_staff_members(
    ask, counted, by, branch
):
    small = BranchFactory(name="Small")
    StaffFactory.create_batch(2, branch=small)
    token = ApiTokenFactory(name="Two", branches=[branch, small])
    answer = ask("GET", "figures", MONTH | {"by": by}, token=token).json()
    assert (answer["branches"], answer["left_out"]) == ([branch.slug], [small.slug])
    assert ask("GET", "figures", MONTH, token=token).json()["left_out"] == []


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"last_day": "2026-02-01"}, "last_day"),
        ({"first_day": "yesterday"}, "first_day"),
        ({"first_day": "0001-01-01"}, "first_day"),
        ({"by": "staff"}, "by"),
        ({"by": "own-"}, "by"),
        ({"by": "own-1"}, "by"),
        ({"by": "own-99999999999"}, "by"),
        ({"by": "topic", "last_day": "2026-03-30"}, "by"),
        ({"branch": "nowhere"}, "branch"),
    ],
    ids=str,
)
def test_error_about_figures_names_the_invalid_parameter(read, parameters, field):
    assert list(problem_of(read(**parameters), 422)) == [field]


def test_api_returns_no_figures_by_staff_member(read, counted, branch):
    StaffFactory(name="Rosa Delgado", branch=branch)
    assert "staff" not in workload.BY_DAY
    for by in (*workload.BY_DAY, *workload.BY_MONTH):
        assert "Rosa" not in read(by=by).content.decode()


def test_figures_run_the_same_number_of_queries_for_1_and_30_days(read, counted, django_assert_num_queries):
    read()
    for last in ("2026-03-01", "2026-03-30"):
        with django_assert_num_queries(10):
            assert read(last_day=last).status_code == 200
