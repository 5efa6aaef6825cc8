"""Test what a phone adds to a page: sharing, the camera, and links that call a branch or show it on a map."""

import datetime
import re

import pytest
from playwright.sync_api import expect

from accounts.models import OpeningHours
from portal.conversations.models import Attachment, Message
from tests.factories import HelpSessionFactory, code_for, pdf_file, picture_file, recommend_in

from .bars import problems
from .conftest import DESK, PHONE

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# Chromium on Linux has no menu for sharing, so this script replaces the menu.
SHARES = """
Object.defineProperty(navigator, 'share', { configurable: true, value: async data => { window.shared = data; } });
"""
SHARES_NOT = "Object.defineProperty(navigator, 'share', { configurable: true, value: undefined });"
COPIES = """
Object.defineProperty(navigator, 'clipboard', { value: { writeText: async text => { window.copied = text; } } });
"""


@pytest.fixture
def session(branch, staff, patron):
    branch.phone, branch.address = "555-0100", "1 Lantern Square, Alder Bay"
    branch.save()
    for day in range(7):
        OpeningHours.objects.create(
            branch=branch, weekday=day, opens=datetime.time(0), closes=datetime.time(23, 59)
        )
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommend_in(session, 2)
    return session


def share_page(page, session):
    page.goto(session.get_absolute_url())
    page.locator("#share-titles").click()
    page.locator("#shared-text").wait_for()
    page.wait_for_load_state()
    return page


def test_patron_can_edit_and_share_the_titles_of_a_visit(phone, show, patron, session):
    page = show(phone(), patron)
    page.add_init_script(SHARES)
    share_page(page, session)
    expect(page.locator("#shared-text")).not_to_have_value(re.compile("compost"))
    page.locator("#shared-text").fill("Only this one")
    page.locator("#share").tap()
    page.wait_for_function("() => window.shared")
    assert page.evaluate("window.shared") == {"text": "Only this one"}
    expect(page.locator("#email-text")).to_have_attribute("href", "mailto:?body=Only%20this%20one")


def test_patron_can_copy_the_titles_if_the_browser_cannot_share(phone, show, patron, session):
    page = show(phone(), patron)
    page.add_init_script(SHARES_NOT + COPIES)
    share_page(page, session)
    expect(page.locator("#share")).to_be_hidden()
    page.locator("#copy").tap()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("window.copied") == page.locator("#shared-text").input_value()
    expect(page.locator("#announce")).to_have_text("Copied")


def test_patron_can_copy_the_titles_if_the_browser_has_no_clipboard(phone, show, patron, session):
    """Only a page with https has a clipboard. A demo that runs on another computer has no https."""
    page = show(phone(), patron)
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        "document.execCommand = () => { window.copied = getSelection().toString(); return true; };"
    )
    share_page(page, session)
    page.locator("#copy").tap()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("window.copied") == page.locator("#shared-text").input_value()


def test_patron_without_javascript_can_read_and_email_the_titles(phone, show, session):
    session.patron = None
    session.save()
    page = show(phone(javascript=False), codes=[code_for(session)])
    share_page(page, session)
    expect(page.locator("#share")).to_be_hidden()
    expect(page.locator("#copy")).to_be_hidden()
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.locator("#email-text")).to_have_attribute(
        "href", re.compile(r"^mailto:\?body=The%20Book%20of%20Things")
    )


@pytest.mark.long
def test_share_page_is_accessible_with_all_its_buttons(phone, show, patron, session):
    page = show(phone(), patron)
    page.add_init_script(SHARES)
    share_page(page, session)
    assert problems(page) == []


@pytest.mark.parametrize("javascript", [True, False])
def test_visit_page_links_to_the_phone_number_and_the_map_of_the_branch(
    phone, show, patron, session, javascript
):
    page = show(phone(javascript=javascript), patron)
    page.goto(session.get_absolute_url())
    expect(page.locator("#branch")).to_contain_text("Open today until")
    expect(page.locator("#branch a[href^=tel]")).to_have_attribute("href", "tel:5550100")
    expect(page.locator("#branch a[href^='https://www.openstreetmap.org/']")).to_be_visible()


@pytest.mark.parametrize(("kind", "shown"), [(PHONE, True), (DESK, False)], ids=["phone", "computer"])
def test_question_form_offers_the_camera_only_on_touch_devices(opened, show, patron, session, kind, shown):
    page = show(opened(kind), patron)
    page.goto(f"{session.get_absolute_url()}ask/")
    expect(page.locator("#id_photo")).to_be_visible(visible=shown)
    expect(page.locator("#id_files")).to_be_visible()


def test_question_is_sent_with_a_chosen_file_and_a_photo(phone, show, patron, session):
    page = show(phone(), patron)
    page.goto(f"{session.get_absolute_url()}ask/")
    page.locator("#id_body").fill("Which of these two?")
    for field, file in (("#id_files", pdf_file("page.pdf")), ("#id_photo", picture_file("photo.jpg"))):
        page.locator(field).set_input_files(
            {"name": file.name, "mimeType": "application/octet-stream", "buffer": file.read()}
        )
    page.locator("#send").click()
    page.wait_for_url("**/messages/**")
    assert Message.objects.get().body == "Which of these two?"
    assert sorted(Attachment.objects.values_list("name", flat=True)) == ["page.pdf", "photo.jpg"]
