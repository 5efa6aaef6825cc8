"""Test what the form that records a help session does in the browser."""

import pytest
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession

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
