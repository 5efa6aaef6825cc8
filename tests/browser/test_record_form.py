"""Test what the form that records a help session does in the browser."""

import datetime

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone
from django.utils.translation import override
from playwright.sync_api import expect

from accounts.models import LibraryCard
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

from .conftest import DESK, PHONE

pytestmark = pytest.mark.browser
CARD = "2123400001234"


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


@pytest.fixture
def known(patron):
    """Return Sam, who has a library card and has confirmed his email address."""
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    LibraryCard.objects.create(person=patron, ils_id="7", barcode=CARD, seen_at=timezone.now())
    return patron


def count_loads(page):
    """Return a list that grows with each page that the browser loads."""
    loads = []
    page.on("load", lambda _page: loads.append(page.url))
    return loads


def test_visit_of_a_known_patron_is_recorded_with_a_few_keys_and_two_pages(
    branch, staff, known, opened, show
):
    """Prove that 15 seconds are enough.

    Besides the words of the question, staff press at most 8 keys and scan a card. One page is the form, the
    other is the slip.
    """
    page = show(opened(DESK), staff)
    loads = count_loads(page)
    page.goto("/desk/record/")
    keys = page.keyboard
    expect(page.locator("#id_question")).to_be_focused()
    keys.type("Books about bees?")
    pressed = 0
    while not page.locator("#id_for_whom").evaluate("field => field === document.activeElement"):
        keys.press("Tab")
        pressed += 1
    assert pressed <= 6
    # A scanner types the number and presses Enter.
    keys.type(CARD)
    keys.press("Enter")
    expect(page.locator("#recipient strong")).to_have_text(known.name)
    expect(page.locator("#id_agreed")).to_be_focused()
    keys.press("Space")
    keys.press("Control+Enter")
    page.wait_for_url("**/slip/")
    expect(page.locator("#next")).to_be_visible()
    assert len(loads) == 2
    visit = HelpSession.objects.recorded().get()
    assert (visit.question, visit.patron) == ("Books about bees?", known)
    keys.press("n")
    expect(page.locator("#id_question")).to_be_focused()
    expect(page.locator("#id_for_whom")).to_have_value("")


def test_visit_of_a_known_patron_is_recorded_on_one_page_without_javascript(
    branch, staff, known, opened, show
):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Books about bees?")
    page.locator("#id_for_whom").fill(known.email)
    page.locator("#save").click()
    expect(page.locator("#id_agreed")).not_to_be_checked()
    expect(page.locator("#id_question")).to_have_value("Books about bees?")
    page.locator("#id_agreed").check()
    page.locator("#save").click()
    page.wait_for_url("**/slip/")
    assert HelpSession.objects.recorded().get().patron == known


def test_consent_stays_checked_while_the_form_is_finished(branch, staff, known, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Books about bees?")
    who = page.locator("#id_for_whom")
    who.fill(known.email)
    who.press("Tab")
    # Tab goes on in the form. Only Enter goes to the consent.
    page.locator("#id_agreed").check()
    expect(page.locator("#id_topic")).not_to_be_focused()
    who.focus()
    who.blur()
    page.locator("#id_minutes").fill("5")
    page.locator("#kept p").wait_for()
    expect(page.locator("#id_agreed")).to_be_checked()
    # Another patron has to hear the text and agree again.
    who.fill("nobody@example.org")
    who.press("Enter")
    expect(page.locator("#id_agreed")).to_have_count(0)
    expect(page.locator("#recipient .notice")).to_be_visible()
    who.fill("999")
    who.press("Enter")
    expect(page.locator("#recipient .field-error")).to_be_visible()
    who.fill("")
    who.press("Enter")
    expect(page.locator("#recipient > *")).to_have_count(0)


def test_quiet_visit_and_visit_with_a_child_change_the_field_for(branch, staff, known, library, opened, show):
    library.children = "shared"
    library.save()
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    who = page.locator("#id_for_whom")
    who.fill(CARD)
    who.press("Enter")
    page.locator("#id_agreed").check()
    page.locator("#id_with_child").check()
    expect(page.locator("#id_agreed")).not_to_be_checked()
    page.locator("#id_quiet").check()
    expect(who).to_be_hidden()
    expect(page.locator("#recipient")).to_be_hidden()
    page.locator("#id_summary").fill("Zqxsecret")
    page.locator("#save").click()
    page.wait_for_url("**/slip/")
    visit = HelpSession.objects.recorded().get()
    assert (visit.quiet, visit.patron, visit.shared_with) == (True, None, None)


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


def test_record_form_without_javascript_explains_the_title_and_has_no_preview(branch, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    expect(page.locator("#title-preview")).to_be_hidden()
    expect(page.locator("#id_question_helptext")).to_be_visible()
