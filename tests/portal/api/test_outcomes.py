"""Test that other systems read the same outcomes as the page shows."""

import datetime
import itertools

import pytest
from django.urls import reverse

from portal.counts.models import OutcomePeriod
from portal.counts.outcomes import count_outcomes
from tests.factories import (
    ApiTokenFactory,
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    TopicFactory,
    recommend_in,
)

from .test_recording import problem_of

pytestmark = pytest.mark.django_db
MAY = datetime.date(2026, 5, 5)
COUNTED = datetime.datetime(2026, 8, 14, 18, tzinfo=datetime.UTC)


@pytest.fixture
def counted(branch):
    """Create 20 visits with an answer and a verdict, count their outcomes, and return the OutcomePeriod.

    18 visits are about law (12 of them at `branch`), and 2 are about tax.
    """
    west, items = BranchFactory(name="West"), ItemFactory.create_batch(2)
    law, tax = TopicFactory(name="Law"), TopicFactory(name="Tax")
    at = datetime.datetime.combine(MAY, datetime.time(18), datetime.UTC)
    for number in range(20):
        visit = HelpSessionFactory(
            branch=west if number % 3 == 0 else branch,
            topic=tax if number > 17 else law,
            happened_on=MAY,
            created_at=at,
            kept_at=at,
            found="all",
            answered_at=at,
        )
        recommend_in(visit, item=items[number % 2], verdict="helped", decided_at=at, topic=visit.topic)
    count_outcomes(at=COUNTED)
    return OutcomePeriod.objects.get()


@pytest.fixture
def read(ask, token):
    return lambda **parameters: ask("GET", "outcomes", parameters, token=token)


def cells_in_file(answer):
    """Return the lines, except the headings, of a CSV file with the same outcomes as this API response."""
    cells = [[row["label"], "", "", row["number"]] for row in answer["follow_ups"]]
    for question in answer["questions"]:
        total = [{"label": "Total", "numbers": question["total"]}]
        for row, place in itertools.product(question["rows"] + total, range(len(question["answers"]))):
            name = question["answers"][place]["label"]
            cells.append([question["label"], row["label"], name, row["numbers"][place]])
    return [",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in row) for row in cells]


@pytest.mark.parametrize("by", ["", "topic", "question_type", "item"])
@pytest.mark.parametrize("of_branch", [True, False])
def test_api_returns_the_same_outcomes_as_the_csv_file_of_the_page(
    read, counted, client, sign_in, coordinator, branch, by, of_branch
):
    query = {"by": by, "branch": branch.slug if of_branch else ""}
    file = sign_in(client, coordinator).get(reverse("outcomes_csv"), query).content.decode("utf-8-sig")
    answer = read(**query).json()
    assert cells_in_file(answer) == file.splitlines()[1:] != []
    assert (answer["first_day"], answer["last_day"], answer["kind"]) == (
        "2026-04-01",
        "2026-06-30",
        "quarter",
    )
    assert (answer["branch"], answer["by"]) == (query["branch"], by)


def test_outcome_rows_of_the_api_have_the_same_keys_in_every_language(ask, read, token, counted):
    def keys(**headers):
        answer = ask("GET", "outcomes", {"by": "item"}, token=token, headers=headers).json()
        return [(each["key"], [row["key"] for row in each["rows"]]) for each in answer["questions"]]

    assert keys() == keys(**{"Accept-Language": "es"})
    [*_others, (question, items)] = keys()
    assert question == "verdicts"
    assert set(items) == {str(row.item.public_id) for row in counted.rows.exclude(item=None)}
    rows = read(by="question_type").json()["questions"][0]["rows"]
    assert [row["key"] for row in rows] == ["reference"]
    assert read(by="topic").json()["questions"][0]["rows"] == []


def test_api_returns_null_for_outcomes_that_the_page_does_not_show(read, counted, branch):
    counted.rows.filter(question="found", is_shown=True).delete()
    found = next(row for row in read().json()["questions"] if row["key"] == "found")
    assert (found["rows"], found["total"]) == ([], None)


def test_api_returns_the_outcomes_of_a_quarter_only_after_the_quarter_is_counted(read, counted):
    assert read(first_day="2026-04-01").status_code == 200
    assert list(problem_of(read(first_day="2026-07-01"), 422)) == ["first_day"]
    assert list(problem_of(read(kind="year"), 422)) == ["first_day"]


def test_api_returns_outcomes_only_for_the_branches_of_the_token(ask, counted, branch):
    token = ApiTokenFactory(name="One", branches=[branch])
    assert ask("GET", "outcomes", {"branch": branch.slug}, token=token).status_code == 200
    assert list(problem_of(ask("GET", "outcomes", {"branch": "west"}, token=token), 422)) == ["branch"]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"by": "staff"}, "by"), ({"kind": "month"}, "kind"), ({"first_day": "May"}, "first_day")],
    ids=str,
)
def test_error_about_outcomes_names_the_invalid_parameter(read, parameters, field):
    assert list(problem_of(read(**parameters), 422)) == [field]


def test_reading_outcomes_runs_the_same_number_of_queries_for_1_and_30_items(
    read, counted, django_assert_num_queries
):
    read(by="item")
    for number in (1, 30):
        counted.rows.filter(breakdown="item").delete()
        for item in ItemFactory.create_batch(number):
            counted.rows.create(
                question="verdicts",
                breakdown="item",
                item=item,
                is_shown=True,
                numbers=[5] * 5,
                visits=[5] * 5,
            )
        with django_assert_num_queries(11):
            assert len(read(by="item").json()["questions"][-1]["rows"]) >= number
