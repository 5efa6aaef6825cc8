"""Test how staff answer by keyboard, by touch and without JavaScript."""

import datetime
import re
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Branch
from portal.conversations import actions
from portal.conversations.models import Conversation, Message
from tests.factories import HelpSessionFactory

from .bars import problems
from .conftest import DESK, PHONE
from .reader import Reader
from .steps import answered, eventually
from .test_opening_a_conversation import check_readable

pytestmark = pytest.mark.browser


def ask(branch, staff, patron, *, number=0):
    return actions.ask(
        by=patron,
        at=timezone.now() - datetime.timedelta(hours=20 - number),
        help_session=HelpSessionFactory(
            branch=branch, staff=staff, patron=patron, question=f"Question number {number}"
        ),
        body="Where is it?",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def conversation(branch, staff, patron):
    return ask(branch, staff, patron)


@pytest.fixture
def ten(branch, staff, patron):
    return [ask(branch, staff, patron, number=number) for number in range(10)]


def path(conversation):
    return f"/desk/conversations/{conversation.public_id}/"


def now_of(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def answer_by_key(page, words, key):
    # A key does nothing until the scripts are loaded.
    page.wait_for_load_state()
    page.keyboard.press("r")
    expect(page.locator("#id_body")).to_be_focused()
    page.keyboard.type(words)
    page.keyboard.press(key)


@pytest.mark.only_long
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_staff_can_answer_a_conversation_using_only_accessible_names(
    conversation, staff, opened, show, language, javascript
):
    staff.language = language
    staff.save()
    page = show(opened(DESK, language=language, javascript=javascript), staff)
    reader = Reader(page, language, act="click")
    page.goto("/desk/")
    page.get_by_role("main").get_by_role("link", name="Question number 0").first.click()
    reader.field("Your answer").fill("On the second floor.")
    # The name of a button ends with its keyboard shortcut, so don't match the whole name.
    reader.press("Send and close", exact=False)
    expect(page.get_by_role("main")).to_contain_text(reader.say("Sent, and closed."))
    row = now_of(conversation)
    assert (row.status, row.messages.in_order().last().body) == ("closed", "On the second floor.")


@pytest.mark.core
def test_staff_member_answers_ten_conversations_in_a_row_by_keyboard(ten, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    for number in range(len(ten)):
        expect(page.locator("h1")).to_have_text(f"Question number {number}")
        if number:
            expect(page.locator("#notices")).to_contain_text(f"Question number {number - 1}")
        answer_by_key(page, f"Answer number {number}", "Alt+4")
    expect(page).to_have_url(re.compile("/desk/$"))
    assert [
        (now_of(conversation).status, conversation.messages.in_order().last().body) for conversation in ten
    ] == [("waiting_for_patron", f"Answer number {number}") for number in range(10)]
    # The last answer can still be taken back by keyboard.
    page.wait_for_load_state()
    page.keyboard.press("z")
    expect(page.locator("h1")).to_have_text("Question number 9")
    expect(page.locator("#id_body")).to_have_value("Answer number 9")
    expect(page.locator("#id_body")).to_be_focused()
    assert now_of(ten[9]).status == "waiting_for_staff"


def test_question_is_in_view_after_staff_take_back_the_answer(ten, staff, patron, opened, show):
    for number in range(12):
        actions.reply(
            now_of(ten[0]),
            by=patron,
            side="patron",
            at=timezone.now() - datetime.timedelta(hours=18),
            body=f"Part {number} of the question.\n\nIt has several lines.",
            language="en",
            client_token=uuid.uuid4(),
        )
    page = show(opened(DESK), staff)
    page.goto(path(ten[0]) + "?queue=tab%3Dneeds")
    answer_by_key(page, "Answer", "Alt+4")
    expect(page.locator("#notices")).to_contain_text("Question number 0")
    page.wait_for_load_state()
    page.keyboard.press("z")
    expect(page.locator("h1")).to_have_text("Question number 0")
    expect(page.locator("#id_body")).to_be_focused()
    page.wait_for_load_state()
    expect(page.locator("#needs-answer")).to_be_in_viewport()
    expect(page.locator("#entries .bubble").first).to_be_in_viewport()
    check_readable(page, page.locator("#entries .bubble").first)
    page.keyboard.type(" to this")
    expect(page.locator("#id_body")).to_have_value("Answer to this")


def test_composer_has_the_focus_even_if_undo_was_pressed_too_late(ten, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Question number 0")
    answer_by_key(page, "Answer number 0", "Alt+4")
    expect(page.locator("h1")).to_have_text("Question number 1")
    page.wait_for_load_state()
    Message.objects.filter(side="staff").update(shown_from=timezone.now())
    page.keyboard.press("z")
    expect(page.locator("h1")).to_have_text("Question number 0")
    expect(page.locator("#notices .error")).to_be_visible()
    expect(page.locator("#id_body")).to_be_focused()


def test_all_send_buttons_are_in_view_while_an_answer_is_written(conversation, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    page.locator("#id_body").click()
    for name in (
        "id_body",
        "id_language",
        "send",
        "send_take",
        "send_close",
        "send_next",
        "send_count",
        "discard",
    ):
        expect(page.locator(f"#{name}")).to_be_in_viewport(ratio=1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("key", "status", "is_taken", "is_counted"),
    [
        ("Alt+1", "waiting_for_patron", False, False),
        ("Alt+2", "waiting_for_patron", True, False),
        ("Alt+3", "closed", False, False),
        ("Alt+5", "waiting_for_patron", False, True),
    ],
)
def test_every_send_button_has_a_key_and_the_key_z_takes_the_answer_back(
    conversation, staff, opened, show, key, status, is_taken, is_counted
):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", key)
    expect(page.locator("#composer-says")).to_be_focused()
    row = now_of(conversation)
    assert (row.status, row.assignee == staff, row.logged_as is not None) == (status, is_taken, is_counted)
    assert problems(page) == []
    page.keyboard.press("z")
    expect(page.locator("#id_body")).to_have_value("On the second floor.")
    row = now_of(conversation)
    assert (row.status, row.assignee, row.logged_as) == ("waiting_for_staff", None, None)


def test_answer_is_taken_back_even_if_the_page_polls_at_the_same_time(conversation, staff, opened, show):
    page, held = show(opened(DESK), staff), []
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", "Alt+1")
    expect(page.locator("#composer-says")).to_be_focused()
    page.route("**/take-back/", lambda route: held.append((route, route.fetch())))
    page.keyboard.press("z")
    eventually(page, lambda: len(held), 1)
    with page.expect_response("**/news/**") as news:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    news.value.finished()
    page.wait_for_timeout(100)
    [(route, response)] = held
    route.fulfill(response=response)
    expect(page.locator("#id_body")).to_have_value("On the second floor.")
    expect(page.locator("#entries .pending-answer")).to_have_count(0)
    expect(page.locator("#needs-answer")).to_be_visible()


def test_ctrl_and_enter_press_the_main_send_button(conversation, branch, staff, opened, show):
    Branch.objects.filter(pk=branch.pk).update(send_button="close")
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", "Control+Enter")
    expect(page.locator("#composer-says")).to_be_focused()
    assert now_of(conversation).status == "closed"


def test_send_key_does_nothing_while_a_note_is_written(conversation, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    page.keyboard.press("r")
    page.keyboard.type("Half an answer")
    page.locator("#note-body").evaluate("field => field.closest('details').open = true")
    page.locator("#note-body").focus()
    page.keyboard.type("Half a note")
    with answered(page):
        page.keyboard.press("Alt+3")
    expect(page.locator("#note-body")).to_have_value("Half a note")
    assert now_of(conversation).messages.count() == 1


@pytest.mark.long
@pytest.mark.parametrize("javascript", [True, False])
def test_staff_are_asked_once_whether_a_closed_conversation_counts_as_a_contact(
    conversation, staff, opened, show, javascript
):
    page = show(opened(PHONE, javascript=javascript), staff)
    page.goto(path(conversation))
    page.locator("#id_body").fill("On the second floor.")
    page.locator("#send_close").click()
    expect(page.locator("#count-question")).to_be_visible()
    if javascript:
        # axe waits for a timer, which never fires in a page without JavaScript.
        assert problems(page) == []
    page.locator("#count-no").click()
    expect(page.locator("#count-question")).to_have_count(0)
    page.goto(path(conversation))
    expect(page.locator("#count-question")).to_have_count(0)
    row = now_of(conversation)
    assert (row.status, row.logged_as, row.count_question) == ("closed", None, "declined")


def test_staff_count_a_closed_conversation_as_a_contact_with_one_tap(conversation, staff, opened, show):
    page = show(opened(PHONE), staff)
    page.goto(path(conversation))
    page.locator("#more > summary").click()
    page.locator("#close-now").click()
    page.locator("#count-yes").click()
    expect(page.locator("#composer-says")).to_be_focused()
    assert now_of(conversation).logged_as.question == "Where is it?"


def test_staff_count_an_answered_conversation_as_a_contact_by_keyboard(conversation, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", "Alt+3")
    says, question = page.locator("#composer-says"), page.locator("#count-question")
    expect(says).to_be_focused()
    assert says.bounding_box()["y"] < question.bounding_box()["y"]
    page.keyboard.press("?")
    listed = page.locator("#keys li").filter(has=page.locator("kbd", has_text=re.compile("^c$")))
    expect(listed).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(question).to_have_count(0)
    expect(says).to_be_focused()
    assert now_of(conversation).logged_as.question == "Where is it?"
    page.keyboard.press("?")
    expect(listed).to_be_hidden()


def test_focus_moves_to_the_confirmation_when_a_conversation_with_a_draft_is_counted(
    conversation, staff, opened, show
):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", "Alt+3")
    page.locator("#id_body").fill("And it is open today.")
    page.locator("#count-yes").click()
    expect(page.locator("#count-question")).to_have_count(0)
    expect(page.locator("#composer-says")).to_be_focused()
    expect(page.locator("#id_body")).to_have_value("And it is open today.")


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_composer_does_not_cover_the_undo_button_of_a_sent_answer(conversation, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto(path(conversation))
    answer_by_key(page, "On the second floor.", "Alt+1")
    expect(page.locator("#composer-says")).to_be_focused()
    is_uncovered = """undo => {
        const { left, right, bottom } = undo.getBoundingClientRect();
        return undo.contains(document.elementFromPoint((left + right) / 2, bottom - 4));
    }"""
    undo = page.locator("#entries .pending-answer button")
    # The page scrolls to the answer a little later than it moves the focus.
    eventually(page, lambda: undo.evaluate(is_uncovered), True)


@pytest.mark.core
def test_taking_back_an_answer_removes_its_effects_from_the_open_page(conversation, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    for key, words in [("Alt+2", "took this conversation"), ("Alt+3", "Closed by"), ("Alt+5", "counted")]:
        answer_by_key(page, "On the second floor.", key)
        expect(page.locator("#entries .event", has_text=words)).to_have_count(1)
        page.keyboard.press("z")
        expect(page.locator("#id_body")).to_have_value("On the second floor.")
        expect(page.locator("#entries .event", has_text=words)).to_have_count(0)
        expect(page.locator("#entries > :last-child")).to_have_class("message theirs")
        expect(page.locator("#id_body")).to_be_focused()
        page.locator("#id_body").fill("")
        page.evaluate("document.activeElement.blur()")
