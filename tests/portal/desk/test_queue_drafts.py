"""Test how the queue marks draft answers, and how it shows the number of waiting conversations."""

import datetime
import html
import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.conversations import drafts, search
from portal.conversations.changes import raise_queue
from portal.conversations.models import Conversation, Draft
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    StaffFactory,
    TopicFactory,
)
from tests.portal.desk.test_queue import NEWS, QUEUE, counts, news, rows_of, shown, subjects, waiting

pytestmark = [pytest.mark.sql, pytest.mark.usefixtures("at_noon")]
HTMX = {"HTTP_HX_REQUEST": "true"}


def write_draft(conversation, person, body="Half an answer", *, kind="reply", side="staff", typed=None):
    drafts.save_draft(
        conversation,
        person=person,
        side=side,
        kind=kind,
        client_token=uuid.uuid4(),
        sequence=1,
        body=body,
        typed=typed,
        at=timezone.now(),
    )


def title(response):
    return html.unescape(re.search(r"<title>(.*?)</title>", shown(response), re.DOTALL)[1].strip())


def drafts_chip(response):
    """Return the text of the chip that filters by drafts, or None if there is no such chip."""
    found = re.search(r'<a [^>]*id="drafts".*?</a>', shown(response), re.DOTALL)
    return found and " ".join(html.unescape(re.sub("<[^>]*>", "", found[0])).split())


def draft_marks(response):
    """Return the text of the tag “Draft” in each row, or "" for a row without this tag."""
    marks = re.findall(r'<p class="grow">(?:<span class="tag draft">(.*?)</span> )?<a', shown(response))
    assert len(marks) == len(rows_of(response))
    return marks


# Tests of the word "Draft" in a row of the queue.


def test_queue_row_says_that_the_staff_member_has_an_unfinished_answer(desk, branch, staff):
    write_draft(waiting(branch, hours=3, subject="With an answer"), staff)
    items = {"items-TOTAL_FORMS": "1", "items-0-item": str(uuid.uuid4())}
    write_draft(waiting(branch, hours=2, subject="With an item"), staff, body="", typed=items)
    waiting(branch, subject="With nothing")
    page = desk.get(QUEUE)
    assert subjects(page) == ["With an answer", "With an item", "With nothing"]
    assert draft_marks(page) == ["Draft", "Draft", ""]


def test_queue_marks_no_draft_that_is_empty_or_a_note_or_by_another_person(desk, branch, staff, patron):
    session = HelpSessionFactory(branch=branch, patron=patron)
    conversation = ConversationFactory(help_session=session)
    write_draft(conversation, StaffFactory(branch=branch))
    write_draft(conversation, staff, kind="note")
    write_draft(conversation, patron, side="patron")
    write_draft(conversation, staff, body="", typed={"then": "turn", "items-TOTAL_FORMS": "0"})
    page = desk.get(QUEUE)
    assert draft_marks(page) == [""]
    assert drafts_chip(page) is None
    assert subjects(desk.get(QUEUE, {"drafts": "1"})) == []


def test_draft_that_a_staff_member_wrote_as_a_patron_is_not_marked_in_the_queue(desk, branch, staff):
    """A staff member can also be a patron of the library."""
    session = HelpSessionFactory(branch=branch, patron=staff)
    write_draft(ConversationFactory(help_session=session), staff, side="patron")
    assert draft_marks(desk.get(QUEUE)) == [""]


# Tests of the filter by drafts.


def test_drafts_filter_applies_to_every_list_and_every_count(desk, branch, staff):
    for subject, more in (
        ("Waiting", {}),
        ("Mine", {"assignee": staff}),
        ("Answered", {"status": "waiting_for_patron"}),
        ("Snoozed", {"status": "snoozed", "snoozed_until": datetime.date(2026, 3, 9)}),
        ("Closed", {"status": "closed"}),
    ):
        write_draft(waiting(branch, subject=subject, **more), staff)
        waiting(branch, subject=f"{subject} without a draft", **more)
    write_draft(waiting(BranchFactory(), subject="Elsewhere"), staff)
    write_draft(waiting(branch, subject="A colleague's draft"), StaffFactory(branch=branch))
    page = desk.get(QUEUE, {"drafts": "1"})
    assert sorted(subjects(page)) == ["Mine", "Waiting"]
    assert counts(page) == {"needs": "2", "mine": "1", "patron": "1", "snoozed": "1", "done": "1"}
    assert drafts_chip(page) == "Drafts 5"
    for tab, expected in (
        ("mine", "Mine"),
        ("patron", "Answered"),
        ("snoozed", "Snoozed"),
        ("done", "Closed"),
    ):
        assert subjects(desk.get(QUEUE, {"drafts": "1", "tab": tab})) == [expected]


def test_drafts_filter_can_be_combined_with_other_filters_and_the_search(desk, branch, staff):
    novels = TopicFactory()
    for subject, topic in (("Zoning maps", novels), ("Zoning rules", None), ("Compost", novels)):
        write_draft(waiting(branch, subject=subject, topic=topic), staff)
    waiting(branch, subject="Zoning without a draft", topic=novels)
    list(search.rebuild())
    assert sorted(subjects(desk.get(QUEUE, {"drafts": "1", "q": "zoning"}))) == [
        "Zoning maps",
        "Zoning rules",
    ]
    assert subjects(desk.get(QUEUE, {"drafts": "1", "q": "zoning", "topic": novels.pk})) == ["Zoning maps"]


@pytest.mark.parametrize("common_from", [5000, 0], ids=["rare word", "common word"])
def test_drafts_filter_can_be_combined_with_a_search_for_rare_or_common_words(
    desk, branch, staff, monkeypatch, common_from
):
    monkeypatch.setattr(search, "COMMON_FROM", common_from)
    write_draft(waiting(branch, subject="Zoning maps"), staff)
    write_draft(waiting(branch, subject="Compost"), staff)
    waiting(branch, subject="Zoning without a draft")
    list(search.rebuild())
    page = desk.get(QUEUE, {"drafts": "1", "q": "zoning"})
    assert (subjects(page), counts(page)["needs"]) == (["Zoning maps"], "1")


def test_drafts_chip_sets_and_clears_the_filter_and_keeps_the_list(desk, branch, staff):
    write_draft(waiting(branch, status="closed"), staff)
    page = shown(desk.get(QUEUE, {"tab": "done"}))
    chip = re.search(r'<a [^>]*id="drafts".*?>', page, re.DOTALL)[0]
    assert 'href="/desk/?tab=done&amp;drafts=1"' in chip
    assert "aria-current" not in chip
    chip = re.search(r'<a [^>]*id="drafts".*?>', shown(desk.get("/desk/?tab=done&drafts=1")), re.DOTALL)[0]
    assert 'href="/desk/?tab=done"' in chip
    assert 'aria-current="true"' in chip


def test_drafts_chip_links_to_a_list_with_drafts_if_the_shown_list_has_none(desk, branch, staff):
    write_draft(waiting(branch, status="waiting_for_patron", subject="Answered"), staff)
    waiting(branch)
    page = desk.get(QUEUE, {"drafts": "1"})
    assert "No conversations match" in shown(page)
    assert [(tab["name"], tab["count"]) for tab in page.context["elsewhere"]] == [("patron", "1")]


def test_next_link_leads_to_the_next_conversation_with_a_draft(desk, branch, staff):
    first, second, third = (waiting(branch, hours=9 - number, subject=f"{number}") for number in range(3))
    for conversation in (first, third):
        write_draft(conversation, staff)
    rows = rows_of(desk.get(QUEUE, {"drafts": "1"}))
    assert [row["cover-all"] for row in rows] == ["0", "2"]
    assert str(third.public_id) in desk.get(rows[0]["url"]).context["queue"]["next"]
    assert str(second.public_id) not in desk.get(rows[0]["url"]).context["queue"]["next"]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("query", ["", "?drafts=1"])
def test_queue_with_drafts_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, staff, rows, query, django_assert_num_queries
):
    for _ in range(rows):
        write_draft(waiting(branch), staff)
    with django_assert_num_queries(9):
        assert len(desk.get(QUEUE + query).context["rows"]) == min(rows, 25)


def test_queue_poll_shows_whether_a_draft_was_begun_or_deleted_in_another_tab(desk, branch, staff):
    conversation = waiting(branch)
    page = desk.get(QUEUE)
    write_draft(waiting(BranchFactory()), StaffFactory())
    assert news(desk, page).status_code == 204
    write_draft(conversation, staff)
    answer = news(desk, page)
    assert '<span class="tag draft">' in shown(answer)
    assert news(desk, answer).status_code == 204
    Draft.objects.filter(person=staff).delete()
    assert '<span class="tag draft">' not in shown(news(desk, answer))


# Tests of the number in the title of the browser's tab.


def fill(branch, number, **more):
    session = HelpSessionFactory(branch=branch)
    Conversation.objects.bulk_create(
        ConversationFactory.build_batch(number, help_session=session, branch=branch, **more)
    )


@pytest.mark.parametrize("number", [1, 99, 100, 237])
def test_queue_title_has_the_exact_number_of_waiting_conversations(desk, branch, staff, number):
    fill(branch, number, assignee=staff, assigned_at=timezone.now())
    assert title(desk.get(QUEUE)) == f"({number}) Needs an answer · Queue · Harbour Library"
    assert title(desk.get(QUEUE, {"tab": "done"})) == f"({number}) Done · Queue · Harbour Library"


def test_queue_title_has_no_number_if_no_conversation_waits(desk, branch):
    waiting(branch, status="closed")
    waiting(BranchFactory())
    assert title(desk.get(QUEUE)) == "Needs an answer · Queue · Harbour Library"


def test_number_in_the_queue_title_ignores_filters_and_the_search(desk, branch):
    """Otherwise, a search that finds nothing would look as if nobody were waiting."""
    waiting(branch)
    waiting(branch, at_desk_from=timezone.now() + datetime.timedelta(seconds=30))
    assert title(desk.get(QUEUE, {"q": "zebra"})).startswith("(1) ")
    assert title(desk.get(QUEUE, {"reason": "did_not_help"})).startswith("(1) ")


def test_queue_poll_updates_the_number_in_the_title(desk, branch):
    fill(branch, 120)
    page = desk.get(QUEUE)
    fill(branch, 3)
    raise_queue(branch.pk)
    answer = news(desk, page)
    assert title(answer) == "(123) Needs an answer · Queue · Harbour Library"
    Conversation.objects.update(
        status="closed", closed_at=timezone.now(), waiting_since=None, queued_at=timezone.now()
    )
    raise_queue(branch.pk)
    assert title(news(desk, answer)) == "Needs an answer · Queue · Harbour Library"


def test_queue_poll_counts_the_users_own_conversations_of_other_branches(desk, branch, staff):
    elsewhere = BranchFactory()
    own = waiting(elsewhere, assignee=staff, status="waiting_for_patron")
    page = desk.get(QUEUE)
    assert title(page) == "Needs an answer · Queue · Harbour Library"
    own.status, own.waiting_since = "waiting_for_staff", timezone.now()
    own.save()
    raise_queue(elsewhere.pk)
    answer = news(desk, page)
    assert title(answer) == "(1) Needs an answer · Queue · Harbour Library"
    raise_queue(BranchFactory().pk)
    assert news(desk, answer).status_code == 204


@pytest.mark.parametrize("number", [0, 1, 30])
def test_counting_conversations_for_the_page_title_runs_six_queries_for_0_1_and_30_rows(
    desk, branch, staff, number, django_assert_num_queries
):
    fill(branch, number)
    waiting(branch, status="closed")
    waiting(branch, at_desk_from=timezone.now() + datetime.timedelta(seconds=30))
    waiting(BranchFactory())
    absent = StaffFactory(branch=BranchFactory())
    desk.get(QUEUE)
    with django_assert_num_queries(6):
        answer = desk.get(reverse("desk_waiting"))
    assert (answer.content.decode(), answer["Content-Type"]) == (f"{number}", "text/plain; charset=utf-8")
    # The staff member covers for an absent colleague, so the number includes the colleague's conversations.
    waiting(absent.staff_roles.get().branch, assignee=absent)
    AbsenceFactory(person=absent, cover=staff)
    assert desk.get(reverse("desk_waiting")).content.decode() == f"{number + 1}"


def test_every_desk_page_has_the_url_that_returns_the_number_of_waiting_conversations(desk):
    assert f'data-waiting="{reverse("desk_waiting")}"' in shown(desk.get(reverse("record")))


def test_queue_poll_runs_no_additional_query_for_drafts(desk, branch, staff, django_assert_num_queries):
    write_draft(waiting(branch), staff)
    page = desk.get(QUEUE)
    address = html.unescape(re.search(r'data-poll="(.*?)"', shown(page))[1])
    with django_assert_num_queries(5):
        assert desk.get(address, **HTMX).status_code == 204
    with django_assert_num_queries(9):
        assert desk.get(NEWS, {"since": "?"}, **HTMX).status_code == 200
