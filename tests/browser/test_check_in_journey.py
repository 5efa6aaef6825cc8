"""Test one check-in from its draft to the conversation that the patron's answer opens."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library
from portal.checkins.models import CheckIn
from portal.conversations.models import Conversation, Message
from portal.worker import Worker
from tests.extent import rarely
from tests.factories import CheckInFactory, HelpSessionFactory, UserFactory, code_for
from tests.opening_hours import open_on_weekdays

from .steps import latest, sign_in

pytestmark = pytest.mark.browser

QUESTION = "A book about worms"
WORDS = "Did the worms survive the winter?"
ANSWER = "Then try this one about worms."


@pytest.fixture
def later(monkeypatch):
    """Return later(days=, minutes=, …), which moves the clock of the portal forward."""
    now = timezone.now

    def later(**how_long):
        before = timezone.now()
        passed = before - now() + datetime.timedelta(**how_long)
        monkeypatch.setattr(timezone, "now", lambda: now() + passed)

    return later


@pytest.fixture
def visit(library, branch, staff):
    """Return a visit that happened six days ago. Its check-in is due tomorrow, and nobody has reviewed it."""
    library.check_ins = True
    library.save()
    open_on_weekdays(branch, opens=0, closes=24, weekdays=range(7))
    branch.opening_hours.update(closes=datetime.time(23, 59, 59))
    at = timezone.now() - datetime.timedelta(days=6)
    visit = HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=UserFactory(name="Sam", email="sam@example.org", check_ins="email"),
        question=QUESTION,
        created_at=at,
        handed_over_at=at,
    )
    CheckInFactory(help_session=visit, due_on=Library.current().today() + datetime.timedelta(days=1))
    return visit


def first_link(email, path):
    return re.search(rf"http\S+/{path}/\S+", email.body)[0]


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["", "without JavaScript"])
@pytest.mark.parametrize("who", ["account", rarely("code")])
def test_conversation_starts_when_a_patron_answers_no_through_a_check_in_link(
    who, javascript, visit, staff, phone, desk_computer, show, post, later, monkeypatch
):
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(0))
    sam = visit.patron

    # The helper replaces the draft with their own words.
    desk = show(desk_computer(javascript=javascript), staff)
    desk.goto("/desk/check-ins/")
    desk.locator(".check-ins a").click()
    expect(desk.locator("#id_body")).to_have_value(re.compile(QUESTION))
    desk.locator("#id_body").fill(WORDS)
    desk.locator("#save-words").click()
    expect(desk.locator(".check-ins .tag")).to_be_visible()
    Worker().round()
    assert not CheckIn.objects.filter(status="asked").exists()

    # The worker sends the email on the next day.
    later(days=1)
    Worker().round()
    email = post(sam.email)
    source = email.message().as_string()
    assert staff.name in source
    assert [words in source for words in (QUESTION, WORDS)] == [False, False]

    # The patron opens the link in a browser that has never signed in, and taps once.
    patron = phone(javascript=javascript)
    if who == "code":
        show(patron, codes=[code_for(visit)])
    patron.goto(first_link(email, "how"))
    expect(patron.locator("main")).to_contain_text(WORDS if who == "code" else staff.name)
    assert (WORDS in patron.locator("main").inner_text()) == (who == "code")
    patron.locator("#found-no").tap()
    expect(patron.locator("#found-no")).to_have_attribute("aria-pressed", "true")
    visit.refresh_from_db()
    assert (visit.found, visit.answered_by_link) == ("no", who == "account")
    assert CheckIn.objects.get().status == "answered"

    # The conversation is at the desk after a minute.
    show(desk, staff).goto("/desk/")
    expect(desk.locator("#to-check-ins")).to_be_visible()
    expect(desk.locator(".queue li a")).to_have_count(0)
    later(minutes=1)
    desk.goto("/desk/?reason=failed")
    desk.locator(".queue li a").first.click()
    desk.locator("#id_body").fill(ANSWER)
    desk.locator("#send").click()
    expect(desk.locator(".message.mine .bubble")).to_contain_text(ANSWER)
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.is_about_outcome) == (visit, True)
    assert conversation.assignee == staff

    # The patron reads the answer.
    Worker().round()
    email = post(sam.email)
    assert ANSWER not in email.message().as_string()
    if who == "account":
        patron.goto(first_link(email, "messages"))
        sign_in(patron, sam.email, post)
    else:
        patron.goto(visit.get_absolute_url())
        patron.locator("#ask .rows a").tap()
    expect(latest(patron)).to_have_text(ANSWER)
