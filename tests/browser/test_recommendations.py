"""Find what was recommended, and ask the helper for more, with and without JavaScript, in two languages."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations.models import Conversation
from recommendations.actions import record_verdict
from tests.factories import HelpSessionFactory, recommend_in

from .conftest import LOOKS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_patron_narrows_their_recommendations_and_asks_the_helper_for_more(
    javascript, language, patron, branch, staff, phone, show
):
    patron.language = language
    patron.save()
    visits = HelpSessionFactory.create_batch(2, patron=patron, branch=branch, staff=staff)
    loved, other = [recommend_in(visit)[0] for visit in visits]
    record_verdict(loved, verdict="helped", comment="", at=timezone.now())
    page = show(phone(**LOOKS[language], javascript=javascript), patron)
    page.goto("/")
    page.locator("#to-recommendations").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/recommendations/")
    expect(page.locator(f"#rec-{other.public_id}")).to_be_visible()

    page.locator("#verdict").select_option("helped")
    page.locator("#visit").select_option(str(visits[0].public_id))
    page.locator("#show").press("Enter")
    page.wait_for_url("**/recommendations/?verdict=helped*")
    expect(page.locator(f"#rec-{loved.public_id}")).to_be_visible()
    expect(page.locator(".item-card")).to_have_count(1)
    expect(page.locator("#verdict")).to_have_value("helped")

    page.locator(f"#more-{loved.public_id}").press("Enter")
    page.wait_for_url("**/ask/?for=more")
    expect(page.locator("#id_body")).to_contain_text(loved.item.title)
    page.locator("#id_body").fill("More of these, please")
    page.locator("#send").press("Enter")
    page.wait_for_url("**/messages/**")
    expect(page.locator("main")).to_contain_text("More of these, please")
    conversation = Conversation.objects.get()
    assert (conversation.recommendation, conversation.assignee) == (loved, staff)
