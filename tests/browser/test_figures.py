"""Test that a coordinator reads the figures on a phone: another month, a comparison, a breakdown and a file."""

import datetime

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.counts.actions import rebuild
from portal.desk.figures.periods import Period
from tests.factories import HelpSessionFactory

pytestmark = pytest.mark.browser


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_coordinator_narrows_and_compares_the_figures_and_downloads_them(
    javascript, coordinator, branch, phone, show
):
    last = Period.of_month(timezone.localdate()).before
    for period, mode, number in ((last, "phone", 3), (last, "chat", 1), (last.before, "phone", 2)):
        day = period.first + datetime.timedelta(days=4)
        HelpSessionFactory.create_batch(number, branch=branch, happened_on=day, mode=mode)
    rebuild()
    page = show(phone(javascript=javascript), coordinator)
    page.goto("/desk/")
    page.locator("a[href='/desk/figures/']").first.click()
    total = page.locator("#figure .total")
    expect(total).to_contain_text("4")
    page.locator("#id_by").select_option("mode")
    page.locator("#id_compare").select_option("before")
    page.locator("#show-figures").click()
    # The row of the mode "phone": contacts, contacts in the month before, and the change.
    cells = page.locator("#figure tbody tr").first.locator("td")
    expect(cells).to_contain_text(["3", "2", "1"])
    with page.expect_download() as downloaded:
        page.locator("#download").click()
    assert downloaded.value.suggested_filename == f"mode-{last.first}-{last.last}.csv"
    page.locator("#earlier").click()
    expect(cells).to_contain_text(["2", "0", "2"])
    page.locator("#id_dates").select_option("")
    page.locator("#id_first_day").fill("2026-03-02")
    page.locator("#id_last_day").fill("2026-03-01")
    page.locator("#show-figures").click()
    expect(page.locator("#id_last_day_error")).to_be_visible()
