"""Test the buttons that send an answer, and the question "Count this conversation as a contact?"."""

import datetime
import re
import uuid

import pytest
import time_machine

from accounts.models import Branch, Library
from portal.conversations import actions, desk_actions
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession, SessionWord
from tests.factories import (
    BranchFactory,
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.usefixtures("library")

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def ask(staff, branch, patron, *, hours=2, subject="Compost", **kwargs):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    conversation = ConversationFactory(
        help_session=session, opened_at=NOON - hours * HOUR, subject=subject, **kwargs
    )
    MessageFactory(conversation=conversation, body="It is checked out", sent_at=NOON - hours * HOUR)
    return conversation


@pytest.fixture
def conversation(staff, branch, patron):
    return ask(staff, branch, patron)


@pytest.fixture
def jun(branch):
    return StaffFactory(name="Jun", branch=branch)


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def fields(conversation, action="send", **changes):
    return {
        "client_token": str(uuid.uuid4()),
        "sequence": "0",
        "seen": str(conversation.messages.in_order().last().pk),
        "body": "There is another copy.",
        "language": "en",
        "items-TOTAL_FORMS": "0",
        "items-INITIAL_FORMS": "0",
        "action": action,
        **changes,
    }


def now_of(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def said(response):
    return [str(message) for message in response.context["messages"]]


def buttons(page):
    """Return ([the value of each send button], [the value of the main button])."""
    html = page.content.decode()
    values = re.findall(r'name="action"\s+value="(send\w*)"', html)
    main = re.findall(r'value="(send\w*)"[^>]*data-main', html)
    return values, main


# Tests of which buttons the page has.


def test_composer_has_all_send_buttons_with_keyboard_shortcuts(desk, conversation):
    page = desk.get(address(conversation))
    assert buttons(page) == (["send", "send_take", "send_close", "send_next", "send_count"], ["send"])
    keys = re.findall(r'aria-keyshortcuts="Alt\+(\d)"', page.content.decode())
    assert keys == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("chosen", ["take", "close", "next"])
def test_main_send_button_follows_the_setting_of_the_branch(desk, conversation, branch, chosen):
    Branch.objects.filter(pk=branch.pk).update(send_button=chosen)
    values, main = buttons(desk.get(address(conversation)))
    assert (values[0], main) == (f"send_{chosen}", [f"send_{chosen}"])


def test_composer_hides_send_buttons_whose_additional_action_has_already_been_done(
    desk, conversation, staff, branch
):
    Branch.objects.filter(pk=branch.pk).update(send_button="take")
    contact = HelpSessionFactory(staff=staff, branch=branch)
    Conversation.objects.filter(pk=conversation.pk).update(
        assignee=staff, assigned_at=NOON, logged_as=contact
    )
    assert buttons(desk.get(address(conversation))) == (["send", "send_close", "send_next"], ["send"])


def test_send_and_take_button_is_missing_if_a_colleague_has_the_conversation(desk, conversation, jun):
    Conversation.objects.filter(pk=conversation.pk).update(assignee=jun, assigned_at=NOON)
    assert "send_take" not in buttons(desk.get(address(conversation)))[0]


# Tests of what the buttons do.


@pytest.mark.parametrize(
    ("action", "status", "is_taken", "is_counted", "words"),
    [
        ("send", "waiting_for_patron", False, False, "Sent."),
        ("send_take", "waiting_for_patron", True, False, "Sent, and assigned to you."),
        ("send_close", "closed", False, False, "Sent, and closed."),
        ("send_count", "waiting_for_patron", False, True, "Sent, and counted as a contact."),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_each_send_button_sends_the_answer_and_has_its_own_effect(
    desk, conversation, staff, action, status, is_taken, is_counted, words, headers
):
    response = desk.post(address(conversation, "reply/"), fields(conversation, action), headers=headers)
    row = now_of(conversation)
    assert (row.status, row.messages.filter(side="staff").count()) == (status, 1)
    assert (row.assignee == staff, row.logged_as is not None) == (is_taken, is_counted)
    if headers:
        assert response.context["composer"]["says"] == words
    else:
        assert said(desk.get(response.url)) == [words]


def test_send_and_count_button_records_a_contact_with_the_conversations_values(
    desk, conversation, staff, branch
):
    HelpSessionFactory(staff=staff, branch=branch, mode="phone", happened_on=NOON.date())
    desk.post(address(conversation, "reply/"), fields(conversation, "send_count"))
    contact = now_of(conversation).logged_as
    assert (contact.branch, contact.staff, contact.patron, contact.mode) == (branch, staff, None, "web_form")
    assert (contact.question, contact.read_level, contact.minutes, contact.people) == (
        "It is checked out",
        None,
        None,
        1,
    )
    assert (contact.happened_on, contact.hour, contact.summary) == (NOON.date(), 12, "")
    # The next help session doesn't get its defaults from the counted contact.
    assert desk.get("/desk/record/").context["form"]["mode"].value() == "phone"


@pytest.mark.parametrize("whose", ["visit with a child", "child without a visit", "quiet visit"])
def test_session_search_does_not_find_a_contact_of_a_child_or_about_a_quiet_visit(desk, staff, branch, whose):
    patron = {"visit with a child": UserFactory(), "child without a visit": ChildFactory()}.get(whose)
    session = None
    if whose != "child without a visit":
        hidden = {"quiet": True} if whose == "quiet visit" else {"with_child": Library.Children.OWN}
        session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, **hidden)
    conversation = ConversationFactory(branch=branch, help_session=session, patron=patron)
    MessageFactory(conversation=conversation, body="Why do wolves howl?")
    desk.post(address(conversation, "reply/"), fields(conversation, "send_count"))
    conversation.refresh_from_db()
    assert conversation.logged_as.question == "Why do wolves howl?"
    assert conversation.logged_as.quiet == (whose == "quiet visit")
    assert bool(conversation.logged_as.with_child) == (whose != "quiet visit")
    assert not SessionWord.objects.filter(help_session=conversation.logged_as).exists()


def test_contact_is_counted_at_the_branch_of_the_staff_member(desk, staff, branch, patron):
    elsewhere = ask(staff, BranchFactory(), patron, assignee=staff)
    desk.post(address(elsewhere, "reply/"), fields(elsewhere, "send_count"))
    assert now_of(elsewhere).logged_as.branch == branch


def test_send_and_take_button_sends_nothing_if_a_colleague_took_the_conversation_first(
    desk, conversation, jun
):
    desk_actions.take(conversation, by=jun, at=NOON)
    posted = fields(conversation, "send_take")
    page = desk.post(address(conversation, "reply/"), posted)
    assert (page.status_code, page.context["composer"]["taken"]) == (
        422,
        "Jun took this conversation a moment ago, so your change was not made.",
    )
    assert "There is another copy." in page.content.decode()
    assert now_of(conversation).messages.count() == 1
    desk.post(address(conversation, "reply/"), posted | {"action": "send"})
    row = now_of(conversation)
    assert (row.assignee, row.messages.count()) == (jun, 2)


def test_send_anyway_button_has_the_effect_of_the_send_button_pressed_before_the_warning(
    desk, conversation, patron
):
    posted = fields(conversation, "send_close")
    MessageFactory(conversation=conversation, body="Found it!", sent_at=NOON)
    page = desk.post(address(conversation, "reply/"), posted)
    assert (page.status_code, page.context["composer"]["how"]) == (422, "send_close")
    assert '<input type="hidden" name="how" value="send_close">' in page.content.decode()
    desk.post(address(conversation, "reply/"), posted | {"action": "send_anyway", "how": "send_close"})
    assert now_of(conversation).status == "closed"


@pytest.mark.parametrize("how", ["discard_now", "<script>", ""])
def test_unknown_send_button_sends_the_answer_and_does_nothing_else(desk, conversation, how):
    desk.post(address(conversation, "reply/"), fields(conversation, "send_anyway", how=how))
    assert now_of(conversation).status == "waiting_for_patron"


def test_taking_back_an_answer_also_undoes_the_effect_of_the_send_button(desk, conversation):
    for action in ("send_take", "send_close", "send_count"):
        desk.post(address(conversation, "reply/"), fields(conversation, action))
        message = now_of(conversation).messages.in_order().last()
        desk.post(address(conversation, "take-back/"), {"message": str(message.public_id)})
        row = now_of(conversation)
        assert (row.status, row.assignee, row.logged_as, row.messages.count()) == (
            "waiting_for_staff",
            None,
            None,
            1,
        )
    assert HelpSession.objects.get() == conversation.help_session


def test_timeline_says_why_a_conversation_came_back_to_the_person_who_answered(
    desk, conversation, branch, staff, patron
):
    Branch.objects.filter(pk=branch.pk).update(back_to_writer=True)
    desk.post(address(conversation, "reply/"), fields(conversation, "send"))
    actions.reply(
        now_of(conversation),
        by=patron,
        side="patron",
        at=NOON + HOUR,
        body="Thanks, and the other one?",
        language="en",
        client_token=uuid.uuid4(),
    )
    page = desk.get(address(conversation)).content.decode()
    assert f"Assigned to {staff.name}, who had answered before" in page
    assert "as a contact" not in re.findall(r'<ol class="conversation".*?</ol>', page, re.DOTALL)[0]


# Tests of the button "Send and next".


@pytest.fixture
def three(staff, branch, patron):
    return [ask(staff, branch, patron, hours=9 - number, subject=f"Number {number}") for number in range(3)]


def open_from_queue(desk, number):
    page = desk.get("/desk/")
    url = re.findall(r'href="(/desk/conversations/[^"]+)"', page.content.decode())[number]
    return url.replace("&amp;", "&")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_send_and_next_button_opens_the_next_conversation_of_the_list(desk, three, headers):
    url = open_from_queue(desk, 0)
    response = desk.post(
        address(three[0], "reply/"),
        fields(three[0], "send_next"),
        headers={**headers, "Referer": f"http://testserver{url}"},
    )
    following = response["HX-Redirect"] if headers else response.url
    assert following.startswith(f"/desk/conversations/{three[1].public_id}/?")
    page = desk.get(following)
    assert said(page) == ["Answer sent in “Number 0”."]
    assert page.context["queue"]["next"].startswith(f"/desk/conversations/{three[2].public_id}/")
    assert now_of(three[0]).status == "waiting_for_patron"


def test_answer_can_be_taken_back_on_the_page_of_the_next_conversation(desk, three):
    url = open_from_queue(desk, 0)
    page = desk.post(
        address(three[0], "reply/"),
        fields(three[0], "send_next"),
        headers={"Referer": f"http://testserver{url}"},
        follow=True,
    )
    [undo] = re.findall(r'action="([^"]+take-back[^"]+)"', page.content.decode())
    back = desk.post(
        undo.replace("&amp;", "&"), headers={"Referer": f"http://testserver{page.redirect_chain[-1][0]}"}
    )
    assert back.url.split("#")[0] == url.split("#")[0]
    assert desk.get(back.url).context["composer"]["body"] == "There is another copy."
    assert now_of(three[0]).status == "waiting_for_staff"


def test_send_and_next_button_opens_the_list_after_the_last_conversation(desk, three):
    url = open_from_queue(desk, 2)
    page = desk.post(
        address(three[2], "reply/"),
        fields(three[2], "send_next"),
        headers={"Referer": f"http://testserver{url}"},
        follow=True,
    )
    assert page.redirect_chain == [("/desk/", 302)]
    assert said(page) == [
        "Answer sent in “Number 2”. That was the last conversation in this list that you can answer."
    ]


def test_send_and_next_button_opens_the_longest_waiting_conversation_if_url_has_no_list(desk, three):
    response = desk.post(address(three[1], "reply/"), fields(three[1], "send_next"))
    assert response.url.startswith(f"/desk/conversations/{three[0].public_id}/?")


def test_send_and_next_button_skips_conversations_of_another_branch(desk, staff, branch, patron, three):
    other = ask(staff, BranchFactory(), patron, hours=8, subject="Elsewhere")
    url = open_from_queue(desk, 0)
    response = desk.post(
        address(three[0], "reply/"),
        fields(three[0], "send_next"),
        headers={"Referer": f"http://testserver{url}"},
    )
    assert str(other.public_id) not in response.url
    assert str(three[1].public_id) in response.url


def want_no_answer(*conversations):
    Conversation.objects.filter(pk__in=[row.pk for row in conversations]).update(wants_no_answer=True)


def test_send_and_next_button_skips_conversations_whose_patrons_want_no_answer(desk, three):
    url = open_from_queue(desk, 0)
    want_no_answer(three[1])
    # The link to the next conversation doesn't skip a patron who wants no answer, but the button does.
    assert str(three[1].public_id) in desk.get(url).context["queue"]["next"]
    response = desk.post(
        address(three[0], "reply/"),
        fields(three[0], "send_next"),
        headers={"Referer": f"http://testserver{url}"},
    )
    assert response.url.startswith(f"/desk/conversations/{three[2].public_id}/?")


def test_send_and_next_button_opens_the_list_if_no_remaining_patron_wants_an_answer(desk, three):
    want_no_answer(three[1], three[2])
    response = desk.post(
        address(three[0], "reply/"),
        fields(three[0], "send_next"),
        headers={"Referer": f"http://testserver{open_from_queue(desk, 0)}"},
    )
    assert response.url == "/desk/"


# Tests of the question "Count this conversation as a contact?".


def asks(page):
    return 'id="count-question"' in page.content.decode()


def test_staff_can_count_a_closed_conversation_as_a_contact_with_one_tap(desk, conversation):
    assert not asks(desk.get(address(conversation)))
    page = desk.post(address(conversation, "close/"), follow=True)
    assert asks(page)
    page = desk.post(address(conversation, "reply/"), {"action": "count", "body": ""}, follow=True)
    assert (said(page), asks(page)) == (["Counted as a contact."], False)
    assert now_of(conversation).logged_as.question == "It is checked out"
    page = desk.post(address(conversation, "reply/"), {"action": "count", "body": ""}, follow=True)
    assert said(page) == ["This conversation is already counted as a contact."]
    assert HelpSession.objects.count() == 2


def test_conversation_page_does_not_ask_again_to_count_a_contact_after_staff_said_no(desk, conversation):
    desk.post(address(conversation, "reply/"), fields(conversation, "send_close"))
    assert asks(desk.get(address(conversation)))
    page = desk.post(address(conversation, "reply/"), {"action": "count_no", "body": ""}, follow=True)
    assert (said(page), asks(page)) == (["Not counted as a contact."], False)
    MessageFactory(conversation=now_of(conversation))
    desk.post(address(conversation, "reply/"), fields(conversation, "send"))
    page = desk.post(address(conversation, "close/"), follow=True)
    assert not asks(page)
    assert HelpSession.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_counting_a_contact_does_not_lose_the_typed_answer(desk, conversation, headers):
    desk.post(address(conversation, "close/"))
    page = desk.post(
        address(conversation, "reply/"), fields(conversation, "count", body="Half a sent"), headers=headers
    )
    assert (page.context["composer"]["body"], page.context["composer"]["says"]) == (
        "Half a sent",
        "Counted as a contact.",
    )
    assert not asks(page)


def test_staff_of_another_branch_cannot_count_a_conversation_as_a_contact(desk, staff, patron):
    elsewhere = ask(StaffFactory(), BranchFactory(), patron, status="closed", count_question="asked")
    for action in ("count", "count_no"):
        assert desk.post(address(elsewhere, "reply/"), {"action": action}).status_code == 404
    assert (now_of(elsewhere).logged_as, now_of(elsewhere).count_question) == (None, "asked")
