"""Test what a patron sees in a conversation: its status, pending answers, and unread and hidden messages."""

import datetime
import uuid

import pytest
import time_machine
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.models import Absence, Library
from portal.conversations import actions, desk_actions, jobs, merging
from portal.conversations.conversation_page import PAGE_SIZE, SHOWN_MAX, SHOWN_MIN
from portal.conversations.models import Conversation, Event, Message, Participation
from portal.notifications.models import Notification
from portal.worker import Worker
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    code_for,
)
from tests.portal.pages import HTMX, part, text

# A Wednesday, 11 a.m. in the library's time zone.
NOW = datetime.datetime(2026, 11, 18, 17, tzinfo=datetime.UTC)
second, minute, hour, day = (
    datetime.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def conversation(session, patron, clock):
    conversation = actions.ask(
        by=patron,
        at=NOW,
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )
    clock.shift(minute)
    return conversation


def answer(conversation, staff, body="Yes, on Thursday.", **more):
    return actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body=body,
        language="en",
        client_token=uuid.uuid4(),
        **more,
    )


def write(conversation, patron, body="And where?"):
    return actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now(),
        body=body,
        language="en",
        client_token=uuid.uuid4(),
    )


def state(page):
    return text(page).partition("Ask the library")[0]


def all_pages(browser, conversation):
    """Return the HTTP status of a poll, and the text of every page that shows the conversation."""
    browser.get(reverse("conversations"))
    news = browser.get(
        reverse("conversation_news", args=[conversation.public_id]),
        {"since": version(conversation), "shown": "0-1"},
        **HTMX,
    )
    pages = [
        conversation.get_absolute_url(),
        reverse("conversations"),
        reverse("home"),
        conversation.help_session.get_absolute_url(),
    ]
    return [news.status_code, *[text(browser.get(page)) for page in pages]]


def version(conversation):
    return Conversation.objects.get(pk=conversation.pk).version_at(timezone.now())


# Tests of pending answers.


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize("begun", ["asked", "answered", "snoozed", "closed"])
@pytest.mark.parametrize("then", ["turn", "ours", "close"])
def test_pending_answer_is_invisible_to_the_patron(me, conversation, patron, staff, clock, begun, then):
    if begun != "asked":
        answer(conversation, staff, body="A first word.")
        clock.shift(minute)
        jobs.show_pending_answers(at=timezone.now())
    if begun == "snoozed":
        write(conversation, patron)
        desk_actions.snooze(conversation, until=datetime.date(2026, 11, 27), by=staff, at=timezone.now())
    if begun == "closed":
        actions.close(conversation, by=patron, side="patron", at=timezone.now())
    # Staff answer more than a day later, so the answer changes the promised day and the day when the
    # conversation closes. During the undo window, the patron's pages must not show the new days.
    clock.shift(30 * hour)
    me.get(conversation.get_absolute_url())
    polled = {"since": version(conversation), "shown": "0-1"}
    before = all_pages(me, conversation)
    clock.shift(second)
    answer(conversation, staff, then=then)
    for seconds in (1, 13):
        clock.shift(seconds * second)
        Worker().round()
        assert all_pages(me, conversation) == before
        assert (
            me.get(reverse("conversation_news", args=[conversation.public_id]), polled, **HTMX).status_code
            == 204
        )
    assert not any(
        "first word" not in message.body and "answered" in message.subject
        for message in mail.outbox[(begun != "asked") :]
    )
    clock.shift(second)
    after = all_pages(me, conversation)
    assert "Yes, on Thursday." in after[1]
    assert (
        me.get(reverse("conversation_news", args=[conversation.public_id]), polled, **HTMX).status_code == 200
    )


@pytest.mark.parametrize("then", ["turn", "close"])
def test_second_pending_answer_is_still_hidden_when_the_first_answer_appears(
    me, conversation, staff, clock, then
):
    answer(conversation, staff, body="A first word.", then="ours")
    clock.shift(16 * second)
    # Opening the page marks the first answer as read.
    me.get(conversation.get_absolute_url())
    before = state(me.get(conversation.get_absolute_url()))
    assert "You can expect an answer" in before
    clock.shift(-6 * second)
    answer(conversation, staff, then=then)
    clock.shift(6 * second)
    assert state(me.get(conversation.get_absolute_url())) == before


def test_email_about_an_answer_is_sent_when_the_undo_window_ends(conversation, staff, clock, settings):
    answer(conversation, staff)
    sent = []
    for _seconds in range(16):
        Worker().deliver_due()
        sent.append(Notification.objects.exclude(delivered_at=None).exists())
        clock.shift(second)
    assert sent == [False] * 15 + [True]


def test_unread_badge_appears_when_the_undo_window_ends(me, conversation, staff, clock):
    answer(conversation, staff)
    marked = []
    for seconds in (14, 1):
        clock.shift(seconds)
        jobs.show_pending_answers(at=timezone.now())
        marked.append("unread" in text(me.get(reverse("home"))))
    assert marked == [False, True]


def test_worker_does_not_mark_an_answer_as_unread_if_the_patron_has_read_it(me, conversation, staff, clock):
    answer(conversation, staff)
    clock.shift(15)
    assert "Yes, on Thursday." in text(me.get(conversation.get_absolute_url()))
    jobs.show_pending_answers(at=timezone.now())
    assert "unread" not in text(me.get(reverse("home")))


def test_answer_is_listed_below_a_message_that_the_patron_wrote_during_the_undo_window(
    me, conversation, patron, staff, clock
):
    answer(conversation, staff)
    clock.shift(5)
    write(conversation, patron)
    clock.shift(minute)
    page = text(me.get(conversation.get_absolute_url()))
    assert page.index("And where?") < page.index("Yes, on Thursday.")


# The tests below check the text that says whether the patron or the library writes next.


def snoozed(conversation, patron, staff, clock):
    desk_actions.snooze(conversation, until=datetime.date(2026, 11, 27), by=staff, at=timezone.now())


def answered(conversation, patron, staff, clock):
    answer(conversation, staff)
    clock.shift(minute)
    jobs.show_pending_answers(at=timezone.now())


def answered_and_snoozed(conversation, patron, staff, clock):
    answered(conversation, patron, staff, clock)
    snoozed(conversation, patron, staff, clock)


def closed_by_the_patron(conversation, patron, staff, clock):
    actions.close(conversation, by=patron, side="patron", at=timezone.now())


def closed_by_the_library(conversation, patron, staff, clock):
    answer(conversation, staff, then="close")
    clock.shift(minute)


def closed_by_itself(conversation, patron, staff, clock):
    answered(conversation, patron, staff, clock)
    clock.shift(20 * day)
    jobs.close_after_silence(at=timezone.now())


WAITING = "Waiting for the library. You can expect an answer by tomorrow."
ANSWERED = "The library answered. This conversation closes on Wednesday, December 2 unless you write again. You can reopen it by writing."
CLOSED = "This conversation is closed. You can reopen it by writing."


@pytest.mark.parametrize(
    ("happened", "in_the_conversation", "in_the_list", "told"),
    [
        (None, WAITING, "Waiting for the library", ""),
        (snoozed, WAITING, "Waiting for the library", ""),
        (answered, ANSWERED, "The library answered", ""),
        (answered_and_snoozed, "The library answered.", "The library answered", ""),
        (closed_by_the_patron, CLOSED, "Closed", "You closed this conversation"),
        (closed_by_the_library, CLOSED, "Closed", "The library closed this conversation"),
        (
            closed_by_itself,
            CLOSED,
            "Closed",
            "This conversation closed automatically because nobody wrote again",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_patron_pages_describe_each_state_of_a_conversation(
    me, conversation, patron, staff, clock, happened, in_the_conversation, in_the_list, told
):
    if happened:
        happened(conversation, patron, staff, clock)
    page = me.get(conversation.get_absolute_url())
    assert " ".join(page.context["state"]) == in_the_conversation
    assert in_the_conversation in text(page)
    assert told in text(page)
    for listed in (reverse("conversations"), conversation.help_session.get_absolute_url()):
        assert f"· {in_the_list} " in text(me.get(listed))
    for page in (conversation.get_absolute_url(), reverse("conversations"), reverse("home")):
        assert "nooze" not in text(me.get(page))


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("promised_in", "words"),
    [
        (6 * hour, "You can expect an answer today."),
        (day, "You can expect an answer by tomorrow."),
        (3 * day, "You can expect an answer by Saturday, November 21."),
        (-minute, "Our answer is taking longer than we promised. We have not forgotten you."),
        (None, ""),
    ],
)
def test_promised_answer_time_is_shown_as_a_day(me, conversation, promised_in, words):
    Conversation.objects.update(promised_at=promised_in and timezone.now() + promised_in)
    assert (
        " ".join(me.get(conversation.get_absolute_url()).context["state"])
        == f"Waiting for the library. {words}".strip()
    )


def test_conversation_page_mentions_no_closing_day_if_automatic_closing_is_off(
    me, conversation, staff, clock
):
    Library.objects.update(closes_after_days=0)
    answered(conversation, None, staff, clock)
    assert me.get(conversation.get_absolute_url()).context["state"] == ["The library answered."]


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (
            "turn",
            "This conversation closes on Wednesday, December 2 unless you write again. You can reopen it by writing.",
        ),
        ("close", CLOSED),
        ("ours", None),
    ],
)
def test_email_about_an_answer_contains_the_closing_day_but_not_the_subject(conversation, staff, then, words):
    answer(conversation, staff, then=then)
    notification = Notification.objects.get()
    for body in (notification.text, notification.html):
        assert (words or "this closes") in body if words else "closes" not in body
        assert "class" not in body.replace('class="', "")


def test_patron_gets_404_for_an_erased_conversation(me, conversation, staff):
    desk_actions.erase(conversation, by=staff, at=timezone.now())
    assert me.get(conversation.get_absolute_url()).status_code == 404
    assert "balcony compost" not in text(me.get(reverse("conversations")))


@pytest.mark.parametrize(("part", "typed"), [("reply", {"body": "Is it on Thursday?"}), ("close", {})])
def test_patron_gets_404_if_the_conversation_is_erased_during_the_request(
    me, conversation, staff, monkeypatch, part, typed
):
    def erased_first(request, public_id):
        desk_actions.erase(conversation, by=staff, at=timezone.now())
        return conversation

    monkeypatch.setattr("portal.conversations.views.conversations._find", erased_first)
    assert me.post(f"{conversation.get_absolute_url()}{part}/", typed).status_code == 404


# Tests of absent staff.


@pytest.fixture
def away(staff):
    def away(person=staff, cover=None, last_day=datetime.date(2026, 12, 1)):
        return Absence.objects.create(
            person=person, first_day=datetime.date(2026, 11, 16), last_day=last_day, cover=cover
        )

    return away


@pytest.mark.parametrize("covered", [True, False])
def test_conversation_page_says_who_answers_while_the_last_writer_is_away(
    me, conversation, patron, staff, branch, clock, away, covered
):
    answered(conversation, patron, staff, clock)
    away(cover=StaffFactory(name="Ali", branch=branch) if covered else None)
    words = "Rosa Lindqvist is away until Tuesday, December 1. "
    assert words + ("Ali will answer." if covered else "A colleague will answer.") in text(
        me.get(conversation.get_absolute_url())
    )


def test_conversation_page_does_not_mention_the_absence_of_an_uninvolved_colleague(
    me, conversation, patron, staff, coordinator, clock, away
):
    answered(conversation, patron, staff, clock)
    away(person=coordinator)
    away(last_day=datetime.date(2026, 11, 17))
    assert "is away" not in text(me.get(conversation.get_absolute_url()))
    desk_actions.take(conversation, by=coordinator, at=timezone.now())
    assert "Ines Coordinator is away" in text(me.get(conversation.get_absolute_url()))


def test_conversation_page_of_a_quiet_visit_does_not_say_who_is_away(client, staff, branch, show_code, away):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    conversation = ConversationFactory(help_session=quiet)
    MessageFactory(conversation=conversation, side="staff", author=staff)
    away()
    page = text(show_code(client, code_for(quiet)).get(conversation.get_absolute_url()))
    assert "away" not in page
    assert "Rosa" not in page


# Tests of merged conversations.


def test_merged_conversation_redirects_to_the_remaining_conversation(
    me, conversation, session, patron, staff, clock
):
    other = actions.ask(
        by=patron,
        at=timezone.now(),
        help_session=session,
        body="And a book?",
        language="en",
        client_token=uuid.uuid4(),
    )
    clock.shift(minute)
    merging.merge(other, into=conversation, by=staff, at=timezone.now())
    assert me.get(other.get_absolute_url()).url == conversation.get_absolute_url()
    page = text(me.get(conversation.get_absolute_url()))
    for words in [
        "Is there a class?",
        "And a book?",
        "The library merged another conversation of yours into this one",
    ]:
        assert words in page
    assert text(me.get(reverse("conversations"))).count("balcony compost") == 1
    assert text(me.get(session.get_absolute_url())).count("Waiting for the library") == 1
    clock.shift(minute)
    me.post(reverse("reply", args=[other.public_id]), {"body": "Anything?", "client_token": uuid.uuid4()})
    assert conversation.messages.count() == 3
    news = me.get(reverse("conversation_news", args=[other.public_id]), {"since": "0"}, **HTMX)
    assert news["HX-Redirect"] == f"{conversation.get_absolute_url()}#latest"


# Tests of long conversations.


@pytest.fixture
def long(conversation, patron, staff, clock):
    """Return a function that adds `count` messages to the conversation, and returns the conversation.

    The patron and a staff member take turns and write one message per hour. The patron has read all messages.
    """

    def long(count):
        begun = NOW - count * hour
        said = [
            Message(
                conversation=conversation,
                side="staff" if number % 2 else "patron",
                author=staff if number % 2 else patron,
                body=f"Word number {number}.",
                language="en",
                sent_at=begun + number * hour,
                shown_from=begun + number * hour,
                then="turn" if number % 2 else "",
                client_token=uuid.uuid4(),
            )
            for number in range(1, count)
        ]
        Message.objects.filter(conversation=conversation).update(sent_at=begun, shown_from=begun)
        Message.objects.bulk_create(said)
        Participation.objects.filter(conversation=conversation).update(read_until=NOW)
        Conversation.objects.filter(pk=conversation.pk).update(last_message_at=begun + (count - 1) * hour)
        return conversation

    return long


def bodies(page):
    """Return the bodies of the messages on the page."""
    return [message.body for message in page.context["part"].messages]


def word(number):
    return f"Word number {number}."


@pytest.mark.few_cases
@pytest.mark.parametrize("count", [3, 30, 300])
@pytest.mark.parametrize("unread", [0, 2])
def test_query_count_of_a_conversation_page_does_not_depend_on_the_message_count(
    me, long, count, unread, django_assert_num_queries
):
    conversation = long(count)
    if unread:
        Participation.objects.update(read_until=NOW - 3 * hour)
    for queries in [8, 6] if unread else [6, 6]:
        with django_assert_num_queries(queries):
            page = me.get(conversation.get_absolute_url())
    assert len(page.content) < 60_000


def test_long_conversation_shows_the_last_messages_and_a_link_to_earlier_messages(me, long):
    conversation = long(42)
    page = me.get(conversation.get_absolute_url())
    assert bodies(page) == [word(number) for number in range(42 - SHOWN_MIN, 42)]
    assert f"Show the {42 - SHOWN_MIN} earlier messages" in text(page)
    assert bodies(me.get(long(3).get_absolute_url()))[-1] == word(2)


def test_conversation_opens_at_the_first_unread_message(me, long):
    conversation = long(60)
    Participation.objects.update(read_until=NOW - 20 * hour)
    page = me.get(conversation.get_absolute_url())
    # Message 41 is the first unread message that staff wrote.
    assert bodies(page)[0] == word(41)
    assert part(page, "latest") == '<li class="day new" id="latest">New</li>'
    again = me.get(conversation.get_absolute_url())
    assert len(bodies(again)) == SHOWN_MIN
    assert "New" not in part(again, "latest")


def test_conversation_page_shows_a_limited_number_of_unread_messages(me, long):
    conversation = long(300)
    Participation.objects.all().delete()
    # All messages are unread. The page shows SHOWN_MAX - 1 messages, so that it begins with an answer.
    assert bodies(me.get(conversation.get_absolute_url())) == [
        word(number) for number in range(300 - SHOWN_MAX + 1, 300)
    ]


@pytest.mark.parametrize(("count", "folded"), [(SHOWN_MIN + 3, 0), (SHOWN_MIN + 4, 4)])
def test_earlier_messages_are_hidden_only_if_there_are_more_than_three(me, long, count, folded):
    conversation = long(count)
    assert me.get(conversation.get_absolute_url()).context["part"].earlier == folded


def test_earlier_messages_load_page_by_page_up_to_the_first_message(me, long):
    conversation = long(120)
    page = me.get(conversation.get_absolute_url())
    seen, first = bodies(page), page.context["part"].messages[0]
    assert f"Show {PAGE_SIZE} of the {120 - SHOWN_MIN} earlier messages" in text(page)
    steps = 0
    while first is not None:
        earlier = me.get(conversation.get_absolute_url(), {"before": first.public_id}, **HTMX)
        if earlier.status_code == 204:
            break
        found = [
            message
            for message in conversation.messages.order_by("shown_from")
            if f"message-{message.public_id}" in earlier.content.decode()
        ]
        found = [message for message in found if message.body in text(earlier)]
        seen, first, steps = (
            [message.body for message in found if message.body not in seen] + seen,
            found[0],
            steps + 1,
        )
    assert seen == ["Is there a class?", *[word(number) for number in range(1, 120)]]
    assert steps == 3


def test_link_to_earlier_messages_works_without_javascript(me, long):
    conversation = long(120)
    first = me.get(conversation.get_absolute_url()).context["part"].messages[0]
    assert bodies(me.get(conversation.get_absolute_url(), {"before": first.public_id})) == [
        word(number) for number in range(120 - SHOWN_MIN - PAGE_SIZE, 120)
    ]


def test_link_to_a_message_shows_the_surrounding_messages(me, long):
    conversation = long(120)
    message = conversation.messages.get(body=word(30))
    page = me.get(conversation.get_absolute_url(), {"message": message.public_id})
    assert bodies(page) == [word(number) for number in range(30 - SHOWN_MIN, 30 + SHOWN_MAX)]
    assert f"Go to {120 - 30 - SHOWN_MAX} newer messages" in text(page)
    # Only a page that shows the end of a conversation asks for new messages.
    assert "data-poll" not in page.content.decode()
    assert (
        f'href="{conversation.get_absolute_url()}?message={message.public_id}#message-{message.public_id}"'
        in page.content.decode()
    )


@pytest.mark.few_cases
@pytest.mark.parametrize("named", ["nonsense", "0d5a3f3e-6f0a-4b8e-9c55-4d8d1c9f7a10", ""])
@pytest.mark.parametrize("name", ["message", "before"])
def test_link_to_an_unknown_message_opens_the_end_of_the_conversation(me, long, named, name):
    conversation = long(30)
    assert bodies(me.get(conversation.get_absolute_url(), {name: named}))[-1] == word(29)


def test_link_to_a_message_of_another_conversation_does_not_show_the_message(me, long, branch, staff):
    theirs = MessageFactory(
        conversation=ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=staff)),
        body="Nobody else's business",
    )
    for name in ("message", "before"):
        for headers in ({}, HTMX):
            assert "business" not in text(
                me.get(long(30).get_absolute_url(), {name: theirs.public_id}, **headers)
            )


def test_link_to_a_pending_answer_does_not_show_the_answer(me, long, staff):
    conversation = long(30)
    held = answer(conversation, staff)
    page = me.get(conversation.get_absolute_url(), {"message": held.public_id})
    assert held.body not in text(page)


def test_closing_and_reopening_are_shown_only_with_the_messages_around_them(me, long):
    conversation = long(120)
    # Add an event one minute after message 30, and another event one minute after message 80.
    for number, kind in ((30, "closed"), (80, "reopened")):
        at = NOW - (120 - number) * hour + minute
        Event.objects.create(conversation=conversation, kind=kind, side="staff", at=at, shown_from=at)
    latest = me.get(conversation.get_absolute_url())
    before = me.get(
        conversation.get_absolute_url(), {"before": latest.context["part"].messages[0].public_id}, **HTMX
    )
    around = me.get(
        conversation.get_absolute_url(), {"message": conversation.messages.get(body=word(30)).public_id}
    )
    told = [
        [
            "The library closed this conversation" in text(page),
            "This conversation was opened again" in text(page),
        ]
        for page in (latest, before, around)
    ]
    assert told == [[False, False], [False, True], [True, False]]


def test_each_day_has_one_heading_after_loading_earlier_messages(me, long):
    conversation = long(30)
    page = me.get(conversation.get_absolute_url())
    first = page.context["part"].messages[0]
    earlier = me.get(conversation.get_absolute_url(), {"before": first.public_id}, **HTMX).content.decode()
    on = timezone.localtime(first.shown_from).date().isoformat()
    assert f'id="day-{on}"' in page.content.decode()
    assert f'<li id="day-{on}" hx-swap-oob="delete"></li>' in earlier
    assert earlier.count(f'<li class="day" id="day-{on}">') == 1


def test_new_message_on_the_same_day_adds_no_second_day_heading(me, conversation, staff, clock):
    page = me.get(conversation.get_absolute_url())
    asked = {"since": page.context["version"], "shown": page.context["part"].shown_until}
    for expected in (0, 1):
        answer(conversation, staff)
        clock.shift(minute)
        news = me.get(
            reverse("conversation_news", args=[conversation.public_id]), asked, **HTMX
        ).content.decode()
        assert news.count('class="day"') == expected
        clock.shift(day)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "shown", [None, "nonsense", f"{'9' * 40}-1", "-1", "1-", f"{int(NOW.timestamp()) * 1_000_000}-0"]
)
@pytest.mark.parametrize("name", ["reply", "close_conversation", "conversation_news"])
def test_request_without_a_valid_message_position_returns_the_whole_conversation(
    me, conversation, name, shown
):
    fields = {"since": "0", "body": "Hello?", "client_token": uuid.uuid4()} | (
        {} if shown is None else {"shown": shown}
    )
    ask = me.get if name == "conversation_news" else me.post
    response = ask(reverse(name, args=[conversation.public_id]), fields, **HTMX)
    assert "Is there a class?" in text(response)
    assert response.get("HX-Retarget", "#conversation") == "#conversation"
