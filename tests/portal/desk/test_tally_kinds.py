"""Test counting short contacts by service point and kind, one at a time or several at once."""

import datetime
import re
import uuid

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffRole
from portal.helpsessions import choices
from portal.helpsessions.models import HelpSession, TallyKind
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ServicePointFactory,
    StaffFactory,
    TallyKindFactory,
)
from tests.portal.pages import HTMX, text

pytestmark = pytest.mark.usefixtures("at_noon")
SHEET, TALLY = "/desk/tally/sheet/", "/desk/tally/"
KINDS = "/desk/settings/branches/of/harbour-main/tally-kinds/"


@pytest.fixture
def front(branch):
    return ServicePointFactory(branch=branch, name="Front desk")


@pytest.fixture
def printing(front):
    return TallyKindFactory(service_point=front, name="Printing", key="p")


@pytest.fixture
def phone(front):
    return TallyKindFactory(service_point=front, name="Phone", key="h")


def choose(desk, point):
    return desk.post(SHEET, {"choose": point.pk}, follow=True)


def tallies(*names):
    return list(HelpSession.objects.filter(status="tally").order_by("pk").values_list(*names))


def count_elsewhere(front, printing, staff=None):
    HelpSessionFactory(
        status="tally",
        branch=front.branch,
        staff=staff or StaffFactory(branch=front.branch),
        service_point=front,
        tally_kind=printing,
        happened_on=datetime.date(2026, 3, 4),
        created_at=timezone.now() - datetime.timedelta(minutes=1),
    )


def test_each_kind_of_tally_has_a_button_with_its_key_and_todays_count(desk, front, printing, phone):
    TallyKindFactory(service_point=ServicePointFactory(branch=front.branch), name="Of another desk")
    TallyKindFactory(service_point=front, name="Retired", retired_at=timezone.now())
    count_elsewhere(front, printing)
    page = choose(desk, front)
    assert "Printing p 1 Phone h 0" in text(page)
    assert 'data-key="p"' in page.content.decode()
    for name in ("Of another desk", "Retired"):
        assert name not in text(page)


def test_button_of_a_kind_of_tally_counts_a_contact_at_the_service_point(
    desk, staff, branch, front, printing
):
    desk.post(TALLY, {"from": "sheet", "point": front.pk, "kind": printing.pk})
    assert tallies("staff", "branch", "service_point", "tally_kind", "hour", "question_type") == [
        (staff.pk, branch.pk, front.pk, printing.pk, 12, "directional")
    ]


def test_desk_shows_todays_tallies_of_the_staff_member_and_of_the_service_point(desk, front, printing):
    for _number in range(2):
        count_elsewhere(front, printing)
    choose(desk, front)
    response = desk.post(TALLY, {"from": "sheet", "point": front.pk, "kind": printing.pk}, **HTMX)
    assert "3 contacts counted at this service point today · 1 by you" in text(response)
    for url in ("/desk/record/", "/desk/"):
        assert "1 short contact by you today · 3 at Front desk" in text(desk.get(url))


def test_service_point_chosen_for_tallies_is_forgotten_on_the_next_day(desk, front, printing):
    choose(desk, front)
    assert "at Front desk" in text(desk.get("/desk/record/"))
    with time_machine.travel("2026-03-05T18:30:00+00:00", tick=False):
        assert "at Front desk" not in text(desk.get("/desk/record/"))


def test_shared_computer_counts_tallies_at_its_service_point(desk, branch, front, printing):
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    page = desk.get("/desk/record/")
    assert "0 at Front desk" in text(page)
    desk.post(TALLY, {"from": "record"})
    assert tallies("service_point", "tally_kind") == [(front.pk, None)]
    assert "Today at Front desk" in text(desk.get(SHEET))


def test_tally_can_be_counted_without_a_service_point(desk, branch):
    desk.post(TALLY, {"from": "record"})
    assert tallies("branch", "service_point", "tally_kind") == [(branch.pk, None, None)]


@pytest.mark.parametrize("what", ["other branch", "kind of another point", "retired", "nonsense"])
def test_tally_does_not_store_a_kind_or_service_point_that_is_not_offered(
    desk, branch, front, printing, what
):
    far = TallyKindFactory()
    retired = TallyKindFactory(service_point=front, retired_at=timezone.now())
    point, kind = {
        "other branch": (far.service_point.pk, far.pk),
        "kind of another point": (front.pk, far.pk),
        "retired": (front.pk, retired.pk),
        "nonsense": ("x", "y"),
    }[what]
    desk.post(TALLY, {"from": "sheet", "point": point, "kind": kind})
    expected = front.pk if point == front.pk else None
    assert tallies("branch", "service_point", "tally_kind") == [(branch.pk, expected, None)]


def sheet(front, **changes):
    fields = {"token": str(uuid.uuid4()), "point": front.pk, "happened_on": "2026-03-02", "hour": "9"}
    return {name: value for name, value in (fields | changes).items() if value is not None}


def test_tick_sheet_counts_several_contacts_of_an_earlier_day_and_hour_at_once(
    desk, staff, front, printing, phone
):
    response = desk.post(SHEET, sheet(front, **{f"kind-{printing.pk}": "3", f"kind-{phone.pk}": "1"}))
    assert response.status_code == 302
    at = (datetime.date(2026, 3, 2), 9, staff.pk, front.pk)
    rows = tallies("tally_kind", "happened_on", "hour", "staff", "service_point")
    assert rows == [(printing.pk, *at)] * 3 + [(phone.pk, *at)]
    assert "4 contacts counted." in text(desk.get(SHEET))


def test_tick_sheet_that_is_sent_twice_counts_once(desk, front, printing):
    fields = sheet(front, **{f"kind-{printing.pk}": "2"})
    for _time in range(2):
        assert desk.post(SHEET, fields).status_code == 302
    assert len(tallies("pk")) == 2


def test_tick_sheet_can_be_undone_by_its_writer_only_on_the_same_day(
    desk, front, printing, sign_in, client, staff
):
    fields = sheet(front, **{f"kind-{printing.pk}": "2"})
    desk.post(SHEET, fields)
    count_elsewhere(front, printing, staff)
    undo = reverse("undo_tally_sheet", args=[fields["token"]])
    colleague = sign_in(type(client)(), StaffFactory(branch=front.branch))
    colleague.post(undo)
    with time_machine.travel("2026-03-05T18:30:00+00:00", tick=False):
        sign_in(type(client)(), staff).post(undo)
    assert len(tallies("pk")) == 3
    desk.post(undo)
    assert len(tallies("pk")) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, "Enter at least one number."),
        ({"kind": "501"}, "Enter a whole number from 0 to 500."),
        ({"kind": "many"}, "Enter a whole number from 0 to 500."),
        ({"kind": "1", "happened_on": "2026-03-05"}, "This day is in the future."),
        ({"kind": "1", "happened_on": "2015-03-04"}, "This is more than ten years ago."),
        ({"kind": "1", "happened_on": ""}, "Choose a day."),
        ({"kind": "1", "happened_on": "2026-03-04", "hour": "13"}, "This hour is in the future."),
    ],
)
def test_tick_sheet_with_an_error_counts_nothing_and_shows_the_typed_numbers_again(
    desk, front, printing, changes, error
):
    changes = {f"kind-{printing.pk}" if name == "kind" else name: value for name, value in changes.items()}
    response = desk.post(SHEET, sheet(front, **changes))
    assert response.status_code == 422
    assert error in text(response)
    assert tallies("pk") == []
    for name, value in changes.items():
        assert response.context["form"][name].value() == value


def test_tick_sheet_says_who_can_add_service_points_if_there_are_none(desk, branch):
    assert "A coordinator adds them in the settings of a branch." in text(desk.get(SHEET))


def test_tick_sheet_of_a_service_point_without_kinds_says_who_can_add_kinds(desk, front):
    choose(desk, front)
    page = desk.get(SHEET)
    assert "A coordinator adds them in the settings of the branch." in text(page)
    assert 'id="sheet-form"' not in page.content.decode()


def test_tick_sheet_runs_the_same_number_of_queries_for_1_and_12_kinds_of_tallies(
    desk, front, printing, django_assert_num_queries
):
    choose(desk, front)
    for number in range(2):
        with django_assert_num_queries(11):
            desk.get(SHEET)
        for _kind in range(0 if number else 11):
            TallyKindFactory(service_point=front)


# Tests of the settings.


@pytest.fixture
def settings_page(client, coordinator, sign_in, library):
    return sign_in(client, coordinator)


def save(browser, point, **fields):
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    return browser.post(f"{KINDS}?point={point.pk}", fields)


def offered(point):
    return list(TallyKind.objects.offered().filter(service_point=point).values_list("name", "key"))


def test_coordinator_can_add_and_swap_and_remove_kinds_of_tallies(settings_page, front):
    save(settings_page, front, name_new0="Directions", key_new0="D", name_new1="Printing", key_new1="p")
    assert offered(front) == [("Directions", "d"), ("Printing", "p")]
    first, second = TallyKind.objects.offered()
    rows = {f"name-{first.pk}": "Printing", f"key-{first.pk}": "p"}
    rows |= {f"name-{second.pk}": "Directions", f"key-{second.pk}": "d"}
    settings_page.post(f"{KINDS}?point={front.pk}", rows)
    assert offered(front) == [("Printing", "p"), ("Directions", "d")]
    settings_page.post(f"{KINDS}?point={front.pk}", rows | {f"name-{first.pk}": ""})
    assert offered(front) == [("Directions", "d")]
    save(
        settings_page,
        front,
        **{f"name_{second.pk}": "Directions", f"key_{second.pk}": "d", "name_new0": "printing"},
    )
    assert TallyKind.objects.offered().count() == TallyKind.objects.count() == 2


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("t", "The desk already uses this key."),
        ("é", "Choose a letter from a to z or a digit."),
        ("d", "Another kind has this key."),
    ],
)
def test_key_that_cannot_be_pressed_at_the_desk_is_refused_for_a_kind_of_tally(
    settings_page, front, key, error
):
    response = save(
        settings_page, front, name_new0="Directions", key_new0="d", name_new1="Phone", key_new1=key
    )
    assert error in text(response)
    assert not TallyKind.objects.exists()


def test_two_kinds_of_tallies_with_the_same_name_are_refused(settings_page, front):
    response = save(settings_page, front, name_new0="Phone", name_new1="phone")
    assert "Another kind has this name." in text(response)
    assert not TallyKind.objects.exists()


def test_saving_an_old_page_does_not_remove_a_kind_of_tally_that_a_colleague_has_added(
    settings_page, front, printing
):
    rows = {f"name-{printing.pk}": "Copies", f"key-{printing.pk}": "c", "name-new0": "Fax", "key-new0": "f"}
    TallyKindFactory(service_point=front, name="Directions", key="d")
    settings_page.post(f"{KINDS}?point={front.pk}", rows)
    assert sorted(offered(front)) == [("Copies", "c"), ("Directions", "d"), ("Fax", "f")]


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [("FAX", "x", "Another kind has this name."), ("Phone", "f", "Another kind has this key.")],
)
def test_tally_kind_form_refuses_a_name_or_key_that_a_colleague_has_just_used(
    settings_page, front, monkeypatch, name, key, error
):
    save_kinds = choices.save_kinds

    def colleague_first(point, **fields):
        if not TallyKind.objects.exists():
            TallyKindFactory(service_point=front, name="Fax", key="f")
        return save_kinds(point, **fields)

    monkeypatch.setattr(choices, "save_kinds", colleague_first)
    response = save(settings_page, front, name_new0=name, key_new0=key)
    assert error in text(response)
    assert f'value="{name}"' in response.content.decode()
    assert offered(front) == [("Fax", "f")]


def test_kind_of_tally_beyond_the_limit_is_refused_and_shown_again_in_the_form(settings_page, front):
    for number in range(choices.MAX_KINDS):
        TallyKindFactory(service_point=front, name=f"Kind {number}", key="")
    response = save(settings_page, front, name_new0="One more")
    assert "A service point can have at most 12 kinds of tallies." in text(response)
    assert 'value="One more"' in response.content.decode()
    assert TallyKind.objects.count() == choices.MAX_KINDS


def test_settings_of_a_branch_do_not_show_kinds_of_tallies_of_another_branch(settings_page, branch):
    far = ServicePointFactory(branch=BranchFactory())
    assert settings_page.get(f"{KINDS}?point={far.pk}")["Location"] == KINDS.replace(
        "tally-kinds", "service-points"
    )


def test_counted_tallies_keep_a_kind_that_is_no_longer_offered(settings_page, front, printing):
    count_elsewhere(front, printing)
    choices.save_kinds(
        front,
        kinds=[],
        seen=front.tally_kinds.offered(),
        by=StaffFactory(branch=front.branch),
        at=timezone.now(),
    )
    assert tallies("tally_kind__name") == [("Printing",)]


def test_staff_of_two_branches_see_the_branch_of_each_service_point(desk, staff, front):
    hill = ServicePointFactory(branch=BranchFactory(name="Hill"), name="Hill desk")
    StaffRole.objects.create(user=staff, branch=hill.branch)
    assert "Front desk Harbour Main Hill desk Hill" in text(desk.get(SHEET))


def test_tick_sheet_that_is_changed_and_sent_again_counts_the_new_numbers(desk, front, printing):
    name = f"kind-{printing.pk}"
    first = sheet(front, **{name: "3"})
    desk.post(SHEET, first)
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=1), tick=False):
        desk.post(SHEET, first | {name: "2", "hour": "10"})
    assert tallies("hour") == [(9,)] * 3 + [(10,)] * 2
    page = desk.get(SHEET)
    assert "2 contacts counted." in text(page)
    undo = re.findall(r"/desk/tally/sheet/[0-9a-f-]+/undo/", page.content.decode())[-1]
    desk.post(undo)
    assert tallies("hour") == [(9,)] * 3


def test_tick_sheet_of_another_service_point_can_be_entered_at_a_shared_computer(
    desk, branch, front, printing
):
    other = TallyKindFactory(service_point=ServicePointFactory(branch=branch, name="Upstairs"))
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Computer 3"})
    page = choose(desk, other.service_point)
    assert "Today at Upstairs" in text(page)
