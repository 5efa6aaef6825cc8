"""Test pasting a bibliography at the desk, and matching an item added by hand with an imported record."""

import re

import pytest
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from recommendations.models import Item
from tests.extent import rarely
from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import LOOKS

pytestmark = pytest.mark.browser

VARIANTS = pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), rarely("en", False), rarely("es", True)],
    ids=["with JavaScript", "without JavaScript", "in Spanish, dark and large"],
)
BIBLIOGRAPHY = """TY  - BOOK
TI  - Compost city
AU  - Louie, Rebecca
PY  - 2015
ER  -

TY  - BOOK
AU  - Nobody
ER  -

TY  - JOUR
TI  - Worms at work
DO  - 10.1000/worms
ER  -
"""


@pytest.mark.core
@VARIANTS
def test_staff_paste_a_bibliography_and_add_a_missing_title_to_one_record(
    language, javascript, staff, phone, show
):
    page = show(phone(**LOOKS[language], javascript=javascript), staff)
    page.goto("/desk/record/")
    page.wait_for_load_state()
    page.locator("#id_question").fill("What can I read about compost?")
    page.locator(".by-hand > summary").click()
    page.locator(".pasting > summary").click()
    field = page.locator("#id_new-pasted")
    field.fill(BIBLIOGRAPHY)
    page.locator("#read-pasted").click()
    expect(page.locator("#understood li")).to_have_count(3)
    expect(page.locator("#understood")).to_contain_text("Worms at work")
    page.locator("#add-pasted").click()
    expect(page.locator(".chosen > li")).to_have_count(2)
    # The record without a title stays in the field.
    expect(field).to_have_value(re.compile("Nobody"))
    field.fill(field.input_value().replace("AU  - Nobody", "TI  - Soil\nAU  - Nobody"))
    page.locator("#read-pasted").click()
    expect(page.locator("#understood li")).to_have_count(1)
    page.locator("#add-pasted").click()
    expect(page.locator(".chosen > li")).to_have_count(3)
    page.locator("#save-only").click()
    page.wait_for_url(re.compile(r":\d+/desk/sessions/"))
    visit = HelpSession.objects.get()
    titles = visit.recommendation_links.values_list("recommendation__item__title", flat=True)
    assert set(titles) == {"Compost city", "Worms at work", "Soil"}
    assert Item.objects.get(title="Worms at work").doi == "10.1000/worms"


@VARIANTS
def test_staff_match_an_item_added_by_hand_with_a_record_and_undo_the_match(
    language, javascript, staff, branch, phone, show
):
    [given] = recommend_in(HelpSessionFactory(branch=branch, staff=staff), item__title="Compost city (typed)")
    record = ItemFactory(title="Compost city", source="marc", source_key="1")
    page = show(phone(**LOOKS[language], javascript=javascript), staff)
    page.goto("/desk/items/by-hand/")
    page.locator("main a", has_text="Compost city (typed)").click()
    page.wait_for_url("**/match/**")
    page.locator("#q").fill("compost city")
    page.locator("#q").press("Enter")
    page.locator(f"main a[href*='{record.public_id}']").click()
    page.locator("#match").click()
    expect(page.locator("#undo-match")).to_be_visible()
    given.refresh_from_db()
    assert given.item == record
    page.locator("#undo-match").click()
    expect(page.locator("#undo-match")).to_have_count(0)
    given.refresh_from_db()
    assert given.item.title == "Compost city (typed)"
