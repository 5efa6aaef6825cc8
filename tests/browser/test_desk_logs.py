"""Test that a coordinator imports an old desk log, corrects a mistake in the mapping, and undoes the import."""

import pytest
from playwright.sync_api import expect

from portal.counts.models import LogImport
from portal.helpsessions.models import HelpSession
from tests.portal.imports.desk_logs.files import as_csv

pytestmark = pytest.mark.browser
ROWS = [
    ["When", "Kind", "Mode", "Minutes"],
    ["3/14/2024 14:30", "Ref desk", "Phone", "10"],
    ["3/15/2024", "Where is it", "Phone", "10-30 min"],
    ["3/16/2024", "Ref desk", "E-mail", "long"],
]


@pytest.mark.core
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_coordinator_imports_a_desk_log_after_correcting_a_mistake_in_the_mapping(
    coordinator, scripts, phone, show
):
    page = show(phone(javascript=scripts), coordinator)
    page.goto("/desk/settings/")
    page.locator("#to-desk-logs").click()
    log = {"name": "old log.csv", "mimeType": "text/csv", "buffer": as_csv(ROWS)}
    page.locator("#id_desk_log").set_input_files(log)
    page.locator("#upload-log").click()
    # The coordinator makes a mistake: they choose no meaning for the column with the kind of question.
    page.locator("#id_column-0").select_option("day")
    page.locator("#to-values").click()
    page.locator("#to-preview").click()
    expect(page.locator("#columns")).to_contain_text("left out, because no meaning was chosen for it")
    page.locator("#change-columns").click()
    page.locator("#id_column-1").select_option("question_type")
    page.locator("#to-values").click()
    page.locator("#to-preview").click()
    expect(page.locator("#id_question_type-1-0_error")).to_be_visible()
    page.locator("#id_question_type-1-0").select_option("reference")
    page.locator("#id_question_type-1-1").select_option("directional")
    page.locator("#to-preview").click()
    expect(page.locator("#failed")).to_contain_text("“long” is not a duration")
    page.locator("#import-log").click()
    expect(page.locator("#result-title")).to_be_visible()
    expect(page.locator("#download-failed")).to_be_visible()
    assert sorted(HelpSession.objects.values_list("question_type", flat=True)) == ["directional", "reference"]
    page.locator("#undo-import").click()
    expect(page.locator("#what-goes")).to_contain_text("2 contacts")
    page.locator("#undo-import").click()
    expect(page.locator("#imports")).to_have_count(0)
    assert (HelpSession.objects.count(), LogImport.objects.count()) == (0, 0)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_enter_key_opens_the_preview_after_a_service_point_was_added_for_the_log(
    coordinator, branch, scripts, phone, show
):
    rows = [["Date", "Type", "Location"], ["3/14/2024", "Reference", "Front"]]
    page = show(phone(javascript=scripts), coordinator)
    page.goto("/desk/settings/desk-logs/")
    log = {"name": "old log.csv", "mimeType": "text/csv", "buffer": as_csv(rows)}
    page.locator("#id_desk_log").set_input_files(log)
    page.locator("#upload-log").click()
    page.locator("#to-values").click()
    page.locator("#id_save_as").fill("Old log")
    page.locator("#to-service-points").click()
    page.locator("#id_name").fill("Front")
    page.locator("#save-point").click()
    page.locator("#back-to-log").click()
    expect(page.locator("#id_save_as")).to_have_value("Old log")
    expect(page.locator("#id_place-2-0")).to_have_value(f"point:{branch.service_points.get().pk}")
    page.locator("#id_save_as").press("Enter")
    expect(page.locator("#import-log")).to_be_visible()
