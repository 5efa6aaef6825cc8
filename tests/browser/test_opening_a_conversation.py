"""Test where a conversation opens at the desk, and that its composer is in view."""

import datetime
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions
from portal.conversations.models import Conversation
from tests.extent import rarely

from .bars import problems
from .conftest import DESK, PHONE
from .steps import eventually

pytestmark = [pytest.mark.only_long, pytest.mark.browser]
SCREENS = pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
LONG = "This is a line of a long message about the harbor.\n\n" * 4


@pytest.fixture
def conversation(branch, staff, patron):
    """Return a long conversation. Its last answer is followed by three messages of the patron."""
    at = timezone.now() - datetime.timedelta(hours=9)
    fields = {"language": "en", "at": at}
    conversation = actions.ask(
        by=patron, body="The first", client_token=uuid.uuid4(), branch=branch, **fields
    )
    for number in range(1, 14):
        by, side = (staff, "staff") if number % 2 and number < 10 else (patron, "patron")
        actions.reply(
            Conversation.objects.get(pk=conversation.pk),
            by=by,
            side=side,
            body=f"Number {number}\n\n{LONG}",
            client_token=uuid.uuid4(),
            language="en",
            at=at + datetime.timedelta(minutes=number),
        )
    return conversation


def address(conversation):
    return f"/desk/conversations/{conversation.public_id}/"


def message(page, number):
    return page.locator("#entries .bubble").filter(has_text=f"Number {number}\n").first


def check_readable(page, locator):
    """Check that the top of the element is on the screen, and that no bar covers it."""
    is_readable = """element => {
        const { left, top } = element.getBoundingClientRect();
        return element.contains(document.elementFromPoint(left + 12, top + 12));
    }"""
    # The page scrolls to the message twice: when the script of the page runs, and when the page is loaded.
    eventually(page, lambda: locator.evaluate(is_readable), True)


def check_opened(page):
    """Check that the oldest unanswered message and the composer are in view."""
    expect(page.locator("#needs-answer")).to_be_in_viewport()
    expect(message(page, 10)).to_be_in_viewport()
    check_readable(page, page.locator("#needs-answer"))
    check_readable(page, message(page, 10))
    expect(page.locator("#id_body")).to_be_in_viewport(ratio=1)
    check_readable(page, page.locator("#id_body"))


@pytest.mark.parametrize(
    ("screen", "javascript"),
    [(PHONE, True), (DESK, False), rarely(DESK, True), rarely(PHONE, False)],
    ids=["phone", "desk, no script", "desk", "phone, no script"],
)
def test_conversation_opens_at_the_message_that_needs_an_answer(
    conversation, staff, opened, show, screen, javascript
):
    page = show(opened(screen, javascript=javascript), staff)
    for _visit in range(2):
        page.goto("/desk/")
        page.locator(".queue .cover-all").click()
        expect(page.locator("h1")).to_have_text("The first")
        check_opened(page)
    # A link in an email has no fragment.
    if javascript:
        page.goto(address(conversation))
        check_opened(page)
        assert page.evaluate("document.activeElement === document.body")


@SCREENS
def test_short_conversation_opens_with_its_subject_in_view(branch, patron, staff, opened, show, screen):
    conversation = actions.ask(
        by=patron,
        at=timezone.now(),
        body="Short",
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )
    page = show(opened(screen), staff)
    page.goto(address(conversation) + "#needs-answer")
    expect(page.locator("h1")).to_be_in_viewport()
    check_readable(page, page.locator("#entries .bubble"))
    check_readable(page, page.locator("#id_body"))


@SCREENS
def test_composer_does_not_cover_the_message_that_needs_an_answer(
    branch, patron, staff, opened, show, screen
):
    conversation = actions.ask(
        by=patron,
        at=timezone.now(),
        body="Where are the tax forms for people who work for themselves and have a second job?\n\nThe end",
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )
    page = show(opened(screen), staff)
    page.goto(address(conversation))
    page.keyboard.press("r")
    expect(page.locator("#send")).to_be_in_viewport()
    check_readable(page, page.locator("#entries .bubble"))
    check_readable(page, page.locator("#entries .bubble p").last)
    assert page.locator("#reply-form").evaluate("form => form.scrollTop") == 0


@SCREENS
def test_writing_an_answer_does_not_move_the_page(conversation, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto(address(conversation))
    before = message(page, 10).bounding_box()["y"]
    page.keyboard.press("r")
    expect(page.locator("#id_body")).to_be_focused()
    page.keyboard.type("An answer with some words")
    page.keyboard.press("Enter")
    page.keyboard.type("and another line")
    assert abs(message(page, 10).bounding_box()["y"] - before) < 2
    expect(page.locator("#id_body")).to_be_in_viewport(ratio=1)
    check_readable(page, page.locator("#id_body"))
    expect(page.locator("#send")).to_be_in_viewport()


def test_one_click_sends_an_answer_typed_before_the_scripts_ran(branch, patron, staff, opened, show):
    # In a short conversation, the buttons of the composer move down when the composer grows.
    conversation = actions.ask(
        by=patron,
        at=timezone.now(),
        body="Short",
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )
    page, waiting = show(opened(DESK), staff), []
    page.route("**/js/conversation.js", lambda route: waiting.append(route))
    page.goto(address(conversation), wait_until="commit")
    page.locator("#id_body").fill("Here is your answer")
    eventually(page, lambda: len(waiting), 1)
    waiting.pop().continue_()
    page.wait_for_load_state()
    page.locator("#send").click()
    expect(page.locator("#entries .pending-answer button")).to_be_in_viewport()


@SCREENS
def test_taking_back_an_answer_brings_back_the_needs_an_answer_label(
    conversation, staff, opened, show, screen
):
    page = show(opened(screen), staff)
    page.goto(address(conversation))
    page.locator("#id_body").fill("Here is your answer")
    page.locator("#send").click()
    expect(page.locator("#entries .pending-answer button")).to_be_in_viewport()
    expect(page.locator("#needs-answer")).to_be_hidden()
    page.locator("#entries .pending-answer button").click()
    expect(page.locator("#id_body")).to_have_value("Here is your answer")
    expect(page.locator("#needs-answer")).to_have_count(1)
    expect(page.locator("#needs-answer")).not_to_have_attribute("hidden", "")


@pytest.mark.long
@SCREENS
def test_conversation_page_with_a_composer_in_view_is_accessible(conversation, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto(address(conversation))
    assert problems(page) == []
