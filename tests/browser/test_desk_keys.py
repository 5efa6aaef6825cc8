"""Test the keyboard shortcuts of a conversation, and the list of these shortcuts."""

import datetime
import re
import threading
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions
from portal.conversations.models import Conversation
from portal.desk.views import conversations as conversations_views
from portal.helpsessions.models import HelpSession
from tests.factories import StaffFactory, UserFactory
from tests.processes import MAX_WAIT

from .conftest import DESK
from .steps import answered

pytestmark = pytest.mark.browser


@pytest.fixture
def conversations(branch, staff):
    StaffFactory(name="Omar Haddad", branch=branch)
    at = timezone.now() - datetime.timedelta(hours=5)
    return [
        actions.ask(
            by=UserFactory(name="Sam Okafor"),
            at=at + datetime.timedelta(minutes=number),
            body=f"Question {number}",
            language="en",
            client_token=uuid.uuid4(),
            branch=branch,
        )
        for number in range(3)
    ]


@pytest.fixture
def page(conversations, staff, opened, show):
    """Return the page of the first conversation, opened from the queue."""
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.locator(".queue .cover-all").first.click()
    expect(page.locator("h1")).to_have_text("Question 0")
    page.wait_for_load_state()
    return page


def listed(page):
    """Open the list of shortcuts with the `?` key, and return the keys of its lines."""
    # A key does nothing until the scripts are loaded.
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.locator("#keys[open] ul")).to_be_visible()
    lines = [line for line in page.locator("#keys li").all() if line.is_visible()]
    return [line.locator("kbd").first.inner_text() for line in lines]


def is_inside(page, menu):
    return page.evaluate("menu => document.querySelector(menu).contains(document.activeElement)", menu)


@pytest.mark.parametrize(("key", "menu"), [("s", "#snooze"), ("a", "#whose")])
def test_focus_stays_in_a_menu_opened_by_key_until_escape_is_pressed(page, key, menu):
    page.keyboard.press(key)
    expect(page.locator(f"{menu} > summary + *")).to_be_visible()
    expect(page.locator(f"{menu} > summary + * :focus")).to_have_count(1)
    if menu == "#whose":
        expect(page.locator("#id_to")).to_be_focused()
    visited = []
    for _ in range(12):
        visited.append(page.evaluate("document.activeElement.id"))
        page.keyboard.press("Tab")
        assert is_inside(page, f"{menu} > summary + *")
    assert len(set(visited)) < 12
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
        assert is_inside(page, f"{menu} > summary + *")
    page.keyboard.press("Escape")
    expect(page.locator(f"{menu} > summary")).to_be_focused()
    expect(page.locator(f"{menu} > summary + *")).to_be_hidden()
    # After Escape, Tab moves the focus out of the menu.
    page.keyboard.press("Tab")
    assert not is_inside(page, menu)


def test_shortcuts_have_no_effect_while_a_menu_is_open(page):
    page.keyboard.press("s")
    expect(page.locator("#until-1")).to_be_focused()
    with answered(page):
        for key in "emansj?":
            page.keyboard.press(key)
    expect(page.locator("#until-1")).to_be_focused()
    expect(page.locator("h1")).to_have_text("Question 0")
    assert Conversation.objects.filter(status="waiting_for_staff", assignee=None).count() == 3


def test_conversation_is_snoozed_with_two_keys(page):
    page.keyboard.press("s")
    expect(page.locator("#until-1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("Snoozed until")
    assert Conversation.objects.get(subject="Question 0").status == "snoozed"


def test_conversation_is_assigned_by_keyboard(page):
    page.keyboard.press("a")
    expect(page.locator("#id_to")).to_be_focused()
    page.keyboard.type("Omar")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("Assigned to Omar Haddad.")
    assert Conversation.objects.get(subject="Question 0").assignee.name == "Omar Haddad"


@pytest.mark.core
def test_main_actions_of_a_conversation_work_by_key(page, staff):
    page.keyboard.press("m")
    expect(page.locator("#notices")).to_contain_text("Assigned to you.")
    page.wait_for_load_state()
    page.keyboard.press("n")
    expect(page.locator("#note-body")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("i")
    expect(page.locator("#q")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("e")
    expect(page.locator("#notices")).to_contain_text("Conversation closed.")
    closed = Conversation.objects.get(subject="Question 0")
    assert (closed.status, closed.assignee) == ("closed", staff)
    page.wait_for_load_state()
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("Question 1")


def test_key_has_no_effect_on_the_old_page_while_the_next_conversation_loads(page, monkeypatch):
    asked, may_answer = threading.Event(), threading.Event()
    show_conversation = conversations_views.show_conversation

    def show_late(request, conversation):
        asked.set()
        may_answer.wait(MAX_WAIT)
        return show_conversation(request, conversation)

    monkeypatch.setattr(conversations_views, "show_conversation", show_late)
    page.keyboard.press("j")
    assert asked.wait(MAX_WAIT)
    page.keyboard.press("m")
    page.wait_for_timeout(300)
    may_answer.set()
    expect(page.locator("h1")).to_have_text("Question 1")
    assert Conversation.objects.filter(assignee=None).count() == 3


def test_queue_highlights_the_conversation_that_staff_opened_last(page):
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("Question 1")
    page.wait_for_load_state()
    page.keyboard.press("u")
    expect(page.locator(".queue .current a")).to_have_text("Question 1")
    page.keyboard.press("k")
    expect(page.locator(".queue .current a")).to_have_text("Question 0")
    page.reload()
    expect(page.locator(".queue .current a")).to_have_text("Question 0")


def test_shortcut_list_of_a_conversation_has_exactly_the_keys_that_work(page, conversations):
    both = ["Enter", "↓", "↓", "v", "?"]
    assert listed(page) == ["Ctrl", "r", "Alt", "m", "a", "s", "e", "n", "i", "/", "j", "u", "Esc", *both]
    page.keyboard.press("?")
    page.keyboard.press("m")
    expect(page.locator("#notices")).to_contain_text("Assigned to you.")
    assert listed(page) == ["Ctrl", "r", "Alt", "a", "s", "e", "n", "i", "/", "z", "j", "u", "Esc", *both]
    page.keyboard.press("?")
    page.keyboard.press("e")
    expect(page.locator("#notices")).to_contain_text("Conversation closed.")
    # The shortcut list has the key c, because the desk asks if the closed conversation was a contact.
    assert listed(page) == ["Ctrl", "r", "Alt", "a", "n", "i", "/", "c", "z", "j", "u", "Esc", *both]
    # A conversation that was not opened from the queue has no next conversation. So the shortcut list lacks
    # the key j, which opens the next one.
    page.goto(f"/desk/conversations/{conversations[2].public_id}/")
    assert listed(page) == ["Ctrl", "r", "Alt", "m", "a", "s", "e", "n", "i", "/", "u", "Esc", *both]


def test_shortcut_list_has_no_send_keys_if_the_patron_wants_no_answer(page, conversations):
    Conversation.objects.filter(pk=conversations[0].pk).update(wants_no_answer=True)
    page.reload()
    assert listed(page) == ["m", "a", "s", "e", "n", "j", "u", "Esc", "v", "?"]
    expect(page.locator("#close-it kbd")).to_have_text("e")


def test_shortcut_list_has_the_take_back_key_during_the_undo_window(page):
    page.locator("#id_body").fill("It is upstairs")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#entries .pending-answer button")).to_be_visible()
    assert "z" in listed(page)


def test_each_key_in_the_shortcut_list_of_a_conversation_belongs_to_one_button(page):
    letters = [key for key in listed(page) if re.fullmatch("[a-z/]", key)]
    for letter in letters:
        assert page.locator(f'[data-key="{letter}"]').count() == 1, letter
        assert page.locator(f'[data-key="{letter}"] kbd').first.text_content() == letter


def test_shortcut_list_of_the_queue_has_exactly_the_keys_of_the_queue(conversations, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    assert listed(page) == ["j", "Enter", "x", "e", "m", "a", "s", "Esc", "1", "/", "v", "t", "?"]
    page.goto("/desk/?tab=snoozed")
    assert listed(page) == ["Esc", "1", "/", "v", "t", "?"]


def test_key_v_opens_the_record_form_from_the_queue_and_from_a_conversation(page):
    page.keyboard.press("u")
    page.wait_for_url("**/desk/")
    page.wait_for_load_state()
    page.keyboard.press("v")
    page.wait_for_url("**/desk/record/")
    page.go_back()
    page.wait_for_load_state()
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/conversations/**")
    page.wait_for_load_state()
    page.keyboard.press("v")
    page.wait_for_url("**/desk/record/")


def test_shortcut_list_of_the_record_form_has_exactly_the_keys_of_the_form(branch, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("h1").click()
    assert listed(page) == ["Ctrl", "Enter", "Enter", "↓", "↓", "Enter", "t", "?"]


def test_key_z_undoes_only_the_latest_tally(conversations, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.locator("#notices")).to_contain_text("1 conversation closed.")
    expect(page.locator("#undo-1 kbd")).to_have_text("z")
    page.wait_for_load_state()
    page.keyboard.press("t")
    expect(page.locator("#undo-tally kbd")).to_have_text("z")
    # The key z now undoes the newer change. The older change still has its button.
    expect(page.locator("#undo-1")).to_be_visible()
    expect(page.locator("#undo-1 kbd")).to_have_count(0)
    assert "z" in listed(page)
    page.keyboard.press("?")
    page.keyboard.press("z")
    expect(page.locator("#undo-tally")).to_have_count(0)
    assert HelpSession.objects.filter(status=HelpSession.Status.TALLY).count() == 0
    page.keyboard.press("z")
    page.keyboard.press("t")
    expect(page.locator("#undo-tally kbd")).to_have_text("z")
    assert Conversation.objects.filter(status="closed").count() == 1
    page.locator("#undo-1").click()
    expect(page.locator("#notices")).to_contain_text("The change to 1 conversation was undone.")
    assert Conversation.objects.filter(status="closed").count() == 0


def test_key_z_takes_back_only_the_latest_answer(page, staff):
    page.keyboard.press("m")
    expect(page.locator("#notices")).to_contain_text("Assigned to you.")
    page.wait_for_load_state()
    page.locator("#id_body").fill("It is upstairs")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#entries .pending-answer button")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator("#id_body")).to_have_value("It is upstairs")
    expect(page.locator("#entries .pending-answer button")).to_have_count(0)
    page.locator("h1").click()
    with answered(page):
        page.keyboard.press("z")
    expect(page.locator("#undo-1")).to_be_visible()
    assert Conversation.objects.get(subject="Question 0").assignee == staff
