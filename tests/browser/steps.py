"""Do steps that several tests share. Steps find elements by URL, id or name, never by visible words."""

import re
import time
from contextlib import contextmanager

from django.core import mail
from playwright.sync_api import expect

from tests.accounts.test_second_factor import app_code

from .conftest import TIMEOUT


def eventually(page, read, wanted):
    """Wait until `read()` returns `wanted`.

    Use this function for values that `expect` can't read, such as database rows, or a list that browser events
    fill. The browser continues to run during the wait.
    """
    end = time.monotonic() + TIMEOUT / 1000
    while (found := read()) != wanted and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert found == wanted, f"{found!r} is not {wanted!r}"


@contextmanager
def answered(page):
    """Wait at the end of the block until the server has answered each request that the page sent in the block.

    Use it before an assertion that nothing has changed. Otherwise, the test would not see a wrong change that
    comes late.
    """
    unanswered = set()
    page.on("request", lambda request: unanswered.add(request))
    page.on("requestfinished", lambda request: unanswered.discard(request))
    page.on("requestfailed", lambda request: unanswered.discard(request))
    yield
    # The test gets the events of all earlier requests of the page before the result of this call.
    page.evaluate("1")
    eventually(page, lambda: unanswered, set())


def pause_clock(page):
    """Stop the clock of the page. The test must have installed Playwright's clock already.

    From then on, only `page.clock.run_for()` and `fast_forward()` run timers, however slow the machine is.
    """
    # The clock can only be stopped at a later time. A minute leaves enough time for the two calls.
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 60"))


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
    """Deliver the due emails and return the newest code.

    Emails with codes are delivered first, so the newest email may have no code.
    """
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
    """Return the locator of the last message on the page."""
    return page.locator(".message .bubble").last
