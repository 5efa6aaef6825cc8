"""Test which message in a conversation the page marks with “Needs an answer”."""

import datetime
import re
import uuid
from urllib.parse import urlsplit

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
    """Return write(body, by=, then=), which adds a message sent one minute after the previous message."""
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


def test_unanswered_message_is_marked_in_a_snoozed_but_not_in_a_closed_conversation(
    desk, conversation, staff
):
    until = timezone.localdate() + datetime.timedelta(days=3)
    desk_actions.snooze(conversation, until=until, by=staff, at=timezone.now())
    assert marked(desk, conversation) == "First"
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    assert marked(desk, conversation) is None


def test_conversation_without_messages_has_no_needs_an_answer_mark(desk, branch):
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


def test_links_to_a_conversation_lead_to_the_message_that_needs_an_answer(
    desk, branch, conversation, patron, staff, at
):
    """The links have the fragment #needs-answer, so the browser scrolls there even without JavaScript."""
    write_note(conversation, staff)
    second = ask(patron, at=at + datetime.timedelta(minutes=1), body="Second", branch=branch)
    queue = desk.get("/desk/")
    links = [row["url"] for row in rows_of(queue)]
    places = [(urlsplit(link).path, urlsplit(link).fragment) for link in links]
    assert places == [(address(one), "needs-answer") for one in (conversation, second)]
    assert desk.get(links[0]).context["queue"]["next"] == links[1]
    mention = re.search(r'id="mentions".*?<a[^>]*href="(.*?)"', shown(queue), re.DOTALL)[1]
    assert mention == f"{address(conversation)}#needs-answer"
    assert [shown(desk.get(link)).count('id="needs-answer"') for link in links] == [1, 1]
