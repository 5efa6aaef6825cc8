"""Test the conversations on the home page, and the text of the last message on the page Messages."""

import datetime
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.conversations import actions, desk_actions, jobs, notes
from portal.conversations.models import Conversation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
)
from tests.portal.pages import text

pytestmark = pytest.mark.sql

HOME, MESSAGES = reverse("home"), reverse("conversations")
TURN = Conversation.Status


@pytest.fixture(autouse=True)
def me(client, library, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


def conversation_with(session, *bodies, side="patron", status=TURN.WAITING_FOR_STAFF, **more):
    conversation = ConversationFactory(help_session=session, status=status, **more)
    for body in bodies:
        MessageFactory(conversation=conversation, side=side, body=body)
    return conversation


def read(me, *conversations):
    for conversation in conversations:
        me.get(conversation.get_absolute_url())


def open_on(page):
    """Return the text of the part of the home page that lists open conversations."""
    assert "Your open conversations" in page
    return page.partition("Your open conversations")[2].partition("Your visits")[0]


def test_home_lists_open_conversations_and_says_who_should_write_next(me, session):
    waiting = conversation_with(session, "Which pot?", subject="Pots")
    answered = conversation_with(
        session, "A clay pot.", side="staff", status=TURN.WAITING_FOR_PATRON, subject="Clay"
    )
    closed = conversation_with(session, "Thanks", status=TURN.CLOSED, subject="Over and done")
    strangers = conversation_with(HelpSessionFactory(patron=UserFactory()), "Mine", subject="Strange")
    read(me, waiting, answered, closed)
    page = open_on(text(me.get(HOME)))
    assert page.index("Clay") < page.index("Pots")
    assert page.count("The library answered") == page.count("Waiting for the library") == 1
    for words in (closed.subject, strangers.subject):
        assert words not in page


def test_unread_conversation_is_listed_only_once_on_home(me, session):
    conversation_with(session, "Clay.", side="staff", status=TURN.WAITING_FOR_PATRON, subject="Unread pots")
    page = text(me.get(HOME))
    assert page.count("Unread pots") == 1
    assert "New for you" in page
    assert "Your open conversations" not in page


def test_home_shows_five_open_conversations_and_links_to_all_messages(me, session):
    for number in range(5):
        read(me, conversation_with(session, "?", subject=f"Question {number}"))
    assert "See all your messages" not in text(me.get(HOME))
    read(me, conversation_with(session, "?", subject="Question 5"))
    shown = text(me.get(HOME))
    assert [f"Question {number}" in shown for number in range(6)] == [False] + [True] * 5
    assert "See all your messages" in shown


def test_home_shows_five_new_answers_and_links_to_all_messages(me, session):
    for number in range(6):
        conversation_with(session, "?", side="staff", subject=f"Answer {number}")
    shown = text(me.get(HOME))
    assert [f"Answer {number}" in shown for number in range(6)] == [False] + [True] * 5
    assert shown.count("See all your messages") == 1


def test_home_lists_a_conversation_as_open_while_the_answer_that_closes_it_is_pending(
    me, session, staff, time_machine
):
    time_machine.move_to(datetime.datetime(2026, 11, 18, 17, tzinfo=datetime.UTC), tick=False)
    conversation = conversation_with(session, "Which pot?", subject="Pots")
    read(me, conversation)
    before = open_on(text(me.get(HOME)))
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="Clay.",
        language="en",
        client_token=uuid.uuid4(),
        then="close",
    )
    assert Conversation.objects.get().status == TURN.CLOSED
    assert open_on(text(me.get(HOME))) == before
    time_machine.shift(16)
    jobs.show_pending_answers(at=timezone.now())
    page = text(me.get(HOME))
    assert "Your open conversations" not in page
    assert "Pots" in page


def test_home_does_not_list_a_reopened_conversation_while_the_answer_is_pending(
    me, session, staff, time_machine
):
    time_machine.move_to(datetime.datetime(2026, 11, 18, 17, tzinfo=datetime.UTC), tick=False)
    conversation = conversation_with(session, "Which pot?", status=TURN.CLOSED, subject="Pots")
    read(me, conversation)
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="One more thing.",
        language="en",
        client_token=uuid.uuid4(),
        then="ours",
    )
    assert Conversation.objects.get().status == TURN.WAITING_FOR_STAFF
    assert "Pots" not in text(me.get(HOME))


def test_viewer_with_only_a_code_sees_open_conversations_of_the_opened_visit(client, branch, show_code):
    client.logout()
    session = HelpSessionFactory(branch=branch)
    conversation = conversation_with(session, "Which pot?", subject="Pots")
    show_code(client, code_for(session))
    read(client, conversation)
    assert "Pots" in open_on(text(client.get(HOME)))


def test_messages_page_shows_the_beginning_of_the_last_message(me, session, staff):
    conversation_with(session, "First words", "Which  pot\n\nfor " + "a very large balcony " * 20)
    conversation_with(session, "Try clay.", side="staff")
    page = text(me.get(MESSAGES))
    assert "You: Which pot for a very large balcony a very" in page
    assert page.count("a very large balcony") < 7
    assert "Try clay." in page
    assert "You: Try clay." not in page
    assert "First words" not in page


def test_messages_page_shows_no_pending_answer_and_no_text_from_staff_notes(me, session, staff, time_machine):
    time_machine.move_to(datetime.datetime(2026, 11, 18, 17, tzinfo=datetime.UTC), tick=False)
    conversation = conversation_with(session, "Which pot?")
    notes.write_note(conversation, by=staff, at=timezone.now(), body="SECRET note", client_token=uuid.uuid4())
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="Clay for you.",
        language="en",
        client_token=uuid.uuid4(),
    )
    page = text(me.get(MESSAGES))
    assert "You: Which pot?" in page
    assert "Clay" not in page
    time_machine.shift(16)
    page = text(me.get(MESSAGES))
    assert "Clay for you." in page
    assert "Which pot?" not in page
    assert "SECRET" not in page


def test_messages_page_shows_no_text_from_a_quiet_conversation(client, branch, staff, show_code):
    client.logout()
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    conversation_with(quiet, "He hits me", side="staff")
    show_code(client, code_for(quiet))
    for address in (HOME, MESSAGES):
        page = text(client.get(address))
        assert "Your visit on" in page
        assert "hits" not in page


def test_messages_page_does_not_attribute_a_message_by_the_child_to_the_adult(me, patron):
    shared = SharedSessionFactory(patron=UserFactory(), shared_with=patron)
    patron.has_shared_visits = True
    patron.save()
    conversation = conversation_with(shared, "I like spiders")
    page = text(me.get(MESSAGES))
    assert "I like spiders" in page
    assert "You: I like" not in page
    MessageFactory(conversation=conversation, author=patron, body="And books")
    assert "You: And books" in text(me.get(MESSAGES))


def test_messages_page_escapes_html_in_a_message(me, session):
    conversation_with(session, "<img src=x onerror=alert(1)> & more")
    page = me.get(MESSAGES).content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; more" in page


@pytest.mark.parametrize("rows", [1, 30])
def test_lists_of_conversations_run_the_same_number_of_queries_for_1_and_30_rows(
    me, session, staff, patron, django_assert_num_queries, rows
):
    for _number in range(rows):
        conversation_with(session, "Which pot?", "Big?")
        snoozed = conversation_with(session, "Clay?")
        desk_actions.snooze(
            snoozed, until=timezone.localdate() + datetime.timedelta(days=9), by=staff, at=timezone.now()
        )
    read(me, *Conversation.objects.filter(patron=patron))
    for address, queries in ((MESSAGES, 6), (HOME, 9)):
        with django_assert_num_queries(queries):
            me.get(address)
