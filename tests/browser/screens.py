"""Take a picture of every page, so that a person can look at it.

`make screens` runs this file. It is not part of the test suite.
"""

import pytest

from portal.settings import BASE_DIR

from .conftest import DESK, PHONE
from .states import Words, build

pytestmark = pytest.mark.browser

FOLDER = BASE_DIR / "var" / "screens"
VARIANTS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "es": {"language": "es"},
    "text200": {},
    "wide": DESK,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_patron_page_is_saved_as_a_screenshot(variant, branch, staff, patron, opened, show):
    built = build(branch, staff, patron, Words())
    if variant == "es":
        patron.language = "es"
        patron.save()
    for who, states in built.pages.items():
        page = built.show_as(show, opened(PHONE | {"device_scale_factor": 1}, **VARIANTS[variant]), who)
        for state in states:
            if state.main or variant == "light":
                page.goto(state.path)
                state.do(page)
                take(page, f"{variant}-{state.name}", text200=variant == "text200")


# Each width has a separate test, because some states can be reached only once.
@pytest.mark.parametrize("width", [1280, 360])
def test_every_desk_page_is_saved_as_a_screenshot(width, branch, staff, patron, opened, show):
    built = build(branch, staff, patron, Words())
    page = show(opened({"viewport": {"width": width, "height": 800}}), staff)
    for state in built.desk:
        page.goto(state.path)
        state.do(page)
        take(page, f"{state.name}-{width}")


def take(page, name, *, text200=False):
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state()
    if text200:
        page.evaluate("document.documentElement.style.fontSize = '200%'")
    page.evaluate("window.scrollTo(0, 0)")
    # `caret="initial"` keeps the caret visible. By default, Playwright hides the caret with inline styles.
    # The content security policy refuses inline styles when htmx swaps the fields.
    page.screenshot(path=FOLDER / f"{name}.png", caret="initial")
    page.screenshot(path=FOLDER / f"{name}-whole.png", full_page=True, caret="initial")
