"""Test that a patron's open page shows the new promised day after a coordinator adds a closed day."""

import datetime
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library, OpeningHours
from portal.conversations import actions
from portal.templatetags.portal import day_in_a_sentence

from .conftest import DESK

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


@pytest.fixture
def conversation(branch, patron):
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=weekday, opens=datetime.time(0), closes=datetime.time(23, 59))
        for weekday in range(7)
    )
    branch.promise_hours = 60
    branch.save()
    return actions.ask(
        by=patron,
        at=timezone.now(),
        body="Where is it?",
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_patron_reads_the_new_promised_day_after_a_coordinator_adds_a_closed_day(
    javascript, branch, patron, coordinator, conversation, opened, phone, show
):
    first = Library.current().today(conversation.promised_at)
    mine = show(phone(), patron)
    mine.clock.install()
    mine.goto(conversation.get_absolute_url())
    state = mine.locator("#state")
    expect(state).to_contain_text(day_in_a_sentence(first))

    desk = show(opened(DESK, javascript=javascript), coordinator)
    desk.goto(f"/desk/settings/branches/of/{branch.slug}/")
    closed = first - datetime.timedelta(days=1)
    desk.locator("#id_day").fill(closed.isoformat())
    desk.locator("#id_reason").fill("Storm")
    desk.locator("#add-closed-day").click()
    desk.locator("#back-to-branch").click()
    expect(desk.locator("#id_reason")).to_have_value("Storm")
    assert not branch.closed_days.exists()
    desk.locator("#add-closed-day").click()
    expect(desk.locator("#moves li")).to_have_count(1)
    desk.locator("#email-patrons").check()
    desk.locator("#move-promises").click()
    desk.locator(f"#open-{closed}").wait_for()

    mine.clock.run_for(60_000)
    mine.locator("#state").get_by_text(day_in_a_sentence(first + datetime.timedelta(days=1))).wait_for()
