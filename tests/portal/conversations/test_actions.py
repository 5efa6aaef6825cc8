import datetime
import uuid

import pytest

from accounts.reader import Reader
from portal.conversations import actions
from portal.conversations.models import Conversation, Event, Message, Participation
from portal.helpsessions.actions import ChosenItem
from portal.notifications.models import Notification
from recommendations.models import Recommendation
from tests.factories import HelpSessionFactory, ItemFactory, QuietSessionFactory, code_for, recommend_in

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
PATRON, STAFF = Message.Side.PATRON, Message.Side.STAFF
minute, hour = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)


@pytest.fixture
def session(patron, staff, branch):
    """A session that its patron keeps."""
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


def ask(session, by, *, body="It is checked out", at=NOW, token=None, **kwargs):
    return actions.ask(by=by, at=at, help_session=session, body=body, language="en", client_token=token or uuid.uuid4(), **kwargs)


def say(conversation, by, side, *, body="Try this", at=NOW, token=None, **kwargs):
    return actions.reply(conversation, by=by, side=side, at=at, body=body, language="en", client_token=token or uuid.uuid4(), **kwargs)


def judge(recommendation, verdict, *, by=None, at=NOW):
    return actions.take_verdict(recommendation, verdict=verdict, why="", comment="", by=by, at=at)


def test_a_question_waits_for_staff_from_the_first_unanswered_message(session, patron, staff):
    thread = ask(session, patron)
    say(thread, patron, PATRON, at=NOW + hour)
    thread.refresh_from_db()
    assert (thread.status, thread.waiting_since, thread.reason) == ("waiting_for_staff", NOW, "asked")

    say(thread, staff, STAFF, at=NOW + 2 * hour)
    thread.refresh_from_db()
    assert (thread.status, thread.waiting_since, thread.promised_at) == ("waiting_for_patron", None, None)

    say(thread, patron, PATRON, at=NOW + 3 * hour)
    thread.refresh_from_db()
    assert thread.waiting_since == NOW + 3 * hour


def test_a_question_sent_twice_is_one(session, patron):
    token = uuid.uuid4()
    assert ask(session, patron, token=token) == ask(session, patron, token=token)
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)


def test_an_answer_sent_twice_is_one_message_one_mail_and_one_set_of_items(session, patron, staff):
    thread, token, item = ask(session, patron), uuid.uuid4(), ItemFactory()
    first = say(thread, staff, STAFF, token=token, items=[ChosenItem(item=item, reason="newer")])
    assert say(thread, staff, STAFF, token=token, items=[ChosenItem(item=item, reason="newer")]) == first
    assert thread.messages.count() == 2
    assert Notification.objects.filter(kind="conversations/answer").count() == 1
    assert Recommendation.objects.get().patron == patron


def test_an_answer_is_mailed_neutrally_and_threaded(session, patron, staff):
    thread = ask(session, patron, body="SECRET QUESTION about gout")
    say(thread, staff, STAFF, body="SECRET ANSWER")
    say(thread, staff, STAFF, body="and more", at=NOW + minute)
    first, second = Notification.objects.filter(kind="conversations/answer").order_by("pk")
    assert first.to_address == patron.email
    for word in ("SECRET", "gout", thread.subject, session.question):
        assert word not in first.subject + first.text + first.html
    assert str(thread.public_id) in first.text
    assert first.message_id != second.message_id
    assert first.message_id in str(second.headers)


def test_nobody_is_mailed_about_a_session_without_a_name_or_a_quiet_one(staff, branch):
    for session in (HelpSessionFactory(branch=branch), QuietSessionFactory(branch=branch)):
        say(ask(session, None), staff, STAFF)
    assert not Notification.objects.exists()


def test_closing_and_writing_again_is_told_in_the_thread(session, patron, staff):
    thread = ask(session, patron)
    say(thread, staff, STAFF, at=NOW + minute)
    actions.close(thread, by=patron, side=PATRON, at=NOW + hour)
    actions.close(thread, by=patron, side=PATRON, at=NOW + hour)
    thread.refresh_from_db()
    assert (thread.status, thread.closed_at) == ("closed", NOW + hour)
    say(thread, patron, PATRON, at=NOW + 2 * hour)
    thread.refresh_from_db()
    assert (thread.status, thread.closed_at, thread.waiting_since) == ("waiting_for_staff", None, NOW + 2 * hour)
    assert list(Event.objects.order_by("at").values_list("kind", "side")) == [("closed", "patron"), ("reopened", "patron")]


@pytest.mark.parametrize("verdict", ["did_not_help", "could_not_get_it"])
def test_a_failed_item_is_before_the_desk_after_a_minute_and_hidden_from_its_patron(recommendation, patron, verdict):
    judge(recommendation, verdict, by=patron)
    thread = Conversation.objects.get()
    assert (thread.reason, thread.recommendation, thread.patron, thread.last_message_at) == (verdict, recommendation, patron, None)
    assert list(Conversation.objects.waiting_for_staff(NOW + minute / 2)) == []
    assert list(Conversation.objects.waiting_for_staff(NOW + minute)) == [thread]
    assert list(Conversation.objects.belonging_to(Reader(patron))) == []


@pytest.mark.parametrize("verdict", ["helped", "partly", "not_tried", ""])
def test_a_verdict_that_asks_for_nothing_opens_no_thread(recommendation, verdict):
    judge(recommendation, verdict)
    assert not Conversation.objects.exists()


def test_a_mended_verdict_closes_the_thread_that_nobody_wrote_in(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    judge(recommendation, "helped", by=patron, at=NOW + hour)
    assert Conversation.objects.get().status == "closed"
    judge(recommendation, "could_not_get_it", by=patron, at=NOW + 2 * hour)
    thread = Conversation.objects.get()
    assert (thread.status, thread.reason, thread.waiting_since) == ("waiting_for_staff", "could_not_get_it", NOW + 2 * hour)


def test_a_mended_verdict_leaves_the_patrons_own_question_waiting(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    actions.ask(by=patron, at=NOW + minute, recommendation=recommendation, body="Something easier?", language="en", client_token=uuid.uuid4())
    judge(recommendation, "helped", by=patron, at=NOW + hour)
    thread = Conversation.objects.get()
    assert (thread.status, thread.waiting_since, thread.reason) == ("waiting_for_staff", NOW, "asked")


def test_the_follow_up_of_a_verdict_goes_on_in_its_thread(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    thread = actions.ask(by=patron, at=NOW, recommendation=recommendation, body="Something easier?", language="en", client_token=uuid.uuid4())
    assert list(Conversation.objects.all()) == [thread]
    assert thread.reason == "did_not_help"
    assert list(Conversation.objects.waiting_for_staff(NOW)) == [thread]  # words are no slip of the finger


def test_a_verdict_on_an_item_of_an_answer_goes_back_to_the_thread_it_came_from(session, patron, staff):
    thread = ask(session, patron)
    say(thread, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    recommendation = Recommendation.objects.get()
    judge(recommendation, "did_not_help", by=patron, at=NOW + hour)
    thread.refresh_from_db()
    assert (thread.status, thread.reason, thread.waiting_since) == ("waiting_for_staff", "did_not_help", NOW + hour)
    judge(recommendation, "helped", by=patron, at=NOW + 2 * hour)
    thread.refresh_from_db()
    assert thread.status == "waiting_for_patron"


def test_a_failed_item_in_a_closed_thread_reopens_it_and_mending_closes_it_again(session, patron, staff):
    thread = ask(session, patron)
    say(thread, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    actions.close(thread, by=patron, side=PATRON, at=NOW + 2 * minute)
    judge(Recommendation.objects.get(), "did_not_help", by=patron, at=NOW + hour)
    thread.refresh_from_db()
    assert thread.status == "waiting_for_staff"
    judge(Recommendation.objects.get(), "partly", by=patron, at=NOW + 2 * hour)
    thread.refresh_from_db()
    assert (thread.status, thread.waiting_since) == ("closed", None)


def test_keeping_a_session_moves_its_threads_and_their_items(staff, patron, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    thread = ask(session, None)
    say(thread, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    actions.keep(session, by=patron, at=NOW + hour, wording="yes", language="en")
    thread.refresh_from_db()
    assert (thread.patron, Recommendation.objects.get().patron) == (patron, patron)
    assert list(Conversation.objects.belonging_to(Reader(patron))) == [thread]
    assert Participation.objects.get().person == patron


def test_holders_of_a_code_reach_the_threads_of_that_session_only(session, patron, branch):
    mine, other = ask(session, patron), ask(HelpSessionFactory(branch=branch), None)
    code_for(session)
    reader = Reader(None, opened_sessions=[session.pk])
    assert list(Conversation.objects.belonging_to(reader)) == [mine]
    assert list(Conversation.objects.belonging_to(Reader())) == []
    assert other not in Conversation.objects.belonging_to(reader)


def test_unread_is_what_came_after_the_last_look(session, patron, staff):
    unread = lambda: list(Conversation.objects.unread_by(patron))  # noqa: E731
    thread = ask(session, patron)
    assert unread() == []
    say(thread, staff, STAFF, at=NOW + minute)
    assert unread() == [thread]
    thread.refresh_from_db()
    actions.mark_read(thread, person=patron, at=NOW + hour)
    assert unread() == []


def test_the_version_is_raised_by_what_the_patron_may_see(session, patron, staff):
    thread = ask(session, patron)
    before = thread.version
    say(thread, staff, STAFF)
    thread.refresh_from_db()
    assert thread.version == before + 1
    actions.mark_read(thread, person=patron, at=NOW)
    thread.refresh_from_db()
    assert thread.version == before + 1


def test_the_queue_is_longest_wait_first(branch, staff):
    late, early = ask(HelpSessionFactory(branch=branch), None, at=NOW + hour), ask(HelpSessionFactory(branch=branch), None, at=NOW)
    assert list(Conversation.objects.at_desk_of(staff).waiting_for_staff(NOW + hour)) == [early, late]
