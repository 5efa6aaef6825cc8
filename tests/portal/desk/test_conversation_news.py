"""What an open page of a conversation learns: what is new, and who is here."""

import datetime
import re
import uuid

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations import actions, desk_actions, merging, notes
from portal.conversations.models import Participation
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, StaffFactory

pytestmark = pytest.mark.usefixtures("library")

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def clock():
    """clock.shift(seconds): later."""
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
    """The conversation's page in somebody's browser, which asks as static/js/conversation.js does."""

    def __init__(self, browser, conversation):
        self.browser, self.address = browser, f"/desk/conversations/{conversation.public_id}/"
        self.words = browser.get(self.address).content.decode()
        self._keep(self.words, r'id="at" name="at" value="([^"]+)"')

    def ask(self, **more):
        """What the page is told: "" for nothing."""
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
    """A function: Omar opens the page."""
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


# What is new


def test_nothing_new_is_nothing(rosas_page):
    assert rosas_page.ask() == ""


def test_asking_for_nothing_new_is_cheap_and_writes_nothing(rosas_page, clock, django_assert_num_queries):
    clock.shift(5)
    with django_assert_num_queries(6) as asked:
        assert rosas_page.ask() == ""
    assert [query["sql"] for query in asked.captured_queries if not query["sql"].startswith("SELECT")] == []


def test_a_colleagues_answer_comes_and_is_said_aloud_once(rosas_page, conversation, omar, clock):
    clock.shift(5)
    answer(conversation, omar)
    news = rosas_page.ask()
    assert entries(news) == ["message"]
    assert "I ordered it" in news
    assert announced(news) == "Omar Haddad answered"
    assert rosas_page.ask() == ""


def test_the_composer_never_comes_with_the_news(rosas_page, conversation, omar, clock):
    clock.shift(5)
    answer(conversation, omar)
    news = rosas_page.ask()
    assert "textarea" not in news
    assert "reply-form" not in re.sub(r'hx-\w+="[^"]*"', "", news)


def test_the_patrons_word_a_note_and_what_was_done_come_too(rosas_page, conversation, omar, patron, clock):
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
    assert announced(news) == "The patron wrote. Omar Haddad wrote a note. Omar Haddad took this"


def test_what_one_did_oneself_is_not_said_aloud(rosas_page, conversation, staff, clock):
    clock.shift(5)
    answer(conversation, staff)
    news = rosas_page.ask()
    assert entries(news) == ["message"]
    assert announced(news) == ""


def test_what_is_taken_back_is_missing_from_the_news_in_which_the_rest_of_its_minute_comes_again(
    rosas_page, conversation, omar, clock
):
    clock.shift(5)
    sent = answer(conversation, omar)
    clock.shift(1)
    kept = answer(conversation, omar, "This one stays")
    assert "I ordered it" in rosas_page.ask()
    clock.shift(5)
    actions.take_back(sent, by=omar, at=timezone.now())
    news = rosas_page.ask()
    assert "I ordered it" not in news
    assert f"message-{kept.public_id}" in news
    assert announced(news) == ""


def test_what_comes_with_a_composer_holds_the_rest_of_its_minute_too(rosas_page, conversation, staff, clock):
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


def test_whose_it_is_comes_with_the_news(rosas_page, conversation, omar, clock):
    clock.shift(5)
    desk_actions.take(conversation, by=omar, at=timezone.now())
    news = rosas_page.ask()
    assert "Omar Haddad" in news[news.index('data-for="toolbar"') :]


def test_news_are_read(rosas_page, conversation, omar, staff, clock):
    clock.shift(5)
    sent = answer(conversation, omar)
    rosas_page.ask()
    assert (
        Participation.objects.get(person=staff, conversation=conversation, side="staff").read_until
        == sent.sent_at
    )
    clock.shift(60)
    assert "New since you were here" not in rosas_page.browser.get(rosas_page.address).content.decode()


def test_asking_is_no_opening_in_the_access_log(rosas_page, conversation, omar, clock):
    clock.shift(5)
    answer(conversation, omar)
    rosas_page.ask()
    assert AuditEvent.objects.filter(action="opened").count() == 1


def test_an_erased_conversation_leaves_the_open_page(rosas_page, conversation, coordinator, clock):
    clock.shift(5)
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    assert "data-gone" in rosas_page.ask()
    page = rosas_page.browser.get(rosas_page.address).content.decode()
    assert "Ines Coordinator erased all its messages" in page
    assert "It is checked out" not in page
    assert "<textarea" not in page


@pytest.mark.parametrize("part", ["reply/", "close/", "draft/", "take-back/", "leave/"])
def test_nothing_is_added_to_an_erased_conversation(rosas_page, conversation, coordinator, part):
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


def test_a_joined_conversation_leads_to_where_its_messages_went(desk, conversation, staff, patron, branch):
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
def test_a_moment_that_is_none_is_now(rosas_page, conversation, omar, nonsense, clock):
    clock.shift(5)
    answer(conversation, omar)
    assert "I ordered it" in rosas_page.ask(at=nonsense)


# Who is here


def test_a_colleague_who_opens_the_page_is_seen(rosas_page, omars_page, clock):
    clock.shift(4)
    assert "Rosa Lindqvist is looking at this too." in omars_page().words
    clock.shift(4)
    assert "Omar Haddad is looking at this too." in rosas_page.ask()
    assert rosas_page.ask() == ""


def test_who_writes_is_said_to_write(rosas_page, omars_page, clock):
    page = omars_page()
    rosas_page.ask()
    clock.shift(2)
    page.ask(writing="1")
    clock.shift(5)
    assert "Omar Haddad is writing." in rosas_page.ask()
    page.ask()
    assert "Omar Haddad is looking at this too." in rosas_page.ask()


def test_who_closes_the_page_is_gone_at_once(rosas_page, omars_page):
    page = omars_page()
    assert "Omar Haddad" in rosas_page.ask()
    page.leave()
    assert '<p data-for="here"></p>' in rosas_page.ask()


def test_who_vanishes_is_gone_within_thirty_seconds_and_who_stays_is_not(rosas_page, omars_page, clock):
    page = omars_page()
    rosas_page.ask()
    for _ in range(5):  # as slowly as a quiet page asks
        clock.shift(8)
        assert rosas_page.ask() == ""
        page.ask()
    clock.shift(22)
    news = rosas_page.ask()
    assert '<p data-for="here"></p>' in news


def test_that_one_is_here_is_written_at_most_every_ten_seconds(rosas_page, conversation, staff, clock):
    written = set()
    for _ in range(12):
        clock.shift(5)
        rosas_page.ask()
        written.add(Participation.objects.get(person=staff, conversation=conversation, side="staff").seen_at)
    assert len(written) == 7
    assert Participation.objects.filter(conversation=conversation, side="staff").count() == 1


def test_the_patron_is_not_told_who_is_here(rosas_page, conversation, patron, sign_in):
    page = sign_in(Client(), patron).get(conversation.get_absolute_url()).content.decode()
    assert "is looking at this" not in page
