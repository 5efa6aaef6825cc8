"""Test that a coordinator assigns a branch code from an import, removes the code and restores it."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import BranchCode
from tests.factories import BranchFactory

pytestmark = pytest.mark.browser


@pytest.mark.core
def test_coordinator_assigns_and_removes_and_restores_a_branch_code(coordinator, desk_computer, show):
    east = BranchFactory(name="Eastside", slug="east")
    code = BranchCode.objects.create(code="EAST", met=3, met_at=timezone.now())
    page = show(desk_computer(), coordinator)
    page.goto("/desk/settings/branch-codes/")
    page.locator(f"#branch-of-{code.public_id}").select_option(str(east.pk))
    page.locator(f"#assign-{code.public_id}").click()
    expect(page.locator("#codes-title")).to_be_visible()
    expect(page.locator("#unknown")).to_have_count(0)
    page.locator(f"#remove-{code.public_id}").click()
    expect(page.locator("#no-codes")).to_be_visible()
    page.locator("#undo-1").click()
    expect(page.locator("#codes-title")).to_be_visible()
    assert list(BranchCode.objects.values_list("code", "branch")) == [("EAST", east.pk)]
