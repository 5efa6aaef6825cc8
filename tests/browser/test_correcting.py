"""Test correcting a help session with the keyboard only, and without JavaScript."""

import datetime
import time

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import DESK, PHONE

pytestmark = pytest.mark.browser
MAX_SECONDS = 15
REASONS = "fields => fields.map(field => field.value)"


@pytest.fixture
def visit(branch, staff):
    now = timezone.now()
    yesterday = (now - datetime.timedelta(days=1)).date()
    visit = HelpSessionFactory(branch=branch, staff=staff, handed_over_at=now, happened_on=yesterday)
    recommend_in(visit, 2)
    return visit


def test_record_is_corrected_with_the_keyboard_within_15_seconds(branch, staff, visit, opened, show):
    ItemFactory(title="Worms at Work")
    page = show(opened(DESK), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/")
    started = time.monotonic()
    page.keyboard.press("c")
    expect(page.locator("#id_question")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("How do I keep a worm bin?")
    page.locator("#q").focus()
    page.keyboard.type("worms")
    expect(page.locator(".found-item")).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#id_items-2-reason")).to_be_focused()
    page.keyboard.type("for balconies")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("How do I keep a worm bin?")
    assert time.monotonic() - started < MAX_SECONDS
    assert HelpSession.objects.get().question == "How do I keep a worm bin?"
    titles = [link.recommendation.item.title for link in visit.recommendation_links.all()]
    assert titles[2] == "Worms at Work"


def test_moved_item_keeps_the_focus_and_what_was_typed(branch, staff, visit, opened, show):
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


def test_typed_correction_comes_back_after_the_browser_was_closed(branch, staff, visit, opened, show):
    recommend_in(visit, reason="a third reason")
    page = opened(DESK)
    page.clock.install()
    show(page, staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    page.locator("#id_question").fill("Typed")
    with page.expect_response("**/correct/draft/"):
        page.clock.run_for(2000)
    expect(page.locator("#kept")).to_contain_text("Kept at")
    page.locator("#up-1").click()
    expect(page.locator("#id_items-0-reason")).to_have_value("a third reason")
    with page.expect_response("**/correct/draft/"):
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
def test_record_is_corrected_and_deleted_without_javascript(branch, staff, visit, opened, show, screen):
    page = show(opened(screen, javascript=False), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/")
    page.locator("#correct").click()
    page.locator("#id_summary").fill("A better summary")
    page.locator("#remove-0").click()
    expect(page.locator("#id_summary")).to_have_value("A better summary")
    page.locator("#save").click()
    page.wait_for_url(f"**/desk/sessions/{visit.public_id}/")
    expect(page.locator("main")).to_contain_text("A better summary")
    assert visit.recommendation_links.count() == 1
    page.locator("main").locator("#delete").click()
    page.locator("#delete").click()
    page.wait_for_url("**/desk/sessions/")
    assert not HelpSession.objects.exists()
