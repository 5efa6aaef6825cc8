"""Test that patrons see which staff looked at their data, and that the browser stores nothing about a quiet visit."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import jobs
from portal.conversations.models import Message
from portal.helpsessions.models import HelpSession
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    code_for,
)

from .steps import card, latest, say

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

QUESTION, REASON = "Where can I stay tonight?", "She left her glasses here"


@pytest.fixture(autouse=True)
def no_undo_window(monkeypatch):
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(0))


def test_patron_can_see_which_staff_opened_a_conversation_or_the_patrons_record(
    branch, staff, patron, desk_computer, phone, show
):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    )
    MessageFactory(conversation=conversation)
    elsewhere = StaffFactory(name="Omar Elsewhere", branch=BranchFactory(name="Hill"))
    here, there, patrons = (
        show(desk_computer(), staff),
        show(desk_computer(), elsewhere),
        show(phone(), patron),
    )

    here.goto("/desk/")
    here.locator(".queue a").first.click()
    expect(here.locator(".message.theirs .bubble")).to_be_visible()
    there.goto("/desk/people/")
    there.locator("#id_letters").fill(patron.name[:3])
    there.locator("#id_reason").fill(REASON)
    there.locator("#look-up-name").click()
    there.locator("main .rows a").click()
    expect(there.locator("h1")).to_contain_text(patron.name)

    patrons.goto("/")
    patrons.locator("nav a[href='/me/']").tap()
    patrons.locator("main a[href='/privacy/']").tap()
    expect(patrons.locator("#who-looked")).to_contain_text(staff.name)
    expect(patrons.locator("#who-looked")).to_contain_text("Omar Elsewhere")
    expect(patrons.locator("main")).not_to_contain_text(REASON)


def test_quiet_visit_is_not_stored_on_the_patrons_phone(library, branch, staff, desk_computer, phone, show):
    title = ItemFactory(title="Safe Harbours").title
    desk, patron = show(desk_computer(), staff), phone()
    desk.goto("/desk/record/")
    desk.locator("#id_quiet").check()
    desk.locator("#id_question").fill(QUESTION)
    desk.locator("#q").fill("harbours")
    desk.locator(".found-item").click()
    expect(desk.locator("#id_items-0-reason")).to_be_focused()
    desk.keyboard.press("Control+Enter")
    patron.goto(desk.input_value("#link"))

    assert QUESTION not in patron.title()
    say(patron, title, "helped")
    expect(card(patron, title).locator("[id^='save-']")).to_have_count(0)
    patron.locator("#ask a.button").tap()
    patron.locator("#id_body").fill("And where tomorrow?")
    patron.locator("#send").tap()
    expect(latest(patron)).to_have_text("And where tomorrow?")
    desk.goto("/desk/")
    desk.locator(".queue a").first.click()
    desk.locator("#id_body").fill("Ask for Ana at the door.")
    desk.locator("#send").click()
    expect(desk.locator(".message.mine .bubble")).to_have_text("Ask for Ana at the door.")
    jobs.show_pending_answers(at=timezone.now())

    patron.goto("/")
    expect(patron.locator("main")).not_to_contain_text("stay tonight")
    expect(patron.locator("main")).not_to_contain_text(title)
    patron.locator("main .rows a[href*='/messages/']").tap()
    expect(patron.locator(".message.theirs .bubble")).to_have_text("Ask for Ana at the door.")
    expect(patron.locator("main")).not_to_contain_text(staff.name)
    address = patron.url
    patron.locator("#leave").first.tap()
    expect(patron).to_have_url(re.compile(r":\d+/$"))
    # htmx stores the address of the current page. Nothing else may be stored.
    assert set(patron.evaluate("[...Object.values(localStorage), ...Object.values(sessionStorage)]")) <= {"/"}
    patron.goto(address)
    expect(patron).to_have_url(re.compile("/sign-in/"))
    assert HelpSession.objects.get().patron is None


def test_leave_quickly_button_is_always_in_view_on_pages_of_a_quiet_visit(branch, staff, phone, show):
    session = QuietSessionFactory(
        branch=branch, staff=staff, summary="Call 555-0199 or 988.\n\n" + "We talked for long.\n\n" * 40
    )
    conversation = ConversationFactory(help_session=session)
    MessageFactory.create_batch(12, conversation=conversation, side="staff", body="Call 555-0188")
    page = show(phone(), codes=[code_for(session)])
    for address in (session.get_absolute_url(), conversation.get_absolute_url()):
        page.goto(address)
        leave = page.locator("#leave")
        for position in (0, 400, 900):
            page.evaluate("top => scrollTo(0, top)", position)
            expect(leave).to_be_in_viewport(ratio=1)
        number = page.locator("main a[href^='tel:']").first
        number.scroll_into_view_if_needed()
        box = number.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    # The button can be tapped on a scrolled page, because nothing covers it.
    page.evaluate("scrollTo(0, 500)")
    leave.tap()
    expect(page.locator("#open")).to_be_visible()
