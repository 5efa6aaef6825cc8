"""Test that patrons choose, alone or with staff at the desk, whether the library may ask them later."""

import pytest
from playwright.sync_api import expect

from accounts.models import Consent, Library
from tests.factories import HelpSessionFactory, code_for

from .steps import enter_code

pytestmark = [pytest.mark.only_long, pytest.mark.browser]
both_ways = pytest.mark.parametrize(
    "javascript", [True, False], ids=["with JavaScript", "without JavaScript"]
)
QUESTION = "#check-ins"


@pytest.fixture(autouse=True)
def asks(library):
    Library.objects.update(check_ins=True)


@both_ways
def test_check_in_choice_from_the_home_page_can_be_undone_and_changed(
    javascript, branch, staff, patron, phone, show
):
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    page = show(phone(javascript=javascript), patron)
    page.goto("/")
    page.locator("#check_ins-none").tap()
    expect(page.locator(QUESTION)).to_have_count(0)
    page.locator("#undo-1").tap()
    expect(page.locator(QUESTION)).to_be_visible()
    assert not Consent.objects.exists()

    page.goto(visit.get_absolute_url())
    page.locator("#check_ins-pages").tap()
    expect(page).to_have_url(visit.get_absolute_url())
    expect(page.locator(QUESTION)).to_have_count(0)
    page.locator("#leave-out").tap()
    expect(page.locator("#ask-about-it")).to_be_visible()

    page.goto("/me/")
    page.locator("#choose-check-ins").tap()
    expect(page.locator("#check_ins-pages")).to_have_attribute("aria-pressed", "true")
    page.locator("#check_ins-none").tap()
    expect(page.locator("#check_ins-none")).to_have_attribute("aria-pressed", "true")
    patron.refresh_from_db()
    visit.refresh_from_db()
    assert (patron.check_ins, visit.check_ins) == ("none", "none")
    assert Consent.objects.filter(person=patron, purpose="check_ins").count() == 2


@both_ways
def test_viewer_with_only_a_code_adds_the_visit_to_an_account_to_get_check_in_emails(
    javascript, branch, staff, phone, show, post
):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    page = show(phone(javascript=javascript), codes=[code_for(visit)])
    page.goto("/")
    page.locator("#check_ins-email").tap()
    page.locator("#id_email").fill("new@example.org")
    page.locator("#send-code").tap()
    enter_code(page, "new@example.org", post)
    expect(page).to_have_url(visit.get_absolute_url())
    expect(page.locator(QUESTION)).to_have_count(0)
    visit.refresh_from_db()
    assert (visit.patron.email, visit.patron.check_ins) == ("new@example.org", "email")
    assert Consent.objects.filter(person=visit.patron, purpose="check_ins").count() == 1


@both_ways
def test_viewer_with_only_a_code_is_not_asked_about_check_ins_twice(javascript, branch, staff, phone, show):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    page = show(phone(javascript=javascript), codes=[code_for(visit)])
    page.goto(visit.get_absolute_url())
    page.locator("#check_ins-none").tap()
    expect(page.locator(QUESTION)).to_have_count(0)
    page.goto("/")
    expect(page.locator(QUESTION)).to_have_count(0)
    visit.refresh_from_db()
    assert visit.check_ins == "none"


@both_ways
def test_staff_can_turn_check_ins_on_and_off_for_a_patron(javascript, branch, staff, patron, opened, show):
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    page = show(opened({"java_script_enabled": javascript}), staff)
    page.goto(f"/desk/people/{patron.public_id}/")
    page.locator("#ask-aloud > summary").click()
    page.locator("#check_ins-email").click()
    expect(page.locator("#check_ins-email")).to_have_attribute("aria-pressed", "true")
    page.locator("#stop-check-ins").click()
    expect(page.locator("#ask-aloud")).to_have_count(0)
    patron.refresh_from_db()
    assert patron.check_ins == "none"
    assert set(Consent.objects.values_list("read_by", flat=True)) == {staff.pk}
