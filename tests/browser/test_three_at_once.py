"""Test two colleagues and a patron in one conversation at the same time.

Only one answer is sent, and nobody loses text that they typed.
"""

import datetime
import re
import uuid

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions
from portal.conversations.models import Conversation, Draft, Message
from tests.factories import ConversationFactory, HelpSessionFactory, ItemFactory, MessageFactory, StaffFactory

from .steps import answered, pause_clock

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# After this many milliseconds, an open page of the desk or of a patron has certainly polled.
POLL, PATRONS_POLL = 9_000, 21_000


@pytest.fixture
def conversation(branch, staff, patron):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    )
    MessageFactory(conversation=conversation, body="Now it prints only green.")
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


@pytest.fixture
def at_desk(desk_computer, show, conversation):
    """Return at_desk(person), which opens the conversation in a staff browser whose clock can be moved."""

    def at_desk(person, **more):
        page = show(desk_computer(**more), person)
        page.clock.install()
        page.goto(f"/desk/conversations/{conversation.public_id}/")
        return page

    return at_desk


@pytest.fixture
def patrons_phone(phone, show, conversation, patron):
    page = show(phone(), patron)
    page.clock.install()
    page.goto(conversation.get_absolute_url())
    return page


def poll(page, milliseconds=POLL):
    with page.expect_response(re.compile("/news/")) as news:
        page.clock.fast_forward(milliseconds)
    news.value.finished()
    # The page shows new messages and events shortly after the response has arrived.
    page.evaluate("new Promise(done => setTimeout(done, 100))")


def write(page, words):
    page.locator("#id_body").click()
    page.keyboard.type(words)


def wait_until_saved(page):
    line = page.locator("#reply-form [data-draft-state]")
    expect(line).to_have_text(line.get_attribute("data-kept"))


def end_undo_window(conversation):
    """Move the times of the answers into the past, so that their undo window is over."""
    back = Message.UNDO_WINDOW + datetime.timedelta(seconds=5)
    Message.objects.filter(conversation=conversation, side="staff").update(
        sent_at=F("sent_at") - back, shown_from=F("shown_from") - back
    )
    Conversation.objects.filter(pk=conversation.pk, pending_from__isnull=False).update(
        pending_from=F("pending_from") - back
    )


def test_no_text_is_lost_if_two_colleagues_and_a_patron_write_in_one_conversation(
    at_desk, patrons_phone, conversation, staff, omar, patron
):
    rosas, omars = at_desk(staff), at_desk(omar)

    # Rosa's page shows that Omar has the conversation open. Omar's page shows the same about Rosa, and then
    # that she is writing.
    poll(rosas)
    expect(rosas.locator("#here")).to_contain_text("Omar Haddad")
    expect(omars.locator("#here")).to_contain_text("Rosa Lindqvist")
    looking = omars.locator("#here").inner_text()
    # As soon as Rosa types, her page tells the server. Her next poll can't come, because her clock is stopped.
    pause_clock(rosas)
    with rosas.expect_response(re.compile("/news/.*writing=1")):
        write(rosas, "It is the cyan cartridge.")
    rosas.clock.resume()
    poll(omars)
    expect(omars.locator("#here")).not_to_have_text(looking)
    expect(omars.locator("#here")).to_contain_text("Rosa Lindqvist")
    write(omars, "Clean the heads again.")
    for page in (rosas, omars):
        page.clock.fast_forward(2000)
        wait_until_saved(page)

    # Both Rosa and Omar press "Take". Rosa gets the conversation. Omar sees her name. Both keep their text.
    # Omar's page must not poll before he presses, because that would remove his button.
    with answered(omars):
        pause_clock(omars)
    rosas.locator("#take").click()
    expect(rosas.locator("#take")).to_have_count(0)
    omars.locator("#take").click()
    expect(omars.locator("#notices")).to_contain_text("Rosa Lindqvist")
    omars.clock.resume()
    conversation.refresh_from_db()
    assert conversation.assignee == staff
    expect(rosas.locator("#id_body")).to_have_value("It is the cyan cartridge.")
    expect(omars.locator("#id_body")).to_have_value("Clean the heads again.")

    # Rosa answers. Her answer appears on Omar's page, but his text box doesn't move. When Omar presses Send,
    # the page first quotes Rosa's answer.
    omars.locator("#id_body").focus()
    rosas.locator("#send").click()
    expect(rosas.locator("#entries .pending-answer button")).to_be_visible()
    before = omars.locator("#id_body").bounding_box()
    poll(omars)
    expect(omars.locator("#entries .pending-answer")).to_have_count(1)
    assert abs(omars.locator("#id_body").bounding_box()["y"] - before["y"]) < 2
    expect(omars.locator("#announce")).to_contain_text("Rosa Lindqvist")
    omars.locator("#send").click()
    expect(omars.locator("#newer blockquote")).to_have_text("It is the cyan cartridge.")
    expect(omars.locator("#id_body")).to_have_value("Clean the heads again.")
    assert conversation.messages.filter(side="staff").count() == 1

    # The patron doesn't see the answer yet, and Rosa takes it back.
    poll(patrons_phone, PATRONS_POLL)
    expect(patrons_phone.locator(".message")).to_have_count(1)
    rosas.locator("#entries .pending-answer button").click()
    expect(rosas.locator("#id_body")).to_have_value("It is the cyan cartridge.")
    expect(rosas.locator("#entries .pending-answer")).to_have_count(0)
    poll(omars)
    expect(omars.locator("#entries .message")).to_have_count(1)
    assert not conversation.messages.filter(side="staff").exists()

    # Omar discards his text after a confirmation. Rosa sends her answer again. The patron sees Rosa's answer
    # only after the undo window.
    omars.locator("#discard").click()
    omars.locator("#discard-now").click()
    expect(omars.locator("#id_body")).to_have_value("")
    assert not Draft.objects.filter(person=omar).exists()
    rosas.locator("#send").click()
    expect(rosas.locator("#entries .pending-answer button")).to_be_visible()
    poll(patrons_phone, PATRONS_POLL)
    expect(patrons_phone.locator(".message")).to_have_count(1)
    end_undo_window(conversation)
    poll(patrons_phone, PATRONS_POLL)
    expect(patrons_phone.locator(".message.theirs .bubble")).to_have_text("It is the cyan cartridge.")
    rosas.clock.fast_forward(Message.UNDO_WINDOW // datetime.timedelta(milliseconds=1) + 1000)
    expect(rosas.locator("#entries .pending-answer")).to_have_count(0)

    # When Omar leaves, his page tells the server, and Rosa immediately sees that he is gone. But if the last
    # poll of his page arrives after that, the server counts him as present for another half minute.
    omars.goto("/desk/")
    for _ in range(35):
        poll(rosas)
        if not rosas.locator("#here").inner_text():
            break
        rosas.wait_for_timeout(1000)
    expect(rosas.locator("#here")).to_have_text("")


def test_new_message_behind_the_composer_is_announced_above_the_composer(
    at_desk, staff, patron, conversation
):
    at = timezone.now() - datetime.timedelta(minutes=5)
    MessageFactory.create_batch(6, conversation=conversation, body="Green again.\n\n" * 4, sent_at=at)
    page = at_desk(staff)
    write(page, "It is the cyan cartridge.")
    expect(page.locator("#here")).to_have_text("")
    actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now(),
        body="Now it prints nothing.",
        language="en",
        client_token=uuid.uuid4(),
    )
    poll(page)
    expect(page.locator("#entries .message").last).to_contain_text("Now it prints nothing.")
    expect(page.locator("#here")).to_have_text("The patron wrote")
    expect(page.locator("#id_body")).to_be_focused()


def test_hidden_desk_conversation_page_does_not_poll(at_desk, staff):
    page = at_desk(staff)
    asked = []
    page.on("request", lambda request: "/news/" in request.url and asked.append(request.url))
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true })"
    )
    with answered(page):
        page.clock.fast_forward(60_000)
        page.clock.fast_forward(60_000)
    assert asked == []
    with page.expect_response(re.compile("/news/")):
        page.evaluate(
            "delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))"
        )


def test_staff_member_takes_back_an_answer_with_an_item_by_keyboard(at_desk, staff, branch, conversation):
    ItemFactory(title="Printers, explained", branch=branch)
    page = at_desk(staff)
    page.keyboard.press("r")
    expect(page.locator("#id_body")).to_be_focused()
    page.keyboard.type("There is a book.")
    page.locator("#recommend > summary").press("Enter")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("Printers")
    page.clock.run_for(300)
    # Wait for the results of the whole word before pressing ArrowDown. Otherwise new results could replace
    # the result that has the focus.
    expect(page.locator("[data-query=Printers] .found-item")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("[data-reason]").press_sequentially("it explains the colors")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#entries .pending-answer button")).to_be_in_viewport()
    expect(page.locator("#composer-says")).to_be_focused()
    page.keyboard.press("z")
    expect(page.locator("#id_body")).to_have_value("There is a book.")
    expect(page.locator("[data-reason]")).to_have_value("it explains the colors")
    expect(page.locator("#id_body")).to_be_focused()
    assert not conversation.messages.filter(side="staff").exists()


def test_answer_is_sent_and_taken_back_without_javascript(at_desk, staff, conversation):
    page = at_desk(staff, javascript=False)
    page.locator("#id_body").fill("It is the cyan cartridge.")
    page.locator("#reply-form [value=ours]").check()
    page.locator("#send").click()
    expect(page.locator("#entries .pending-answer button")).to_be_visible()
    page.locator("#entries .pending-answer button").click()
    expect(page.locator("#id_body")).to_have_value("It is the cyan cartridge.")
    expect(page.locator("#reply-form [value=ours]")).to_be_checked()
    assert not conversation.messages.filter(side="staff").exists()
