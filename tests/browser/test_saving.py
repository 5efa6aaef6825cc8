import pytest
from playwright.sync_api import expect

from portal.lists.models import SavedItem
from tests.extent import rarely
from tests.factories import HelpSessionFactory, recommend_in

from .steps import card

pytestmark = pytest.mark.browser


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_patron_can_save_an_item_and_undo_removing_the_item(javascript, branch, staff, patron, phone, show):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    title = recommend_in(session, 2)[0].item.title
    page = show(phone(javascript=javascript), patron)

    page.goto(session.get_absolute_url())
    button = card(page, title).locator("button[id^='save-']")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "false")
    page.locator("button[id^='undo-']").first.tap()
    expect(button).to_have_attribute("aria-pressed", "true")

    page.locator("nav a[href='/lists/']").tap()
    expect(page.locator("#saved .item-card h3")).to_have_text([title])
    # Wait for the scripts. Without them, the button would load the page again, with another undo button.
    page.wait_for_load_state()
    page.locator("#saved button[id^='remove-']").tap()
    expect(page.locator("#saved .item-card")).to_have_count(0)
    page.locator("#saved button[id^='restore-']" if javascript else "#notices button[id^='undo-']").tap()
    expect(page.locator("#saved .item-card h3")).to_have_text([title])
    assert SavedItem.objects.get().item.title == title
