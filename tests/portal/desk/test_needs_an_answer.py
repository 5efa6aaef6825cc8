"""Test which message in a conversation the page marks with “Needs an answer”."""

import datetime
import re
import uuid

import pytest
from django.utils import timezone

from portal.conversations import actions, desk_actions, notes
from portal.conversations.models import Conversation
from tests.conversations import ask, say
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, StaffFactory
from tests.portal.desk.test_conversations import address, shown, shown_messages
from tests.portal.desk.test_queue import rows_of


@pytest.fixture
def at():
    return timezone.now() - datetime.timedelta(hours=9)


@pytest.fixture
def conversation(branch, patron, at):
    return ask(patron, at=at, body="First", branch=branch)


@pytest.fixture
def write(conversation, staff, patron, at):
    """Return the function write(body, by=, then=), which adds a message one minute after the last one."""
    minutes = iter(range(1, 500))

    def write(body, *, by=patron, then="turn"):
        side, sent_at = "staff" if by == staff else "patron", at + datetime.timedelta(minutes=next(minutes))
        return say(conversation, by, side, at=sent_at, body=body, then=then)

    return write


def write_note(conversation, staff):
    """Let a colleague write a note that mentions this staff member."""
    colleague = StaffFactory(branch=conversation.branch)
    body = f"@{staff.name} please"
    notes.write_note(conversation, by=colleague, at=timezone.now(), body=body, client_token=uuid.uuid4())


def marked(desk, conversation):
    """Return the text of the message that is marked “Needs an answer”, or None if no message is marked."""
    page = shown(desk.get(address(conversation)))
    assert ('data-opens-at="needs-answer"' in page) == ('id="needs-answer"' in page)
    found = re.search(r'id="needs-answer">Needs an answer</li>.*?<p dir="auto">(.*?)</p>', page, re.DOTALL)
    return found and found[1]


def test_oldest_unanswered_message_is_marked_each_time_staff_open_the_conversation(desk, conversation, write):
    assert marked(desk, conversation) == "First"
    write("Second")
    assert [marked(desk, conversation), marked(desk, conversation)] == ["First", "First"]


def test_first_message_after_the_last_answer_is_marked_as_unanswered(desk, conversation, write, staff):
    write("It is upstairs", by=staff)
    assert marked(desk, conversation) is None
    write("Which floor?")
    write("And which shelf?")
    assert marked(desk, conversation) == "Which floor?"


def test_answered_message_is_still_marked_if_staff_keep_the_conversation_in_the_queue(
    desk, conversation, write, staff
):
    write("I'll look", by=staff, then="ours")
    write("Thank you")
    assert marked(desk, conversation) == "First"


def test_unanswered_message_is_marked_if_its_conversation_is_snoozed_but_not_if_closed(
    desk, conversation, staff
):
    until = timezone.localdate() + datetime.timedelta(days=3)
    desk_actions.snooze(conversation, until=until, by=staff, at=timezone.now())
    assert marked(desk, conversation) == "First"
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    assert marked(desk, conversation) is None


def test_conversation_without_messages_is_not_marked_needs_an_answer(desk, branch):
    silent = ConversationFactory(help_session=HelpSessionFactory(branch=branch), reason="did_not_help")
    assert marked(desk, silent) is None


@pytest.mark.parametrize(("unanswered", "shows"), [(3, 12), (20, 20), (59, 59)])
def test_conversation_page_shows_all_unanswered_messages(desk, conversation, at, unanswered, shows):
    begin = at + datetime.timedelta(minutes=30)
    Conversation.objects.filter(pk=conversation.pk).update(waiting_since=begin)
    earlier, later = (
        MessageFactory.create_batch(number, conversation=conversation) for number in (30, unanswered)
    )
    for number, message in enumerate(earlier + later):
        message.sent_at = begin + datetime.timedelta(seconds=number - 30)
        message.save()
    page = shown(desk.get(address(conversation)))
    assert len(shown_messages(page)) == shows
    first = re.search(r'id="needs-answer".*?id="(message-[^"]+)"', page, re.DOTALL)[1]
    assert first == f"message-{later[0].public_id}"


@pytest.mark.parametrize("count", [20, 200])
def test_conversation_page_runs_14_queries_for_any_number_of_unanswered_messages(
    desk, conversation, count, django_assert_num_queries
):
    MessageFactory.create_batch(count, conversation=conversation)
    desk.get(address(conversation))
    with django_assert_num_queries(14):
        desk.get(address(conversation))


def test_conversation_poll_says_whether_a_message_needs_an_answer(desk, conversation, staff):
    answer = desk.get(address(conversation, "news/"), {"since": "?"}, HTTP_HX_REQUEST="true")
    assert 'id="needs-answer"' not in shown(answer)
    assert "data-waiting" in shown(answer)
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    answer = desk.get(address(conversation, "news/"), {"since": "?"}, HTTP_HX_REQUEST="true")
    assert "data-waiting" not in shown(answer)


def test_links_to_a_conversation_lead_to_the_message_that_needs_an_answer(desk, branch, conversation, staff):
    """The link has the fragment #needs-answer, so the browser scrolls there even without JavaScript."""
    write_note(conversation, staff)
    second = ConversationFactory(help_session=HelpSessionFactory(branch=branch))
    page = desk.get("/desk/")
    rows = rows_of(page)
    assert {row["url"].partition("#")[2] for row in rows} == {"needs-answer"}
    assert desk.get(rows[0]["url"]).context["queue"]["next"].endswith("#needs-answer")
    assert f'href="{address(conversation)}#needs-answer"' in shown(page)
    assert str(second.public_id) in rows[1]["url"]
