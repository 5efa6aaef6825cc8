"""Test passkeys with a virtual authenticator of Chromium, for patrons and at the desk."""

import re

import pytest
from playwright.sync_api import expect

from accounts.models import Passkey
from tests.browser.steps import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE_OF_ITS_OWN = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def with_authenticator(page):
    """Add an authenticator. Return a function that sets whether the authenticator recognizes its owner."""
    browser = page.context.new_cdp_session(page)
    browser.send("WebAuthn.enable")
    there = browser.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE_OF_ITS_OWN})
    return lambda known: browser.send(
        "WebAuthn.setUserVerified", {"authenticatorId": there["authenticatorId"], "isUserVerified": known}
    )


@pytest.mark.core
def test_patron_adds_a_passkey_and_signs_in_with_the_passkey(phone, patron, post):
    page = phone()
    knows_its_owner = with_authenticator(page)
    page.goto("/sign-in/")
    sign_in(page, patron.email, post)
    page.locator("#offer-add").tap()
    page.locator("#id_name").fill("My own phone")
    page.locator("#make-passkey").tap()
    expect(page).to_have_url(re.compile("/me/$"))
    expect(page.get_by_role("link", name="My own phone")).to_be_visible()
    page.locator("#sign-out").tap()
    page.wait_for_url("**/signed-out/")

    page.goto("/sign-in/?next=/lists/")
    knows_its_owner(False)
    page.locator("#use-passkey").tap()
    # The page shows an error, because the authenticator didn't recognize its owner.
    expect(page.locator("[data-said]")).to_be_visible()
    knows_its_owner(True)
    page.locator("#use-passkey").tap()
    expect(page).to_have_url(re.compile(r":\d+/lists/$"))
    assert Passkey.objects.get(person=patron).last_used_on is not None


@pytest.mark.core
def test_staff_member_opens_the_desk_with_a_passkey(desk_computer, staff, post):
    page = desk_computer()
    with_authenticator(page)
    page.goto("/desk/")
    sign_in(page, staff.email, post)
    page.locator("[data-with-passkeys] a").click()
    page.locator("#make-passkey").click()
    expect(page).to_have_url(re.compile(r":\d+/desk/$"))
    page.goto("/me/")
    page.locator("#sign-out").click()
    page.wait_for_url("**/signed-out/")
    page.goto("/desk/")
    page.locator("#use-passkey").click()
    page.wait_for_url("**/second-factor/**")
    page.locator("#use-passkey").click()
    expect(page).to_have_url(re.compile(r":\d+/desk/$"))


def test_passkey_buttons_are_hidden_without_javascript(phone, patron, show):
    page = phone(javascript=False)
    page.goto("/sign-in/")
    expect(page.locator("#use-passkey")).to_be_hidden()
    show(page, patron).goto("/me/")
    expect(page.locator("a[href='/me/passkeys/add/']")).to_be_hidden()
