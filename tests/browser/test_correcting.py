"""Test correcting a help session with the keyboard only, and without JavaScript."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import DESK, PHONE
from .reader import Reader
from .steps import eventually

pytestmark = [pytest.mark.only_long, pytest.mark.browser]
REASONS = "fields => fields.map(field => field.value)"


@pytest.fixture
def visit(branch, staff):
    now = timezone.now()
    yesterday = (now - datetime.timedelta(days=1)).date()
    visit = HelpSessionFactory(branch=branch, staff=staff, handed_over_at=now, happened_on=yesterday)
    recommend_in(visit, 2)
    return visit


def test_visit_is_corrected_by_keyboard_with_four_keystrokes_on_two_pages(branch, staff, visit, opened, show):
    """Check the keystrokes, so that a visit can be corrected within 15 seconds.

    Besides the words, staff press four keys and move to the item search. One page is the form, the other is
    the corrected visit.
    """
    ItemFactory(title="Worms at Work")
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/")
    loads = []
    page.on("load", lambda _page: loads.append(page.url))
    page.keyboard.press("c")
    expect(page.locator("#id_question")).to_be_focused()
    # Text that is typed before the scripts are loaded starts no search.
    page.wait_for_load_state()
    page.keyboard.press("Control+A")
    page.keyboard.type("How do I keep a worm bin?")
    page.locator("#q").focus()
    page.keyboard.type("worms")
    # Wait for the results of the whole word. Enter doesn't pick a result that was found for its first
    # letters.
    expect(page.locator("[data-query=worms] .found-item")).to_have_count(1)
    # Press Enter only once. A second press would move the focus out of the field for the reason.
    page.keyboard.press("Enter")
    expect(page.locator("#id_items-2-reason")).to_be_focused()
    page.keyboard.type("for balconies")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("How do I keep a worm bin?")
    eventually(page, lambda: len(loads), 2)
    assert HelpSession.objects.get().question == "How do I keep a worm bin?"
    titles = [link.recommendation.item.title for link in visit.recommendation_links.all()]
    assert titles[2] == "Worms at Work"


def test_correction_form_puts_the_cursor_after_the_recorded_question(branch, staff, visit, opened, show):
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    expect(page.locator("#id_question")).to_be_focused()
    page.keyboard.type(" Today?")
    expect(page.locator("#id_question")).to_have_value(f"{visit.question} Today?")


def test_moving_an_item_up_keeps_the_focus_and_the_typed_reason(branch, staff, visit, opened, show):
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    before = [link.recommendation.item.title for link in visit.recommendation_links.all()]
    page.locator("#id_items-1-reason").fill("typed before")
    page.locator("#up-1").click()
    expect(page.locator("#id_items-0-reason")).to_have_value("typed before")
    expect(page.locator("#id_items-0-reason")).to_be_focused()
    page.locator("#save").click()
    page.wait_for_url(f"**/desk/sessions/{visit.public_id}/")
    assert [link.recommendation.item.title for link in visit.recommendation_links.all()] == before[::-1]


def test_unsaved_correction_is_in_the_form_after_the_browser_was_closed(branch, staff, visit, opened, show):
    recommend_in(visit, reason="a third reason")
    page = opened(DESK)
    page.clock.install()
    show(page, staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    # The clock of the page keeps running, so the form may be saved before the test moves the clock.
    with page.expect_response("**/correct/draft/"):
        page.locator("#id_question").fill("Typed")
        page.clock.run_for(2000)
    expect(page.locator("#kept")).to_contain_text("stored your text at")
    with page.expect_response("**/correct/draft/"):
        page.locator("#up-1").click()
        expect(page.locator("#id_items-0-reason")).to_have_value("a third reason")
        page.clock.run_for(2000)
    moved = page.locator("[data-reason]").evaluate_all(REASONS)
    page.close()
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    expect(page.locator("#unfinished")).to_be_visible()
    expect(page.locator("#id_question")).to_have_value("Typed")
    assert page.locator("[data-reason]").evaluate_all(REASONS) == moved
    page.locator("#discard").click()
    page.wait_for_url(f"**/desk/sessions/{visit.public_id}/")
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    expect(page.locator("#id_question")).to_have_value(visit.question)
    assert page.locator("[data-reason]").evaluate_all(REASONS) != moved


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk computer", "phone"])
def test_staff_can_correct_and_delete_a_visit_using_only_accessible_names(
    branch, staff, visit, opened, show, screen, javascript, language
):
    staff.language = language
    staff.save()
    page = show(opened(screen, javascript=javascript, language=language), staff)
    reader = Reader(page, language, act="tap" if screen is PHONE else "click")
    removed, stays = [link.recommendation.item.title for link in visit.recommendation_links.all()]
    page.goto(f"/desk/sessions/{visit.public_id}/")
    # The name of the link ends with its keyboard shortcut, so don't match the whole name.
    reader.follow("Correct the help session", exact=False)
    reader.field("Summary for the patron").fill("A better summary")
    remove = f"{reader.say('Remove')} {{}}"
    reader.button(remove.format(removed)).click()
    expect(reader.button(remove.format(removed))).to_have_count(0)
    expect(reader.button(remove.format(stays))).to_be_visible()
    expect(reader.field("Summary for the patron")).to_have_value("A better summary")
    reader.press("Save the correction")
    page.wait_for_url(f"**/desk/sessions/{visit.public_id}/")
    expect(page.get_by_role("main")).to_contain_text("A better summary")
    assert [link.recommendation.item.title for link in visit.recommendation_links.all()] == [stays]
    reader.follow("Delete")
    expect(page).to_have_url(re.compile("/delete/$"))
    reader.press("Delete")
    page.wait_for_url("**/desk/sessions/")
    assert not HelpSession.objects.exists()
