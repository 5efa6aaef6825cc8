"""Test answering a check-in with one tap in the email, and the conversation that the answer starts."""

import datetime
import re

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library
from portal.checkins.models import CheckIn
from portal.checkins.sending import send_due_check_ins
from portal.conversations import jobs
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
from tests.opening_hours import open_on_weekdays

from .steps import answered, latest, sign_in, sign_in_with_second_factor

pytestmark = pytest.mark.browser

MISSING = "The book has nothing about worms."
ANSWER = "Then try this one about worms."


@pytest.fixture(autouse=True)
def no_undo_window(monkeypatch):
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(0))


@pytest.fixture
def branch(library, branch):
    """Return a branch that is open all day, so that the email is sent at once."""
    library.check_ins = True
    library.save()
    open_on_weekdays(branch, opens=0, closes=23, weekdays=range(7))
    branch.opening_hours.update(closes=datetime.time(23, 59, 59))
    return branch


@pytest.fixture
def sam(branch):
    return UserFactory(name="Sam", email="sam@example.org", check_ins="email")


def visit_of(patron, branch, staff):
    """Record a visit that happened a week ago, and approve its check-in for today."""
    week_ago = timezone.now() - datetime.timedelta(days=7)
    visit = HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=patron,
        created_at=week_ago,
        handed_over_at=week_ago,
        kept_at=week_ago if patron else None,
    )
    CheckInFactory(help_session=visit, due_on=Library.current().today(), reviewed_at=timezone.now())
    return visit


@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_answer_with_one_tap_in_an_email_starts_a_conversation_in_the_patrons_account(
    javascript, sam, branch, staff, phone, desk_computer, post
):
    visit = visit_of(sam, branch, staff)
    send_due_check_ins(at=timezone.now())
    email = post(sam.email)
    assert visit.question not in email.message().as_string()

    patron = phone(javascript=javascript)
    patron.goto(re.search(r"http\S+/how/\S+", email.body)[0])
    expect(patron.locator("main")).to_contain_text(staff.name)
    expect(patron.locator("main")).not_to_contain_text(visit.question)
    patron.locator("#found-no").tap()
    expect(patron.locator("#found-no")).to_have_attribute("aria-pressed", "true")
    assert HelpSession.objects.get().found == "no"
    patron.locator("#id_body").fill(MISSING)
    patron.locator("#wish-yes").tap()
    patron.locator("#wish-saved").wait_for()
    expect(patron.locator("main")).not_to_contain_text(MISSING)
    assert CheckIn.objects.get().status == "answered"

    desk = desk_computer()
    sign_in_with_second_factor(desk, staff, post)
    desk.locator(".queue li a").first.click()
    desk.wait_for_url("**/conversations/**")
    expect(desk.locator(".message.theirs .bubble")).to_have_text(MISSING)
    desk.locator("#id_body").fill(ANSWER)
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".message.mine .bubble")).to_contain_text(ANSWER)

    jobs.show_pending_answers(at=timezone.now())
    patron.goto(re.search(r"http\S+/messages/\S+", post(sam.email).body)[0])
    sign_in(patron, sam.email, post)
    expect(latest(patron)).to_have_text(ANSWER)

    # The page of the link shows neither the answers nor the text.
    patron.context.clear_cookies()
    patron.goto(re.search(r"http\S+/how/\S+", email.body)[0])
    expect(patron.locator("[aria-pressed=true]")).to_have_count(0)
    expect(patron.locator("main")).not_to_contain_text(MISSING)


@pytest.mark.parametrize("javascript", [True, False], ids=["", "without JavaScript"])
def test_viewer_by_code_who_answers_a_check_in_is_led_to_the_conversation(
    javascript, branch, staff, phone, show
):
    visit = visit_of(None, branch, staff)
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


def test_patron_answers_yes_with_one_tap_and_can_change_the_answer_on_the_same_page(
    branch, staff, sam, phone
):
    visit = visit_of(sam, branch, staff)
    CheckIn.objects.all().delete()
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


def test_opening_the_page_of_a_check_in_changes_no_row(branch, staff, sam, phone):
    visit = visit_of(sam, branch, staff)
    CheckIn.objects.all().delete()
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


def test_typed_words_are_shown_again_if_the_link_expires_while_the_page_is_open(branch, staff, sam, phone):
    visit = visit_of(sam, branch, staff)
    CheckIn.objects.all().delete()
    page = phone()
    page.goto(ask_by_email(visit)[1])
    page.locator("#id_body").fill(MISSING)
    HelpSession.objects.update(patron=None)
    page.locator("#send").tap()
    expect(page.locator("main")).to_contain_text(MISSING)
    expect(page.locator(f"main a[href^='{reverse('sign_in')}']")).to_be_visible()
    assert not Message.objects.exists()
