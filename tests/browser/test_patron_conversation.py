"""Test an open conversation on a phone: new messages don't move the page, and hidden pages don't poll."""

import datetime
import re
import uuid
from contextlib import suppress

import pytest
from django.utils import timezone
from playwright.sync_api import Error, expect

from portal.conversations import actions, jobs
from portal.conversations.models import Conversation, Message, Participation
from tests.factories import HelpSessionFactory

from .steps import answered, eventually, latest, pause_clock

pytestmark = pytest.mark.browser

POLL = "document.dispatchEvent(new Event('visibilitychange'))"
HIDE = "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true}); " + POLL
TOP = "element => element.getBoundingClientRect().top"


@pytest.fixture(autouse=True)
def no_undo_window(monkeypatch):
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(0))


@pytest.fixture
def conversation(branch, staff, patron):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    at = timezone.now() - datetime.timedelta(days=3)
    conversation = actions.ask(
        by=patron,
        at=at,
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            side="patron",
            author=patron,
            body=f"Word number {number}. " * 8,
            language="en",
            sent_at=at + datetime.timedelta(hours=number),
            shown_from=at + datetime.timedelta(hours=number),
            client_token=uuid.uuid4(),
        )
        for number in range(1, 30)
    )
    return conversation


def answer(conversation, staff, body="Yes, on Thursday."):
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body=body,
        language="en",
        client_token=uuid.uuid4(),
    )
    jobs.show_pending_answers(at=timezone.now())


@pytest.fixture
def page(phone, show, patron, conversation):
    page = show(phone(), patron)
    page.goto(f"{conversation.get_absolute_url()}#latest")
    return page


@pytest.mark.core
def test_new_answer_does_not_move_the_page_or_change_the_typed_text(page, conversation, staff):
    page.locator("#id_body").fill("And wh")
    page.evaluate("scrollTo(0, 200)")
    message = page.locator(".message").nth(2)
    before = message.evaluate(TOP)
    answer(conversation, staff)
    page.evaluate(POLL)
    expect(latest(page)).to_have_text("Yes, on Thursday.")
    eventually(page, lambda: message.evaluate(TOP), before)
    expect(page.locator("#id_body")).to_have_value("And wh")
    expect(page.locator("#id_body")).to_be_focused()
    expect(page.locator("#announce")).to_have_text("Rosa Lindqvist replied")
    page.locator("#arrived a").tap()
    expect(latest(page)).to_be_in_viewport()
    expect(page.locator("#arrived a")).to_have_count(0)


def test_new_answer_appears_on_a_page_scrolled_to_the_end(page, conversation, staff):
    page.evaluate("scrollTo(0, 100000)")
    answer(conversation, staff, body="Yes.")
    page.evaluate(POLL)
    expect(latest(page)).to_have_text("Yes.")
    expect(page.locator("#state")).to_contain_text("The library answered")


def test_each_of_several_new_answers_appears_once_on_the_open_page(page, conversation, staff):
    for number in range(3):
        answer(conversation, staff, body=f"Answer {number}")
        page.evaluate(POLL)
        expect(latest(page)).to_have_text(f"Answer {number}")
    expect(page.locator(".message.theirs")).to_have_count(3)


def test_hidden_conversation_page_does_not_poll(page):
    page.wait_for_load_state("networkidle")
    asked = []
    # Ignore the browser's own request for the favicon.
    page.on("request", lambda request: request.resource_type != "other" and asked.append(request.url))
    page.clock.install()
    page.evaluate(HIDE)
    with answered(page):
        page.clock.run_for(600_000)
    assert asked == []


def test_conversation_page_polls_every_20_seconds_at_first_and_less_often_later(
    phone, show, patron, conversation
):
    page, asked, finished = show(phone(), patron), [], set()
    page.clock.install()
    page.goto(conversation.get_absolute_url())
    page.on("request", lambda request: "/news/" in request.url and asked.append(request))
    page.on("requestfinished", lambda request: finished.add(request))
    pause_clock(page)
    eventually(page, lambda: set(asked) <= finished, True)
    for minutes, most in ((1, 3), (9, 16)):
        asked.clear()
        for _seconds in range(minutes * 60 // 5):
            page.clock.run_for(5_000)
            eventually(page, lambda: set(asked) <= finished, True)
        assert 1 <= len(asked) <= most


def test_loading_earlier_messages_does_not_move_the_page(page):
    page.evaluate("scrollTo(0, 0)")
    first = page.locator(f"#{page.locator('.message').first.get_attribute('id')}")
    before = first.evaluate(TOP)
    page.locator("#show-earlier").tap()
    expect(page.locator(".message")).to_have_count(30)
    eventually(page, lambda: abs(first.evaluate(TOP) - before) < 2, True)
    days = page.locator(".day[id]").evaluate_all("days => days.map(day => day.id)")
    assert len(days) == len(set(days))
    expect(page.locator("#show-earlier")).to_have_count(0)


def test_conversation_opened_from_the_list_starts_at_the_first_unread_message(
    page, phone, show, patron, conversation, staff
):
    for number in range(12):
        answer(conversation, staff, body=f"Answer {number}. " * 20)
    Participation.objects.update(read_until=Message.objects.get(body__startswith="Word number 29").shown_from)
    page.goto("/messages/")
    page.locator("main .rows a").tap()
    expect(page).to_have_url(re.compile("#latest$"))
    expect(page.locator("#latest")).to_have_text("New")
    expect(page.locator("#latest")).to_be_in_viewport()
    expect(page.locator("#latest + .message")).to_contain_text("Answer 0.")


def test_patron_closes_a_conversation_and_reopens_it_by_writing(page, conversation):
    page.locator("#sorted").tap()
    expect(page.locator("li.event").last).to_be_visible()
    expect(page.locator("#sorted")).to_have_count(0)
    page.locator("#id_body").fill("Not quite")
    page.locator("#send").tap()
    expect(latest(page)).to_have_text("Not quite")
    expect(page.locator("#sorted")).to_have_count(1)
    assert Conversation.objects.get().status == "waiting_for_staff"


def test_conversation_cannot_be_closed_before_the_response_to_a_reply_arrives(page, conversation):
    answers = []
    page.route("**/reply/", lambda route: answers.append((route, route.fetch())))
    page.locator("#id_body").fill("Thanks, I found it")
    page.locator("#send").tap()
    while not answers:
        page.wait_for_timeout(20)
    # If the patron could close the conversation now, the response to the reply would arrive last, and would
    # show the reply twice.
    expect(page.locator("#sorted")).to_be_disabled()
    [(route, answer)] = answers
    route.fulfill(response=answer)
    expect(page.locator("#id_body")).to_have_value("")
    page.locator("#sorted").tap()
    expect(page.locator(".message .bubble", has_text="Thanks, I found it")).to_have_count(1)
    expect(page.locator("#sorted")).to_have_count(0)
    assert Conversation.objects.get().status == "closed"


@pytest.mark.parametrize("late", ["poll", "close"])
def test_conversation_closes_on_the_page_even_if_a_poll_runs_at_the_same_time(
    page, conversation, staff, late
):
    """Let the response to the poll or to the button come last. The poll brings a new answer."""
    held = {}
    page.route("**/news/**", lambda route: held.update(poll=(route, route.fetch())))
    page.route("**/close/", lambda route: held.update(close=(route, route.fetch())))

    def respond(name):
        eventually(page, lambda: name in held, True)
        route, response = held[name]
        with suppress(Error):  # The page may have aborted this held request already.
            route.fulfill(response=response)
        page.wait_for_timeout(200)

    answer(conversation, staff)
    page.evaluate(POLL)
    eventually(page, lambda: "poll" in held, True)
    page.locator("#sorted").tap()
    for name in ["close", "poll"] if late == "poll" else ["poll", "close"]:
        respond(name)
    expect(page.locator(".message .bubble", has_text="Yes, on Thursday.")).to_have_count(1)
    expect(page.locator("li.event").last).to_be_visible()
    expect(page.locator("#sorted")).to_have_count(0)
    assert Conversation.objects.get().status == "closed"


def test_earlier_messages_and_message_links_work_without_javascript(phone, show, patron, conversation):
    page = show(phone(javascript=False), patron)
    page.goto(conversation.get_absolute_url())
    expect(page.locator(".message")).to_have_count(8)
    page.locator("#show-earlier").tap()
    expect(page.locator(".message")).to_have_count(30)
    page.locator(".message .meta a").nth(10).tap()
    expect(page).to_have_url(re.compile(r"\?message=.*#message-"))
