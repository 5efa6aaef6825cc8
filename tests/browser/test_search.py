"""Search visits and lists by keyboard, with and without JavaScript, in English and Spanish."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.own_words import add_title, write_note
from tests.extent import rarely
from tests.factories import HelpSessionFactory, SavedListFactory, recommend_in

from .conftest import LOOKS
from .steps import answered

pytestmark = pytest.mark.browser

BOTH = pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])


@pytest.fixture
def visit(branch, staff, patron):
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Compost in the shade?")
    recommend_in(visit, item__title="Cien años de soledad", item__creators="Gabriel García Márquez")
    return visit


@pytest.fixture
def long(patron):
    """Return a saved list of the patron with 45 titles. One of the titles has a note."""
    long = SavedListFactory(patron=patron, name="For winter")
    for number in range(45):
        saved = add_title(long, title=f"Novel {number:02}", creators="Olga Tokarczuk", at=timezone.now())
    write_note(saved, note="García told me")
    return long


def type_words(page, words):
    """Go to the field by keyboard, type the words, and press Enter."""
    field = page.locator("#id_words")
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(words)
    page.keyboard.press("Enter")


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("language", ["en", rarely("es")])
def test_patron_searches_visits_and_lists_by_keyboard(javascript, language, visit, long, patron, phone, show):
    patron.language = language
    patron.save()
    page = show(phone(**LOOKS[language], javascript=javascript), patron)
    page.goto("/")
    page.locator("#to-search").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/")
    page.wait_for_load_state()
    expect(page.locator("#id_words")).to_be_focused()

    type_words(page, "%")
    expect(page.locator("#id_words_error")).to_be_visible()
    expect(page.locator("#id_words")).to_have_value("%")

    type_words(page, "garcia")
    found = page.locator("#found-title")
    expect(found).to_be_focused()
    expect(found).to_have_text({"en": "1 visit, 1 title", "es": "1 visita, 1 título"}[language])
    if javascript:
        expect(page.locator("#announce")).to_have_text(
            {"en": "1 visit, 1 title", "es": "1 visita, 1 título"}[language]
        )
    assert "garcia" not in page.url
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("href", visit.get_absolute_url())
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{visit.get_absolute_url()}")
    if javascript:
        # Going back doesn't ask whether to send the form again. The search words and the results are gone.
        page.go_back()
        page.wait_for_url("**/search/")
        expect(page.locator("#id_words")).to_have_value("")
        expect(page.locator("#found")).to_have_count(0)


@BOTH
def test_show_more_moves_the_focus_to_the_first_new_title(javascript, long, patron, phone, show):
    page = show(phone(javascript=javascript), patron)
    page.goto("/search/")
    page.wait_for_load_state()
    type_words(page, "novel")
    titles = page.locator("#found a.cover-all")
    for shown in (40, 45):
        page.locator("#show-more").focus()
        page.keyboard.press("Enter")
        expect(titles).to_have_count(shown)
        expect(titles.nth(20 if shown == 40 else 40)).to_be_focused()
    expect(page.locator("#show-more")).to_have_count(0)


@BOTH
def test_patron_searches_a_long_list_by_title_and_by_note(javascript, long, patron, phone, show):
    page = show(phone(javascript=javascript), patron)
    page.goto("/lists/")
    page.wait_for_load_state()
    type_words(page, "olga 07")
    expect(page.locator("#found")).to_be_focused()
    cards = page.locator("#saved .item-card h3")
    expect(cards).to_have_text(["Novel 07"])
    page.locator("button[id^=remove-]").focus()
    page.keyboard.press("Enter")
    if javascript:
        expect(page.locator("#saved p[autofocus]")).to_be_focused()
        with answered(page):
            page.locator("button[id^=restore-]").press("Enter")
        expect(cards).to_have_text(["Novel 07"])
    else:
        page.locator("#undo-1").press("Enter")
        expect(page.locator("#saved .item-card")).to_have_count(20)
        type_words(page, "olga 07")
        expect(cards).to_have_text(["Novel 07"])
    page.locator("#whole-list").press("Enter")
    expect(page.locator("#saved .item-card")).to_have_count(20)
    type_words(page, "volcano")
    expect(page.locator("#found")).to_be_focused()
    expect(page.locator("#saved .item-card")).to_have_count(0)
