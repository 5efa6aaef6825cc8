"""Test signing in by library card and PIN with a SIP2 server over TCP."""

import re

import pytest
from playwright.sync_api import expect

from accounts.ils.sip2 import Sip2
from accounts.models import LibraryCard
from accounts.views import card_sign_in
from tests.accounts.ils.servers import LOGIN, PASSWORD, Card, Sip2Server
from tests.extent import rarely

from .steps import sign_in

pytestmark = pytest.mark.browser

SAM = Card("2000 1001", "1234", "41", "Sam Okafor", home_branch="Harbour Main", email="sam@example.org")
LOST = Card("20001002", "2345", "42", "Theo Brandt", blocked=True)


@pytest.fixture
def sip2(monkeypatch):
    server = Sip2Server(
        [
            Card(
                SAM.card.replace(" ", ""),
                SAM.pin,
                SAM.ils_id,
                SAM.name,
                email=SAM.email,
                home_branch=SAM.home_branch,
            ),
            LOST,
        ]
    )
    with server.running() as port:
        ils = Sip2(host="127.0.0.1", port=port, login=LOGIN, password=PASSWORD)
        monkeypatch.setattr(card_sign_in, "library_ils", lambda: ils)
        yield server
        ils.close()


def write(page, card, pin):
    page.locator("#id_card").fill(card)
    page.locator("#id_pin").fill(pin)
    page.locator("#check-card").click()


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_patron_signs_in_with_card_and_pin(javascript, sip2, branch, phone):
    page = phone(javascript=javascript)
    page.goto("/lists/")
    page.goto("/sign-in/?next=/lists/")
    page.locator("#use-card").tap()
    expect(page.locator("#id_pin")).to_have_attribute("inputmode", "numeric")
    write(page, SAM.card, "9999")
    expect(page.locator("#error-summary li")).to_have_count(1)
    expect(page.locator("#id_card")).to_have_value(SAM.card)
    expect(page.locator("#id_pin")).to_have_value("")
    write(page, LOST.card, LOST.pin)
    # The next page has an empty field for the PIN.
    expect(page.locator("#id_pin")).to_have_value("")
    expect(page.locator("#error-summary li")).to_have_count(1)
    write(page, SAM.card, SAM.pin)
    expect(page).to_have_url(re.compile(r":\d+/lists/$"))
    card = LibraryCard.objects.get()
    assert (card.person.name, card.home_branch) == (SAM.name, branch)
    assert sip2.connections == 1
    assert [line[:2] for line in sip2.asked] == [b"93", b"63", b"63", b"63"]

    page.goto("/me/")
    page.locator("#sign-out").click()
    expect(page).to_have_url(re.compile("/signed-out/$"))
    page.goto("/sign-in/card/")
    page.locator("#id_borrowed").check()
    write(page, SAM.card, SAM.pin)
    expect(page).to_have_url(re.compile(r":\d+/$"))
    [session] = [cookie for cookie in page.context.cookies() if cookie["name"] == "sessionid"]
    # The cookie of this sign-in expires when the browser closes.
    assert session["expires"] == -1
    assert "last_person" not in {cookie["name"] for cookie in page.context.cookies()}


def test_patron_can_sign_in_by_email_code_if_the_ils_is_down(sip2, branch, phone, post, patron):
    sip2.fault = lambda number, line, answer: b"garbage"
    page = phone()
    page.goto("/sign-in/card/?next=/lists/")
    write(page, SAM.card, SAM.pin)
    expect(page.locator("#error-summary li")).to_have_count(1)
    page.locator("#use-mail").tap()
    sign_in(page, patron.email, post)
    expect(page).to_have_url(re.compile(r":\d+/lists/$"))
