"""Check that real covers are loaded after the page, over the drawn covers, and that the page stays small."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.files import cover_picture
from recommendations.covers.stored import save_cover
from tests.cover_source import photo
from tests.factories import ItemFactory, SavedItemFactory, SavedListFactory

from . import bars

pytestmark = pytest.mark.browser
LOADED = ".cover > img"
# Return whether each real cover fills its drawn cover, and whether it has been loaded.
FILLED = """() => [...document.querySelectorAll('.cover > img')].map(picture => {
    const inner = picture.getBoundingClientRect(), outer = picture.parentElement.getBoundingClientRect();
    return Math.abs(inner.width - outer.width) < 1 && Math.abs(inner.height - outer.height) < 1 && picture.naturalWidth > 0;
})"""


@pytest.fixture
def winter(patron):
    """Return a saved list of the patron with 20 titles that have a real cover."""
    saved_list = SavedListFactory(patron=patron, name="For winter")
    picture = cover_picture(photo())
    for number in range(20):
        isbn = f"97800000000{number:02}"
        item = ItemFactory(isbn=isbn)
        save_cover(isbn, picture, on=timezone.localdate())
        item.refresh_from_db()
        SavedItemFactory(saved_list=saved_list, item=item, position=number)
    return saved_list


@pytest.mark.core
def test_real_covers_are_loaded_when_they_come_into_view(phone, show, patron, winter):
    page = show(phone(), patron)
    page.goto(f"{winter.get_absolute_url()}order/")
    expect(page.locator(LOADED)).to_have_count(2)
    page.mouse.wheel(0, 1)
    page.wait_for_function("() => document.querySelectorAll('.cover > img').length > 2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.cover > img')].every(picture => picture.complete)"
    )
    assert set(page.evaluate(FILLED)) == {True}
    assert page.locator(LOADED).count() < 20
    page.locator(".cover").last.scroll_into_view_if_needed()
    expect(page.locator(".cover").last.locator("img")).to_be_visible()


@pytest.mark.parametrize("ending", ["", "order/"])
def test_page_with_real_covers_stays_within_the_limits_of_bytes_and_requests(
    phone, show, patron, winter, ending
):
    page = show(phone(), patron)
    address, requests = winter.get_absolute_url() + ending, []
    page.on("response", lambda answer: requests.append(answer))
    page.goto(address)
    expect(page.locator(LOADED).first).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.cover > img')].every(picture => picture.complete)"
    )
    covers = [answer for answer in requests if "/covers/" in answer.url]
    assert 1 <= len(covers) <= 2
    assert len(requests) <= bars.REQUESTS
    assert sum(map(bars.size, requests)) <= bars.FIRST_VIEW


def test_drawn_cover_stays_visible_if_the_real_cover_is_empty(phone, show, patron, winter):
    page = show(phone(), patron)
    page.route("**/covers/**", lambda route: route.fulfill(status=200, content_type="image/webp", body=b""))
    page.goto(winter.get_absolute_url())
    first = page.locator(".cover").first
    expect(first.locator("img")).to_have_count(1)
    page.wait_for_function("() => document.querySelector('.cover > img').complete")
    assert first.locator("img").evaluate("picture => picture.naturalWidth") == 0
    expect(first.locator("b")).to_be_visible()


def test_covers_are_loaded_without_javascript(phone, show, patron, winter):
    page = show(phone(javascript=False), patron)
    loaded = []
    page.on("response", lambda answer: loaded.append(answer.url))
    page.goto(f"{winter.get_absolute_url()}order/", wait_until="load")
    assert sum("/covers/" in url for url in loaded) == 20


def test_page_for_printing_loads_all_covers_immediately(phone, show, patron, winter):
    page = show(phone(), patron)
    page.goto(f"{winter.get_absolute_url()}print/?paper=a4&covers=on", wait_until="load")
    assert page.evaluate(FILLED) == [True] * 20
    page.goto(f"{winter.get_absolute_url()}print/?paper=receipt&covers=on", wait_until="load")
    expect(page.locator(".cover")).to_have_count(20)
    expect(page.locator(LOADED)).to_have_count(0)
