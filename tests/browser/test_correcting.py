"""Test correcting a help session with the keyboard only, and without JavaScript."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import DESK, PHONE
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
    # The results for the first letters can arrive earlier. Enter would pick none of those.
    expect(page.locator("[data-query=worms] .found-item")).to_have_count(1)
    # A second Enter would move the focus out of the reason again.
    page.keyboard.press("Enter")
    expect(page.locator("#id_items-2-reason")).to_be_focused()
    page.keyboard.type("for balconies")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("How do I keep a worm bin?")
    eventually(page, lambda: len(loads), 2)
    assert HelpSession.objects.get().question == "How do I keep a worm bin?"
    titles = [link.recommendation.item.title for link in visit.recommendation_links.all()]
    assert titles[2] == "Worms at Work"


def test_text_typed_in_the_correction_form_comes_after_the_recorded_question(
    branch, staff, visit, opened, show
):
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    expect(page.locator("#id_question")).to_be_focused()
    page.keyboard.type(" Today?")
    expect(page.locator("#id_question")).to_have_value(f"{visit.question} Today?")


def test_item_that_is_moved_keeps_the_focus_and_its_typed_reason(branch, staff, visit, opened, show):
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


def test_unsaved_correction_is_in_the_form_again_after_the_browser_was_closed(
    branch, staff, visit, opened, show
):
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


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk computer", "phone"])
def test_visit_can_be_corrected_and_deleted_without_javascript(branch, staff, visit, opened, show, screen):
    page = show(opened(screen, javascript=False), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/")
    page.locator("#correct").click()
    page.locator("#id_summary").fill("A better summary")
    page.locator("#remove-0").click()
    expect(page.locator("#remove-1")).to_have_count(0)
    expect(page.locator("#id_summary")).to_have_value("A better summary")
    page.locator("#save").click()
    page.wait_for_url(f"**/desk/sessions/{visit.public_id}/")
    expect(page.locator("main")).to_contain_text("A better summary")
    assert visit.recommendation_links.count() == 1
    page.locator("main").locator("#delete").click()
    expect(page).to_have_url(re.compile("/delete/$"))
    page.locator("#delete").click()
    page.wait_for_url("**/desk/sessions/")
    assert not HelpSession.objects.exists()
