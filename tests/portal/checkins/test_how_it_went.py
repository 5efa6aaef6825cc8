"""Test the page that opens from the link in a check-in email."""

import datetime
import re
import uuid

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library
from accounts.sign_in.sign_ins import LAST_USED_ON
from portal import limits
from portal.checkins import links
from portal.checkins.models import CheckIn
from portal.conversations.models import Conversation, Message
from portal.conversations.outcomes import take_outcome, wish_for_answer
from portal.helpsessions.models import HelpSession
from portal.notifications.bounces import FailingAddress
from portal.notifications.choices import turn_off
from recommendations.models import Recommendation
from tests.architecture.test_sweeps import rows
from tests.factories import ConversationFactory, MessageFactory, StaffFactory, UserFactory, recommend_in

from .test_links import asked

pytestmark = pytest.mark.django_db
MOMENT = re.compile(r"[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[0-9:.+]+")
PREFETCH = {"headers": {"Sec-Purpose": "prefetch;prerender"}}
TITLE = "Composting for Balconies"


@pytest.fixture
def linked(db):
    """Return (check-in, address of its link). The check-in is about a visit with two items."""
    check_in, token = asked()
    recommend_in(check_in.help_session, 2, item__title=TITLE)
    return check_in, reverse("how_it_went", args=[token])


@pytest.fixture
def opened(linked, client, sign_in):
    """Return (check-in, address of its link, browser in which the patron is signed in)."""
    check_in, url = linked
    return check_in, url, sign_in(client, check_in.asked)


def visit_of(check_in):
    return HelpSession.objects.get(pk=check_in.help_session_id)


def text_of(response):
    return " ".join(response.content.decode().split())


def allow_titles(check_in):
    check_in.asked.check_in_titles = True
    check_in.asked.save()


def token():
    return {"client_token": str(uuid.uuid4())}


# Tests of what one tap saves.


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("question", "answer"),
    [("found", "all"), ("found", "still_working"), ("satisfaction", "poor"), ("would_return", "maybe")],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_patron_answers_by_link_with_one_tap(client, linked, question, answer, htmx):
    check_in, url = linked
    response = client.post(url, {question: answer}, headers={"HX-Request": "true"} if htmx else {})
    visit = visit_of(check_in)
    assert (getattr(visit, question), visit.answered_by_link) == (answer, question == "found")
    assert getattr(visit, f"{question}_at") is not None
    assert CheckIn.objects.get().status == "answered"
    assert response.status_code == 200
    assert text_of(response).count('aria-pressed="true"') == 1
    assert ("<html" in text_of(response)) != htmx


def test_patron_can_answer_a_check_in_again_with_the_same_link(client, linked):
    check_in, url = linked
    for answer in ("all", "part", "something_else"):
        client.post(url, {"found": answer})
    assert visit_of(check_in).found == "something_else"


def test_check_in_page_says_which_staff_member_or_branch_got_the_answer(client, linked):
    check_in, url = linked
    cover = StaffFactory(name="Omar Haddad", branch=check_in.help_session.branch)
    for asked_by, name in ((cover, "Omar Haddad"), (None, check_in.help_session.branch)):
        CheckIn.objects.update(asked_by=asked_by)
        assert f"Your answer has reached {name}." in text_of(client.post(url, {"found": "all"}))


def test_check_in_page_says_that_a_tap_is_saved_and_that_one_answer_is_enough(client, linked):
    _check_in, url = linked
    assert "Each tap is saved right away. One answer is enough." in text_of(client.get(url))
    assert "You can change your answer or close this page." in text_of(
        client.post(url, {"satisfaction": "good"})
    )


@pytest.mark.parametrize("htmx", [True, False])
def test_check_in_page_that_asks_a_further_question_does_not_suggest_closing_the_page(client, linked, htmx):
    check_in, url = linked
    allow_titles(check_in)
    item = Recommendation.objects.first()
    for pressed in ({"found": "no"}, {f"verdict-{item.public_id}": "did_not_help"}):
        page = text_of(client.post(url, pressed, headers={"HX-Request": "true"} if htmx else {}))
        assert "You can change your answer." in page
        assert "close this page" not in page


def test_check_in_page_says_which_answers_staff_read_and_which_are_only_counted(client, linked):
    check_in, url = linked
    page = text_of(client.get(url)).replace("&#x27;", "'")
    branch = check_in.help_session.branch
    assert f"Staff at {branch} can read your answers, except those marked “Only counted”." in page
    counted = "Only counted: staff see totals, not your answer."
    questions = ["Did you find what you needed?", "How was the help?", "Would you come back"]
    found, satisfaction, would_return = (page.index(question) for question in questions)
    assert counted not in page[found:satisfaction]
    assert counted in page[satisfaction:would_return]
    assert counted in page[would_return:]
    assert page.count(counted) == 2


@pytest.mark.parametrize("answer", ["no", "part"])
def test_patron_who_answers_no_or_partly_by_link_is_asked_whether_staff_should_write(client, linked, answer):
    check_in, url = linked
    page = text_of(client.post(url, {"found": answer}))
    conversation = Conversation.objects.get()
    assert (conversation.is_about_outcome, conversation.assignee) == (True, check_in.help_session.staff)
    assert "Shall we write to you about it?" in page
    assert "Shall we write to you" not in text_of(client.post(url, {"found": "all"}))


def test_typed_text_is_sent_when_the_patron_asks_for_an_answer(client, linked):
    check_in, url = linked
    client.post(url, {"found": "no"})
    page = text_of(client.post(url, {"was-found": "no", "wish": "yes", "body": "No soil test.", **token()}))
    message = Message.objects.get()
    assert (message.body, message.by_link, message.author) == ("No soil test.", True, None)
    assert message.conversation.is_about_outcome
    assert not message.conversation.wants_no_answer
    assert "No soil test." not in page


@pytest.mark.parametrize("htmx", [True, False])
def test_check_in_page_confirms_a_message_only_if_the_patron_typed_one(client, linked, htmx):
    _check_in, url = linked
    client.post(url, {"found": "no"})
    headers = {"HX-Request": "true"} if htmx else {}
    wish = {"was-found": "no", "wish": "yes"}
    with_words = text_of(client.post(url, wish | {"body": "No soil test.", **token()}, headers=headers))
    assert "We have your message, and will write to you." in with_words
    without_words = text_of(client.post(url, wish | token(), headers=headers)).replace("&#x27;", "'")
    assert "We'll write to you." in without_words
    assert "We have your message" not in without_words


@pytest.mark.parametrize("htmx", [True, False])
def test_question_whether_staff_should_write_is_above_the_text_field_and_the_next_question(
    client, linked, htmx
):
    _check_in, url = linked
    page = text_of(client.post(url, {"found": "no"}, headers={"HX-Request": "true"} if htmx else {}))
    places = [page.index(text) for text in ('id="wish-yes"', 'id="wish-no"', 'id="id_body"', 'id="send"')]
    assert places == sorted(places)
    assert places[-1] < page.index("How was the help?")
    assert page.count('name="body"') == page.count('name="send"') == 1


@pytest.mark.parametrize(("wish", "wants_no_answer"), [("", False), ("yes", False), ("no", True)])
def test_message_does_not_change_the_patrons_choice_whether_staff_should_write(
    client, linked, wish, wants_no_answer
):
    _check_in, url = linked
    client.post(url, {"found": "no"})
    if wish:
        client.post(url, {"was-found": "no", "wish": wish})
    data = {"was-found": "no", "was-wish": wish, "send": "1", "body": "No soil test.", **token()}
    for _time in range(2):
        page = text_of(client.post(url, data))
    assert "The library has your answer." in page
    conversation = Conversation.objects.get()
    assert (conversation.is_about_outcome, conversation.wants_no_answer) == (True, wants_no_answer)
    assert conversation.messages.filter(body="No soil test.", by_link=True).count() == 1


def test_patron_who_wants_no_answer_sends_no_message_but_can_ask_for_an_answer_later(client, linked):
    check_in, url = linked
    client.post(url, {"found": "no"})
    page = text_of(client.post(url, {"was-found": "no", "wish": "no"}))
    assert Conversation.objects.get().wants_no_answer
    assert not Message.objects.exists()
    assert "Nobody will write to you about this" in page
    client.post(url, {"was-found": "no", "was-wish": "no", "wish": "yes"})
    assert not Conversation.objects.get().wants_no_answer
    assert Message.objects.get().by_link


def test_invalid_answer_by_link_saves_nothing(client, linked):
    check_in, url = linked
    before = rows()
    for data in (
        {"found": "everything"},
        {"found": ["all", "nonsense"]},
        {"wish": "yes"},
        {"wish": "perhaps", "was-found": "no"},
        {"satisfaction": "\x00"},
        {f"verdict-{uuid.uuid4()}": "helped"},
        {"verdict-": "helped"},
        {"later": "1", "day": "2026-02-31"},
        {"later": "1", "day": "0001-01-01"},
        {"later": "1"},
        {"send": "1"},
        {"send": "1", "body": " \n "},
        {"send": "1", "body": "x" * 5001},
        {},
    ):
        assert client.post(url, data).status_code in {200, 422}
    assert rows() == before


# Tests of what the page shows.


def test_check_in_page_shows_no_item_or_question_or_topic_of_the_visit(client, linked):
    check_in, url = linked
    page = text_of(client.get(url))
    visit = check_in.help_session
    assert check_in.asked_by.name in page
    assert f"Staff at {visit.branch} can read your answers" in page
    secrets = [visit.question, visit.summary, TITLE, check_in.asked.name, check_in.asked.email]
    assert [words for words in secrets if words in page] == []


def test_check_in_page_mentions_only_the_branch_if_no_staff_member_asks(client, linked):
    check_in, url = linked
    CheckIn.objects.update(asked_by=None)
    assert f"The staff at {check_in.help_session.branch} would like to know" in text_of(client.get(url))


def test_check_in_page_opened_again_by_link_does_not_show_the_earlier_answers(client, linked):
    check_in, url = linked
    allow_titles(check_in)
    [first, _second] = Recommendation.objects.order_by("pk")

    def shown():
        # Remove the client token of the text field, because each page has a new token.
        return re.sub(r"[0-9a-f-]{36}", "", text_of(Client().get(url)))

    before = shown()
    client.post(url, {"found": "no", "satisfaction": "poor", "would_return": "no"})
    client.post(url, {"was-found": "no", "wish": "yes", "body": "Secret words", **token()})
    client.post(url, {"send": "1", "body": "More secret words", **token()})
    client.post(url, {f"verdict-{first.public_id}": "did_not_help"})
    assert visit_of(check_in).found == "no"
    assert Message.objects.count() == 2
    assert 'name="all_helped"' in before
    assert shown() == before


def test_check_in_page_shows_the_answers_that_were_given_after_the_page_was_opened(client, linked):
    _check_in, url = linked
    response = client.post(url, {"satisfaction": "good"})
    page = text_of(response)
    assert '<input type="hidden" name="was-satisfaction" value="good">' in page
    page = text_of(client.post(url, {"was-satisfaction": "good", "found": "all"}))
    assert page.count('aria-pressed="true"') == 2
    # The page ignores an invalid earlier answer, and does not repeat its text.
    assert "nonsense" not in text_of(client.post(url, {"was-satisfaction": "nonsense", "found": "all"}))


def test_typed_text_stays_in_the_field_when_the_patron_taps_an_answer(client, linked):
    _check_in, url = linked
    page = text_of(client.post(url, {"found": "all", "body": "Half a <sentence>"}))
    assert "Half a &lt;sentence&gt;" in page
    assert not Message.objects.exists()


def test_signed_out_person_sees_titles_on_the_check_in_page_only_if_the_patron_allowed_titles(client, linked):
    check_in, url = linked
    assert TITLE not in text_of(client.get(url))
    first = Recommendation.objects.order_by("pk").first()
    client.post(url, {f"verdict-{first.public_id}": "helped"})
    client.post(url, {"all_helped": "1"})
    assert not Recommendation.objects.exclude(verdict="").exists()
    allow_titles(check_in)
    page = text_of(client.get(url))
    assert page.count(TITLE) == 2
    assert check_in.help_session.question not in page
    client.post(url, {f"verdict-{first.public_id}": "helped"})
    first.refresh_from_db()
    assert (first.verdict, first.by_link) == ("helped", True)


def test_verdict_by_link_does_not_delete_an_earlier_comment(client, linked):
    check_in, url = linked
    allow_titles(check_in)
    first = Recommendation.objects.order_by("pk").first()
    Recommendation.objects.filter(pk=first.pk).update(
        verdict="partly", decided_at=timezone.now(), comment="Too short"
    )
    page = text_of(client.post(url, {f"verdict-{first.public_id}": "helped"}))
    first.refresh_from_db()
    assert (first.verdict, first.comment) == ("helped", "Too short")
    assert "Too short" not in page


def test_signed_in_patron_can_undo_pressing_the_all_helped_button(opened):
    check_in, url, client = opened
    assert "Mark the 2 unanswered items as helpful" in text_of(client.get(url))
    page = text_of(client.post(url, {"all_helped": "1"}))
    assert set(Recommendation.objects.values_list("verdict", "by_link")) == {("helped", False)}
    assert page.count('aria-pressed="true"') == 2
    marked_at = Recommendation.objects.first().decided_at
    page = text_of(client.post(url, {"undo_all_helped": marked_at.isoformat()}))
    assert set(Recommendation.objects.values_list("verdict", "by_link")) == {("", False)}
    assert page.count('aria-pressed="true"') == 0


def test_patron_can_undo_pressing_the_all_helped_button_by_link(client, linked):
    check_in, url = linked
    allow_titles(check_in)
    assert "Mark the unanswered items as helpful" in text_of(client.get(url))
    client.post(url, {"all_helped": "1"})
    assert set(Recommendation.objects.values_list("verdict", "by_link")) == {("helped", True)}
    marked_at = Recommendation.objects.first().decided_at
    client.post(url, {"undo_all_helped": marked_at.isoformat()})
    assert set(Recommendation.objects.values_list("verdict", "by_link")) == {("", False)}


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_all_helped_button_does_not_reveal_how_many_items_already_have_verdicts(client, linked, answered):
    check_in, url = linked
    allow_titles(check_in)

    def shown(data):
        return MOMENT.sub("", text_of(client.post(url, data)))

    for page in ({}, {"all_helped": "1"}, {"undo_all_helped": timezone.now().isoformat()}):
        Recommendation.objects.update(verdict="", decided_at=None)
        expected = shown(page)
        for row in Recommendation.objects.order_by("pk")[:answered]:
            Recommendation.objects.filter(pk=row.pk).update(verdict="partly", decided_at=timezone.now())
        assert shown(page) == expected
        assert Recommendation.objects.filter(verdict="partly").count() == answered


def test_undo_by_link_does_not_withdraw_verdicts_that_the_patron_gave_while_signed_in(client, linked):
    check_in, url = linked
    allow_titles(check_in)
    at = timezone.now()
    Recommendation.objects.update(verdict="helped", decided_at=at)
    client.post(url, {"undo_all_helped": at.isoformat()})
    assert set(Recommendation.objects.values_list("verdict", flat=True)) == {"helped"}


@pytest.mark.parametrize("signed_in", [True, False])
def test_check_in_link_can_withdraw_a_request_for_an_answer_only_if_the_link_sent_the_request(
    client, linked, signed_in
):
    check_in, url = linked
    visit = check_in.help_session
    wish = {"by": check_in.asked if signed_in else None, "by_link": not signed_in, "at": timezone.now()}
    take_outcome(visit, found="no", **wish)
    wish_for_answer(visit, wanted=True, language="en", **wish)
    page = text_of(client.post(url, {"was-found": "no", "wish": "no"}))
    assert Conversation.objects.get().wants_no_answer == (not signed_in)
    assert "unless you have asked for an answer in your account" in page


def test_signed_in_patron_can_withdraw_the_request_for_an_answer(opened):
    check_in, url, client = opened
    client.post(url, {"found": "no"})
    client.post(url, {"was-found": "no", "wish": "yes", **token()})
    page = text_of(client.post(url, {"was-found": "no", "wish": "no", **token()}))
    assert Conversation.objects.get().wants_no_answer
    assert "nobody will write to you about this." in page


def test_patron_who_gives_a_bad_verdict_by_link_can_ask_for_an_answer(client, linked):
    check_in, url = linked
    allow_titles(check_in)
    first = Recommendation.objects.order_by("pk").first()
    name = f"verdict-{first.public_id}"
    page = text_of(client.post(url, {name: "did_not_help"}))
    assert f'name="wish-{first.public_id}"' in page
    client.post(url, {f"was-{name}": "did_not_help", f"wish-{first.public_id}": "yes"})
    conversation = Conversation.objects.get()
    assert conversation.recommendation == first
    assert conversation.messages.get().by_link


# Tests of a browser that may open the visit without the link.


def test_answers_of_a_signed_in_patron_do_not_count_as_given_by_link(opened):
    check_in, url, client = opened
    assert text_of(client.get(url)).count(TITLE) >= 2
    client.post(url, {"found": "part"})
    client.post(url, {"all_helped": "1"})
    client.post(url, {"send": "1", "body": "Thank you", **token()})
    assert not visit_of(check_in).answered_by_link
    assert not Recommendation.objects.filter(by_link=True).exists()
    message = Message.objects.get()
    assert (message.by_link, message.author) == (False, check_in.asked)


def test_message_by_link_does_not_name_another_patron_who_is_signed_in(linked, client, sign_in):
    check_in, url = linked
    sign_in(client, UserFactory())
    assert TITLE not in text_of(client.get(url))
    client.post(url, {"send": "1", "body": "Thank you", **token()})
    message = Message.objects.get()
    assert (message.by_link, message.author) == (True, None)


def test_answers_of_the_adult_about_a_childs_visit_count_as_given_by_link(linked, client, sign_in):
    """Check also that the page shows no titles and no words of the helper.

    The visit's own page shows the titles, because the adult may open the visit.
    """
    check_in, url = linked
    type(check_in.asked).objects.update(name="Mia", child_since=timezone.now())
    adult, now = UserFactory(has_shared_visits=True), timezone.now()
    HelpSession.objects.update(with_child="shared", shared_with=adult, shared_at=now)
    visit = visit_of(check_in)
    sign_in(client, adult)
    assert TITLE in text_of(client.get(visit.get_absolute_url()))

    page = client.get(url)

    assert page.context["page"].letter == ""
    assert TITLE not in text_of(page)
    client.post(url, {"found": "part"})
    client.post(url, {"send": "1", "body": "Thank you", **token()})
    message = Message.objects.get()
    assert (message.by_link, message.author) == (True, None)
    assert visit_of(check_in).answered_by_link


def test_answers_of_a_signed_in_child_about_a_shared_visit_do_not_count_as_given_by_link(opened):
    check_in, url, client = opened
    type(check_in.asked).objects.update(name="Mia", child_since=timezone.now())
    adult, now = UserFactory(has_shared_visits=True), timezone.now()
    HelpSession.objects.update(with_child="shared", shared_with=adult, shared_at=now)
    assert TITLE in text_of(client.get(url))
    client.post(url, {"found": "part"})
    assert not visit_of(check_in).answered_by_link


def test_link_of_a_check_in_gives_no_access_to_the_visit(client, linked):
    check_in, url = linked
    client.get(url)
    client.post(url, {"found": "no"})
    client.post(url, {"send": "1", "body": "Thank you", **token()})
    for page in (check_in.help_session, Conversation.objects.get()):
        assert client.get(page.get_absolute_url()).url.startswith(reverse("sign_in"))
    assert TITLE not in text_of(client.get(reverse("home")))


# Tests of the text that the patron types.


def test_text_sent_by_link_starts_a_conversation_about_the_visit(client, linked):
    check_in, url = linked
    page = text_of(client.post(url, {"send": "1", "body": "It rained.", **token()}))
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.patron) == (check_in.help_session, check_in.asked)
    assert conversation.messages.get().by_link
    assert "It rained." not in page
    assert str(conversation.public_id) not in page
    assert CheckIn.objects.get().status == "answered"


@pytest.mark.parametrize("status", ["waiting_for_staff", "waiting_for_patron"])
def test_text_sent_by_link_is_added_to_an_open_conversation_about_the_visit(client, linked, status):
    check_in, url = linked
    conversation = ConversationFactory(help_session=check_in.help_session, status=status)
    MessageFactory(conversation=conversation, body="An earlier question")
    page = text_of(client.post(url, {"send": "1", "body": "It rained.", **token()}))
    assert conversation.messages.count() == 2
    assert Conversation.objects.count() == 1
    assert "An earlier question" not in page


def test_text_sent_by_link_is_not_added_to_closed_conversations_or_conversations_about_an_item(
    client, linked
):
    check_in, url = linked
    visit = check_in.help_session
    ConversationFactory(help_session=visit, status="closed")
    ConversationFactory(help_session=visit, recommendation=Recommendation.objects.first())
    client.post(url, {"send": "1", "body": "It rained.", **token()})
    assert Message.objects.get().conversation.pk == Conversation.objects.latest("pk").pk


def test_text_sent_repeatedly_by_link_is_saved_once(client, linked):
    _check_in, url = linked
    data = {"send": "1", "body": "It rained.", **token()}
    for _time in range(3):
        assert client.post(url, data).status_code == 200
    assert Message.objects.count() == 1


def test_text_that_is_too_long_for_a_message_is_shown_again_on_the_check_in_page(client, linked):
    _check_in, url = linked
    response = client.post(url, {"send": "1", "body": "x" * 5001, **token()})
    assert response.status_code == 422
    assert "x" * 5001 in text_of(response)


def test_check_in_page_says_where_the_patron_will_get_the_answer(opened):
    check_in, url, client = opened
    assert "you&#x27;ll get an email" in text_of(client.get(url)).replace("'", "&#x27;")
    FailingAddress.objects.create(
        person=check_in.asked, email=check_in.asked.email, failed_at=timezone.now(), off_at=timezone.now()
    )
    assert "in your library account, under Messages" in text_of(client.get(url))
    FailingAddress.objects.all().delete()
    turn_off(check_in.asked, ["conversations/answer"])
    assert "in your library account, under Messages" in text_of(client.get(url))


# Tests of "Ask me later" and "Don't ask about this visit".


def test_patron_can_choose_by_link_when_to_be_asked_again(client, linked):
    check_in, url = linked
    day = Library.current().today() + datetime.timedelta(days=5)
    assert "ask you on" in text_of(client.post(url, {"later": "1", "day": day.isoformat()}))
    planned = CheckIn.objects.get(status="planned")
    assert (planned.due_on, planned.set_by) == (day, "patron")


@pytest.mark.parametrize("days", [0, -1, 200])
def test_check_in_link_refuses_a_day_in_the_past_or_far_in_the_future(client, linked, days):
    _check_in, url = linked
    day = Library.current().today() + datetime.timedelta(days=days)
    response = client.post(url, {"later": "1", "day": day.isoformat()})
    assert response.status_code == 422
    assert CheckIn.objects.get().status == "asked"


def test_patron_can_turn_off_check_ins_for_the_visit_by_link(client, linked):
    check_in, url = linked
    assert "ask about this visit again" in text_of(client.post(url, {"leave_out": "1"}))
    assert visit_of(check_in).check_ins == "none"
    assert CheckIn.objects.get().status == "skipped"


# Tests that only a POST changes anything.


@pytest.mark.parametrize("who", ["nobody", "the patron"])
def test_opening_a_check_in_link_changes_no_row(linked, client, sign_in, who):
    check_in, url = linked
    if who == "the patron":
        session = sign_in(client, check_in.asked).session
        session[LAST_USED_ON] = "2020-01-01"
        session.save()
    before, sessions = rows(), sorted(Session.objects.values_list())
    for send in (client.get, client.head, client.options):
        for headers in ({}, PREFETCH):
            assert send(url, **headers).status_code in {200, 405}
    assert rows() == before
    assert sorted(Session.objects.values_list()) == sessions
    assert not limits.LimitCount.objects.exists()
    if who == "the patron":
        # Opening another page stores today's date in the session, which proves that the comparison above can
        # fail.
        client.get(reverse("help_sessions"))
        assert sorted(Session.objects.values_list()) != sessions


def test_answering_a_check_in_by_link_creates_no_browser_session(client, linked):
    _check_in, url = linked
    client.post(url, {"found": "all"})
    assert not Session.objects.exists()


def test_answering_a_check_in_by_link_needs_no_cookie(linked):
    check_in, url = linked
    assert Client(enforce_csrf_checks=True).post(url, {"found": "all"}).status_code == 200
    assert visit_of(check_in).found == "all"


# Tests of links that don't work.


def ended(client, url):
    response = client.get(url)
    return response.status_code, response.content


def test_every_unusable_check_in_link_leads_to_the_same_page(client, linked):
    check_in, url = linked
    pages = [ended(client, reverse("how_it_went", args=[text])) for text in ("x", "A" * 22, "é" * 500)]
    CheckIn.objects.update(link_ends_at=timezone.now())
    pages.append(ended(client, url))
    CheckIn.objects.update(link_ends_at=timezone.now() + links.LINK_WORKS)
    HelpSession.objects.update(patron=None)
    pages.append(ended(client, url))
    CheckIn.objects.all().delete()
    pages.append(ended(client, url))
    assert len(set(pages)) == 1
    assert pages[0][0] == 404


def test_page_of_an_expired_check_in_link_first_says_what_to_do(client, linked):
    page = text_of(client.get(reverse("how_it_went", args=["x"])))
    to_do, causes = page.index("Sign in to see your visits"), page.index("A link works for 30 days")
    assert to_do < page.index(f"{reverse('sign_in')}?next=") < causes


def test_typed_text_is_shown_again_if_the_link_expired_while_the_page_was_open(client, linked):
    _check_in, url = linked
    HelpSession.objects.update(patron=None)
    response = client.post(url, {"send": "1", "body": "My <words>", **token()})
    assert response.status_code == 404
    assert "My &lt;words&gt;" in text_of(response)
    # htmx ignores a response with the status 404, so this response has the status 200.
    part = client.post(url, {"found": "all"}, headers={"HX-Request": "true"})
    assert (part.status_code, "<html" in text_of(part)) == (200, False)


@pytest.mark.only_long
def test_one_network_can_try_only_a_limited_number_of_unknown_check_in_links(client, linked):
    _check_in, url = linked
    CheckIn.objects.update(link_ends_at=timezone.now())
    assert client.get(url).status_code == 404
    unknown = reverse("how_it_went", args=["A" * 22])
    client.head(unknown)
    client.get(unknown, **PREFETCH)
    assert not limits.LimitCount.objects.exists()
    statuses = [client.get(unknown).status_code for _time in range(61)]
    assert statuses == [404] * 60 + [429]
    assert client.get(unknown, REMOTE_ADDR="198.51.100.7").status_code == 404


@pytest.mark.only_long
def test_check_in_link_still_works_after_too_many_unknown_links_on_the_same_network(client, linked):
    check_in, url = linked
    unknown = reverse("how_it_went", args=["A" * 22])
    statuses = [client.get(unknown).status_code for _time in range(62)]
    assert statuses[-2:] == [429, 429]
    assert client.get(url).status_code == 200
    assert client.post(url, {"found": "all"}).status_code == 200
    assert visit_of(check_in).found == "all"


@pytest.mark.only_long
def test_number_of_answers_through_one_link_is_limited(client, linked):
    check_in, url = linked
    for _time in range(120):
        limits.count(client.get(url).wsgi_request, "answer_by_link", target=str(check_in.pk))
    response = client.post(url, {"found": "all", "body": "My words"})
    assert response.status_code == 429
    assert "My words" in text_of(response)
    assert not visit_of(check_in).found


def test_check_in_page_has_headers_against_caching_and_indexing_and_referrers(client, linked):
    _check_in, url = linked
    headers = client.get(url).headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("found", ["all", "something_else"])
def test_patron_who_found_something_can_share_words_with_the_helper_after_signing_in(
    client, linked, sign_in, found
):
    check_in, url = linked
    page = reverse("share_words", args=[check_in.help_session.public_id])
    name = check_in.help_session.staff.display_name
    answered = client.post(url, {"found": found})
    assert page in answered.content.decode()
    assert f"Sign in to share a few words with {name}" in text_of(answered)
    wanted = client.get(client.get(page).url)
    assert "Sign in to share a few words" in text_of(wanted)
    answered = text_of(sign_in(client, check_in.asked).post(url, {"found": found}))
    assert f"> Share a few words with {name}" in answered


@pytest.mark.parametrize("found", ["part", "no", "still_working"])
def test_patron_who_did_not_find_everything_is_not_asked_to_thank_the_helper(client, linked, found):
    check_in, url = linked
    page = reverse("share_words", args=[check_in.help_session.public_id])
    assert page not in text_of(client.post(url, {"found": found}))


def test_nobody_is_asked_to_share_words_about_a_childs_visit(client, linked):
    check_in, url = linked
    HelpSession.objects.update(with_child="own")
    page = reverse("share_words", args=[check_in.help_session.public_id])
    assert page not in text_of(client.post(url, {"found": "all"}))


def test_check_in_page_links_to_the_visit_only_for_its_patron(client, linked, sign_in):
    check_in, url = linked
    page = text_of(sign_in(client, UserFactory()).post(url, {"found": "all"}))
    assert check_in.help_session.get_absolute_url() not in page


def test_text_field_is_not_labeled_optional_if_text_is_required(client, linked):
    _check_in, url = linked
    page = text_of(client.post(url, {"send": "1", "body": "", **token()}))
    assert "Write something first." in page
    assert "(optional)" not in page
    assert "(optional)" not in text_of(client.post(url, {"found": "no"}))


def test_check_ins_for_a_visit_cannot_be_turned_on_again_by_link(client, linked):
    check_in, url = linked
    HelpSession.objects.update(check_ins="none")
    day = Library.current().today() + datetime.timedelta(days=5)
    page = text_of(client.post(url, {"later": "1", "day": day.isoformat()}))
    assert "We won't ask about this visit again." in page
    assert visit_of(check_in).check_ins == "none"
    assert not CheckIn.objects.filter(status="planned").exists()
