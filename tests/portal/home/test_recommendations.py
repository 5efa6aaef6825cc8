"""Test the page with everything that was recommended to a patron, and the questions that begin there."""

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffRole
from portal.conversations import staff_notices, states
from portal.conversations.models import Conversation, Message
from portal.conversations.verdicts import take_verdict
from portal.helpsessions.models import SessionRecommendation
from portal.home.recommendations import MAX_VISITS
from portal.notifications.models import StaffNotice
from portal.paging import PAGE
from portal.privacy import retention
from recommendations.models import Recommendation
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    code_for,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import asks_to_sign_in, text

ADDRESS = reverse("recommendations")
Verdict = Recommendation.Verdict


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def visit(patron, branch, staff):
    return HelpSessionFactory(patron=patron, branch=branch, staff=staff, question="What is short?")


@pytest.fixture
def given(visit):
    [given] = recommend_in(visit, reason="You asked for snow", item__title="Snow country")
    return given


def give(visit, title, *, days_ago=0, verdict="", **kwargs):
    """Recommend a new item in the visit, and save the verdict."""
    at = timezone.now() - timedelta(days=days_ago)
    decided_at = at if verdict else None
    [given] = recommend_in(
        visit, item__title=title, recommended_at=at, verdict=verdict, decided_at=decided_at, **kwargs
    )
    return given


def titles(browser, **filters):
    return [row.item.title for row in browser.get(ADDRESS, filters).context["recommendations"]]


def answer_in(visit, title, *, days_ago=0):
    """Recommend a new item in an answer about the visit."""
    message = MessageFactory(conversation=ConversationFactory(help_session=visit), side="staff")
    at = timezone.now() - timedelta(days=days_ago)
    [given] = recommend_in_message(message, item__title=title, recommended_at=at)
    return given


# Tests of the list and its filter.


def test_recommendations_page_lists_the_latest_recommendation_first(me, visit):
    give(visit, "Kokoro", days_ago=9, verdict=Verdict.HELPED, reason="It is short")
    answer_in(visit, "Botchan", days_ago=3)
    page = me.get(ADDRESS)
    assert [row.item.title for row in page.context["recommendations"]] == ["Botchan", "Kokoro"]
    words = text(page)
    assert [each for each in ("It is short", "You said: helped", "What is short?") if each not in words] == []
    assert page.content.decode().count(f'href="{visit.get_absolute_url()}"') == 1


def test_recommendations_page_hides_recommendations_that_the_patron_may_not_see(
    me, patron, given, branch, staff
):
    """The patron must see only `given` and the recommendation with the title "Of my child"."""
    other = UserFactory()
    common = {"branch": branch, "staff": staff}
    give(HelpSessionFactory(patron=other, **common), "Of a stranger")
    give(HelpSessionFactory(patron=None, **common), "Of a visit that nobody kept")
    give(QuietSessionFactory(**common), "Of a quiet visit")
    removed = give(HelpSessionFactory(patron=patron, **common), "Removed by staff")
    SessionRecommendation.objects.filter(recommendation=removed).update(removed_at=timezone.now())
    give(HelpSessionFactory(patron=patron, **common), "In an answer not shown yet", days_ago=-1)
    give(SharedSessionFactory(patron=other, shared_with=UserFactory(), **common), "Of another child")
    give(SharedSessionFactory(patron=other, shared_with=patron, **common), "Of my child", days_ago=1)
    assert sorted(titles(me)) == ["Of my child", "Snow country"]


def test_viewer_with_only_a_code_sees_the_items_of_opened_visits_except_quiet_visits(
    client, show_code, branch, patron, given
):
    opened, quiet = HelpSessionFactory(branch=branch), QuietSessionFactory(branch=branch)
    give(opened, "Opened")
    give(quiet, "Of a quiet visit")
    for session in (opened, quiet):
        show_code(client, code_for(session))
    assert titles(client) == ["Opened"]


def test_signed_out_person_is_asked_to_sign_in_before_the_recommendations_page_opens(library):
    assert asks_to_sign_in(Client().get(ADDRESS))


def test_patron_without_recommendations_reads_how_to_get_some(me, library):
    page = text(me.get(ADDRESS))
    assert "Nothing recommended yet" in page
    assert "What you said" not in page


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["Loved", "Tried", "New", "Later", "Elsewhere"]),
        ({"verdict": "helped"}, ["Loved", "Elsewhere"]),
        ({"verdict": "none"}, ["New", "Later"]),
        ({"verdict": "partly"}, []),
        ({"verdict": "nonsense"}, ["Loved", "Tried", "New", "Later", "Elsewhere"]),
        ({"visit": "first"}, ["Loved", "Tried", "New", "Later"]),
        ({"visit": "first", "verdict": "helped"}, ["Loved"]),
        ({"visit": "second", "verdict": "helped"}, ["Elsewhere"]),
        ({"visit": "stranger"}, ["Loved", "Tried", "New", "Later", "Elsewhere"]),
        ({"visit": "nonsense"}, ["Loved", "Tried", "New", "Later", "Elsewhere"]),
    ],
)
def test_patron_can_filter_the_list_by_verdict_and_visit(me, patron, branch, filters, expected):
    first, second = HelpSessionFactory.create_batch(2, patron=patron, branch=branch)
    stranger = HelpSessionFactory(branch=branch, patron=UserFactory())
    give(first, "Loved", days_ago=1, verdict=Verdict.HELPED)
    give(first, "Tried", days_ago=2, verdict=Verdict.DID_NOT_HELP)
    give(first, "New", days_ago=3)
    answer_in(first, "Later", days_ago=4)
    give(second, "Elsewhere", days_ago=5, verdict=Verdict.HELPED)
    give(stranger, "Of a stranger", verdict=Verdict.HELPED)
    visits = {"first": first.public_id, "second": second.public_id, "stranger": stranger.public_id}
    if "visit" in filters:
        filters = {**filters, "visit": visits.get(filters["visit"], filters["visit"])}
    assert titles(me, **filters) == expected


def test_filter_offers_recent_visits_with_recommendations_and_the_chosen_visit(me, patron, branch):
    today = timezone.localdate()
    visits = [
        HelpSessionFactory(patron=patron, branch=branch, happened_on=today - timedelta(days=number))
        for number in range(MAX_VISITS + 1)
    ]
    for number, visit in enumerate(visits):
        give(visit, f"Title {number}", days_ago=number)
    HelpSessionFactory(patron=patron, branch=branch, happened_on=today)
    offered = me.get(ADDRESS).context["visits"]
    assert offered == visits[:-1]
    page = me.get(ADDRESS, {"visit": visits[-1].public_id})
    assert (page.context["visits"], page.context["visit"]) == (visits, visits[-1])


def test_link_to_older_recommendations_has_the_same_filter(me, visit):
    for number in range(PAGE + 2):
        give(visit, f"Title {number:02}", days_ago=number, verdict=Verdict.HELPED)
    give(visit, "No answer")
    page = me.get(ADDRESS, {"verdict": "helped"})
    older = re.search(r'href="([^"]*after=[^"]*)"', page.content.decode())[1].replace("&amp;", "&")
    assert [row.item.title for row in me.get(f"{ADDRESS}{older}").context["recommendations"]] == [
        f"Title {PAGE:02}",
        f"Title {PAGE + 1:02}",
    ]


def test_recommendations_page_shows_no_recommendations_of_a_forgotten_visit(me, visit, given):
    assert titles(me) == ["Snow country"]
    retention.forget(at=timezone.now() + timedelta(days=400))
    assert titles(me) == []


@pytest.mark.parametrize("rows", [1, 30])
def test_recommendations_page_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, branch, staff, rows, django_assert_num_queries
):
    for number in range(rows):
        visit = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
        give(visit, f"Title {number}", days_ago=number)
        answer_in(visit, f"Answer {number}", days_ago=number)
    me.get(ADDRESS)
    with django_assert_num_queries(8):
        me.get(ADDRESS)


def test_list_uses_the_database_index_for_a_patrons_recommendations(me, given):
    with CaptureQueriesContext(connection) as queries:
        me.get(ADDRESS)
    [sql] = [each["sql"] for each in queries if each["sql"].count("ORDER BY") and '"reason"' in each["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table with few rows is quicker to read and sort without an index.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            scan = (
                r"Index Scan using \w+ on recommendations_recommendation .*\n *Index Cond: \(\(patron_id = "
            )
            assert re.search(scan, plan)
            # The index gives the rows in the order of their times, so only rows with the same time are sorted.
            assert "Presorted Key: recommendations_recommendation.recommended_at" in plan
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row) for row in cursor.fetchall())
            assert "patron_id=?" in plan
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan


# Tests of "More like this" and "Something different".


def wish(browser, given, wished="more", body=None, token=None):
    """Open the page with the suggested question, and send the question. Return the conversation.

    If the page can't be opened, return its HTTP status instead.
    """
    address = f"{reverse('ask_about_item', args=[given.public_id])}?for={wished}"
    page = browser.get(address)
    if page.status_code != 200:
        return page.status_code
    body = body or page.context["form"]["body"].value()
    browser.post(address, {"body": body, "client_token": token or str(uuid.uuid4())})
    return Conversation.objects.get(recommendation=given)


@pytest.mark.parametrize(
    ("wished", "body"),
    [
        ("more", "Can you suggest more like “Snow country”?"),
        ("other", "You suggested “Snow country”. Can you suggest something different?"),
    ],
)
def test_request_for_another_recommendation_starts_a_conversation_with_the_helper(
    me, given, visit, staff, patron, wished, body
):
    conversation = wish(me, given, wished)
    [message] = Message.objects.all()
    assert (message.body, message.author, message.side) == (body, patron, "patron")
    assert (conversation.assignee, conversation.help_session, conversation.status) == (
        staff,
        visit,
        "waiting_for_staff",
    )
    replay, state = states.replay(conversation), states.state_of(conversation)
    assert replace(replay, at_desk_from=state.at_desk_from) == state


@pytest.mark.parametrize("case", ["away", "away, nobody covers", "left", "question of another kind"])
def test_request_to_an_absent_helper_goes_to_the_covering_colleague_or_the_branch(
    me, given, visit, staff, branch, library, case
):
    cover = StaffFactory(branch=branch)
    today = library.today(timezone.now())
    if "away" in case:
        covers = cover if case == "away" else None
        AbsenceFactory(person=staff, first_day=today, last_day=today, cover=covers)
    if case == "left":
        StaffRole.objects.filter(user=staff).delete()
    conversation = wish(me, given, "nonsense" if case == "question of another kind" else "more", body="Hi")
    assert (conversation.assignee, conversation.branch) == (cover if case == "away" else None, branch)


def test_request_about_an_item_in_an_answer_is_assigned_to_the_author_of_the_answer(
    me, visit, staff, sign_in
):
    given = answer_in(visit, "Botchan")
    known = Conversation.objects.get()
    address = f"{reverse('ask_about_item', args=[given.public_id])}?for=more"
    me.post(address, {"body": "More, please", "client_token": uuid.uuid4()})
    conversation = Conversation.objects.get()
    assert (conversation, conversation.assignee) == (known, staff)
    [event] = conversation.desk_events.all()
    assert (event.kind, event.to, event.was, event.by) == ("requested", staff, None, None)
    assert StaffNotice.objects.filter(kind=staff_notices.REPLY).count() == 1
    desk = sign_in(Client(), staff).get(reverse("desk_conversation", args=[conversation.public_id]))
    assert f"Assigned to {staff}, because the patron asked for another recommendation" in text(desk)


@pytest.mark.parametrize("case", ["assigned", "comes back", "moved"])
def test_request_for_another_recommendation_does_not_reassign_a_colleagues_conversation(
    me, visit, staff, branch, case
):
    given, colleague = answer_in(visit, "Botchan"), StaffFactory(branch=branch)
    changes = {
        "assigned": {"assignee": colleague, "assigned_at": timezone.now()},
        "comes back": {"comes_back_to": colleague},
        "moved": {"branch": BranchFactory()},
    }[case]
    Conversation.objects.filter().update(**changes)
    address = f"{reverse('ask_about_item', args=[given.public_id])}?for=more"
    me.post(address, {"body": "More, please", "client_token": uuid.uuid4()})
    conversation = Conversation.objects.get()
    assert conversation.messages.filter(side="patron").count() == 1
    assert conversation.assignee == (colleague if case == "assigned" else None)


def test_request_for_another_recommendation_continues_the_conversation_about_the_item(
    me, given, patron, staff
):
    take_verdict(given, verdict="did_not_help", why="", comment="", by=patron, at=timezone.now())
    before = Conversation.objects.get()
    conversation = wish(me, given, "other", body="Something with less snow, please")
    assert (conversation, conversation.assignee) == (before, staff)
    assert [message.body for message in conversation.messages.all()] == ["Something with less snow, please"]


def test_request_for_another_recommendation_sent_twice_saves_one_message(me, given):
    token = str(uuid.uuid4())
    assert [wish(me, given, token=token).messages.count() for _tap in range(2)] == [1, 1]


def test_viewer_with_only_a_code_can_ask_the_helper_for_another_recommendation(
    client, show_code, branch, staff
):
    opened = HelpSessionFactory(branch=branch, staff=staff)
    given = give(opened, "Opened")
    show_code(client, code_for(opened))
    assert wish(client, given).assignee == staff


def test_item_page_of_a_quiet_visit_does_not_offer_another_recommendation(client, show_code, branch, staff):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    given = give(quiet, "Of a quiet visit")
    show_code(client, code_for(quiet))
    page = client.get(reverse("item", args=[given.item.public_id])).content.decode()
    assert "?for=" not in page
    asked = client.get(f"{reverse('ask_about_item', args=[given.public_id])}?for=more")
    assert asked.context["form"]["body"].value() in ("", None)
    assert wish(client, given, body="Hi").assignee is None


def test_stranger_cannot_ask_about_a_patrons_recommendation(given, client, sign_in):
    assert wish(sign_in(client, UserFactory()), given) == 404


def test_item_page_offers_more_like_this_and_something_different(me, given):
    page = me.get(reverse("item", args=[given.item.public_id])).content.decode()
    ask = reverse("ask_about_item", args=[given.public_id])
    assert [f'href="{ask}?for={wished}"' in page for wished in ("more", "other")] == [True, True]
