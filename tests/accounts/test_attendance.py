"""Check when a branch counts as staffed, and when another branch starts to cover for it."""

import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import library as actions
from accounts.hours import end_of_next_opening_day
from accounts.models import Branch, User
from accounts.sign_in import desk_pins
from accounts.staff.attendance import record_attendance
from tests.accounts.test_second_factor import app_code, sign_in_by_code
from tests.accounts.test_shared_desk import DANIEL, open_by_pin
from tests.factories import BranchFactory, StaffFactory

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

CHICAGO = ZoneInfo("America/Chicago")
WEEK = [(weekday, datetime.time(9), datetime.time(17)) for weekday in range(5)]


def chicago(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


@pytest.fixture
def hill(library, coordinator, branch):
    """Return a branch that is open from Monday to Friday, 9 to 5. The branch Harbour Main covers for it."""
    with time_machine.travel(chicago("2026-11-25 12:00"), tick=False):
        hill = actions.add_branch(by=coordinator, at=timezone.now(), name="Hill", promise_hours=24)
        actions.change_branch(hill, by=coordinator, at=timezone.now(), covered_by=branch)
    return hill


@pytest.fixture
def hilda(hill):
    return StaffFactory(name="Hilda", branch=hill)


def now_of(branch):
    return Branch.objects.get(pk=branch.pk)


def covered(person, at):
    with time_machine.travel(chicago(at), tick=False):
        return User.objects.get(pk=person.pk).covered_branch_ids


@pytest.mark.parametrize(
    ("day", "end"),
    [
        # The next day is an opening day.
        ("2026-11-24", "2026-11-25 17:00"),
        # A weekend comes before the next opening day.
        ("2026-11-27", "2026-11-30 17:00"),
        # A closed day comes before the next opening day.
        ("2026-11-25", "2026-11-27 17:00"),
    ],
)
def test_end_of_the_next_opening_day_is_not_on_a_weekend_or_closed_day(hill, coordinator, day, end):
    actions.add_closed_day(
        hill, day=datetime.date(2026, 11, 26), reason="", by=coordinator, at=timezone.now()
    )
    assert end_of_next_opening_day(hill, datetime.date.fromisoformat(day)) == chicago(end)


def test_opening_day_with_a_break_ends_at_its_last_closing_time(hill, coordinator):
    week = [(2, datetime.time(9), datetime.time(12)), (2, datetime.time(15), datetime.time(19))]
    actions.change_hours(hill, week=week, by=coordinator, at=timezone.now())
    assert end_of_next_opening_day(hill, datetime.date(2026, 11, 24)) == chicago("2026-11-25 19:00")


def test_every_day_of_a_branch_without_opening_hours_is_an_opening_day(branch):
    assert end_of_next_opening_day(branch, datetime.date(2026, 11, 24)) == chicago("2026-11-26 00:00")


def test_branch_is_covered_by_another_branch_after_one_opening_day_without_staff(hill, hilda, staff):
    record_attendance(hilda, at=chicago("2026-11-25 08:00"))
    elsewhere = StaffFactory()
    assert now_of(hill).last_seen_on == datetime.date(2026, 11, 25)
    assert covered(staff, "2026-11-26 16:59") == []
    assert covered(staff, "2026-11-26 17:00") == [hill.pk]
    assert covered(elsewhere, "2026-11-26 17:00") == []
    # Hilda, who works at Hill, opens the desk. From then on, nobody covers for Hill.
    record_attendance(User.objects.get(pk=hilda.pk), at=chicago("2026-11-27 09:00"))
    assert covered(staff, "2026-11-27 09:00") == []
    # Covering starts at the end of the next opening day. After a Friday, this is the Monday.
    assert covered(staff, "2026-11-30 16:59") == []
    assert covered(staff, "2026-11-30 17:00") == [hill.pk]


def test_branch_whose_staff_never_opened_the_desk_is_covered_by_another_branch(hill, staff):
    assert covered(staff, "2026-11-26 16:59") == []
    assert covered(staff, "2026-11-26 17:00") == [hill.pk]


def test_covering_for_branches_is_not_transitive(hill, hilda, branch, staff, coordinator):
    """Harbour Main covers for Hill, and Hill covers for a third branch. Hill also covers for Harbour Main."""
    third = BranchFactory()
    at = chicago("2026-11-25 12:00")
    actions.change_branch(branch, by=coordinator, at=at, covered_by=hill)
    actions.change_branch(third, by=coordinator, at=at, covered_by=hill)
    later = "2026-12-10 12:00"
    assert covered(staff, later) == [hill.pk]
    assert covered(hilda, later) == sorted([branch.pk, third.pk])


def test_staff_member_does_not_cover_for_a_branch_where_they_work(hill, staff):
    staff.staff_roles.create(branch=hill)
    person = User.objects.get(pk=staff.pk)
    with time_machine.travel(chicago("2026-12-10 12:00"), tick=False):
        assert (person.covered_branch_ids, len(person.roles)) == ([], 2)
        assert sorted(person.queue_branch_ids) == sorted(person.desk_branch_ids)


def test_staff_role_is_listed_once_if_the_branch_covers_for_two_other_branches(
    hill, branch, staff, coordinator
):
    other = BranchFactory()
    actions.change_branch(other, by=coordinator, at=chicago("2026-11-25 12:00"), covered_by=branch)
    with time_machine.travel(chicago("2026-12-10 12:00"), tick=False):
        person = User.objects.get(pk=staff.pk)
        assert [role.branch for role in person.roles] == [branch]
        assert person.covered_branch_ids == sorted([hill.pk, other.pk])


def test_branch_cannot_cover_for_itself(branch):
    with pytest.raises(IntegrityError), transaction.atomic():
        Branch.objects.filter(pk=branch.pk).update(covered_by=branch)


def test_new_opening_hours_or_closed_days_affect_when_a_branch_becomes_unattended(hill, hilda, coordinator):
    record_attendance(hilda, at=chicago("2026-11-24 08:00"))
    at = chicago("2026-11-25 12:00")
    assert now_of(hill).unattended_from == chicago("2026-11-25 17:00")
    actions.add_closed_day(now_of(hill), day=at.date(), reason="", by=coordinator, at=at)
    assert now_of(hill).unattended_from == chicago("2026-11-26 17:00")
    actions.remove_closed_day(now_of(hill), day=at.date(), by=coordinator, at=at)
    assert now_of(hill).unattended_from == chicago("2026-11-25 17:00")
    week = [(2, datetime.time(9), datetime.time(20))]
    actions.change_hours(now_of(hill), week=week, by=coordinator, at=at)
    assert now_of(hill).unattended_from == chicago("2026-11-25 20:00")


def test_attendance_of_a_branch_is_saved_at_most_once_a_day(hilda, hill, django_assert_num_queries):
    at = chicago("2026-11-25 08:00")
    record_attendance(User.objects.get(pk=hilda.pk), at=at)
    person = User.objects.get(pk=hilda.pk)
    assert person.roles[0].branch.last_seen_on == at.date()
    # The second call on the same day reads the library with one query, and writes nothing.
    with django_assert_num_queries(1):
        record_attendance(person, at=at + datetime.timedelta(hours=9))


def test_attendance_saved_late_does_not_replace_attendance_of_a_later_day(hilda, hill):
    stale = User.objects.get(pk=hilda.pk)
    assert stale.roles
    record_attendance(User.objects.get(pk=hilda.pk), at=chicago("2026-11-26 00:01"))
    record_attendance(stale, at=chicago("2026-11-25 23:59"))
    assert now_of(hill).last_seen_on == datetime.date(2026, 11, 26)


def test_presence_at_the_desk_is_recorded_when_staff_enter_their_second_factor(hill, hilda, staff, branch):
    BranchFactory(name="Elsewhere")
    with time_machine.travel(chicago("2026-12-10 12:00"), tick=False):
        browser = Client()
        sign_in_by_code(browser, hilda.email)
        page = browser.get(reverse("second_factor")).content.decode()
        secret = page.split('<code dir="ltr">')[1].split("</code>")[0].replace(" ", "")
        assert now_of(hill).last_seen_on is None
        browser.post(reverse("second_factor"), {"code": app_code(secret)})
    days = dict(Branch.objects.values_list("name", "last_seen_on"))
    assert days == {"Hill": datetime.date(2026, 12, 10), "Harbour Main": None, "Elsewhere": None}


def test_presence_at_the_desk_is_recorded_when_staff_enter_their_pin(client, hill, hilda, sign_in):
    with time_machine.travel(chicago("2026-12-10 12:00"), tick=False):
        desk_pins.set_pin(hilda, pin=DANIEL, at=timezone.now())
        sign_in(client, hilda)
        client.post(reverse("desk_computers"), {"branch": hill.pk, "name": "Front desk"})
        client.post(reverse("lock"))
        assert now_of(hill).last_seen_on is None
        open_by_pin(client, hilda, DANIEL)
    assert now_of(hill).last_seen_on == datetime.date(2026, 12, 10)


def test_patron_who_uses_the_portal_does_not_count_as_staff_present_at_a_branch(hill, patron):
    record_attendance(patron, at=chicago("2026-12-10 12:00"))
    assert now_of(hill).last_seen_on is None
