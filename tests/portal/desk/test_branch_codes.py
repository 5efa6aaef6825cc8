"""Test the page of branch codes under Settings."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import BranchCode
from tests.factories import BranchFactory
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
PAGE = "/desk/settings/branch-codes/"


@pytest.fixture
def desk(client, sign_in, coordinator):
    return sign_in(client, coordinator)


@pytest.fixture
def east(branch):
    return BranchFactory(name="Eastside", slug="east")


def codes():
    return sorted(BranchCode.objects.values_list("code", "branch__name"))


def test_unknown_branch_code_is_listed_with_its_count_and_assigned_in_one_step(desk, east):
    BranchCode.objects.create(code="EAST", met=3204, met_at=timezone.now())
    page = text(desk.get(PAGE))
    assert "EAST 3204 items in the import of" in page
    assert "Codes in use" not in page
    answer = desk.post(PAGE, {"code": "EAST", "branch": east.pk}, follow=True)
    page = text(answer)
    assert "EAST now means Eastside. Import the catalog again to show 3204 items at this branch." in page
    assert "Codes without a branch" not in page
    assert codes() == [("EAST", "Eastside")]


def test_form_keeps_a_typed_branch_code_if_staff_chose_no_branch(desk, east):
    BranchCode.objects.create(code="EAST", met=1, met_at=timezone.now())
    page = desk.post(PAGE, {"code": "EAST", "branch": ""}).content.decode()
    assert 'value="EAST"' in page
    assert 'id="id_branch_error"' in page or "field-error" in page
    assert codes() == [("EAST", None)]


def test_removed_branch_code_can_be_restored(desk, east):
    desk.post(PAGE, {"code": "EAST", "branch": east.pk})
    row = BranchCode.objects.get()
    page = desk.post(reverse("remove_branch_code", args=[row.public_id]), follow=True)
    assert codes() == []
    assert "EAST removed." in text(page)
    undo = "/desk/settings/branch-codes/restore/?code=EAST&branch=east"
    assert f'action="{undo.replace("&", "&amp;")}"' in page.content.decode()
    for _press in range(2):
        assert desk.post(undo).status_code == 302
    assert codes() == [("EAST", "Eastside")]
    assert desk.post(undo.replace("=east", "=nowhere")).status_code == 404


def test_branch_code_of_another_branch_is_refused_with_the_name_of_that_branch(desk, east, branch):
    BranchCode.objects.create(code="EAST", branch=east)
    page = text(desk.post(PAGE, {"code": "east", "branch": branch.pk}))
    assert "This code belongs to Eastside. Remove it there first." in page
    assert codes() == [("EAST", "Eastside")]


@pytest.mark.parametrize("rows", [1, 30])
def test_branch_codes_page_runs_the_same_number_of_queries_for_any_number_of_codes(
    desk, east, rows, django_assert_num_queries
):
    for number in range(rows):
        BranchCode.objects.create(code=f"K{number}", branch=east)
        BranchCode.objects.create(code=f"U{number}", met=number, met_at=timezone.now())
    desk.get(PAGE)
    with django_assert_num_queries(8):
        desk.get(PAGE)


def test_settings_page_says_how_many_codes_have_no_branch(desk, east):
    assert "no branch yet" not in text(desk.get(reverse("settings")))
    BranchCode.objects.create(code="EAST", met=3)
    assert "1 code of your library system has no branch yet." in text(desk.get(reverse("settings")))
