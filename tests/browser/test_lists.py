import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.models import SavedItem
from portal.lists.own_words import add_title
from tests.extent import rarely
from tests.factories import HelpSessionFactory, SavedListFactory, recommend_in

from .conftest import LOOKS
from .steps import answered, card, eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def three(patron):
    """Return a saved list of the patron with the titles C, B and A, in this order."""
    saved_list = SavedListFactory(patron=patron)
    for title in "ABC":
        add_title(saved_list, title=title, at=timezone.now())
    return saved_list


def order(saved_list):
    return "".join(str(saved) for saved in saved_list.saved_items.in_lists().in_order())


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_buttons_change_the_order_of_a_list(javascript, three, patron, phone, show):
    page = show(phone(javascript=javascript), patron)
    page.goto("/lists/")
    page.locator("#order-list").tap()
    titles = page.locator("#order strong")
    expect(titles).to_have_text(["C", "B", "A"])
    page.wait_for_load_state()
    button = page.get_by_role("button", name="Up A")
    button.focus()
    page.keyboard.press("Enter")
    expect(titles).to_have_text(["C", "A", "B"])
    if javascript:
        expect(button).to_be_focused()
        expect(page.locator("#announce")).to_have_text("“A” is number 2 of 3.")
    else:
        expect(page.locator(".handle")).to_have_count(0)
    page.get_by_role("button", name="Down C").tap()
    expect(titles).to_have_text(["A", "C", "B"])
    assert order(three) == "ACB"


def drag(page, title, to):
    """Drag the title to the middle of another title, and stop there without releasing it."""
    boxes = [
        page.locator("#order li", has_text=each).locator(".handle").bounding_box() for each in (title, to)
    ]
    x, *ys = (boxes[0]["x"] + 20, *(box["y"] + 22 for box in boxes))
    page.mouse.move(x, ys[0])
    page.mouse.down()
    page.mouse.move(x, (ys[0] + ys[1]) / 2)
    page.mouse.move(x, ys[1] + (-30 if ys[1] < ys[0] else 30))


def test_dragging_changes_the_order_of_a_list(three, patron, phone, show):
    page = show(phone(), patron)
    page.goto(f"/lists/{three.public_id}/order/")
    expect(page.locator(".handle")).to_have_count(3)
    drag(page, "A", "C")
    expect(page.locator("#order strong")).to_have_text(["A", "C", "B"])
    page.mouse.up()
    eventually(page, lambda: order(three), "ACB")
    expect(page.locator("#announce")).to_have_text("“A” is number 1 of 3.")
    expect(page.locator(".handle")).to_have_count(3)
    # Escape stops the drag, and the order stays.
    with answered(page):
        drag(page, "A", "B")
        expect(page.locator("#order strong")).to_have_text(["C", "B", "A"])
        page.keyboard.press("Escape")
        page.mouse.up()
    expect(page.locator("#order strong")).to_have_text(["A", "C", "B"])
    assert order(three) == "ACB"


def test_order_page_shows_the_old_order_if_the_new_order_cannot_be_saved(three, patron, phone, show):
    page = show(phone(), patron)
    page.goto(f"/lists/{three.public_id}/order/")
    expect(page.locator(".handle")).to_have_count(3)
    page.context.set_offline(True)
    drag(page, "A", "C")
    page.mouse.up()
    expect(page.locator("#failed")).to_be_visible()
    expect(page.locator("#order strong")).to_have_text(["C", "B", "A"])
    assert order(three) == "CBA"


@pytest.mark.core
@pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), rarely("en", False), rarely("es", True)],
    ids=["with JavaScript", "without JavaScript", "in Spanish, dark and large"],
)
def test_patron_saves_an_item_in_a_new_list_and_restores_the_list(
    language, javascript, branch, staff, patron, phone, show
):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    title = recommend_in(session)[0].item.title
    page = show(phone(**LOOKS[language], javascript=javascript), patron)
    page.goto(session.get_absolute_url())
    button = card(page, title).locator("button[id^='save-']")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")
    card(page, title).locator("a[href^='/lists/choose/']").tap()
    page.locator("#id_name").fill("For winter")
    page.locator("#make-list").tap()
    toggles = page.locator("#lists button[aria-pressed=true]")
    expect(toggles).to_have_count(2)
    # The first list has no name of its own.
    toggles.filter(has_not_text="For winter").tap()
    expect(toggles).to_have_count(1)

    page.locator("nav a[href='/lists/']").tap()
    page.locator("#lists a", has_text="For winter").tap()
    page.locator("a[id^=note-]").tap()
    page.locator("#reading-done").tap()
    expect(page.locator("#reading-done")).to_have_attribute("aria-pressed", "true")
    page.locator("#id_note").fill("Read it twice")
    page.locator("#save-note").tap()
    expect(page.locator("#saved .prose")).to_have_text("Read it twice")
    page.locator("#change-list").tap()
    page.locator("#remove-list").tap()
    page.locator("#undo-1").tap()
    expect(page.locator("#saved .prose")).to_have_text("Read it twice")
    saved = SavedItem.objects.in_lists().get()
    assert (str(saved.saved_list), saved.note, saved.reading) == ("For winter", "Read it twice", "done")
