"""Test that the title of each desk page begins with the number of conversations that need an answer."""

import re

import pytest
from playwright.sync_api import expect

from portal.conversations.models import Conversation
from tests.factories import ConversationFactory, HelpSessionFactory

from .steps import answered, pause_clock

pytestmark = pytest.mark.browser

HIDE = "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"


def test_title_of_a_background_tab_shows_the_number_of_waiting_conversations(
    desk_computer, show, staff, branch
):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    first = ConversationFactory(help_session=visit, branch=branch)
    page = show(desk_computer(), staff)
    page.clock.install()
    page.goto("/desk/cards/")
    pause_clock(page)
    page.clock.run_for(2000)
    expect(page).to_have_title(re.compile(r"^\(1\) Code cards"))
    page.evaluate(HIDE)
    second = ConversationFactory(help_session=visit, branch=branch)
    page.clock.run_for(60_000)
    expect(page).to_have_title(re.compile(r"^\(2\) Code cards"))
    Conversation.objects.filter(pk__in=[first.pk, second.pk]).delete()
    page.clock.run_for(60_000)
    expect(page).to_have_title(re.compile("^Code cards"))


@pytest.mark.only_long
def test_page_stops_requesting_the_count_of_waiting_conversations_after_a_sign_out(
    desk_computer, show, staff
):
    page = show(desk_computer(), staff)
    page.clock.install()
    page.goto("/desk/cards/")
    page.context.clear_cookies()
    with answered(page):
        pause_clock(page)
        page.clock.run_for(2000)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(180_000)
    page.evaluate("1")
    assert asked == []
