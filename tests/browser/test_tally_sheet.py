"""Test counting short contacts by key, and the service point of the record form, in the browser."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from tests.factories import ServicePointFactory, TallyKindFactory

from .conftest import DESK, PHONE
from .steps import eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def front(branch):
    point = ServicePointFactory(branch=branch, name="Front desk")
    for name, key in (("Directions", "d"), ("Printing", "p")):
        TallyKindFactory(service_point=point, name=name, key=key)
    return point


def counted():
    return sorted(HelpSession.objects.filter(status="tally").values_list("tally_kind__name", flat=True))


@pytest.mark.core
def test_key_of_a_tally_kind_counts_a_contact_and_the_key_z_undoes_the_tally(
    branch, staff, front, opened, show
):
    page = show(opened(DESK), staff)
    page.goto("/desk/record/")
    page.locator("#to-sheet").click()
    expect(page.locator("h1")).to_have_text("Tally")
    page.wait_for_load_state()
    for number, key in enumerate("ddp", 1):
        page.keyboard.press(key)
        expect(page.locator("#totals")).to_contain_text(f"{number} by you")
    assert counted() == ["Directions", "Directions", "Printing"]
    page.keyboard.press("z")
    expect(page.locator("#totals")).to_contain_text("2 by you")
    eventually(page, counted, ["Directions", "Directions"])


def test_tally_page_marks_the_chosen_service_point(branch, staff, front, opened, show):
    ServicePointFactory(branch=branch, name="Children's desk")
    page = show(opened(PHONE), staff)
    page.goto("/desk/tally/sheet/")
    page.get_by_role("button", name="Front desk").click()
    expect(page.locator("#points .icon:visible")).to_have_count(1)
    expect(page.locator(f"#point-{front.pk} .icon")).to_be_visible()


def test_tick_sheet_is_counted_and_taken_back_on_a_phone_without_javascript(
    branch, staff, front, opened, show
):
    page = show(opened(PHONE, javascript=False), staff)
    page.goto("/desk/tally/sheet/")
    page.get_by_label("Printing").fill("12")
    page.locator("#save-sheet").click()
    expect(page.locator("#notices")).to_contain_text("12 contacts counted.")
    assert counted() == ["Printing"] * 12
    page.locator("#notices button").click()
    expect(page.locator("#notices")).to_contain_text("12 contacts taken back.")
    assert counted() == []


def test_default_service_point_is_cleared_when_staff_change_the_day(branch, staff, front, opened, show):
    page = show(opened(DESK), staff)
    page.goto(reverse("desk_computers"))
    page.locator("#id_name").fill("Front desk")
    with page.expect_navigation():
        page.locator("#unlock-desk").click()
    page.goto("/desk/record/")
    point = page.locator("#id_service_point")
    expect(point).to_have_value(str(front.pk))
    page.locator("#id_happened_on").fill("2026-01-05")
    page.locator("#id_happened_on").press("Tab")
    expect(point).to_have_value("")
    point.select_option(label="Front desk")
    page.locator("#id_question").fill("Where are old newspapers?")
    page.locator("#save-only").click()
    page.wait_for_url("**/desk/sessions/**")
    session = HelpSession.objects.recorded().get()
    assert (session.service_point, str(session.happened_on)) == (front, "2026-01-05")
