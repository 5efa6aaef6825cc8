"""Test the question "Shall we write to you about it?" on the pages of the patron."""

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.conversations import actions, outcomes, verdicts
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from tests.factories import (
    HelpSessionFactory,
    QuietSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import HTMX, part, text

QUERIES = 11
QUESTION, TOLD = (
    "Shall we write to you about it?",
    "Thank you. We've told the library, and nobody will write to you about this.",
)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def answer(client, session, **data):
    return client.post(reverse("session_outcome", args=[session.public_id]), data, **HTMX)


def wish(client, about, wanted):
    name = "wish_about_session" if isinstance(about, HelpSession) else "wish_about_item"
    return client.post(reverse(name, args=[about.public_id]), {"wanted": wanted})


@pytest.mark.parametrize(
    ("found", "asked"), [("no", True), ("part", True), ("all", False), ("still_working", False)]
)
def test_only_a_patron_who_answers_no_or_partly_is_asked_whether_staff_should_write(
    me, session, found, asked
):
    swapped = answer(me, session, found=found)
    assert (QUESTION in text(swapped)) is asked
    assert part(swapped, "outcome") == part(me.get(session.get_absolute_url()), "outcome")


def test_patron_who_asks_for_an_answer_is_redirected_to_the_conversation(me, session):
    answer(me, session, found="no")
    response = wish(me, session, "yes")
    conversation = Conversation.objects.get()
    assert response.url == conversation.get_absolute_url()
    assert "Please write to me." in text(me.get(response.url))
    page = me.get(session.get_absolute_url())
    assert QUESTION not in text(page)
    assert conversation.get_absolute_url() in page.content.decode()


def test_patron_who_wanted_no_answer_can_ask_for_an_answer_later(me, session):
    answer(me, session, found="part")
    assert wish(me, session, "no").url == f"{session.get_absolute_url()}#outcome"
    page = text(me.get(session.get_absolute_url()))
    assert TOLD in page
    assert QUESTION not in page
    wish(me, session, "yes")
    conversation = Conversation.objects.get()
    assert (conversation.wants_no_answer, conversation.messages.count()) == (False, 1)
    assert TOLD not in text(me.get(session.get_absolute_url()))


def test_visit_page_asks_for_each_unhelpful_item_whether_staff_should_write(me, session):
    [first, second] = recommend_in(session, count=2)
    for item in (first, second):
        me.post(reverse("verdict", args=[item.public_id]), {"verdict": "did_not_help"})
    assert text(me.get(session.get_absolute_url())).count(QUESTION) == 2
    assert wish(me, first, "no").url == f"{session.get_absolute_url()}#rec-{first.public_id}"
    page = text(me.get(session.get_absolute_url()))
    assert (page.count(QUESTION), page.count(TOLD)) == (1, 1)
    me.post(reverse("verdict", args=[first.public_id]), {"verdict": "helped"})
    page = text(me.get(session.get_absolute_url()))
    assert (page.count(QUESTION), page.count(TOLD)) == (1, 0)


def test_invalid_answer_to_the_question_whether_staff_should_write_changes_nothing(me, session):
    answer(me, session, found="no")
    assert wish(me, session, "perhaps").status_code == 302
    assert Conversation.objects.get().wants_no_answer is False


@pytest.mark.parametrize("name", ["session_outcome", "wish_about_session"])
def test_viewer_of_a_quiet_visit_is_not_asked_whether_staff_should_write(client, branch, show_code, name):
    session = QuietSessionFactory(branch=branch)
    show_code(client, code_for(session))
    client.post(reverse(name, args=[session.public_id]), {"found": "no", "wanted": "yes"})
    session.refresh_from_db()
    assert (session.found, Conversation.objects.exists()) == ("", False)
    assert QUESTION not in text(client.get(session.get_absolute_url()))


def test_viewer_with_only_a_code_can_give_an_outcome_and_ask_for_an_answer(client, branch, show_code):
    session = HelpSessionFactory(branch=branch)
    show_code(client, code_for(session))
    answer(client, session, found="no")
    wish(client, session, "yes")
    assert Conversation.objects.get().messages.get().author is None


@pytest.mark.parametrize("name", ["wish_about_session", "session_outcome"])
def test_stranger_cannot_give_an_outcome_or_ask_for_an_answer(client, session, sign_in, name):
    response = sign_in(client, UserFactory()).post(
        reverse(name, args=[session.public_id]), {"found": "no", "wanted": "yes"}
    )
    assert response.status_code == 404
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("count", [1, 30])
def test_visit_page_runs_the_same_number_of_queries_for_1_and_30_unhelpful_items(
    me, session, patron, count, django_assert_num_queries
):
    given = recommend_in(session, count=count)
    at = timezone.now()
    outcomes.take_outcome(session, by=patron, at=at, found="no")
    for item in given:
        verdicts.take_verdict(item, verdict="did_not_help", why="", comment="", by=patron, at=at)
        outcomes.wish_for_answer(item, wanted=False, by=patron, at=at, language="en")
    with django_assert_num_queries(QUERIES):
        page = me.get(session.get_absolute_url())
    assert text(page).count(TOLD) == count


def test_conversation_about_an_outcome_is_hidden_from_the_patron_until_somebody_writes(me, session, staff):
    answer(me, session, found="no")
    row = Conversation.objects.get()
    for page in (reverse("home"), reverse("conversations"), session.get_absolute_url()):
        assert str(row.public_id) not in me.get(page).content.decode()
    assert me.get(row.get_absolute_url()).status_code == 404
    actions.close(row, by=staff, side="staff", at=timezone.now())
    assert me.get(row.get_absolute_url()).status_code == 404
