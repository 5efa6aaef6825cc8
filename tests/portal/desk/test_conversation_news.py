"""Test the poll of an open conversation page.

A poll returns the new entries, and the names of colleagues who have the same page open.
"""

import datetime
import re
import uuid

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations import actions, desk_actions, merging, notes, taking_back
from portal.conversations.models import Participation
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, StaffFactory

pytestmark = pytest.mark.usefixtures("library")

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def clock():
    """Stop the clock at noon. A test can move the clock forward with clock.shift(seconds)."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def conversation(staff, branch, patron):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(staff=staff, branch=branch, patron=patron),
        opened_at=NOON - datetime.timedelta(hours=2),
    )
    MessageFactory(
        conversation=conversation, body="It is checked out", sent_at=NOON - datetime.timedelta(hours=2)
    )
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


class OpenPage:
    """A conversation page that is open in a browser. It polls like static/js/conversation.js."""

    def __init__(self, browser, conversation):
        self.browser, self.address = browser, f"/desk/conversations/{conversation.public_id}/"
        self.words = browser.get(self.address).content.decode()
        self._keep(self.words, r'id="at" name="at" value="([^"]+)"')

    def ask(self, **more):
        """Poll, and return the new entries as HTML. If nothing is new, return ""."""
        response = self.browser.get(
            f"{self.address}news/",
            {"since": self.state, "at": self.at, **more},
            headers={"HX-Request": "true"},
        )
        if response.status_code == 204:
            return ""
        assert response.status_code == 200
        news = response.content.decode()
        if "data-gone" not in news:
            self._keep(news, r'data-at="([^"]+)"')
        return news

    def leave(self):
        assert self.browser.post(f"{self.address}leave/").status_code == 204

    def _keep(self, words, at):
        self.at, self.state = re.search(at, words)[1], re.search(r'data-state="([^"]+)"', words)[1]


@pytest.fixture
def rosas_page(desk, conversation):
    return OpenPage(desk, conversation)


@pytest.fixture
def omars_page(sign_in, omar, conversation):
    """Return a function that opens the conversation page in Omar's browser."""
    return lambda: OpenPage(sign_in(Client(), omar), conversation)


def answer(conversation, by, body="I ordered it"):
    return actions.reply(
        conversation,
        by=by,
        side="staff",
        at=timezone.now(),
        body=body,
        language="en",
        client_token=uuid.uuid4(),
    )


def entries(news):
    return re.findall(r'<li class="(?:message|note-entry|event)[^>]* id="([a-z-]+?)-[0-9a-f-]+"', news)


def announced(news):
    return next(iter(re.findall(r'data-announce="([^"]*)"', news)), "")


# Tests of new entries on an open page.


def test_conversation_poll_returns_no_content_if_nothing_has_changed(rosas_page):
    assert rosas_page.ask() == ""


def test_conversation_poll_runs_six_queries_and_writes_nothing_if_nothing_has_changed(
    rosas_page, clock, django_assert_num_queries
):
    clock.shift(5)
    with django_assert_num_queries(6) as asked:
        assert rosas_page.ask() == ""
    assert [query["sql"] for query in asked.captured_queries if not query["sql"].startswith("SELECT")] == []


def test_conversation_poll_shows_and_announces_a_colleagues_answer_once(
    rosas_page, conversation, omar, clock
):
    clock.shift(5)
    answer(conversation, omar)
    news = rosas_page.ask()
    assert entries(news) == ["message"]
    assert "I ordered it" in news
    assert announced(news) == "Omar Haddad answered"
    assert rosas_page.ask() == ""


def test_conversation_poll_does_not_replace_the_composer(rosas_page, conversation, omar, clock):
    clock.shift(5)
    answer(conversation, omar)
    news = rosas_page.ask()
    assert "textarea" not in news
    assert "reply-form" not in re.sub(r'hx-\w+="[^"]*"', "", news)


def test_conversation_poll_shows_new_messages_and_notes_and_desk_events(
    rosas_page, conversation, omar, patron, clock
):
    clock.shift(5)
    actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now(),
        body="Thank you",
        language="en",
        client_token=uuid.uuid4(),
    )
    clock.shift(1)
    notes.write_note(
        conversation, by=omar, at=timezone.now(), body="She is in a hurry", client_token=uuid.uuid4()
    )
    clock.shift(1)
    desk_actions.take(conversation, by=omar, at=timezone.now())
    news = rosas_page.ask()
    assert entries(news) == ["message", "note", "desk-event"]
    assert announced(news) == "The patron wrote. Omar Haddad wrote a note. Omar Haddad took this conversation"


def test_conversation_poll_shows_but_does_not_announce_the_staff_members_own_answer(
    rosas_page, conversation, staff, clock
):
    clock.shift(5)
    answer(conversation, staff)
    news = rosas_page.ask()
    assert entries(news) == ["message"]
    assert announced(news) == ""


def test_conversation_poll_removes_only_the_answer_that_was_taken_back(rosas_page, conversation, omar, clock):
    clock.shift(5)
    sent = answer(conversation, omar)
    clock.shift(1)
    kept = answer(conversation, omar, "This one stays")
    assert "I ordered it" in rosas_page.ask()
    clock.shift(5)
    taking_back.take_back(sent, by=omar, at=timezone.now())
    news = rosas_page.ask()
    assert "I ordered it" not in news
    assert f"message-{kept.public_id}" in news
    assert announced(news) == ""


def test_taking_back_one_of_two_simultaneous_answers_does_not_hide_the_other_answer(
    rosas_page, conversation, staff, clock
):
    clock.shift(5)
    kept, sent = answer(conversation, staff), answer(conversation, staff, "This one goes")
    rosas_page.ask()
    clock.shift(5)
    fields = {"message": sent.public_id, "at": rosas_page.at}
    part = rosas_page.browser.post(
        f"{rosas_page.address}take-back/", fields, headers={"HX-Request": "true"}
    ).content.decode()
    assert entries(part) == ["message"]
    assert f"message-{kept.public_id}" in part


def test_conversation_poll_shows_the_new_assignee_in_the_toolbar(rosas_page, conversation, omar, clock):
    clock.shift(5)
    desk_actions.take(conversation, by=omar, at=timezone.now())
    news = rosas_page.ask()
    assert "Omar Haddad" in news[news.index('data-for="toolbar"') :]


def test_conversation_poll_marks_new_messages_as_read(rosas_page, conversation, omar, staff, clock):
    clock.shift(5)
    sent = answer(conversation, omar)
    rosas_page.ask()
    assert (
        Participation.objects.get(person=staff, conversation=conversation, side="staff").read_until
        == sent.sent_at
    )
    clock.shift(60)
    assert (
        "New since you last opened this page"
        not in rosas_page.browser.get(rosas_page.address).content.decode()
    )


def test_conversation_poll_is_not_recorded_in_the_access_log(rosas_page, conversation, omar, clock):
    clock.shift(5)
    answer(conversation, omar)
    rosas_page.ask()
    assert AuditEvent.objects.filter(action="opened").count() == 1


def test_erased_conversation_is_removed_from_an_open_page(rosas_page, conversation, coordinator, clock):
    clock.shift(5)
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    assert "data-gone" in rosas_page.ask()
    page = rosas_page.browser.get(rosas_page.address).content.decode()
    assert "Ines Coordinator erased all messages, notes, files and names" in page
    assert "It is checked out" not in page
    assert "<textarea" not in page


@pytest.mark.parametrize("part", ["reply/", "close/", "draft/", "take-back/", "leave/"])
def test_erased_conversation_accepts_no_message_or_draft(rosas_page, conversation, coordinator, part):
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    fields = {
        "client_token": uuid.uuid4(),
        "sequence": "1",
        "body": "Too late",
        "language": "en",
        "action": "send_anyway",
        "items-TOTAL_FORMS": "0",
    }
    assert rosas_page.browser.post(f"{rosas_page.address}{part}", fields).status_code in {204, 302, 410}
    assert not conversation.messages.exists()
    assert not conversation.drafts.exists()


def test_merged_conversation_redirects_to_the_remaining_conversation(
    desk, conversation, staff, patron, branch
):
    into = ConversationFactory(help_session=HelpSessionFactory(staff=staff, branch=branch, patron=patron))
    MessageFactory(conversation=into, body="And another thing")
    merging.merge(conversation, into=into, by=staff, at=timezone.now())
    assert desk.get(f"/desk/conversations/{conversation.public_id}/").url.startswith(
        f"/desk/conversations/{into.public_id}/"
    )
    last = into.messages.order_by("pk").last()
    fields = {
        "client_token": uuid.uuid4(),
        "seen": last.pk,
        "body": "One answer",
        "language": "en",
        "action": "send",
        "items-TOTAL_FORMS": "0",
    }
    assert desk.post(f"/desk/conversations/{conversation.public_id}/reply/", fields).status_code == 302
    assert into.messages.filter(body="One answer").exists()


@pytest.mark.parametrize("nonsense", ["", "yesterday", "2026-13-45T99:00", "2026-03-04T18:30:00"])
def test_conversation_poll_with_an_invalid_time_shows_new_messages(
    rosas_page, conversation, omar, nonsense, clock
):
    clock.shift(5)
    answer(conversation, omar)
    assert "I ordered it" in rosas_page.ask(at=nonsense)


# Tests of colleagues who look at the same conversation.


def test_conversation_page_shows_colleagues_who_are_looking_at_the_same_conversation(
    rosas_page, omars_page, clock
):
    clock.shift(4)
    assert "Rosa Lindqvist is looking at this conversation too." in omars_page().words
    clock.shift(4)
    assert "Omar Haddad is looking at this conversation too." in rosas_page.ask()
    assert rosas_page.ask() == ""


def test_colleague_who_is_typing_is_shown_as_writing(rosas_page, omars_page, clock):
    page = omars_page()
    rosas_page.ask()
    clock.shift(2)
    page.ask(writing="1")
    clock.shift(5)
    assert "Omar Haddad is writing." in rosas_page.ask()
    page.ask()
    assert "Omar Haddad is looking at this conversation too." in rosas_page.ask()


def test_colleague_who_closes_the_conversation_page_is_no_longer_shown(rosas_page, omars_page):
    page = omars_page()
    assert "Omar Haddad" in rosas_page.ask()
    page.leave()
    assert '<p data-for="here"></p>' in rosas_page.ask()


def test_colleague_whose_page_stops_polling_is_no_longer_shown_after_thirty_seconds(
    rosas_page, omars_page, clock
):
    page = omars_page()
    rosas_page.ask()
    # An unused page polls every eight seconds.
    for _ in range(5):
        clock.shift(8)
        assert rosas_page.ask() == ""
        page.ask()
    clock.shift(22)
    news = rosas_page.ask()
    assert '<p data-for="here"></p>' in news


def test_presence_of_a_staff_member_is_saved_at_most_once_every_ten_seconds(
    rosas_page, conversation, staff, clock
):
    written = set()
    for _ in range(12):
        clock.shift(5)
        rosas_page.ask()
        written.add(Participation.objects.get(person=staff, conversation=conversation, side="staff").seen_at)
    assert len(written) == 7
    assert Participation.objects.filter(conversation=conversation, side="staff").count() == 1


def test_patron_does_not_see_which_staff_are_looking_at_the_conversation(
    rosas_page, conversation, patron, sign_in
):
    page = sign_in(Client(), patron).get(conversation.get_absolute_url()).content.decode()
    assert "is looking at this" not in page
