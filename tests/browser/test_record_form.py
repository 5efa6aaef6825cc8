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
from tests.extent import rarely

from .conftest import DESK, PHONE
from .steps import answered, eventually, pause_clock

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


def test_line_about_what_will_be_counted_is_hidden_without_javascript(branch, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    expect(page.locator("#counted")).to_be_hidden()


# Scroll until the field is directly above the bar with the main buttons, and focus it.
TO_BAR = """field => {
    const bar = document.querySelector(".save-bar").getBoundingClientRect();
    scrollBy({ top: field.getBoundingClientRect().bottom - bar.top, behavior: "instant" });
    field.focus({ preventScroll: true });
}"""
IS_ABOVE_BAR = """shown => shown.getBoundingClientRect().bottom <= document.querySelector(".save-bar").getBoundingClientRect().top"""


@pytest.mark.parametrize(
    ("field", "typed", "found"),
    [
        ("#q", "zzzzzz", "#found #by-hand"),
        ("#id_for_whom", "999", "#recipient .field-error"),
        ("#id_for_whom", "new@example.org", "#recipient .notice"),
    ],
    ids=["item", "unknown card", "new address"],
)
def test_button_bar_does_not_cover_search_results_below_a_field(
    branch, staff, opened, show, field, typed, found
):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.wait_for_load_state()
    page.locator(field).evaluate(TO_BAR)
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    expect(page.locator(found)).to_be_visible()
    eventually(page, lambda: page.locator(found).evaluate(IS_ABOVE_BAR), True)
    expect(page.locator(field)).to_be_in_viewport(ratio=1)


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


@pytest.mark.core
def test_visit_of_a_known_patron_is_recorded_with_few_keystrokes_on_two_pages(
    branch, staff, known, opened, show
):
    """Check the keystrokes, so that a visit can be recorded within 15 seconds.

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
    eventually(page, lambda: len(loads), 2)
    visit = HelpSession.objects.recorded().get()
    assert (visit.question, visit.patron) == ("Books about bees?", known)
    keys.press("n")
    expect(page.locator("#id_question")).to_be_focused()
    expect(page.locator("#id_for_whom")).to_have_value("")


def test_enter_key_moves_the_focus_from_an_empty_item_search_to_patron_and_then_topic(
    branch, staff, opened, show
):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.wait_for_load_state()
    search, who, topic = (page.locator(field) for field in ("#q", "#id_for_whom", "#id_topic"))
    search.press("Enter")
    expect(who).to_be_focused()
    who.press("Enter")
    expect(topic).to_be_focused()
    # A quiet visit has no patron.
    page.locator("#id_quiet").check()
    search.press("Enter")
    expect(topic).to_be_focused()


def test_visit_of_a_known_patron_is_recorded_on_one_page_without_javascript(
    branch, staff, known, opened, show
):
    known.language = "es"
    known.save()
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Books about bees?")
    page.locator("#id_for_whom").fill(known.email)
    page.locator("#save").click()
    expect(page.locator("#id_agreed")).not_to_be_checked()
    expect(page.locator("#set-language")).to_contain_text("español")
    expect(page.locator("#id_question")).to_have_value("Books about bees?")
    page.locator("#id_agreed").check()
    page.locator("#save").click()
    page.wait_for_url("**/slip/")
    assert HelpSession.objects.recorded().get().patron == known


def test_language_of_a_known_patron_is_shown_beside_the_save_button(branch, staff, known, opened, show):
    known.language = "es"
    known.save()
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    counted, who, language = (
        page.locator("#counted bdi"),
        page.locator("#id_for_whom"),
        page.locator("#id_language"),
    )
    expect(counted).to_contain_text("English")
    who.fill(known.email)
    who.press("Enter")
    expect(counted).to_contain_text("Español")
    expect(language).to_have_value("es")
    who.fill("")
    who.press("Tab")
    expect(counted).to_contain_text("English")
    page.locator("#id_question").fill("¿Libros sobre abejas?")
    who.fill(known.email)
    who.press("Enter")
    expect(counted).to_contain_text("Español")
    page.locator("#id_agreed").check()
    page.locator("#save").click()
    page.wait_for_url("**/slip/")
    assert HelpSession.objects.recorded().get().language == "es"


def test_looking_up_the_patron_does_not_replace_the_language_that_staff_chose(
    branch, staff, known, opened, show
):
    known.language = "es"
    known.save()
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    held = []
    page.route("**/record/for/**", lambda route: held.append(route))
    page.locator("#id_question").fill("Livres sur les abeilles ?")
    page.locator("#id_for_whom").fill(known.email)
    page.locator("#id_for_whom").press("Enter")
    eventually(page, lambda: len(held), 1)
    page.locator("#id_language").select_option("fr")
    held[0].continue_()
    page.locator("#id_agreed").check()
    expect(page.locator("#id_language")).to_have_value("fr")
    page.locator("#save").click()
    page.wait_for_url("**/slip/")
    assert HelpSession.objects.recorded().get().language == "fr"


@pytest.mark.parametrize("typed", ["address", "card"])
def test_consent_text_appears_while_staff_are_still_in_the_recipient_field(
    branch, staff, known, opened, show, typed
):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/record/")
    # On a busy machine, a pause between two letters could be so long that the form looks somebody up.
    pause_clock(page)
    who = page.locator("#id_for_whom")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/record/for/" in request.url else None)
    who.press_sequentially(CARD[:5] if typed == "card" else known.email.partition("@")[0])
    page.clock.run_for(2000)
    # The text is too short for a card number or an address, so the form doesn't look anybody up yet.
    assert asked == []
    who.press_sequentially(CARD[5:] if typed == "card" else "@" + known.email.partition("@")[2])
    page.clock.run_for(2000)
    expect(page.locator("#id_agreed")).to_be_visible()
    expect(who).to_be_focused()
    assert len(asked) == 1


def test_focus_moves_to_the_consent_box_even_if_the_response_comes_late(branch, staff, known, opened, show):
    """The form looks up a number on Enter, or after a pause. Delay the response until the pause is over."""
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/record/")
    pause_clock(page)
    held = []
    page.route("**/record/for/**", lambda route: held.append(route))
    page.locator("#id_for_whom").press_sequentially(CARD)
    page.locator("#id_for_whom").press("Enter")
    page.clock.run_for(2000)
    eventually(page, lambda: len(held), 1)
    page.clock.resume()
    held[0].continue_()
    expect(page.locator("#id_agreed")).to_be_focused()


def test_consent_box_is_still_checked_after_the_rest_of_the_form_is_filled_in(
    branch, staff, known, opened, show
):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Books about bees?")
    who = page.locator("#id_for_whom")
    who.fill(known.email)
    who.press("Tab")
    # Tab moves the focus to the next field of the form. Only Enter moves it to the consent box.
    page.locator("#id_agreed").check()
    expect(page.locator("#id_topic")).not_to_be_focused()
    who.focus()
    who.blur()
    page.locator("#id_minutes").fill("5")
    page.locator("#kept p").wait_for()
    expect(page.locator("#id_agreed")).to_be_checked()
    # If staff name another patron, this patron must hear the consent text and agree too.
    who.fill("nobody@example.org")
    who.press("Enter")
    expect(page.locator("#id_agreed")).to_have_count(0)
    expect(page.locator("#recipient .notice")).to_be_visible()
    who.fill("999")
    who.press("Enter")
    expect(page.locator("#recipient .field-error")).to_be_visible()
    who.fill("")
    who.press("Enter")
    expect(page.locator("#recipient > :not([type=hidden])")).to_have_count(0)


def test_recipient_field_changes_for_a_quiet_visit_or_a_visit_with_a_child(
    branch, staff, known, library, opened, show
):
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


@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["javascript", "no javascript"])
def test_pressing_enter_in_the_item_search_adds_no_item(branch, staff, opened, show, javascript):
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


# Press Enter twice in one script. With Playwright, the second press could come after the first response.
PRESS_ENTER_TWICE = """() => {
    const press = { key: "Enter", bubbles: true, cancelable: true };
    for (let times = 0; times < 2; times++) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", press));
}"""


def test_staff_can_add_several_items_by_hand_with_the_keyboard(branch, staff, opened, show):
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
    with answered(page):
        page.evaluate(PRESS_ENTER_TWICE)
    expect(page.locator("#id_items-1-reason")).to_be_focused()
    expect(page.locator(".chosen > li")).to_have_count(2)
    keys.press("Control+Enter")
    expect(page.locator("#code")).to_be_visible()
    given = [(r.item.kind, r.item.title, r.reason) for r in Recommendation.objects.order_by("pk")]
    assert given == [("event", "Thursday club", "they read aloud"), ("event", "Friday club", "")]


def test_chip_opens_the_list_of_unfinished_visits_and_escape_closes_the_list(branch, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("Half a question")
    page.locator("#later").click()
    chip, rows = page.locator("#tray > summary"), page.locator("#tray .rows")
    expect(chip.locator(".count")).to_have_text("1")
    expect(rows).to_be_hidden()
    # A key does nothing until the scripts are loaded.
    page.wait_for_load_state()
    chip.press("Enter")
    expect(rows).to_be_visible()
    place = rows.bounding_box()
    assert 0 <= place["x"] <= DESK["viewport"]["width"] - place["width"]
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
def test_record_form_shows_the_patrons_title_while_the_question_is_typed(
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


def test_record_form_without_javascript_explains_the_title_but_shows_no_preview(branch, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/record/")
    expect(page.locator("#title-preview")).to_be_hidden()
    expect(page.locator("#id_question_helptext")).to_be_visible()
