"""Test the header of the desk in a browser."""

import pytest
from playwright.sync_api import expect

from tests.factories import StaffFactory

from .conftest import PHONE

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# Two names of the largest possible length, one with several words and one with a single word.
LONG_NAMES = [("Maximiliana Wolfeschlegelsteinhausen " * 3)[:80].strip(), "W" * 80]


@pytest.mark.parametrize("name", LONG_NAMES, ids=["words", "one word"])
def test_desk_header_has_one_line_even_with_a_long_name(desk_computer, show, branch, name):
    page = desk_computer()
    heights = {}
    for person in (StaffFactory(name="Ana", branch=branch), StaffFactory(name=name, branch=branch)):
        show(page, person).goto("/desk/")
        heights[person.name] = page.locator("header.top").bounding_box()["height"]
    assert heights[name] == heights["Ana"]


@pytest.mark.parametrize("javascript", [True, False])
def test_personal_pages_of_a_staff_member_open_from_the_queue_on_a_phone(
    library, staff, opened, show, javascript
):
    library.check_ins = True
    library.save()
    page = show(opened(PHONE, javascript=javascript), staff)
    for name, address in [
        ("My check-ins", "/desk/check-ins/"),
        ("What you made possible", "/desk/made-possible/"),
    ]:
        page.goto("/desk/")
        page.locator("#to-own-pages").tap()
        link = page.locator("#own-pages").get_by_role("link", name=name)
        expect(link).to_be_in_viewport()
        link.tap()
        expect(page).to_have_url(address)
        expect(page.locator("h1")).to_have_text(name)


def test_desk_menu_shows_the_current_page_on_a_narrow_screen(coordinator, opened, show):
    page = show(opened(PHONE | {"viewport": {"width": 250, "height": 740}}), coordinator)
    page.goto("/desk/cards/")
    page.wait_for_load_state()
    here = page.locator(".desk-tabs > [aria-current]").bounding_box()
    settings = page.locator(".desk-tabs .to-settings").bounding_box()
    assert 0 <= here["x"] <= settings["x"] - here["width"]


def test_desk_menu_wraps_on_the_narrowest_screen(staff, opened, show):
    # A page of 180 px has as little room for text as a phone of 360 px with text at 200%.
    page = show(opened(PHONE | {"viewport": {"width": 180, "height": 370}}), staff)
    page.goto("/desk/")
    for entry in page.locator(".desk-tabs > a").all():
        place = entry.bounding_box()
        assert 0 <= place["x"] <= 180 - place["width"]
