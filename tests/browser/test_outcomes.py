"""Test that the helper learns how a visit turned out, and that a patron can ask for or decline an answer."""

import datetime

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library
from portal.conversations import outcomes
from portal.conversations.models import Conversation, Message
from tests.extent import rarely
from tests.factories import HelpSessionFactory, code_for, recommend_in

from .bars import problems
from .conftest import DESK

pytestmark = pytest.mark.browser


@pytest.fixture
def session(branch, staff, patron):
    Library.objects.update(check_ins=True)
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Where is the tax form?")


def let_the_minute_pass():
    Conversation.objects.update(at_desk_from=timezone.now() - datetime.timedelta(seconds=1))


@pytest.mark.core
@pytest.mark.parametrize("who", ["account", rarely("code"), rarely("account, no JavaScript")])
def test_patron_who_wanted_no_answer_can_ask_for_one_later(
    branch, staff, patron, session, phone, desk_computer, show, who
):
    options = {"java_script_enabled": False} if "JavaScript" in who else {}
    if who == "code":
        session = HelpSessionFactory(branch=branch, staff=staff, question="Where is the tax form?")
        page = show(phone(), codes=[code_for(session)])
    else:
        page = show(phone(**options), patron)
    page.goto(session.get_absolute_url())
    page.locator("#found-no").click()
    expect(page.locator("#wish-visit")).to_be_visible()
    page.locator("#tell-visit").click()
    expect(page.locator("#tell-visit")).to_have_count(0)
    if "JavaScript" not in who:
        assert problems(page) == []
    let_the_minute_pass()
    desk = show(desk_computer(), staff)
    desk.goto("/desk/?reason=failed")
    desk.locator("#queue li a, li[data-conversation] a").first.click()
    expect(desk.locator("#no-answer")).to_be_visible()
    expect(desk.locator("#reply-form")).to_have_count(0)
    page.locator("#wish-visit").click()
    expect(page.locator("#latest, .message").first).to_be_visible()
    row = Conversation.objects.get()
    assert (row.wants_no_answer, row.messages.count()) == (False, 1)
    desk.reload()
    desk.locator("#id_body").fill("It is behind the desk.")
    desk.locator("#send").click()
    expect(desk.locator(".message.mine")).to_be_visible()
    assert row.messages.filter(side="staff").count() == 1


def test_answer_is_not_sent_but_shown_again_if_the_patron_no_longer_wants_one(
    staff, patron, session, opened, show
):
    at = timezone.now() - datetime.timedelta(hours=1)
    outcomes.take_outcome(session, by=patron, at=at, found="no")
    row = Conversation.objects.get()
    desk = show(opened(DESK), staff)
    desk.goto(f"/desk/conversations/{row.public_id}/")
    desk.wait_for_load_state()
    desk.locator("#id_body").fill("It is behind the desk.")
    outcomes.wish_for_answer(session, wanted=False, by=patron, at=timezone.now(), language="en")
    desk.locator("#send").click()
    expect(desk.locator("#no-answer")).to_contain_text("It is behind the desk.")
    assert not Message.objects.exists()
    desk.locator("#close-it").click()
    expect(desk.locator("#close-it")).to_have_count(0)
    assert Conversation.objects.get().status == "closed"


def test_helper_reads_the_outcome_and_the_comment_of_a_patron(staff, patron, session, phone, opened, show):
    recommend_in(session)
    page = show(phone(), patron)
    page.goto(session.get_absolute_url())
    page.locator("[id^=got-]").click()
    expect(page.locator("[id^=got-][name=undo]")).to_be_visible()
    page.locator("#found-all").click()
    page.locator("#share-words").click()
    page.locator("#id_words").fill("I passed!")
    page.locator("#share-words").click()
    page.locator("#outcome").wait_for()
    desk = show(opened(DESK), staff)
    desk.goto("/desk/made-possible/")
    expect(desk.locator("blockquote")).to_have_text("I passed!")
    page.goto(f"{session.get_absolute_url()}words/")
    page.locator("#take-back-words").click()
    page.locator("#outcome").wait_for()
    desk.reload()
    expect(desk.locator("blockquote")).to_have_count(0)
