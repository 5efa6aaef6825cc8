"""Test that a helper drafts, changes and approves check-ins, with the keyboard and without JavaScript."""

import datetime

import pytest
from playwright.sync_api import expect

from accounts.models import Library
from portal.checkins.models import CheckIn
from portal.checkins.sending import send_due_check_ins
from portal.notifications.models import Notification
from tests.factories import CheckInFactory, HelpSessionFactory, UserFactory

from .conftest import DESK

pytestmark = pytest.mark.browser


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


def planned(staff, branch, question, *, days=1):
    patron = UserFactory(name="Ana Ruiz", check_ins="email", check_in_titles=True)
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, question=question)
    due_on = Library.current().today() + datetime.timedelta(days=days)
    return CheckInFactory(help_session=visit, due_on=due_on)


@pytest.fixture
def page(library, staff, opened, show):
    return show(opened(DESK), staff)


@pytest.mark.core
def test_helper_records_a_visit_and_reviews_its_check_in_by_keyboard(page, library, staff, branch):
    page.goto("/desk/record/")
    page.keyboard.type("Tax forms for a first job")
    page.locator("#suggested q").wait_for()
    dismiss = page.locator("#id_no_check_in")
    for is_dismissed in (True, False):
        page.keyboard.press("Alt+0")
        expect(dismiss).to_be_checked(checked=is_dismissed)
    # The focus stays where the staff member types.
    expect(page.locator("#id_question")).to_be_focused()
    page.keyboard.press("Control+Enter")
    page.locator("#planned").wait_for()
    CheckIn.objects.update(due_on=library.today() + datetime.timedelta(days=1))
    page.goto("/desk/")
    expect(page.locator("#to-check-ins .count")).to_have_text("1")
    page.keyboard.press("b")
    page.wait_for_url("**/desk/check-ins/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#words-form").wait_for()
    # A key does nothing until the scripts are loaded.
    page.wait_for_load_state()
    page.locator("#id_body").fill("Did the form go through?")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/desk/check-ins/")
    check_in = CheckIn.objects.get()
    assert (check_in.words, check_in.reviewed_by) == ("Did the form go through?", staff)


def test_check_in_can_be_dismissed_with_one_key_after_saving_the_visit(page, staff, branch):
    page.goto("/desk/record/")
    page.keyboard.type("Tax forms")
    page.keyboard.press("Control+Enter")
    page.locator("#planned").wait_for()
    page.wait_for_load_state()
    page.keyboard.press("d")
    page.locator("#undo-1").wait_for()
    page.wait_for_load_state()
    assert CheckIn.objects.get().status == "skipped"
    page.keyboard.press("z")
    page.locator("#planned").wait_for()
    assert CheckIn.objects.get().status == "planned"


def test_check_ins_approved_by_keyboard_are_sent_in_the_name_of_the_helper(page, library, staff, branch):
    first, second = planned(staff, branch, "Tax forms"), planned(staff, branch, "Bus to the clinic")
    page.goto("/desk/check-ins/")
    page.keyboard.press("b")
    page.wait_for_url("**/tomorrow/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(f"#approve-{second.public_id}")).not_to_be_checked()
    page.keyboard.press("a")
    page.locator(".notice").wait_for()
    assert list(CheckIn.objects.filter(reviewed_by=staff)) == [first]
    # Enter in a checkbox presses the button Approve, and not a button of a row.
    page.locator(f"#approve-{second.public_id}").press("Enter")
    page.locator("#approve").wait_for(state="detached")
    assert CheckIn.objects.filter(reviewed_by=staff, status="planned").count() == 2
    CheckIn.objects.update(due_on=library.today())
    send_due_check_ins(at=_noon(library))
    emails = Notification.objects.filter(kind="checkins/check_in")
    assert [staff.name in email.text for email in emails] == [True, True]


def _noon(library):
    """Return noon of today in the library's time zone. A branch without hours counts as open then."""
    return datetime.datetime.combine(library.today(), datetime.time(12), library.zone)


def test_staff_can_approve_move_and_skip_check_ins_without_javascript(library, staff, branch, opened, show):
    first, second = planned(staff, branch, "Tax forms"), planned(staff, branch, "Bus to the clinic")
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/check-ins/tomorrow/")
    page.locator(f"#skip-{second.public_id}").click()
    expect(page.locator(f"#skip-{second.public_id}")).to_have_count(0)
    page.locator("#approve").click()
    expect(page.locator("#approve")).to_have_count(0)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.reviewed_by, second.status) == (staff, "skipped")
    page.goto("/desk/check-ins/")
    page.locator(f"#change-{first.public_id}").click()
    later = (library.today() + datetime.timedelta(days=9)).isoformat()
    page.locator(f"#day-of-{first.public_id}").fill(later)
    page.locator(f"#move-{first.public_id}").click()
    page.locator(".notice").wait_for()
    first.refresh_from_db()
    assert first.due_on.isoformat() == later
