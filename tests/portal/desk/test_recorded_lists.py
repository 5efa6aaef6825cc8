"""Test the fields of the record form whose choices the library edits: patron group and service point."""

import datetime
import html

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import LibraryCard, StaffRole
from portal.desk.record_defaults import contact_of
from portal.helpsessions import choices, keeping
from portal.helpsessions.models import HelpSession, OwnField, PatronGroup, ServicePoint
from portal.privacy.export_tables.visits import TABLES
from portal.privacy.unlinking import make_quiet
from portal.privacy.wrong_patron import remove_wrong_patron
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    PatronGroupFactory,
    ServicePointFactory,
    UserFactory,
)
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD = "/desk/record/"


@pytest.fixture
def students(library):
    PatronGroupFactory(name="Other", is_other=True)
    return PatronGroupFactory(name="Students", card_groups=["STU", "Undergrad"])


@pytest.fixture
def front(branch):
    return ServicePointFactory(branch=branch, name="Front desk")


@pytest.fixture
def at_computer(desk, branch, front):
    """Return Rosa's browser on a shared desk computer. The computer has the name of a service point."""
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": "front Desk"})
    return desk


def options(form, name):
    return [str(label) for _key, label in form.fields[name].choices]


def card(person, group, ils_id="7"):
    return LibraryCard.objects.create(
        person=person, ils_id=ils_id, barcode=ils_id * 5, patron_group=group, seen_at=timezone.now()
    )


def keep(session, person):
    return keeping.keep(session, by=person, at=timezone.now(), wording="Yes", language="en")


# Tests of patron groups.


def test_record_form_asks_for_the_patron_group_only_if_the_library_has_groups(desk, branch):
    assert "patron_group" not in desk.get(RECORD).context["form"].fields
    PatronGroupFactory(name="Students", retired_at=timezone.now())
    PatronGroupFactory(name="Other", is_other=True)
    assert "patron_group" not in desk.get(RECORD).context["form"].fields
    PatronGroupFactory(name="Teachers")
    page = desk.get(RECORD)
    form = page.context["form"]
    assert options(form, "patron_group") == ["Not asked", "Teachers", "Other"]
    assert not form["patron_group"].value()
    assert "Choose only what the patron said or the card shows. Never guess." in text(page)


def test_recorded_visit_stores_the_chosen_patron_group(desk, typed, students):
    desk.post(RECORD, typed(patron_group=str(students.pk)))
    session = HelpSession.objects.get()
    assert (session.patron_group, session.is_group_from_card) == (students, False)
    page = text(desk.get(reverse("desk_session", args=[session.public_id])))
    assert "Patron group Students" in page
    assert "from the library card" not in page


def test_visit_has_no_patron_group_if_staff_chose_none_and_the_patron_has_no_card(desk, typed, students):
    desk.post(RECORD, typed(patron_group=""))
    session = HelpSession.objects.get()
    assert session.patron_group is None
    assert keep(session, UserFactory()).patron_group is None


@pytest.mark.parametrize("value", ["999", "retired", "x", "-1"])
def test_patron_group_that_is_not_offered_is_a_form_error_and_no_visit_is_recorded(
    desk, typed, students, value
):
    retired = PatronGroupFactory(retired_at=timezone.now())
    response = desk.post(RECORD, typed(patron_group=str(retired.pk) if value == "retired" else value))
    assert response.status_code == 422
    assert "patron_group" in response.context["form"].errors
    assert not HelpSession.objects.recorded().exists()


@pytest.mark.parametrize(
    ("on_card", "name"),
    [("stu", "Students"), ("Undergrad", "Students"), ("ADULT", "Other"), ("", None)],
    ids=["mapped", "second name", "not mapped", "no group"],
)
def test_kept_visit_gets_the_patron_group_of_the_patrons_library_card(branch, students, on_card, name):
    patron = UserFactory()
    card(patron, on_card)
    session = keep(HelpSessionFactory(branch=branch), patron)
    session.refresh_from_db()
    assert (session.patron_group and session.patron_group.name) == name
    assert session.is_group_from_card == bool(name)


def test_group_of_a_library_card_does_not_replace_the_patron_group_that_staff_chose(branch, students):
    patron, teachers = UserFactory(), PatronGroupFactory(name="Teachers")
    card(patron, "STU")
    session = keep(HelpSessionFactory(branch=branch, patron_group=teachers), patron)
    assert (session.patron_group, session.is_group_from_card) == (teachers, False)


def test_visit_gets_no_patron_group_from_a_card_if_the_library_offers_no_groups(branch, students):
    PatronGroup.objects.filter(pk=students.pk).update(retired_at=timezone.now())
    patron = UserFactory()
    card(patron, "STU")
    assert keep(HelpSessionFactory(branch=branch), patron).patron_group is None


def test_patron_group_of_a_card_is_not_stored_for_a_visit_with_a_child(branch, students):
    patron = UserFactory()
    card(patron, "STU")
    assert keep(HelpSessionFactory(branch=branch, with_child="own"), patron).patron_group is None


@pytest.mark.parametrize("from_card", [True, False])
def test_removing_a_wrong_patron_also_removes_a_patron_group_that_came_from_a_card(
    branch, staff, students, from_card
):
    patron = UserFactory()
    session = HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=patron,
        kept_at=timezone.now(),
        patron_group=students,
        is_group_from_card=from_card,
    )
    new, _code = remove_wrong_patron(session, patron, by=staff, at=timezone.now())
    session.refresh_from_db()
    expected = None if from_card else students
    assert (session.patron_group, new.patron_group) == (expected, expected)
    assert not new.is_group_from_card


@pytest.mark.parametrize("from_card", [True, False])
def test_patron_group_from_a_card_is_removed_when_a_visit_becomes_quiet(branch, students, from_card):
    session = HelpSessionFactory(branch=branch, patron_group=students, is_group_from_card=from_card)
    make_quiet(session, session.conversations.all(), is_held=False, at=timezone.now())
    assert session.patron_group == (None if from_card else students)


def test_patron_group_that_staff_correct_counts_as_chosen_by_staff(desk, staff, branch, students):
    other = PatronGroup.objects.get(is_other=True)
    visit = HelpSessionFactory(
        branch=branch, staff=staff, patron_group=other, is_group_from_card=True, happened_on="2026-03-03"
    )
    url = reverse("correct_session", args=[visit.public_id])
    form = desk.get(url).context["form"]
    assert str(form["patron_group"].value()) == str(other.pk)
    fields = posted(form)
    desk.post(url, fields)
    visit.refresh_from_db()
    assert visit.is_group_from_card
    desk.post(url, fields | {"patron_group": str(students.pk)})
    visit.refresh_from_db()
    assert (visit.patron_group, visit.is_group_from_card) == (students, False)
    page = text(desk.get(reverse("desk_session", args=[visit.public_id])))
    assert "Corrections Patron group" in page


def posted(form):
    values = {field.html_name: field.value() for field in form}
    values = {
        name: str(value) for name, value in values.items() if value or value == 0 and value is not False
    }
    return values | {"action": "save", "items-TOTAL_FORMS": "0"}


def test_correction_form_offers_a_retired_group_and_service_point_of_the_visit(desk, staff, branch, front):
    retired = {"retired_at": timezone.now()}
    group, point = PatronGroupFactory(**retired), ServicePointFactory(branch=branch, **retired)
    visit = HelpSessionFactory(branch=branch, staff=staff, patron_group=group, service_point=point)
    form = desk.get(reverse("correct_session", args=[visit.public_id])).context["form"]
    assert options(form, "patron_group") == ["Not asked", group.name]
    assert options(form, "service_point") == ["not recorded", "Front desk", point.name]


# Tests of service points.


def test_record_form_offers_the_service_points_of_the_staff_members_branches(desk, staff, branch, front):
    ServicePointFactory(branch=branch, name="Closed desk", retired_at=timezone.now())
    hill = ServicePointFactory(branch=BranchFactory(name="Hill"), name="Hill desk")
    form = desk.get(RECORD).context["form"]
    assert options(form, "service_point") == ["not recorded", "Front desk"]
    assert not form["service_point"].value()
    StaffRole.objects.create(user=staff, branch=hill.branch)
    form = desk.get(RECORD).context["form"]
    assert options(form, "service_point") == ["not recorded", "Front desk – Harbour Main", "Hill desk – Hill"]


def test_record_form_without_service_points_has_no_field_for_them(desk, branch):
    assert "service_point" not in desk.get(RECORD).context["form"].fields


def test_service_point_with_the_name_of_the_shared_computer_is_preselected(at_computer, front, typed):
    form = at_computer.get(RECORD).context["form"]
    assert form["service_point"].value() == front.pk
    default = form["default_point"].value()
    assert default == f"{front.pk} 2026-03-04"
    fields = typed(action="save_only", service_point=str(front.pk), default_point=default)
    assert at_computer.post(RECORD, fields).status_code == 302
    session = HelpSession.objects.get()
    assert session.service_point == front
    assert "Front desk" in text(at_computer.get(reverse("desk_session", args=[session.public_id])))


@pytest.mark.parametrize("name", ["PC 4", "Closed desk"])
def test_no_service_point_is_preselected_if_the_shared_computer_has_another_name(desk, branch, front, name):
    ServicePointFactory(branch=branch, name="Closed desk", retired_at=timezone.now())
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": name})
    form = desk.get(RECORD).context["form"]
    assert not form["service_point"].value()
    assert not form["default_point"].value()


def test_staff_can_empty_the_service_point_that_a_shared_computer_preselects(at_computer, front, typed):
    fields = typed(service_point="", default_point=f"{front.pk} 2026-03-04")
    assert at_computer.post(RECORD, fields).status_code == 302
    assert HelpSession.objects.get().service_point is None


def test_staff_must_confirm_the_preselected_service_point_if_they_change_the_day(at_computer, front, typed):
    fields = typed(
        service_point=str(front.pk), default_point=f"{front.pk} 2026-03-04", happened_on="2026-03-03"
    )
    response = at_computer.post(RECORD, fields)
    assert response.status_code == 422
    assert "You changed the day. Check the service point, then save again." in text(response)
    form = response.context["form"]
    assert (str(form["service_point"].value()), form["default_point"].value()) == (str(front.pk), "")
    assert at_computer.post(RECORD, fields | {"default_point": ""}).status_code == 302
    assert HelpSession.objects.recorded().get().service_point == front


def test_unfinished_visit_of_yesterday_keeps_yesterdays_service_point(at_computer, front, typed):
    fields = typed(
        service_point=str(front.pk), default_point=f"{front.pk} 2026-03-03", happened_on="2026-03-03"
    )
    assert at_computer.post(RECORD, fields).status_code == 302
    assert HelpSession.objects.get().service_point == front


def test_service_point_of_another_branch_is_refused_and_the_error_names_the_other_branch(
    desk, staff, branch, front, typed
):
    hill = ServicePointFactory(branch=BranchFactory(name="Hill"))
    StaffRole.objects.create(user=staff, branch=hill.branch)
    response = desk.post(RECORD, typed(service_point=str(hill.pk)))
    assert response.status_code == 422
    assert "This service point is at Hill. Choose the branch or the service point again." in text(response)
    foreign = ServicePointFactory()
    assert "service_point" in desk.post(RECORD, typed(service_point=str(foreign.pk))).context["form"].errors
    assert not HelpSession.objects.recorded().exists()


def test_contact_of_another_branch_does_not_get_the_service_point_of_the_shared_computer(
    at_computer, staff, branch, front, library
):
    hill = BranchFactory(name="Hill")
    StaffRole.objects.create(user=staff, branch=hill)
    for at, expected in ((branch, front), (hill, None)):
        conversation = ConversationFactory(branch=at)
        form = at_computer.get(RECORD, {"conversation": conversation.public_id}).context["form"]
        assert form["service_point"].value() == (expected and expected.pk)
        person, computer = (
            type(staff).objects.get(pk=staff.pk),
            at_computer.get(RECORD).wsgi_request.shared_desk,
        )
        contact = contact_of(conversation, person, library, timezone.now(), shared_desk=computer)
        assert contact["service_point"] == expected


def test_record_form_reads_patron_groups_and_service_points_with_one_query_each(
    desk, branch, students, front, django_assert_num_queries
):
    desk.get(RECORD)
    for _number in range(5):
        PatronGroupFactory()
        ServicePointFactory(branch=branch)
    with django_assert_num_queries(2):
        assert len(choices.offered_groups()) == 7
        assert len(choices.offered_points(branches=[branch.pk])) == 6


def test_copy_of_a_patrons_data_contains_the_patron_group_and_the_service_point(
    branch, students, front, patron
):
    visit = HelpSessionFactory(branch=branch, patron=patron, patron_group=students, service_point=front)
    table, at = TABLES["visits"], timezone.now()
    [row] = [row for row in table.rows(patron, at) if row.pk == visit.pk]
    assert table.columns["patron_group"](row, at) == "Students"
    assert row.service_point.name == "Front desk"


# Tests of the settings.


@pytest.fixture
def settings_page(client, coordinator, sign_in, library):
    return sign_in(client, coordinator)


GROUPS, POINTS = "/desk/settings/patron-groups/", "/desk/settings/branches/of/harbour-main/service-points/"


def test_coordinator_adds_changes_and_retires_a_patron_group(settings_page, branch):
    settings_page.post(GROUPS, {"name": "Students", "card_groups": "STU\n\n stu \nUndergrad"})
    group = PatronGroup.objects.get(is_other=False)
    assert (group.name, group.card_groups) == ("Students", ["STU", "Undergrad"])
    assert [str(row) for row in choices.offered_groups()] == ["Students", "Other"]
    settings_page.post(GROUPS, {"group": group.pk, "name": "Learners", "card_groups": "STU"})
    group.refresh_from_db()
    assert (group.name, group.card_groups) == ("Learners", ["STU"])
    settings_page.post(GROUPS, {"group": group.pk, "retire": "1"})
    assert choices.offered_groups() == []
    settings_page.post(GROUPS, {"group": group.pk, "bring_back": "1"})
    assert [str(row) for row in choices.offered_groups()] == ["Learners", "Other"]


def test_patron_group_cannot_have_the_name_of_another_group(settings_page, branch):
    settings_page.post(GROUPS, {"name": "Students"})
    for name in ("students", "Other", "other"):
        assert "Another group has this name" in text(settings_page.post(GROUPS, {"name": name}))
    assert PatronGroup.objects.count() == 2


def test_thirteenth_patron_group_is_refused(settings_page, branch):
    for _number in range(11):
        PatronGroupFactory()
    retired = PatronGroupFactory(retired_at=timezone.now())
    settings_page.post(GROUPS, {"name": "The twelfth"})
    settings_page.post(GROUPS, {"name": "One too many"})
    response = settings_page.post(GROUPS, {"group": retired.pk, "bring_back": "1"})
    assert "at most 12 groups" in text(response)
    assert PatronGroup.objects.filter(is_other=False, retired_at=None).count() == 12


@pytest.mark.parametrize(
    "name",
    [
        "Homeless patrons",
        "Refugees",
        "Health insurance",
        "Muslim students",
        "Black teachers",
        "Age 17",
        "Dementia café",
        "Wheelchair users",
        "Foster families",
        "Newcomers",
        "Arab students",
        "Sikh community",
        "Extranjeros",
        "Personas sin hogar",
        "Inmigrantes",
        "Edad de 12 años",
    ],
)
def test_sensitive_group_is_added_only_after_a_warning(settings_page, branch, name):
    response = settings_page.post(GROUPS, {"name": name})
    assert "This name seems to be about health, housing, immigration, race" in text(response)
    assert not PatronGroup.objects.exists()
    settings_page.post(GROUPS, {"name": name, "warned_name": response.context["form"]["warned_name"].value()})
    assert PatronGroup.objects.filter(name=name).exists()


@pytest.mark.parametrize(
    "name",
    ["Students", "Teachers", "Residents", "Faculty", "Alumni", "Visitors", "Docentes", "Seniors", "Teens"],
)
def test_patron_groups_with_usual_names_are_added_without_a_warning(settings_page, branch, name):
    assert settings_page.post(GROUPS, {"name": name}).status_code == 302


def test_card_group_belongs_to_only_one_patron_group(settings_page, branch, students):
    response = settings_page.post(GROUPS, {"name": "Teachers", "card_groups": "FAC\nstu"})
    assert "“STU” already belongs to another patron group." in text(response)
    assert not PatronGroup.objects.filter(name="Teachers").exists()


def test_settings_page_lists_the_card_groups_that_belong_to_no_patron_group(settings_page, branch, students):
    for number, group in enumerate(["STU", "ADULT", "ADULT", ""]):
        card(UserFactory(), group, ils_id=str(number))
    assert settings_page.get(GROUPS).context["unmapped"] == ["ADULT"]


def test_coordinator_adds_changes_and_retires_a_service_point(settings_page, branch):
    settings_page.post(POINTS, {"name": "Front desk"})
    point = ServicePoint.objects.get()
    assert (point.branch, point.name) == (branch, "Front desk")
    assert "Another service point" in text(settings_page.post(POINTS, {"name": "front desk"}))
    settings_page.post(POINTS, {"point": point.pk, "name": "Help desk"})
    settings_page.post(POINTS, {"point": point.pk, "retire": "1"})
    point.refresh_from_db()
    assert (point.name, point.retired_at) == ("Help desk", timezone.now())
    assert choices.offered_points(branches=[branch.pk]) == []
    settings_page.post(POINTS, {"point": point.pk, "bring_back": "1"})
    assert choices.offered_points(branches=[branch.pk]) == [point]
    assert "Help desk" in text(settings_page.get(reverse("branch_settings", args=[branch.slug])))


def test_settings_page_of_a_branch_cannot_change_the_service_points_of_another_branch(settings_page, branch):
    foreign = ServicePointFactory(name="Far desk")
    settings_page.post(POINTS, {"point": foreign.pk, "name": "Mine"})
    foreign.refresh_from_db()
    assert foreign.name == "Far desk"
    assert ServicePoint.objects.get(branch=branch).name == "Mine"


def test_record_form_stores_on_which_day_the_service_point_was_preselected(at_computer, front):
    day = datetime.date(2026, 3, 4)
    assert at_computer.get(RECORD).context["form"]["default_point"].value() == f"{front.pk} {day}"


# Tests of the library's own fields.

FIELDS = "/desk/settings/own-fields/"


@pytest.fixture
def formats(library):
    field = OwnField.objects.create(name="Format")
    field.values.create(name="Paper")
    field.values.create(name="Screen")
    field.values.create(name="Stone", retired_at=timezone.now())
    return field


def value(field, name):
    return field.values.get(name=name)


def test_record_form_has_the_librarys_own_fields_as_lists(desk, branch, formats):
    OwnField.objects.create(name="Retired", retired_at=timezone.now()).values.create(name="Never")
    page = desk.get(RECORD)
    form = page.context["form"]
    assert options(form, f"own-{formats.pk}") == ["not recorded", "Paper", "Screen"]
    assert "Never" not in text(page)


def test_chosen_value_of_an_own_field_is_recorded_and_shown(desk, typed, formats):
    paper = value(formats, "Paper")
    desk.post(RECORD, typed(**{f"own-{formats.pk}": str(paper.pk)}))
    session = HelpSession.objects.get()
    assert session.own_values == {str(formats.pk): paper.pk}
    assert "Format Paper" in text(desk.get(reverse("desk_session", args=[session.public_id])))


@pytest.mark.parametrize("wrong", ["Stone", "free text", "of another field"])
def test_own_field_accepts_only_its_offered_values(desk, typed, formats, wrong):
    other = OwnField.objects.create(name="Program").values.create(name="Seniors")
    chosen = {"Stone": value(formats, "Stone").pk, "of another field": other.pk}.get(wrong, wrong)
    response = desk.post(RECORD, typed(**{f"own-{formats.pk}": str(chosen)}))
    assert response.status_code == 422
    assert f"own-{formats.pk}" in response.context["form"].errors
    assert not HelpSession.objects.recorded().exists()


def test_unfinished_visit_keeps_the_value_of_an_own_field(desk, typed, formats):
    chosen = str(value(formats, "Screen").pk)
    fields = typed(action="later", **{f"own-{formats.pk}": chosen})
    desk.post(RECORD, fields)
    form = desk.get(f"/desk/record/{fields['token']}/").context["form"]
    assert form[f"own-{formats.pk}"].value() == chosen


def test_correction_can_keep_or_change_an_own_field_value_that_is_no_longer_offered(
    desk, staff, branch, formats
):
    stone, screen = value(formats, "Stone"), value(formats, "Screen")
    visit = HelpSessionFactory(
        branch=branch, staff=staff, own_values={str(formats.pk): stone.pk}, happened_on="2026-03-03"
    )
    url = reverse("correct_session", args=[visit.public_id])
    form = desk.get(url).context["form"]
    name = f"own-{formats.pk}"
    assert options(form, name) == ["not recorded", "Paper", "Screen", "Stone"]
    assert str(form[name].value()) == str(stone.pk)
    fields = posted(form)
    assert desk.post(url, fields).status_code == 302
    visit.refresh_from_db()
    assert visit.own_values == {str(formats.pk): stone.pk}
    desk.post(url, fields | {name: str(screen.pk)})
    visit.refresh_from_db()
    assert visit.own_values == {str(formats.pk): screen.pk}
    page = html.unescape(text(desk.get(reverse("desk_session", args=[visit.public_id]))))
    assert "Corrections The library's own fields" in page


def test_unsaved_correction_of_an_own_field_is_shown_again(desk, staff, branch, formats):
    visit = HelpSessionFactory(branch=branch, staff=staff, happened_on="2026-03-03")
    url, name = reverse("correct_session", args=[visit.public_id]), f"own-{formats.pk}"
    chosen = str(value(formats, "Paper").pk)
    fields = posted(desk.get(url).context["form"]) | {name: chosen}
    desk.post(reverse("correction_draft", args=[visit.public_id]), fields)
    form = desk.get(url).context["form"]
    assert form[name].value() == chosen


def test_coordinator_adds_changes_and_retires_an_own_field(settings_page, branch):
    assert "Don't add names of people" in text(settings_page.get(FIELDS))
    settings_page.post(FIELDS, {"name": "Format", "values": "Paper\nScreen\n\npaper"})
    field = OwnField.objects.get()
    paper = value(field, "Paper")
    assert [row.name for row in choices.offered_values()] == ["Paper", "Screen"]
    settings_page.post(FIELDS, {"field": field.pk, "name": "Form", "values": "PAPER\nStone"})
    assert [row.name for row in choices.offered_values()] == ["PAPER", "Stone"]
    assert value(field, "PAPER").pk == paper.pk
    settings_page.post(FIELDS, {"field": field.pk, "retire": "1"})
    assert choices.offered_values() == []
    settings_page.post(FIELDS, {"field": field.pk, "bring_back": "1"})
    assert len(choices.offered_values()) == 2


@pytest.mark.parametrize(("count", "status"), [(20, 302), (21, 422)])
def test_own_field_has_at_most_20_values(settings_page, branch, count, status):
    values = "\n".join(f"Value {number}" for number in range(count))
    response = settings_page.post(FIELDS, {"name": "Format", "values": values})
    assert OwnField.objects.exists() == (status == 302)
    assert ("A field has at most 20 values." in text(response)) == (status == 422)


def test_sixth_own_field_and_a_repeated_name_are_refused(settings_page, branch, formats):
    taken = settings_page.post(FIELDS, {"name": "format", "values": "A"})
    assert "Another field has this name." in text(taken)
    for number in range(4):
        OwnField.objects.create(name=f"Field {number}")
    assert "at most 5 fields" in text(settings_page.post(FIELDS, {"name": "Sixth", "values": "A"}))
    assert OwnField.objects.count() == 5


def test_copy_of_a_patrons_data_contains_the_values_of_the_librarys_own_fields(branch, formats, patron):
    own_values = {str(formats.pk): value(formats, "Paper").pk}
    visit = HelpSessionFactory(branch=branch, patron=patron, own_values=own_values)
    assert TABLES["visits"].columns["library_fields"](visit, timezone.now()) == "Format: Paper"


def test_patron_group_cannot_be_offered_again_while_another_group_has_its_card_group(students, staff):
    at = timezone.now()
    choices.retire_group(students, by=staff, at=at)
    choices.save_group(None, name="Pupils", card_groups=["stu"], by=staff, at=at)
    with pytest.raises(choices.CardGroupTaken):
        choices.bring_back_group(students, by=staff, at=at)
    assert not PatronGroup.objects.offered().filter(pk=students.pk).exists()
