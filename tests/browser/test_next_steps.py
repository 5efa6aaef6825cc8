"""Test a next step in the browser: staff promise a day for an item, and the patron reads it."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import next_steps, states, verdicts
from portal.conversations.models import Conversation, Event
from recommendations.models import NextStep, Recommendation
from tests.extent import rarely
from tests.factories import HelpSessionFactory, recommend_in

from .conftest import LOOKS
from .steps import card, say

pytestmark = pytest.mark.browser
DAY = datetime.timedelta(days=1)


@pytest.mark.core
@pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), rarely("en", False), rarely("es", True)],
    ids=["en", "without JavaScript", "es"],
)
def test_staff_promise_a_day_for_an_item_that_the_patron_could_not_get(
    language, javascript, branch, staff, patron, phone, show, desk_computer, monkeypatch
):
    monkeypatch.setattr(states, "GRACE", datetime.timedelta(0))
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    [missed] = recommend_in(visit)
    home = show(phone(**LOOKS[language], javascript=javascript), patron)
    desk = show(phone(**LOOKS[language], javascript=javascript), staff)
    home.goto(visit.get_absolute_url())
    say(home, missed.item.title, "could_not_get_it")

    # The row in the queue leads to the form that records a next step.
    desk.goto("/desk/")
    desk.locator(".queue .to-step").tap()
    desk.locator("[name=kind][value=ordered]").check()
    day = timezone.localdate() + 3 * DAY
    desk.locator("#id_promised_on").fill(day.isoformat())
    desk.locator("#save-step").tap()
    desk.wait_for_url(re.compile(r"/desk/(\?.*)?$"))
    expect(desk.locator("#notices .notice")).to_have_count(1)
    expect(desk.locator(".queue li")).to_have_count(0)

    # The patron reads the promised day on Home and on the item. Nobody has written a message.
    home.goto("/")
    row = home.locator("#to-come li")
    expect(row).to_have_count(1)
    row.locator("a").tap()
    home.wait_for_url("**/items/**")
    expect(home.locator(f"#rec-{missed.public_id} .notice")).to_have_count(1)
    promise = home.locator(f"#rec-{missed.public_id} .notice").inner_text()
    assert str(day.day) in promise
    home.goto("/messages/")
    expect(home.locator("main .rows")).to_have_count(0)

    # The promised day passes, and the conversation is in the queue again.
    for rows in (NextStep.objects.all(), Event.objects.filter(kind="step_recorded")):
        rows.update(promised_on=timezone.localdate() - 2 * DAY)
    next_steps.return_late_items(at=timezone.now())
    desk.goto("/desk/")
    desk.locator(".queue a").first.tap()
    arrived = desk.locator(f"#arrived-{missed.public_id}")
    arrived.tap()
    expect(arrived).to_have_count(0)
    home.goto(visit.get_absolute_url())
    expect(card(home, missed.item.title).locator(".notice")).not_to_have_text(promise)

    # The patron has the item, so the conversation is closed.
    home.locator(f"#got-{missed.public_id}").tap()
    expect(card(home, missed.item.title).locator(".notice")).to_have_count(0)
    assert Recommendation.objects.get().verdict == "not_tried"
    assert Conversation.objects.get().status == Conversation.Status.CLOSED
    home.goto("/")
    expect(home.locator("#to-come")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "es"])
def test_next_step_of_an_item_is_not_cut_off_in_the_queue_on_a_phone(
    language, branch, staff, patron, phone, show
):
    staff.language = language
    staff.save()
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    [missed] = recommend_in(visit)
    now = timezone.now()
    answer = {"verdict": "could_not_get_it", "why": None, "comment": None}
    verdicts.take_verdict(missed, **answer, by=patron, at=now - DAY)
    step = next_steps.Step("on_its_way", timezone.localdate() + 3 * DAY)
    next_steps.record(Conversation.objects.get(), missed, step, by=staff, at=now)
    page = show(phone(language=language), staff)
    page.goto("/desk/?tab=snoozed")
    line, recorded = (page.locator(css).bounding_box() for css in (".queue .line", ".queue .recorded"))
    assert recorded["y"] + recorded["height"] <= line["y"] + line["height"] + 1
