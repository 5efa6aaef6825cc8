"""Do steps that several tests share. Steps find elements by URL, id or name, never by visible words."""

import re

from django.core import mail
from playwright.sync_api import expect

from tests.accounts.test_second_factor import app_code


def sign_in(page, address, post):
    page.locator("#id_email").fill(address)
    page.locator("#send-code").click()
    enter_code(page, address, post)


def enter_code(page, address, post):
    # When the field for the code appears, the email has been sent.
    page.locator("#id_code").wait_for()
    page.locator("#id_code").fill(newest_code(address, post))
    page.locator("#check-code").click()


def newest_code(address, post):
    """Deliver the due emails and return the newest code. Codes go first, so other emails can be newer."""
    post(address)
    bodies = (message.body for message in reversed(mail.outbox) if message.to == [address])
    return next(found[0] for body in bodies if (found := re.search(r"^\d{6}$", body, re.MULTILINE)))


def sign_in_with_second_factor(desk, staff, post):
    desk.goto("/desk/")
    sign_in(desk, staff.email, post)
    secret = set_up_app(desk)
    expect(desk).to_have_url("/desk/")
    return secret


def set_up_app(desk):
    """Set up an authenticator app at the desk, and return its secret."""
    secret = desk.locator("main code").inner_text().replace(" ", "")
    desk.locator("#id_code").fill(app_code(secret))
    desk.locator("#set-up").click()
    desk.locator("main a.button").click()
    return secret


def card(page, title):
    return page.locator(".item-card").filter(has=page.get_by_role("heading", name=title))


def say(page, title, verdict):
    button = card(page, title).locator(f".verdict button[value={verdict}]")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")


def latest(page):
    """Return the bubble of the last message on the page."""
    return page.locator(".message .bubble").last
