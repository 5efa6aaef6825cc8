"""Test inviting a colleague, their first sign-in, and the end of their role while a desk page is open."""

import re

import pytest
from playwright.sync_api import expect

from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory

from .steps import enter_code, set_up_app

pytestmark = pytest.mark.browser


def test_invited_colleague_can_use_the_desk_until_the_role_ends(
    coordinator, branch, patron, desk_computer, phone, show, post
):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=coordinator, patron=patron)
    )
    MessageFactory(conversation=conversation)
    desk, theirs = show(desk_computer(), coordinator), phone()

    desk.goto("/desk/settings/people/")
    desk.locator("#invite").click()
    desk.locator("#id_name").fill("Noor Bakker")
    desk.locator("#id_email").fill("noor@example.org")
    desk.locator("#send-invitation").click()
    expect(desk.locator("#link")).to_have_value(re.compile(r"/invitation/\w{40}/$"))

    theirs.goto(re.search(r"http://\S+", post("noor@example.org").body)[0])
    theirs.locator("#send-code").tap()
    enter_code(theirs, "noor@example.org", post)
    theirs.locator("#accept").tap()
    set_up_app(theirs)
    expect(theirs).to_have_url(re.compile("/desk/$"))
    theirs.locator(".queue a").first.tap()
    expect(theirs.locator("#conversation")).to_contain_text("spot on")

    desk.locator("#done").click()
    desk.locator("main .rows a").filter(has_text="Noor").click()
    desk.locator("[id^=end-]").click()
    desk.locator("#end-role").click()
    expect(desk.locator("#notices .notice")).to_contain_text("Noor Bakker")
    # Make the colleague's open page poll.
    theirs.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(theirs).to_have_url(re.compile("/sign-in/"))
    expect(theirs.locator("body")).not_to_contain_text("spot on")
