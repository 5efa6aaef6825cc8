import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.models import ListLink, SavedItem, SavedList
from portal.lists.own_words import add_title, write_note
from tests.extent import rarely
from tests.factories import SavedListFactory, UserFactory

from .conftest import LOOKS
from .steps import sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def winter(patron):
    saved_list = SavedListFactory(patron=patron, name="For winter")
    for title in ("Snow country", "The long winter"):
        write_note(add_title(saved_list, title=title, at=timezone.now()), note=f"Note about {title}")
    return saved_list


def make_link(page, winter):
    page.goto(winter.get_absolute_url())
    page.locator("#list-options").tap()
    page.locator("#share-list").tap()
    page.locator("#id_name").fill("Sam")
    page.locator("#preview").tap()
    expect(page.locator("#shown strong")).to_have_text(["The long winter", "Snow country"])
    expect(page.locator("#shown .prose")).to_have_count(0)
    shown = page.locator("#shown").inner_html()
    page.locator("#make-link").tap()
    address = page.locator("#shared-text")
    expect(address).to_have_value(re.compile(r"/shared/[\w-]{22}/$"))
    return address.input_value(), shown


@pytest.mark.core
@pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), rarely("es", True), rarely("en", False)],
    ids=["en", "es", "no JavaScript"],
)
def test_visitor_copies_a_list_that_a_patron_shares(language, javascript, winter, patron, phone, show, post):
    patron.language = language
    patron.save()
    owner = show(phone(**LOOKS[language], javascript=javascript), patron)
    address, shown = make_link(owner, winter)
    path = address[address.index("/shared/") :]

    visitor = phone(**LOOKS[language], javascript=javascript)
    visitor.goto(path)
    expect(visitor.locator("h1")).to_have_text("For winter")
    assert visitor.locator("#shown").inner_html() == shown
    UserFactory(email="vera@example.org", language=language)
    visitor.locator("#copy-list").tap()
    sign_in(visitor, "vera@example.org", post)
    visitor.locator("#id_name").fill("From Sam")
    visitor.locator("#copy-titles").tap()
    expect(visitor.locator("h1")).to_have_text("From Sam")
    expect(visitor.locator("#saved h3")).to_have_text(["The long winter", "Snow country"])
    assert set(SavedItem.objects.filter(saved_list__name="From Sam").values_list("note")) == {("",)}

    owner.locator("#end-link").tap()
    expect(owner.locator("#links li")).to_have_count(1)
    visitor.goto(path)
    expect(visitor.locator("#shown")).to_have_count(0)
    assert ListLink.objects.get().ended_at is not None
    assert SavedList.objects.count() == 2


def test_patron_can_copy_and_share_the_address_of_a_list_link(winter, patron, phone, show):
    page = show(phone(), patron)
    page.add_init_script("navigator.share = data => { window.shared = data; return Promise.resolve(); };")
    address, _shown = make_link(page, winter)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#share").tap()
    assert page.evaluate("window.shared.text") == address
    page.locator("#copy").tap()
    expect(page.locator("#copy span")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == address
