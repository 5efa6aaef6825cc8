"""Test inviting a colleague, their first sign-in, and the end of their role while a desk page is open."""

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Error, expect

from accounts.staff.attendance import record_attendance
from portal.helpsessions.models import HelpSession
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
)

from .steps import answered, enter_code, pause_clock, set_up_app

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


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
    # Make the colleague's open page poll. This raises an error if the page is already opening the sign-in
    # page.
    with suppress(Error):
        theirs.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(theirs).to_have_url(re.compile("/sign-in/"))
    expect(theirs.locator("body")).not_to_contain_text("spot on")


def test_typed_letters_trigger_no_shortcuts_when_cover_for_the_branch_ends(
    branch, staff, patron, desk_computer, show
):
    now = timezone.now()
    hill = BranchFactory(
        name="Hill",
        covered_by=branch,
        last_seen_on=timezone.localdate() - timedelta(days=3),
        unattended_from=now - timedelta(days=1),
    )
    hilda = StaffFactory(branch=hill)
    visit = HelpSessionFactory(branch=hill, staff=hilda, patron=patron)
    conversation = ConversationFactory(help_session=visit)
    MessageFactory(conversation=conversation)
    desk = show(desk_computer(), staff)
    desk.clock.install()
    desk.goto(f"/desk/conversations/{conversation.public_id}/")
    # On a busy machine, a pause between two letters could be so long that the page opens the queue.
    with answered(desk):
        pause_clock(desk)
    answer = desk.locator("#id_body")
    record_attendance(hilda, at=now)
    # When the staff member types the first letter, the page asks the server for news. The response makes the
    # page open the queue. In the queue, each further letter would act as a keyboard shortcut: one letter
    # counts a tally, another opens the next conversation.
    answer.focus()
    with desk.expect_response("**/news/**"):
        desk.keyboard.type("T")
    # The response has arrived. The page opens the queue only when the staff member pauses.
    for letter in "wo books, not utter nonsense":
        desk.clock.run_for(60)
        desk.keyboard.type(letter)
    expect(answer).to_have_value("Two books, not utter nonsense")
    desk.clock.resume()
    desk.wait_for_url("**/desk/")
    desk.wait_for_load_state("networkidle")
    desk.goto("/desk/queue/unsent-text/")
    expect(desk.locator("main textarea")).to_have_value("Two books, not utter nonsense")
    assert not HelpSession.objects.exclude(pk=visit.pk).exists()
