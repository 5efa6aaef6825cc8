"""Test that pages say whether a colleague took a conversation or was assigned to it."""

import re

import pytest
from django.utils import timezone

from portal.conversations import desk_actions
from portal.conversations.models import Conversation
from tests.factories import ConversationFactory, HelpSessionFactory, StaffFactory

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def jun(branch):
    return StaffFactory(name="Jun", branch=branch)


@pytest.fixture
def conversation(branch):
    return ConversationFactory(help_session=HelpSessionFactory(branch=branch), subject="Zoning maps")


def take(conversation, *, by):
    desk_actions.take(conversation, by=by, at=timezone.now())


def assign(conversation, *, to, by):
    desk_actions.assign(conversation, to=to, by=by, at=timezone.now(), was=None)


def everywhere(desk, conversation):
    """Return the text of all pages that can say who took the conversation.

    These are the queue, the conversation's page, and the polls of both. The page after a late attempt to take
    the conversation is included too.
    """
    address = f"/desk/conversations/{conversation.public_id}/"
    htmx = {"HTTP_HX_REQUEST": "true"}
    pages = [
        desk.get("/desk/"),
        desk.get("/desk/queue/news/", {"since": "?"}, **htmx),
        desk.post(address + "take/", follow=True),
        desk.get(address),
        desk.get(address + "news/", {"since": "?"}, **htmx),
        desk.post("/desk/queue/bulk/", bulk_fields(conversation), follow=True),
    ]
    return " ".join(re.sub("<.*?>", "", page.content.decode()) for page in pages)


def bulk_fields(conversation):
    version = Conversation.objects.get(pk=conversation.pk).desk_version
    return {"do": "take", "conversation": f"{conversation.public_id}.{version}", "back": "/desk/"}


def test_pages_say_that_a_colleague_took_the_conversation(desk, conversation, jun):
    take(conversation, by=jun)
    words = everywhere(desk, conversation)
    assert "Jun took this conversation a moment ago, so your change was not made." in words
    assert "Jun took this conversation · " in words
    assert "assigned this conversation to Jun" not in words


def test_pages_say_who_assigned_the_conversation_to_a_colleague(desk, conversation, jun, branch):
    assign(conversation, to=jun, by=StaffFactory(name="Lena", branch=branch))
    words = everywhere(desk, conversation)
    assert "Lena assigned this conversation to Jun a moment ago, so your change was not made." in words
    assert "Lena assigned this conversation to Jun · " in words
    assert "Jun took" not in words


def test_assigning_a_conversation_to_oneself_is_shown_as_taking_the_conversation(desk, conversation, jun):
    assign(conversation, to=jun, by=jun)
    words = everywhere(desk, conversation)
    assert "Jun took this conversation a moment ago, so your change was not made." in words
    assert "Jun took this conversation · " in words
    assert "Jun assigned this conversation to Jun" not in words
    assert Conversation.objects.get().assignee == jun
