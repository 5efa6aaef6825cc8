import datetime

import pytest
from django.utils import timezone

from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, TopicFactory, recommend_in

pytestmark = pytest.mark.usefixtures("at_noon")
QUEUE = "/desk/"


def shown(response):
    return response.content.decode()


def hours_ago(hours):
    return timezone.now() - datetime.timedelta(hours=hours)


def waiting(branch, *, hours=1, **kwargs):
    return ConversationFactory(help_session=HelpSessionFactory(branch=branch, topic=kwargs.pop("topic", None)), opened_at=hours_ago(hours), **kwargs)


def test_the_longest_wait_comes_first_and_only_of_own_branches(desk, branch):
    waiting(branch, hours=2, subject="Second")
    waiting(branch, hours=30, subject="First")
    waiting(HelpSessionFactory().branch, subject="Elsewhere")
    waiting(branch, subject="Answered", status="waiting_for_patron")
    waiting(branch, subject="Closed", status="closed")
    waiting(branch, subject="In its minute of grace", at_desk_from=timezone.now() + datetime.timedelta(seconds=30))
    assert [row.subject for row in desk.get(QUEUE).context["rows"]] == ["First", "Second"]


def test_a_row_says_why_how_long_and_against_what_promise(desk, branch, item):
    session = HelpSessionFactory(branch=branch, topic=TopicFactory(name="Novels"))
    given = recommend_in(session, item=item)[0]
    ConversationFactory(
        help_session=session, recommendation=given, reason="could_not_get_it", opened_at=hours_ago(30), promised_at=hours_ago(6), subject="To Kill"
    )
    page = shown(desk.get(QUEUE))
    for words in (
        "Could not get it",
        "Waiting 1\xa0day, 6\xa0hours",
        "Overdue: promised by",
        "Novels",
        "To Kill a Mockingbird",
        branch.name,
        "by code, no name",
    ):
        assert words in page


def test_one_that_is_in_time_is_not_called_overdue(desk, branch):
    waiting(branch, promised_at=hours_ago(-3))
    page = shown(desk.get(QUEUE))
    assert "Overdue" not in page
    assert "Promised by" in page


def test_an_empty_queue_says_what_will_be_there(desk):
    assert "Nobody waits" in shown(desk.get(QUEUE))


def test_the_pages_of_the_queue_hold_everybody_once(desk, branch):
    for hours in range(35):
        waiting(branch, hours=hours // 2)
    first = desk.get(QUEUE)
    rest = desk.get(QUEUE + f"?after={first.context['after']}")
    rows = [row.pk for page in (first, rest) for row in page.context["rows"]]
    assert (len(rows), len(set(rows)), rest.context["after"]) == (35, 35, None)


@pytest.mark.parametrize("after", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_page_that_is_gone_is_the_first(desk, branch, after):
    waiting(branch)
    assert len(desk.get(QUEUE + f"?after={after}").context["rows"]) == 1


@pytest.mark.parametrize("rows", [1, 30])
def test_the_queue_costs_the_same_whatever_its_length(desk, branch, patron, rows, django_assert_num_queries):
    for _ in range(rows):
        session = HelpSessionFactory(branch=branch, topic=TopicFactory(), patron=patron)
        MessageFactory(conversation=ConversationFactory(help_session=session, recommendation=recommend_in(session)[0]))
    with django_assert_num_queries(7):
        assert len(desk.get(QUEUE).context["rows"]) == rows


def test_what_came_a_moment_ago_waits_seconds(desk, branch):
    waiting(branch, hours=20 / 3600)
    assert "Waiting 20 seconds" in shown(desk.get(QUEUE))
