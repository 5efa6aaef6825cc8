"""Test kits, and the list of what helped before, in the browser."""

import re
from datetime import date

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.kits.actions import make_kit
from portal.kits.models import ItemCount, Kit
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import HelpSessionFactory, ItemFactory, TopicFactory, recommend_in

from .conftest import LOOKS

pytestmark = pytest.mark.browser


def kit_of(staff, branch, *items, topic=None):
    return make_kit(
        branch=branch,
        topic=topic,
        language="en",
        name="First jobs",
        description="",
        items=[ChosenItem(item=item, reason="It is short") for item in items],
        by=staff,
        at=timezone.now(),
    )


@pytest.mark.core
@pytest.mark.parametrize("language", ["en", rarely("es")], ids=["en", "in Spanish, dark and large"])
def test_kit_made_from_a_visit_can_be_added_to_the_next_visit(language, phone, show, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff, question="SECRET")
    recommend_in(session, 2, reason="SECRET")
    page = show(phone(**LOOKS[language]), staff)
    page.goto(f"/desk/sessions/{session.public_id}/")
    page.locator("#to-kit").click()
    page.locator("#id_name").fill("Compost")
    page.locator("#id_items-0-reason").fill("Begin with this one")
    page.locator("#save-kit").click()
    expect(page.locator("#kit-items > li")).to_have_count(2)
    expect(page.locator("body")).not_to_contain_text("SECRET")
    page.goto("/desk/record/")
    page.locator("#id_question").fill("How do I compost?")
    page.locator(".by-hand > summary").click()
    page.locator("#show-kits").click()
    page.locator("#kits .found-item").click()
    expect(page.locator(".chosen > li")).to_have_count(2)
    expect(page.locator("#id_items-0-reason")).to_have_value("Begin with this one")
    page.locator("#save-only").click()
    page.wait_for_url(re.compile(r":\d+/desk/sessions/"))
    kit = Kit.objects.get()
    given = Recommendation.objects.order_by("-pk")[:2]
    assert {row.from_kit for row in given} == {kit.public_id}


@pytest.mark.parametrize("language", ["en", "es"], ids=["en", "in Spanish, dark and large"])
def test_items_that_helped_before_appear_when_a_topic_is_chosen(language, phone, show, staff):
    topic, item = TopicFactory(name="Small business"), ItemFactory(title="Plan it")
    ItemCount.objects.create(
        item=item,
        topic=topic,
        question_type="reference",
        helped=8,
        visits=10,
        lower_bound=0.49,
        latest_on=date(2026, 5, 4),
    )
    page = show(phone(**LOOKS[language]), staff)
    page.goto("/desk/record/")
    page.wait_for_load_state()
    page.locator("#id_topic").select_option(str(topic.pk))
    found = page.locator("#asked-before .found-item")
    expect(found).to_contain_text("Plan it")
    expect(found).to_contain_text(re.compile("8 (of|de) 10"))
    found.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chosen > li")).to_contain_text("Plan it")
    expect(page.locator("#id_topic")).to_have_value(str(topic.pk))


def test_items_that_helped_before_appear_while_the_question_is_typed(phone, show, staff, branch):
    topic = TopicFactory(name="Small business")
    kit_of(staff, branch, ItemFactory(), topic=topic)
    page = show(phone(), staff)
    page.goto("/desk/record/")
    page.wait_for_load_state()
    page.locator("#id_question").press_sequentially("How do I open a business?")
    expect(page.locator("#asked-before")).to_contain_text("First jobs")


def test_staff_can_add_a_kit_without_javascript(opened, show, staff, branch):
    kit_of(staff, branch, *ItemFactory.create_batch(2))
    page = show(opened({"java_script_enabled": False}), staff)
    page.goto("/desk/record/")
    page.locator("#id_question").fill("How do I apply?")
    page.locator(".by-hand > summary").click()
    page.locator("#show-kits").click()
    page.locator("#kits .found-item").click()
    expect(page.locator(".chosen > li")).to_have_count(2)
    expect(page.locator("#id_question")).to_have_value("How do I apply?")
    page.locator("#what-helped").click()
    expect(page.locator("#show-helped")).to_be_visible()
    page.locator("#back").click()
    expect(page.locator(".chosen > li")).to_have_count(2)


@pytest.mark.parametrize(("query", "button"), [("garden", "#narrow-here"), ("gardne", "#as-typed")])
def test_found_item_can_be_added_to_a_kit_after_narrowing_or_correcting_the_search(
    phone, show, staff, branch, query, button
):
    ItemFactory(title="Garden", branch=branch, call_number="635")
    ItemFactory(title="Garden tools")
    page = show(phone(), staff)
    page.goto("/desk/kits/new/")
    page.wait_for_load_state()
    page.locator("#id_name").fill("Gardens")
    page.locator("#q").press_sequentially(query)
    page.locator(button).click()
    if button == "#as-typed":
        page.locator("#instead").click()
    page.locator("#found .found-item", has_text="Garden").first.click()
    expect(page.locator(".chosen > li")).to_have_count(1)
    page.locator("#remove-0").click()
    expect(page.locator(".chosen > li")).to_have_count(0)
    page.locator("#q").fill("tools")
    page.locator("#found .found-item", has_text="Garden tools").click()
    expect(page.locator(".chosen > li")).to_have_count(1)
    page.locator("#save-kit").click()
    page.wait_for_url(re.compile(r"/desk/kits/[0-9a-f-]{36}/$"))
    assert [str(row.item) for row in Kit.objects.get().items.all()] == ["Garden tools"]


def test_leaving_a_changed_kit_form_asks_for_confirmation(phone, show, staff, branch):
    kit = kit_of(staff, branch, ItemFactory(title="Garden"))
    page = show(phone(), staff)
    asked = []

    def stay(dialog):
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", stay)
    page.goto(f"/desk/kits/{kit.public_id}/change/")
    page.wait_for_load_state()
    page.locator("#q").press_sequentially("garden")
    expect(page.locator("#found .found-item")).to_have_count(1)
    page.locator("#back").click()
    page.wait_for_url(re.compile(r"/desk/kits/[0-9a-f-]{36}/$"))
    assert asked == []
    page.locator("#change-kit").click()
    page.wait_for_url(re.compile(r"/change/"))
    page.wait_for_load_state()
    page.locator("#remove-0").click()
    expect(page.locator(".chosen > li")).to_have_count(0)
    page.locator("#back").click()
    assert asked == ["The kit isn't saved. Leave the page without saving it?"]
    page.locator("#id_name").fill("")
    page.locator("#save-kit").click()
    expect(page.locator("#error-summary")).to_be_visible()
    page.locator("#back").click()
    assert len(asked) == 2
    expect(page.locator("#error-summary")).to_be_visible()
