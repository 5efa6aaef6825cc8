"""Test what the form that records a help session does in the browser."""

import datetime

import pytest
from django.utils.translation import override
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

from .conftest import DESK, PHONE

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk computer", "phone"])
def test_line_beside_the_save_button_shows_what_will_be_counted(branch, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto("/desk/record/")
    day = page.evaluate("new Date(document.querySelector('#id_happened_on').value + 'T12:00').getDate()")
    hour = page.locator("#id_hour").evaluate("field => field.selectedOptions[0].text")
    counted = page.locator("#counted bdi")
    expect(counted).to_contain_text(
        f"in person · reference · English · {page.evaluate(MONTH)} {day} · {hour}"
    )
    page.locator("#id_mode").select_option(HelpSession.Mode.PHONE)
    page.locator("#id_minutes").fill("5")
    page.locator("#id_read_level").select_option("3")
    expect(counted).to_contain_text("READ level: 3 · Minutes: 5 · People: 1 · phone · reference")


MONTH = """new Date(document.querySelector('#id_happened_on').value + 'T12:00').toLocaleDateString('en', {month: 'long'})"""


def test_line_is_hidden_without_javascript(branch, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    expect(page.locator("#counted")).to_be_hidden()


def press_often(page, key, times=4):
    for _ in range(times):
        page.keyboard.press(key)
        page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_extra_enter_never_turns_the_words_of_a_search_into_an_item(branch, staff, opened, show, javascript):
    page = show(opened(DESK, javascript=javascript), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("When does the club meet?")
    page.locator("#q").fill("Thursday club")
    press_often(page, "Enter")
    expect(page.locator("#by-hand")).to_be_visible()
    expect(page.locator("#id_new-title")).to_have_value("")
    page.locator("#id_mode").focus()
    press_often(page, "Enter")
    page.locator("#save").click()
    expect(page.locator("#code")).to_be_visible()
    assert not Recommendation.objects.exists()


def test_items_are_added_by_hand_one_after_the_other_with_the_keyboard(branch, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    keys = page.keyboard
    page.locator("#q").fill("Thursday club")
    expect(page.locator("#by-hand")).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#id_new-kind")).to_be_focused()
    keys.type("event")
    keys.press("Tab")
    expect(page.locator("#id_new-title")).to_have_value("Thursday club")
    keys.press("Enter")
    expect(page.locator("#id_items-0-reason")).to_be_focused()
    keys.type("they read aloud")
    keys.press("Enter")
    expect(page.locator("#id_new-title")).to_be_focused()
    press_often(page, "Enter", 2)
    expect(page.locator("#id_new-title")).to_have_value("")
    expect(page.locator(".by-hand .field-error")).to_have_count(0)
    keys.type("Friday club")
    # Two quick presses add one item.
    keys.press("Enter")
    keys.press("Enter")
    expect(page.locator("#id_items-1-reason")).to_be_focused()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".chosen > li")).to_have_count(2)
    keys.press("Control+Enter")
    expect(page.locator("#code")).to_be_visible()
    given = [(r.item.kind, r.item.title, r.reason) for r in Recommendation.objects.order_by("pk")]
    assert given == [("event", "Thursday club", "they read aloud"), ("event", "Friday club", "")]


def test_chip_lists_unfinished_visits_and_closes_with_escape_and_a_click(branch, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Half a question")
    page.locator("#later").click()
    chip, rows = page.locator("#tray > summary"), page.locator("#tray .rows")
    expect(chip.locator(".count")).to_have_text("1")
    expect(rows).to_be_hidden()
    chip.press("Enter")
    expect(rows).to_be_visible()
    page.keyboard.press("Escape")
    expect(rows).to_be_hidden()
    expect(chip).to_be_focused()
    chip.click()
    page.locator("h1").click()
    expect(rows).to_be_hidden()
    chip.click()
    rows.locator("a").click()
    expect(page.locator("#id_question")).to_have_value("Half a question")
    expect(page.locator("#tray")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "es"])
def test_title_is_shown_while_the_question_is_typed_as_the_patron_will_see_it(
    branch, staff, opened, show, language
):
    staff.language = language
    staff.save()
    page = show(opened(DESK, language=language), staff)
    page.goto("/desk/record/")
    title = page.locator("#title-preview .as-title")
    page.locator("#id_happened_on").fill("2026-03-04")
    page.locator("#id_hour").select_option("9")
    texts = ["", "Books about bees?", "  Two\n\n lines ", "Where is the river? 🐝 " * 9, "x" * 90, "x" * 91]
    for question in texts:
        page.locator("#id_question").fill(question)
        with override(language):
            visit = HelpSession(question=question.strip(), happened_on=datetime.date(2026, 3, 4))
            expect(title).to_have_text(visit.title)
        expect(page.locator("[data-if=long]")).to_be_visible(visible=len(question) > 90)
        expect(page.locator("[data-if=empty]")).to_be_visible(visible=not question)
    page.locator("#id_quiet").check()
    with override(language):
        expect(title).to_have_text(HelpSession(quiet=True, happened_on=datetime.date(2026, 3, 4)).title)
    expect(page.locator("[data-if=quiet]")).to_be_visible()


def test_title_has_only_a_hint_without_javascript(branch, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    expect(page.locator("#title-preview")).to_be_hidden()
    expect(page.locator("#id_question_helptext")).to_be_visible()
