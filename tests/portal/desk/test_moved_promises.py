"""Test changes of hours or closed days that move promises. A coordinator must confirm such a change first."""

import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse

from accounts import library as branches
from portal.conversations.models import Conversation
from portal.notifications.models import Notification
from tests import conversations
from tests.factories import BranchFactory, UserFactory
from tests.opening_hours import open_on_weekdays
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
CHICAGO = ZoneInfo("America/Chicago")
# All tests run on this Tuesday.
NOW = datetime.datetime(2026, 3, 3, 12, 0, tzinfo=CHICAGO)
WEEK = {f"day{weekday}": "9-17" for weekday in range(5)}
WEDNESDAY = "2026-03-04"
BEFORE, AFTER = NOW.replace(day=4, hour=11), NOW.replace(day=5, hour=11)


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def branch(branch):
    branch.promise_hours = 8
    branch.save()
    open_on_weekdays(branch)
    return branch


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def asked(branch, patron):
    return ask(patron, branch)


def ask(by, branch, hours_ago=1):
    at = NOW - datetime.timedelta(hours=hours_ago)
    return conversations.ask(by, at=at, body="A private question", branch=branch)


def address(name, branch):
    return reverse(name, args=[branch.slug])


def confirmed(page, **more):
    """Return the fields that the page posts when the coordinator confirms the change."""
    return {**dict(page.context["typed"]), "confirmed": page.context["seen"], **more}


BRANCH = {
    "name": "Main",
    "send_button": "send",
    "back_to_writer": "branch",
    "call_tries": "3",
    "check_in_tone": "warm",
    "check_ins_unreviewed": "pages",
}
CHANGES = {
    "hours": ("branch_settings", {**WEEK, "day2": "", "initial-day2": "9-17"}),
    "closed day": ("branch_settings", {"day": WEDNESDAY, "reason": "Storm"}),
    "promise": ("branch_settings", {**BRANCH, "promise_hours": "16"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_calendar_change_that_moves_promised_times_is_saved_only_after_confirmation(
    desk, branch, asked, change
):
    name, typed = CHANGES[change]
    page = desk.post(address(name, branch), typed)
    assert page.status_code == 200
    assert "Move 1 promise?" in text(page)
    assert "from Wednesday, March 4 to Thursday, March 5 1 promise" in text(page)
    assert "A private question" not in text(page)
    branch.refresh_from_db()
    asked.refresh_from_db()
    assert (asked.promised_at, branch.closed_days.count(), branch.opening_hours.count()) == (BEFORE, 0, 5)
    assert (branch.promise_hours, dict(page.context["typed"])) == (8, typed)

    page = desk.post(address(name, branch), confirmed(page), follow=True)
    assert "saved. 1 promise moved." in text(page)
    asked.refresh_from_db()
    assert asked.promised_at == AFTER
    assert not Notification.objects.exists()


def test_removing_a_closed_day_moves_the_promise_back_to_its_original_time(desk, branch, asked, coordinator):
    desk.post(
        address("branch_settings", branch),
        confirmed(desk.post(address("branch_settings", branch), {"day": WEDNESDAY})),
    )
    page = desk.post(address("branch_settings", branch), {"remove": WEDNESDAY, "day": "", "reason": ""})
    assert "from Thursday, March 5 to Wednesday, March 4 1 promise" in text(page)
    desk.post(address("branch_settings", branch), confirmed(page))
    asked.refresh_from_db()
    assert (asked.promised_at, branch.closed_days.count()) == (BEFORE, 0)


@pytest.mark.parametrize("change", CHANGES)
def test_back_button_of_the_confirmation_saves_nothing_and_shows_the_typed_values_again(
    desk, branch, asked, change
):
    name, typed = CHANGES[change]
    page = desk.post(address(name, branch), typed)
    page = desk.post(address(name, branch), confirmed(page, back="1"))
    assert page.templates[0].name == "desk/library/branch.html"
    form = page.context[{"hours": "hours_form", "closed day": "closed_form", "promise": "form"}[change]]
    shown = {field: value for field, value in typed.items() if not field.startswith("initial-")}
    assert {field: form[field].value() for field in shown} == shown
    asked.refresh_from_db()
    assert (asked.promised_at, branch.closed_days.count(), branch.opening_hours.count()) == (BEFORE, 0, 5)


def test_back_button_of_the_confirmation_does_not_remove_the_closed_day(desk, branch, asked, coordinator):
    branches.add_closed_day(branch, day=datetime.date(2026, 3, 5), reason="", by=coordinator, at=NOW)
    Conversation.objects.update(promised_at=NOW.replace(day=6), last_promise_at=NOW.replace(day=6))
    page = desk.post(address("branch_settings", branch), {"remove": "2026-03-05"})
    desk.post(address("branch_settings", branch), confirmed(page, back="1"))
    assert branch.closed_days.count() == 1


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("branch_settings", {"day": "2026-03-07"}),
        ("branch_settings", {"day": "2026-12-25"}),
        ("branch_settings", WEEK),
        ("branch_settings", {**BRANCH, "phone": "555 0100", "promise_hours": "8"}),
    ],
)
def test_calendar_change_that_moves_no_promised_time_is_saved_without_confirmation(
    desk, branch, asked, name, typed
):
    page = desk.post(address(name, branch), typed)
    assert page.status_code == 302
    asked.refresh_from_db()
    assert asked.promised_at == BEFORE


def test_patrons_are_emailed_about_new_promised_days_if_the_coordinator_checks_the_box(
    desk, branch, asked, patron
):
    page = desk.post(address("branch_settings", branch), {"day": WEDNESDAY})
    assert "Email the patron whose promised day changes" in text(page)
    fields = confirmed(page, email_patrons="on")
    page = desk.post(address("branch_settings", branch), fields, follow=True)
    assert "Harbour Main saved. 1 promise moved. We&#x27;re emailing 1 patron." in text(page)
    assert Notification.objects.get().to_address == patron.email
    # Pressing the button of an old page again changes nothing.
    page = desk.post(address("branch_settings", branch), fields, follow=True)
    assert "Harbour Main saved." in text(page)
    assert Notification.objects.count() == 1


def test_confirmation_offers_no_email_about_new_promised_days_if_no_address_is_confirmed(
    desk, branch, asked, patron
):
    patron.emailaddress_set.create(email=patron.email, verified=False)
    page = desk.post(address("branch_settings", branch), {"day": WEDNESDAY})
    assert "email_patrons" not in page.content.decode()


def test_confirmation_says_how_many_promises_are_overdue_and_will_not_move(desk, branch, asked, patron):
    ask(patron, branch, hours_ago=30)
    page = desk.post(address("branch_settings", branch), {"day": WEDNESDAY})
    assert "1 promise is already overdue, and stays overdue." in text(page)
    page = desk.post(address("branch_settings", branch), {**BRANCH, "promise_hours": "2"})
    assert "Move 1 promise?" in text(page)
    page = desk.post(address("branch_settings", branch), {**BRANCH, "promise_hours": "1"})
    assert page.status_code == 302


def test_coordinator_must_confirm_again_after_a_colleague_changed_the_calendar(
    desk, branch, asked, coordinator
):
    page = desk.post(address("branch_settings", branch), {**WEEK, "day2": "", "initial-day2": "9-17"})
    branches.add_closed_day(branch, day=datetime.date(2026, 3, 5), reason="", by=coordinator, at=NOW)
    page = desk.post(address("branch_settings", branch), confirmed(page, email_patrons="on"))
    assert 'id="changed-meanwhile"' in page.content.decode()
    assert page.context["email"] is True
    asked.refresh_from_db()
    assert (asked.promised_at, branch.opening_hours.count()) == (BEFORE, 5)
    desk.post(address("branch_settings", branch), confirmed(page))
    asked.refresh_from_db()
    assert (asked.promised_at, branch.opening_hours.count()) == (NOW.replace(day=6, hour=11), 4)


def test_confirmation_does_not_show_promises_of_other_branches(desk, branch, asked, patron):
    other = BranchFactory(name="Elsewhere", promise_hours=8)
    ask(UserFactory(), other)
    page = desk.post(address("branch_settings", branch), {"day": WEDNESDAY})
    assert page.context["count"] == 1
    assert "Elsewhere" not in text(page)


def test_timeline_says_who_changed_the_promised_day(desk, branch, asked, coordinator):
    desk.post(
        address("branch_settings", branch),
        confirmed(desk.post(address("branch_settings", branch), {"day": WEDNESDAY})),
    )
    page = desk.get(reverse("desk_conversation", args=[asked.public_id]))
    assert (
        f"{coordinator.name} changed the days or hours of the branch. "
        "The promise moved from Wednesday, March 4 to Thursday, March 5." in text(page)
    )


@pytest.mark.parametrize("rows", [1, 30])
def test_confirmation_runs_the_same_number_of_queries_for_1_and_30_promises(
    desk, branch, rows, django_assert_num_queries
):
    for person in UserFactory.create_batch(rows):
        ask(person, branch)
    desk.get(address("branch_settings", branch))
    with django_assert_num_queries(18):
        page = desk.post(address("branch_settings", branch), {"day": WEDNESDAY})
    assert page.context["count"] == rows
