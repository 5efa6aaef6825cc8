"""Test the page that opens from the link of a check-in, and answering a check-in by code."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library
from portal.checkins.models import CheckIn
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import HelpSession
from tests.architecture.test_sweeps import rows
from tests.factories import (
    CheckInFactory,
    HelpSessionFactory,
    UserFactory,
    ask_by_email,
    code_for,
    recommend_in,
)

from .steps import answered

pytestmark = pytest.mark.browser

MISSING = "The book has nothing about worms."


@pytest.fixture
def branch(library, branch):
    library.check_ins = True
    library.save()
    return branch


@pytest.fixture
def sam(branch):
    return UserFactory(name="Sam", email="sam@example.org", check_ins="email")


def visit_of(patron, branch, staff):
    """Return a visit of this patron, who may be None, that happened a week ago."""
    week_ago = timezone.now() - datetime.timedelta(days=7)
    return HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=patron,
        created_at=week_ago,
        handed_over_at=week_ago,
        kept_at=week_ago if patron else None,
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_page_of_a_check_in_link_does_not_show_the_text_that_a_patron_has_sent(
    javascript, sam, branch, staff, phone
):
    visit = visit_of(sam, branch, staff)
    page = phone(javascript=javascript)
    page.goto(ask_by_email(visit)[1])
    page.locator("#found-no").tap()
    expect(page.locator("#found-no")).to_have_attribute("aria-pressed", "true")
    page.locator("#id_body").fill(MISSING)
    page.locator("#wish-yes").tap()
    page.locator("#wish-saved").wait_for()
    expect(page.locator("main")).not_to_contain_text(MISSING)
    message = Message.objects.get()
    assert (message.body, message.by_link) == (MISSING, True)


@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_viewer_with_only_a_code_can_open_the_conversation_after_answering_a_check_in(
    javascript, branch, staff, phone, show
):
    visit = visit_of(None, branch, staff)
    CheckInFactory(help_session=visit, due_on=Library.current().today())
    patron = show(phone(javascript=javascript), codes=[code_for(visit)])
    patron.goto("/")
    patron.locator("#answer-check-in").tap()
    patron.wait_for_url("**/sessions/**")
    patron.locator("#found-no").tap()
    patron.locator("[name=wanted][value=yes]").tap()
    patron.wait_for_url("**/messages/**")
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.is_about_outcome) == (visit, True)
    assert not conversation.messages.get().by_link
    assert CheckIn.objects.get().status == "answered"


def test_patron_answers_yes_with_one_tap_and_can_change_the_answer(branch, staff, sam, phone):
    visit = visit_of(sam, branch, staff)
    page = phone()
    page.goto(ask_by_email(visit)[1])
    page.locator("#found-all").tap()
    expect(page.locator("#saved")).to_contain_text(staff.name)
    expect(page.locator("#found-all")).to_be_focused()
    page.locator("#satisfaction-very_good").tap()
    expect(page.locator("[aria-pressed=true]")).to_have_count(2)
    page.locator("#found-part").tap()
    expect(page.locator("#wish-no")).to_be_visible()
    expect(page.locator("#satisfaction-very_good")).to_have_attribute("aria-pressed", "true")
    page.locator("#wish-no").tap()
    page.locator("#wish-saved").wait_for()
    assert Conversation.objects.get().wants_no_answer
    page.reload()
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)
    visit.refresh_from_db()
    assert (visit.found, visit.satisfaction, visit.answered_by_link) == ("part", "very_good", True)


def test_opening_a_check_in_link_changes_nothing_in_the_database(branch, staff, sam, phone):
    visit = visit_of(sam, branch, staff)
    recommend_in(visit, 2)
    path = ask_by_email(visit)[1]
    before = rows()
    page = phone()
    page.goto(path)
    page.wait_for_load_state("networkidle")
    with answered(page):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert rows() == before
    assert page.context.cookies() == []


def test_typed_text_is_shown_again_if_the_emailed_link_has_expired(branch, staff, sam, phone):
    visit = visit_of(sam, branch, staff)
    page = phone()
    page.goto(ask_by_email(visit)[1])
    page.locator("#id_body").fill(MISSING)
    HelpSession.objects.update(patron=None)
    page.locator("#send").tap()
    expect(page.locator("main")).to_contain_text(MISSING)
    expect(page.locator(f"main a[href^='{reverse('sign_in')}']")).to_be_visible()
    assert not Message.objects.exists()
