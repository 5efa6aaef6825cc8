"""Test a change of the email address: confirmed from both mailboxes, made after a week, or stopped."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.ils import fake
from accounts.models import AddressChange, LibraryCard, User
from accounts.sign_in.email_addresses import change_due_addresses
from tests.extent import rarely

from .steps import newest_code, sign_in

pytestmark = [pytest.mark.only_long, pytest.mark.browser]
NEW, CARD = "new@example.org", fake.CARDS[0]


@pytest.fixture(params=[rarely(True), False], ids=["with JavaScript", "without JavaScript"])
def page(request, phone, patron, branch):
    """Give the patron a library card, and return a browser page on a phone."""
    LibraryCard.objects.create(person=patron, ils_id=CARD.ils_id, barcode=CARD.card, seen_at=timezone.now())
    return phone(javascript=request.param)


def sign_in_by_card(page):
    page.goto("/sign-in/card/?next=/me/")
    page.locator("#id_card").fill(CARD.card)
    page.locator("#id_pin").fill(CARD.pin)
    page.locator("#check-card").tap()


def enter_new_address(page, post):
    page.locator("#change-address").tap()
    page.locator("#id_email").fill(NEW)
    page.locator("#add-address").tap()
    enter_code(page, NEW, post, "#add-address")


def enter_code(page, address, post, button):
    page.locator("#id_code").wait_for()
    page.locator("#id_code").fill(newest_code(address, post))
    page.locator(button).tap()


def test_email_address_is_changed_after_the_patron_confirms_both_addresses(page, patron, post):
    sign_in_by_card(page)
    enter_new_address(page, post)
    page.locator("#send-code").tap()
    enter_code(page, patron.email, post, "#change-address")
    expect(page).to_have_url(re.compile("/me/$"))
    expect(page.locator("main")).to_contain_text(NEW)
    assert (User.objects.get(pk=patron.pk).email, "/not-me/" in post(patron.email).body) == (NEW, False)


def test_patron_who_signed_in_with_the_old_address_confirms_only_the_new_address(page, patron, post):
    page.goto("/sign-in/?way=mail&next=/me/")
    sign_in(page, patron.email, post)
    enter_new_address(page, post)
    expect(page).to_have_url(re.compile("/me/$"))
    assert User.objects.get(pk=patron.pk).email == NEW


def test_patron_without_the_old_mailbox_waits_a_week_for_the_address_change(page, patron, post):
    sign_in_by_card(page)
    enter_new_address(page, post)
    page.locator("#wait-a-week").tap()
    expect(page).to_have_url(re.compile("/me/$"))
    page.locator("#keep-address").tap()
    expect(page.locator("#keep-address")).to_have_count(0)
    enter_new_address(page, post)
    page.locator("#wait-a-week").tap()
    expect(page.locator("#keep-address")).to_be_visible()
    change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    page.goto("/me/")
    expect(page.locator("#keep-address")).to_have_count(0)
    expect(page.locator("main")).to_contain_text(NEW)
    assert "/me/" in post(NEW).body


def test_patron_can_stop_an_address_change_with_the_link_in_the_old_mailbox(page, patron, post, phone):
    sign_in_by_card(page)
    enter_new_address(page, post)
    page.locator("#wait-a-week").tap()
    expect(page.locator("#keep-address")).to_be_visible()
    link = re.search(r"http\S+/not-me/\w+/", post(patron.email).body)[0]
    other = phone()
    other.goto(link)
    other.locator("#stop-address").tap()
    expect(other.locator("#stop-address")).to_have_count(0)
    expect(other.locator("main")).to_contain_text(patron.email)
    page.goto("/me/")
    expect(page).to_have_url(re.compile("/sign-in/"))
    assert (User.objects.get(pk=patron.pk).email, AddressChange.objects.count()) == ("sam@example.org", 0)
    other.goto(link)
    expect(other.locator("h1")).to_be_visible()
