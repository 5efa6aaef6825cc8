"""Test the header of the desk in a browser."""

import pytest

from tests.factories import StaffFactory

pytestmark = pytest.mark.browser

# As long as a name can be, once with words and once without.
LONG_NAMES = [("Maximiliana Wolfeschlegelsteinhausen " * 3)[:80].strip(), "W" * 80]


@pytest.mark.parametrize("name", LONG_NAMES, ids=["words", "one word"])
def test_long_name_leaves_the_header_in_one_line(desk_computer, show, branch, name):
    page = desk_computer()
    heights = {}
    for person in (StaffFactory(name="Ana", branch=branch), StaffFactory(name=name, branch=branch)):
        show(page, person).goto("/desk/")
        heights[person.name] = page.locator("header.top").bounding_box()["height"]
    assert heights[name] == heights["Ana"]
