"""Test the page where staff enter their days away."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Absence, User
from tests.factories import AbsenceFactory, BranchFactory, StaffFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
# The fixture at_noon stops the clock on this date, which is a Wednesday.
TODAY = datetime.date(2026, 3, 4)


def day(number):
    return TODAY.replace(day=number)


def days(first, last, **more):
    return {"first_day": day(first), "last_day": day(last), **more}


@pytest.fixture
def maribel(branch):
    return StaffFactory(name="Maribel Santos", branch=branch)


def text(response):
    return " ".join(response.content.decode().split())


def test_staff_member_can_create_edit_and_remove_their_own_days_away(desk, staff, maribel):
    page = text(desk.post(reverse("absences"), days(9, 13, cover=maribel.pk), follow=True))
    assert "Rosa Lindqvist is away from Monday, March 9 to Friday, March 13." in page
    assert "Maribel Santos takes over" in page
    absence = Absence.objects.get()
    assert (absence.person, absence.first_day, absence.last_day, absence.cover) == (
        staff,
        day(9),
        day(13),
        maribel,
    )
    for typed in ('value="2026-03-09"', 'value="2026-03-13"', f'value="{maribel.pk}" selected'):
        assert typed in text(desk.get(reverse("absence", args=[absence.public_id])))
    page = text(desk.post(reverse("absence", args=[absence.public_id]), days(10, 10), follow=True))
    assert "Rosa Lindqvist is away on Tuesday, March 10." in page
    absence.refresh_from_db()
    assert (absence.first_day, absence.cover) == (day(10), None)
    page = text(desk.post(reverse("absence", args=[absence.public_id]), {"remove": "1"}, follow=True))
    assert "Removed days away for Rosa Lindqvist: on Tuesday, March 10." in page
    assert "Nobody has added days away." in page
    assert not Absence.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (days(9, 8), "The last day is before the first day. Change one of the two days."),
        (days(1, 3), "These days are in the past. Choose later ones."),
        ({"first_day": day(9), "last_day": "2062-03-09"}, "Someone can be away for at most a year."),
        ({"first_day": "", "last_day": day(9)}, "Choose a day."),
        ({"first_day": "soon", "last_day": day(9)}, "Enter the day as year, month and day"),
        (days(9, 9, cover="12345"), "Select a valid choice"),
        (
            days(20, 25),
            "Rosa Lindqvist is already away from Wednesday, March 18 to Friday, March 20. Change those days instead.",
        ),
    ],
)
def test_invalid_days_away_are_refused_with_the_reason(desk, staff, typed, words):
    AbsenceFactory(person=staff, **days(18, 20))
    page = text(desk.post(reverse("absences"), typed))
    assert words in page
    assert Absence.objects.count() == 1


def test_staff_member_can_change_days_away_that_have_begun(desk, staff):
    absence = AbsenceFactory(person=staff, **days(2, 6))
    desk.post(reverse("absence", args=[absence.public_id]), days(2, 4))
    absence.refresh_from_db()
    assert absence.last_day == TODAY


def test_staff_member_cannot_cover_for_themselves(desk, client, staff, coordinator, sign_in):
    assert "Select a valid choice" in text(desk.post(reverse("absences"), days(9, 9, cover=staff.pk)))
    sign_in(client, coordinator)
    page = text(client.post(reverse("absences"), days(9, 9, person=staff.pk, cover=staff.pk)))
    assert "take over for themselves. Choose someone else, or nobody." in page
    assert not Absence.objects.exists()


def test_patrons_and_former_staff_cannot_be_chosen_as_the_covering_colleague(desk, patron, elsewhere):
    User.objects.filter(pk=elsewhere.pk).update(is_active=False)
    page = desk.get(reverse("absences")).content.decode()
    assert patron.name not in page
    assert elsewhere.name not in page
    assert "Select a valid choice" in text(desk.post(reverse("absences"), days(9, 9, cover=patron.pk)))


def test_staff_member_cannot_set_a_colleagues_days_away(desk, staff, maribel):
    desk.post(reverse("absences"), days(9, 9, person=maribel.pk))
    assert Absence.objects.get().person == staff
    theirs = AbsenceFactory(person=maribel)
    for answer in (
        desk.get(reverse("absence", args=[theirs.public_id])),
        desk.post(reverse("absence", args=[theirs.public_id]), {"remove": "1"}),
    ):
        assert answer.status_code == 404
    assert Absence.objects.filter(pk=theirs.pk).exists()


def test_coordinator_can_set_days_away_for_any_staff_member(client, coordinator, sign_in, library):
    far = StaffFactory(name="Far Away", branch=BranchFactory())
    sign_in(client, coordinator)
    page = text(client.post(reverse("absences"), days(9, 9, person=far.pk), follow=True))
    assert "Far Away is away on Monday, March 9." in page
    client.post(
        reverse("absence", args=[Absence.objects.get().public_id]), days(10, 11, person=coordinator.pk)
    )
    absence = Absence.objects.get()
    assert (absence.person, absence.first_day) == (far, day(10))


def test_absences_page_warns_if_the_covering_colleague_is_also_away(
    desk, client, staff, maribel, coordinator, sign_in
):
    AbsenceFactory(person=maribel, **days(12, 16))
    page = text(desk.post(reverse("absences"), days(9, 13, cover=maribel.pk), follow=True))
    assert "Maribel Santos is also away from Thursday, March 12 to Monday, March 16." in page
    assert "The colleague who takes over is also away:" in page
    assert Absence.objects.count() == 2
    sign_in(client, coordinator)
    AbsenceFactory(person=coordinator, cover=staff, **days(20, 20))
    page = text(client.post(reverse("absences"), days(20, 22, person=staff.pk), follow=True))
    assert (
        "Rosa Lindqvist was going to take over for Ines Coordinator, who is away on Friday, March 20. "
        "Choose another colleague." in page
    )


def test_absences_page_hides_past_absences_of_colleagues(desk, staff, maribel):
    AbsenceFactory(person=maribel, **days(3, 4))
    AbsenceFactory(person=staff, **days(9, 9))
    AbsenceFactory(person=staff, **days(1, 3))
    AbsenceFactory(person=maribel, **days(1, 2))
    page = text(desk.get(reverse("absences")))
    who, over = page[page.index("Who is away") :].split('class="rows past"')
    assert who.count("Maribel Santos") == 1
    assert who.count("away now") == 1
    # Rosa sees only her own past absence, because the past absences of colleagues are private.
    assert over.count("<li>") == 1
    assert "Rosa Lindqvist" in over.split("</details>")[0]


@pytest.mark.parametrize(("first", "last", "away"), [(4, 4, True), (2, 6, True), (5, 6, False)])
def test_absences_page_tells_a_staff_member_if_they_are_away_today(desk, staff, first, last, away):
    AbsenceFactory(person=staff, **days(first, last))
    assert ("You're away today." in text(desk.get(reverse("absences")))) == away


@pytest.mark.parametrize("rows", [1, 30])
def test_absences_page_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, maribel, rows, django_assert_num_queries
):
    AbsenceFactory.create_batch(rows, cover=maribel)
    desk.get(reverse("absences"))
    with django_assert_num_queries(7):
        assert desk.get(reverse("absences")).content.decode().count("away now") == rows


def test_absences_page_escapes_html_in_names(desk, branch):
    hostile = "<script>alert(1)</script>"
    AbsenceFactory(
        person__name=hostile, person__branch=branch, cover=StaffFactory(name=hostile, branch=branch)
    )
    page = desk.get(reverse("absences")).content.decode()
    assert hostile not in page
    assert page.count("&lt;script&gt;") >= 3
    assert timezone.now().date() == TODAY
