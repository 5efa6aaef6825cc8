"""Test the toolbar of a conversation by keyboard, by touch and without JavaScript."""

import datetime
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions
from portal.conversations.models import Conversation, ConversationNote
from tests.factories import HelpSessionFactory, StaffFactory

from .bars import problems
from .conftest import DESK, PHONE
from .steps import answered, pause_clock

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


@pytest.fixture
def conversation(branch, staff, patron):
    """Return a long conversation. Its page opens at a message, so the top of the page is out of view."""
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    at = timezone.now() - datetime.timedelta(hours=9)
    conversation = actions.ask(
        by=patron,
        at=at,
        help_session=session,
        body="The first of many",
        language="en",
        client_token=uuid.uuid4(),
    )
    for number in range(1, 16):
        fields = {
            "body": f"Word {number}\n\nand another line",
            "language": "en",
            "client_token": uuid.uuid4(),
        }
        actions.reply(
            conversation, by=patron, side="patron", at=at + datetime.timedelta(minutes=number), **fields
        )
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


def path(conversation):
    return f"/desk/conversations/{conversation.public_id}/"


def test_staff_member_who_takes_a_conversation_too_late_sees_who_has_taken_it(
    conversation, staff, omar, opened, show
):
    first, second = show(opened(DESK), staff), show(opened(PHONE), omar)
    second.clock.install()
    for page in (first, second):
        page.goto(path(conversation))
        expect(page.locator("#take")).to_be_visible()
    # Stop the second page from polling, because a poll would remove the button that the test presses.
    with answered(second):
        pause_clock(second)
    first.keyboard.press("m")
    expect(first.locator("#notices")).to_contain_text("Assigned to you.")
    second.locator("#take").click()
    expect(second.locator("#notices")).to_contain_text(
        "Rosa Lindqvist took this conversation a moment ago, so your change was not made."
    )
    assert Conversation.objects.get().assignee == staff
    second.clock.resume()
    first.reload()
    expect(second.locator("#whose .name")).to_have_text("Rosa Lindqvist")


@pytest.mark.long
def test_undo_button_is_visible_in_the_middle_of_a_long_conversation(conversation, staff, opened, show):
    for device in (DESK, PHONE):
        page = show(opened(device), staff)
        page.goto(path(conversation))
        # The page opens at the message that needs an answer, so the top of the page is out of view.
        page.goto(path(conversation))
        page.locator("#snooze > summary").click()
        assert problems(page) == []
        page.locator("#snooze > summary").click()
        page.locator("#until-1").click()
        expect(page.locator("#notices")).to_contain_text("Snoozed until")
        page.wait_for_load_state()
        assert page.evaluate("scrollY") > 200
        expect(page.get_by_role("button", name="Undo")).to_be_in_viewport()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#notices")).to_contain_text("Your last change was undone.")
        assert Conversation.objects.get().status == "waiting_for_staff"


@pytest.mark.long
def test_staff_member_mentions_a_colleague_in_a_note_by_keyboard(conversation, staff, omar, opened, show):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    page.keyboard.press("n")
    expect(page.locator("#note-body")).to_be_focused()
    page.keyboard.type("Please look, @om")
    expect(page.get_by_role("button", name="@Omar Haddad")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#note-body")).to_have_value("Please look, @Omar Haddad ")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("tell Omar Haddad about it")
    expect(page.locator(".note-entry")).to_contain_text("Please look, @Omar Haddad")
    colleague = show(opened(PHONE), omar)
    colleague.goto("/desk/")
    expect(colleague.locator("#mentions > summary")).to_contain_text("Mentions 1")
    assert problems(colleague) == []


def test_note_draft_is_restored_after_a_page_reload(conversation, staff, opened, show):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto(path(conversation))
    page.keyboard.press("n")
    page.keyboard.type("Half a note")
    page.clock.fast_forward(2000)
    expect(page.locator("#note-form [data-draft-state]")).to_have_text("Draft saved")
    page.reload()
    expect(page.locator("#note-body")).to_have_value("Half a note")


def test_conversation_toolbar_works_without_javascript(conversation, staff, omar, opened, show):
    page = show(opened(PHONE, javascript=False), staff)
    page.goto(path(conversation))
    page.locator("#take").click()
    expect(page.locator("#take")).to_have_count(0)
    assert Conversation.objects.get().assignee == staff
    page.locator("#whose > summary").click()
    page.locator("#assign a").click()
    page.locator("#id_to").select_option(label="Omar Haddad")
    page.locator("#assign-now").click()
    expect(page.locator("#whose .name")).to_have_text("Omar Haddad")
    assert Conversation.objects.get().assignee == omar
    page.locator("#snooze > summary").click()
    page.locator("#until-2").click()
    page.locator("#wake").click()
    expect(page.locator("#wake")).to_have_count(0)
    page.locator("#write-note > summary").click()
    page.locator("#note-body").fill("@Omar it is yours")
    page.locator("#save-note").click()
    expect(page.locator(".note-entry")).to_contain_text("it is yours")
    assert ConversationNote.objects.get().mentions.get().person == omar
    page.locator("#more > summary").click()
    page.locator("#close-now").click()
    expect(page.locator("#notices")).to_contain_text("Conversation closed.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("Your last change was undone.")
    assert Conversation.objects.get().status == "waiting_for_staff"


def test_confirmation_of_a_saved_note_disappears_when_the_person_types_again(
    conversation, staff, opened, show
):
    page = show(opened(DESK), staff)
    page.goto(path(conversation))
    page.keyboard.press("n")
    page.keyboard.type("Ask Omar")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("Note saved.")
    page.wait_for_load_state()
    page.keyboard.press("r")
    page.keyboard.type("D")
    expect(page.locator("#notices .notice")).to_have_count(0)
    expect(page.locator("#id_body")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("m")
    expect(page.locator("#undo-1")).to_be_visible()
    # Typing hides a notice, but not a notice with an undo button.
    page.locator("#id_body").press_sequentially("Dear")
    expect(page.locator("#undo-1")).to_be_visible()
