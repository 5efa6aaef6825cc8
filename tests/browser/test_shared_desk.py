"""Test a shared desk computer: unlocking, switching by PIN, and automatic locking."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.sign_in import desk_pins
from portal.helpsessions.models import HelpSession
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, StaffFactory

from .bars import problems
from .conftest import PHONE

pytestmark = [pytest.mark.only_long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOCKED = re.compile(r"/locked/")


@pytest.fixture
def daniel(branch):
    daniel = StaffFactory(name="Daniel Osei", branch=branch)
    desk_pins.set_pin(daniel, pin="4071", at=timezone.now())
    return daniel


def open_as(page, person, pin):
    page.locator(f"#who-{person.public_id}").click()
    page.locator("#id_pin").fill(pin)
    page.locator("#id_pin").press("Enter")


@pytest.mark.long
def test_colleagues_on_a_shared_computer_write_under_their_own_names(
    desk_computer, staff, daniel, branch, patron, show
):
    conversation = MessageFactory(
        conversation=ConversationFactory(
            help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron)
        )
    ).conversation
    page = show(desk_computer(), staff)
    page.goto("/desk/pin/")
    for field in ("#id_pin", "#id_pin_again"):
        page.locator(field).fill("83619")
    page.locator("#set-pin").click()
    page.locator("#id_name").fill("Front desk")
    page.locator("#unlock-desk").click()
    expect(page.locator("#whose-turn")).to_contain_text("Rosa Lindqvist")

    page.goto("/desk/record/")
    page.locator("#id_question").fill("How do I start a compost bin?")
    # Locking the computer saves the unfinished form immediately.
    page.locator("#lock").click()
    expect(page).to_have_url(LOCKED)
    assert problems(page) == []
    begun = HelpSession.objects.unfinished().get()
    assert (begun.staff, begun.unfinished_form.fields["question"]) == (staff, "How do I start a compost bin?")
    open_as(page, staff, "83619")
    expect(page.locator("#id_question")).to_have_value("How do I start a compost bin?")
    page.keyboard.press("Escape")
    page.locator("#lock").click()
    expect(page).to_have_url(LOCKED)

    open_as(page, daniel, "4071")
    # Daniel sees the first page of the desk, not the page that Rosa left open.
    expect(page).to_have_url(re.compile(r":\d+/desk/$"))
    # The shortcuts work as soon as the page is loaded.
    page.wait_for_load_state()
    page.keyboard.press("l")
    expect(page).to_have_url(LOCKED)
    open_as(page, daniel, "1704")
    # After a wrong PIN, Daniel can immediately type the correct one.
    expect(page.locator("#id_pin_error")).to_be_visible()
    expect(page.locator("#id_pin")).to_be_focused()
    page.keyboard.type("4071")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r":\d+/desk/$"))
    page.goto(f"/desk/conversations/{conversation.public_id}/")
    page.locator("#id_body").fill("There is a course on Saturday.")
    page.locator("#send").click()
    page.locator("#entries .pending-answer button").wait_for()
    assert conversation.messages.get(side="staff").author == daniel

    page.locator("#id_body").fill("And another thing")
    page.locator("h1").click()
    page.keyboard.press("l")
    expect(page).to_have_url(LOCKED)
    # The page asks for Daniel's PIN right away.
    page.locator("#id_pin").fill("4071")
    page.locator("#open-by-pin").click()
    expect(page.locator("#id_body")).to_have_value("And another thing")

    page.clock.install()
    page.reload()
    other_tab = page.context.new_page()
    other_tab.goto("/desk/cards/")
    page.bring_to_front()
    # The page warns after four and a half minutes, and locks half a minute later. Move the clock to just
    # after the warning. The clock keeps running.
    page.clock.run_for(4 * 60_000 + 31_000)
    expect(page.locator("#soon-locked")).to_be_visible()
    # Stop the clock, because the page must not lock while `problems` checks the page.
    now = page.evaluate("Date.now() / 1000")
    page.clock.set_fixed_time(now)
    assert problems(page) == []
    page.clock.set_system_time(now)
    page.locator("#stay").click()
    expect(page.locator("#soon-locked")).to_be_hidden()
    page.clock.run_for(5 * 60_000)
    expect(page).to_have_url(LOCKED)
    expect(other_tab).to_have_url(LOCKED)
    page.go_back()
    expect(page).to_have_url(LOCKED)


def test_colleagues_can_take_turns_on_a_shared_computer_without_javascript(opened, staff, daniel, show):
    desk_pins.set_pin(staff, pin="83619", at=timezone.now())
    page = show(opened(PHONE, javascript=False), staff)
    page.goto("/desk/computers/")
    page.locator("#unlock-desk").tap()
    page.locator("#lock").tap()
    page.locator(f"#who-{daniel.public_id}").tap()
    expect(page.locator("#id_pin")).to_have_attribute("inputmode", "numeric")
    page.locator("#id_pin").fill("4071")
    page.locator("#open-by-pin").tap()
    expect(page.locator("#whose-turn")).to_contain_text("Daniel Osei")
