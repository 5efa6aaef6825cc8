import datetime
import uuid

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from accounts.staff_actions import RoleEnded
from accounts.viewer import Viewer
from portal.conversations import actions, desk_actions, drafts, jobs, keeping, states, taking_back, verdicts
from portal.conversations.models import Attachment, Conversation, Draft, Event, Message, Participation
from portal.notifications.actions import take_next
from portal.notifications.models import Notification
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    code_for,
    recommend_in,
)
from tests.portal.listed import listed

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
PATRON, STAFF = Message.Side.PATRON, Message.Side.STAFF
second, minute, hour = (
    datetime.timedelta(seconds=1),
    datetime.timedelta(minutes=1),
    datetime.timedelta(hours=1),
)

# The columns that taking back an answer must restore.
COLUMNS = [
    "status",
    "reason",
    "waiting_since",
    "promised_at",
    "queued_at",
    "at_desk_from",
    "closes_at",
    "closed_at",
    "snoozed_until",
    "last_message_at",
]
COLUMNS += ["pending_from", "patron_status", "version", "assignee"]


@pytest.fixture
def session(patron, staff, branch):
    """Return a visit in the patron's account."""
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


def ask(session, by, *, body="It is checked out", at=NOW, token=None, **kwargs):
    return actions.ask(
        by=by,
        at=at,
        help_session=session,
        body=body,
        language="en",
        client_token=token or uuid.uuid4(),
        **kwargs,
    )


def say(conversation, by, side, *, body="Try this", at=NOW, token=None, **kwargs):
    return actions.reply(
        conversation,
        by=by,
        side=side,
        at=at,
        body=body,
        language="en",
        client_token=token or uuid.uuid4(),
        **kwargs,
    )


def judge(recommendation, verdict, *, by=None, at=NOW):
    return verdicts.take_verdict(recommendation, verdict=verdict, why="", comment="", by=by, at=at)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_unconfirmed_address_gets_an_email_that_says_only_that_the_library_answered(
    patron, branch, staff, is_confirmed
):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=is_confirmed, primary=True)
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    )
    how = {"side": "staff", "at": timezone.now(), "language": "en", "client_token": uuid.uuid4()}
    actions.reply(conversation, by=staff, body="Zqxwords", **how)
    mail = Notification.objects.get()
    said = mail.subject + mail.text + mail.html + str(mail.headers)
    assert "Zqxwords" not in said
    assert [
        word in said for word in (staff.name, str(conversation.public_id), "This conversation closes on")
    ] == [is_confirmed] * 3
    assert "The library has answered" in said


def test_waiting_time_counts_from_the_first_unanswered_message(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, patron, PATRON, at=NOW + hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since, conversation.reason) == (
        "waiting_for_staff",
        NOW,
        "asked",
    )

    say(conversation, staff, STAFF, at=NOW + 2 * hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since, conversation.promised_at) == (
        "waiting_for_patron",
        None,
        None,
    )

    say(conversation, patron, PATRON, at=NOW + 3 * hour)
    conversation.refresh_from_db()
    assert conversation.waiting_since == NOW + 3 * hour


def test_question_sent_twice_creates_one_conversation(session, patron):
    token = uuid.uuid4()
    assert ask(session, patron, token=token) == ask(session, patron, token=token)
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)


def test_answer_sent_twice_creates_one_message_one_email_and_one_recommendation(session, patron, staff):
    conversation, token, item = ask(session, patron), uuid.uuid4(), ItemFactory()
    first = say(conversation, staff, STAFF, token=token, items=[ChosenItem(item=item, reason="newer")])
    assert (
        say(conversation, staff, STAFF, token=token, items=[ChosenItem(item=item, reason="newer")]) == first
    )
    assert conversation.messages.count() == 2
    assert Notification.objects.filter(kind="conversations/answer").count() == 1
    assert Recommendation.objects.get().patron == patron


def test_emails_about_answers_contain_no_conversation_text_and_share_one_email_thread(session, patron, staff):
    conversation = ask(session, patron, body="SECRET QUESTION about gout")
    say(conversation, staff, STAFF, body="SECRET ANSWER")
    say(conversation, staff, STAFF, body="and more", at=NOW + minute)
    first, second = Notification.objects.filter(kind="conversations/answer").order_by("pk")
    assert first.to_address == patron.email
    for word in ("SECRET", "gout", conversation.subject, session.question):
        assert word not in first.subject + first.text + first.html
    assert str(conversation.public_id) in first.text
    assert first.message_id != second.message_id
    assert first.message_id in str(second.headers)


def test_answer_is_not_emailed_if_the_visit_is_quiet_or_has_no_patron(staff, branch):
    for session in (HelpSessionFactory(branch=branch), QuietSessionFactory(branch=branch)):
        say(ask(session, None), staff, STAFF)
    assert not Notification.objects.exists()


def test_events_record_that_the_patron_closed_and_reopened_the_conversation(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + minute)
    actions.close(conversation, by=patron, side=PATRON, at=NOW + hour)
    actions.close(conversation, by=patron, side=PATRON, at=NOW + hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.closed_at) == ("closed", NOW + hour)
    say(conversation, patron, PATRON, at=NOW + 2 * hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.closed_at, conversation.waiting_since) == (
        "waiting_for_staff",
        None,
        NOW + 2 * hour,
    )
    assert list(Event.objects.order_by("at").values_list("kind", "side")) == [
        ("closed", "patron"),
        ("reopened", "patron"),
    ]


@pytest.mark.parametrize("verdict", ["did_not_help", "could_not_get_it"])
def test_bad_verdict_starts_a_conversation_that_the_patron_does_not_see(recommendation, patron, verdict):
    judge(recommendation, verdict, by=patron)
    conversation = Conversation.objects.get()
    assert (
        conversation.reason,
        conversation.recommendation,
        conversation.patron,
        conversation.last_message_at,
    ) == (
        verdict,
        recommendation,
        patron,
        None,
    )
    assert listed("needs", at=NOW + minute / 2) == set()
    assert listed("needs", at=NOW + minute) == {conversation}
    assert list(Conversation.objects.belonging_to(Viewer(patron))) == []


@pytest.mark.parametrize("verdict", ["helped", "partly", "not_tried", ""])
def test_good_or_neutral_verdict_opens_no_conversation(recommendation, verdict):
    judge(recommendation, verdict)
    assert not Conversation.objects.exists()


def test_correcting_a_verdict_closes_a_conversation_without_messages(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    judge(recommendation, "helped", by=patron, at=NOW + hour)
    assert Conversation.objects.get().status == "closed"
    judge(recommendation, "could_not_get_it", by=patron, at=NOW + 2 * hour)
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.reason, conversation.waiting_since) == (
        "waiting_for_staff",
        "could_not_get_it",
        NOW + 2 * hour,
    )


def test_closed_conversation_keeps_its_closing_time_if_the_verdict_is_corrected(
    recommendation, patron, staff
):
    judge(recommendation, "did_not_help", by=patron)
    conversation = Conversation.objects.get()
    actions.close(conversation, by=staff, side=STAFF, at=NOW + hour)
    judge(recommendation, "helped", by=patron, at=NOW + 2 * hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.closed_at) == ("closed", NOW + hour)


def test_conversation_with_a_question_stays_open_if_the_verdict_is_corrected(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    actions.ask(
        by=patron,
        at=NOW + minute,
        recommendation=recommendation,
        body="Something easier?",
        language="en",
        client_token=uuid.uuid4(),
    )
    judge(recommendation, "helped", by=patron, at=NOW + hour)
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.waiting_since, conversation.reason) == (
        "waiting_for_staff",
        NOW + minute,
        "asked",
    )


def test_second_bad_verdict_does_not_move_the_conversation_in_the_queue(recommendation, patron, staff):
    judge(recommendation, "did_not_help", by=patron)
    judge(recommendation, "could_not_get_it", by=patron, at=NOW + hour)
    conversation = Conversation.objects.get()
    assert (conversation.waiting_since, conversation.reason, conversation.at_desk_from) == (
        NOW,
        "could_not_get_it",
        NOW + minute,
    )
    say(conversation, staff, STAFF, at=NOW + 2 * hour)
    judge(recommendation, "did_not_help", by=patron, at=NOW + 3 * hour)
    conversation.refresh_from_db()
    assert (conversation.waiting_since, conversation.reason, states.replay(conversation).waiting_since) == (
        NOW + 3 * hour,
        "did_not_help",
        NOW + 3 * hour,
    )


def test_question_after_a_bad_verdict_is_added_to_the_conversation_about_the_verdict(recommendation, patron):
    judge(recommendation, "did_not_help", by=patron)
    at = NOW + datetime.timedelta(seconds=1)
    conversation = actions.ask(
        by=patron,
        at=at,
        recommendation=recommendation,
        body="Something easier?",
        language="en",
        client_token=uuid.uuid4(),
    )
    assert list(Conversation.objects.all()) == [conversation]
    assert conversation.reason == "did_not_help"
    # A bad verdict alone reaches the desk after a minute, but a message reaches the desk immediately.
    assert listed("needs", at=at) == {conversation}


def test_conversation_waits_for_staff_after_a_bad_verdict_on_a_recommended_item(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    recommendation = Recommendation.objects.get()
    judge(recommendation, "did_not_help", by=patron, at=NOW + hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.reason, conversation.waiting_since) == (
        "waiting_for_staff",
        "did_not_help",
        NOW + hour,
    )
    judge(recommendation, "helped", by=patron, at=NOW + 2 * hour)
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_patron"


def test_bad_verdict_reopens_a_closed_conversation_until_the_verdict_is_corrected(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    actions.close(conversation, by=patron, side=PATRON, at=NOW + 2 * minute)
    judge(Recommendation.objects.get(), "did_not_help", by=patron, at=NOW + hour)
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_staff"
    judge(Recommendation.objects.get(), "partly", by=patron, at=NOW + 2 * hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since) == ("closed", None)


def test_patron_who_keeps_a_visit_also_gets_its_conversations_and_items(staff, patron, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    conversation = ask(session, None)
    say(conversation, staff, STAFF, items=[ChosenItem(item=ItemFactory())], at=NOW + minute)
    keeping.keep(session, by=patron, at=NOW + hour, wording="yes", language="en")
    conversation.refresh_from_db()
    assert (conversation.patron, Recommendation.objects.get().patron) == (patron, patron)
    assert list(Conversation.objects.belonging_to(Viewer(patron))) == [conversation]
    assert Participation.objects.get().person == patron


def test_viewer_with_only_a_code_can_see_only_conversations_of_the_opened_visit(session, patron, branch):
    mine, other = ask(session, patron), ask(HelpSessionFactory(branch=branch), None)
    code_for(session)
    viewer = Viewer(None, opened_sessions=[session.pk])
    assert list(Conversation.objects.belonging_to(viewer)) == [mine]
    assert list(Conversation.objects.belonging_to(Viewer())) == []
    assert other not in Conversation.objects.belonging_to(viewer)


def test_conversation_becomes_unread_when_a_pending_answer_appears(session, patron, staff):
    unread = lambda: list(Conversation.objects.unread_by(patron))  # noqa: E731
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + minute)
    # The patron opens the conversation during the undo window.
    actions.mark_read(conversation, person=patron, at=NOW + minute)
    assert unread() == []
    jobs.show_pending_answers(at=NOW + minute + Message.UNDO_WINDOW)
    assert unread() == [conversation]
    actions.mark_read(conversation, person=patron, at=NOW + hour)
    assert unread() == []


def test_message_by_the_patron_does_not_mark_a_pending_answer_as_read(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + minute)
    say(conversation, patron, PATRON, at=NOW + minute + 5 * second)
    jobs.show_pending_answers(at=NOW + hour)
    assert list(Conversation.objects.unread_by(patron)) == [conversation]


# Tests of the undo window.


def patron_view(conversation, at):
    """Return what the patron's page, list and poll show at the time `at`."""
    conversation.refresh_from_db()
    shown = [message.body for message in conversation.messages.shown(at).in_order()]
    told = list(conversation.events.filter(shown_from__lte=at).order_by("at").values_list("kind", flat=True))
    return shown, told, conversation.version_at(at), conversation.status_at(at)


@pytest.mark.parametrize("with_the_worker", [True, False])
@pytest.mark.parametrize(
    ("then", "status", "told"),
    [("turn", "waiting_for_patron", []), ("ours", "waiting_for_staff", []), ("close", "closed", ["closed"])],
)
def test_answer_and_its_effects_appear_only_after_the_undo_window(
    session, patron, staff, then, status, told, with_the_worker
):
    conversation = ask(session, patron)
    before = patron_view(conversation, NOW)
    assert before == (["It is checked out"], [], 1, "waiting_for_staff")
    say(conversation, staff, STAFF, at=NOW + minute, then=then)
    shown_from = NOW + minute + Message.UNDO_WINDOW
    for at in (NOW + minute, shown_from - second):
        if with_the_worker:
            jobs.show_pending_answers(at=at)
        assert patron_view(conversation, at) == before
        assert conversation.last_message_at == NOW
    if with_the_worker:
        jobs.show_pending_answers(at=shown_from)
    assert patron_view(conversation, shown_from) == (["It is checked out", "Try this"], told, 2, status)
    assert conversation.last_message_at == (shown_from if with_the_worker else NOW)
    assert conversation.status == status


@pytest.mark.parametrize("with_the_worker", [True, False])
def test_each_of_two_answers_appears_after_its_own_undo_window(session, patron, staff, with_the_worker):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, body="first", at=NOW + minute)
    say(conversation, staff, STAFF, body="second", at=NOW + minute + 10 * second, then="close")
    views = []
    for seconds in (14, 15, 24, 25):
        at = NOW + minute + seconds * second
        if with_the_worker:
            jobs.show_pending_answers(at=at)
        shown, told, version, status = patron_view(conversation, at)
        views.append((shown[1:], told, version, status))
    assert views == [
        ([], [], 1, "waiting_for_staff"),
        (["first"], [], 2, "waiting_for_staff"),
        (["first"], [], 2, "waiting_for_staff"),
        (["first", "second"], ["closed"], 3, "closed"),
    ]


def test_answer_is_no_longer_pending_if_the_patron_writes_after_the_undo_window(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + minute)
    say(conversation, patron, PATRON, at=NOW + hour)
    conversation.refresh_from_db()
    assert (
        conversation.version,
        conversation.last_message_at,
        conversation.pending_from,
        conversation.patron_status,
    ) == (
        3,
        NOW + hour,
        None,
        "",
    )


def test_conversation_stays_in_the_queue_if_staff_say_that_another_answer_will_follow(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + hour, then="ours")
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since, conversation.queued_at) == (
        "waiting_for_staff",
        NOW,
        NOW,
    )
    say(conversation, staff, STAFF, at=NOW + 2 * hour)
    # `then="ours"` means that the library will write again.
    say(conversation, staff, STAFF, at=NOW + 3 * hour, then="ours")
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since) == ("waiting_for_staff", NOW + 3 * hour)


def test_answer_by_a_colleague_does_not_change_the_assignee_or_the_branch(
    session, patron, staff, coordinator
):
    conversation = ask(session, patron)
    desk_actions.take(conversation, by=coordinator, at=NOW + minute)
    say(conversation, staff, STAFF, at=NOW + hour)
    conversation.refresh_from_db()
    assert (conversation.assignee, conversation.assigned_at, conversation.branch) == (
        coordinator,
        NOW + minute,
        session.branch,
    )


def test_patron_pages_do_not_show_items_of_a_pending_answer(client, session, patron, staff, sign_in):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, items=[ChosenItem(item=ItemFactory(title="Held back"))], at=NOW + minute)
    pages = ["/", conversation.get_absolute_url(), "/messages/", "/visits/", "/saved/"]
    found = Recommendation.objects.get()
    for at, expected in [(NOW + minute + 14 * second, False), (NOW + minute + 15 * second, True)]:
        with time_machine.travel(at, tick=False):
            sign_in(client, patron)
            assert any(b"Held back" in client.get(page).content for page in pages) is expected
            assert (client.get(reverse("verdict", args=[found.public_id])).status_code == 200) is expected
            client.logout()


def test_closing_and_reopening_are_hidden_from_the_patron_while_the_answer_is_pending(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + minute, then="close")
    say(conversation, patron, PATRON, body="one thing more", at=NOW + minute + 5 * second)
    at = NOW + minute + 5 * second
    assert patron_view(conversation, at) == (
        ["It is checked out", "one thing more"],
        [],
        2,
        "waiting_for_staff",
    )
    assert patron_view(conversation, NOW + hour) == (
        ["It is checked out", "Try this", "one thing more"],
        ["closed", "reopened"],
        3,
        "waiting_for_staff",
    )


def test_patron_can_close_a_conversation_that_a_pending_answer_has_closed(session, patron, staff):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + minute, then="close")
    actions.close(conversation, by=patron, side=PATRON, at=NOW + minute + 5 * second)
    assert patron_view(conversation, NOW + minute + 5 * second) == (
        ["It is checked out"],
        ["closed"],
        2,
        "closed",
    )
    taking_back.take_back(message, by=staff, at=NOW + minute + 6 * second)
    assert patron_view(conversation, NOW + minute + 6 * second) == (
        ["It is checked out"],
        ["closed"],
        2,
        "closed",
    )
    assert conversation.status == "closed"


def test_conversation_closed_by_staff_looks_open_to_the_patron_while_an_answer_is_pending(
    session, patron, staff, coordinator
):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + minute)
    actions.close(conversation, by=coordinator, side=STAFF, at=NOW + minute + 5 * second)
    assert patron_view(conversation, NOW + minute + 6 * second) == (
        ["It is checked out"],
        [],
        1,
        "waiting_for_staff",
    )
    assert patron_view(conversation, NOW + minute + 15 * second) == (
        ["It is checked out", "Try this"],
        ["closed"],
        2,
        "closed",
    )
    # If staff take the answer back, the patron immediately sees that the conversation is closed.
    taking_back.take_back(message, by=staff, at=NOW + minute + 13 * second)
    assert patron_view(conversation, NOW + minute + 13 * second) == (
        ["It is checked out"],
        ["closed"],
        2,
        "closed",
    )


def test_patron_sees_the_closing_and_the_reopening_after_the_answer_is_taken_back(
    session, patron, staff, coordinator
):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + minute)
    actions.close(conversation, by=coordinator, side=STAFF, at=NOW + minute + second)
    say(conversation, patron, PATRON, body="one thing more", at=NOW + minute + 2 * second)
    words = ["It is checked out", "one thing more"]
    assert patron_view(conversation, NOW + minute + 2 * second) == (words, [], 2, "waiting_for_staff")
    taking_back.take_back(message, by=staff, at=NOW + minute + 3 * second)
    events = ["closed", "reopened"]
    assert patron_view(conversation, NOW + minute + 3 * second) == (words, events, 3, "waiting_for_staff")
    assert patron_view(conversation, NOW + hour) == (words, events, 3, "waiting_for_staff")


def test_closing_and_reopening_appear_with_the_first_answer_if_staff_take_back_the_second(
    session, patron, staff, coordinator
):
    conversation, at = ask(session, patron), [NOW + minute + count * second for count in range(6)]
    say(conversation, staff, STAFF, body="first", at=at[0], then="close")
    say(conversation, patron, PATRON, body="one thing more", at=at[1])
    second_answer = say(conversation, coordinator, STAFF, body="second", at=at[2])
    actions.close(conversation, by=staff, side=STAFF, at=at[3])
    say(conversation, patron, PATRON, body="and another", at=at[4])
    taking_back.take_back(second_answer, by=coordinator, at=at[5])
    words = ["It is checked out", "one thing more", "and another"]
    assert patron_view(conversation, at[5]) == (words, [], 3, "waiting_for_staff")
    seen, events, version, status = patron_view(conversation, at[0] + 15 * second)
    assert (sorted(seen), version, status) == (sorted([*words, "first"]), 4, "waiting_for_staff")
    assert sorted(events) == ["closed", "closed", "reopened", "reopened"]
    assert patron_view(conversation, NOW + hour) == (seen, events, version, status)


# Tests of taking an answer back.


def test_taking_back_an_answer_restores_the_conversation_and_the_draft(session, patron, staff):
    conversation = ask(session, patron)
    before = patron_view(conversation, NOW)
    was = Conversation.objects.values(*COLUMNS).get()
    token = uuid.uuid4()
    items = [ChosenItem(item=ItemFactory(), reason="newer")]
    message = say(
        conversation, staff, STAFF, body="Come at five", at=NOW + hour, token=token, items=items, then="close"
    )
    Attachment.objects.create(
        conversation=conversation,
        message=message,
        client_token=token,
        side=STAFF,
        added_by=staff,
        kind="pdf",
        file="a.pdf",
        name="a.pdf",
        size=3,
        added_at=NOW,
    )
    taking_back.take_back(message, by=staff, at=NOW + hour + 13 * second, typed={"item-0": "1"})
    assert patron_view(conversation, NOW + 2 * hour) == before
    assert Conversation.objects.values(*COLUMNS).get() == was
    assert (
        Message.objects.count(),
        Event.objects.count(),
        Recommendation.objects.count(),
        Notification.objects.count(),
    ) == (1, 0, 0, 0)
    draft = Draft.objects.get()
    assert (draft.person, draft.body, draft.client_token, draft.typed) == (
        staff,
        "Come at five",
        token,
        {"item-0": "1"},
    )
    assert list(Attachment.objects.values_list("message", "client_token")) == [(None, token)]

    # The draft can be sent with the same token, because no message has this token anymore.
    again = say(conversation, staff, STAFF, body=draft.body, at=NOW + 2 * hour, token=token)
    assert (again.attachments.count(), Draft.objects.count(), Notification.objects.count()) == (1, 0, 1)


@pytest.mark.parametrize(("who", "seconds"), [("staff", 14), ("coordinator", 5), ("patron", 5)])
def test_answer_cannot_be_taken_back_by_another_person_or_after_the_undo_window(
    session, patron, staff, coordinator, who, seconds
):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + minute)
    person = {"staff": staff, "coordinator": coordinator, "patron": patron}[who]
    with pytest.raises(RoleEnded if who == "patron" else taking_back.TooLate):
        taking_back.take_back(message, by=person, at=NOW + minute + seconds * second)
    assert (conversation.messages.count(), Draft.objects.count(), Notification.objects.count()) == (2, 0, 1)


@pytest.mark.parametrize("seen_as", ["page", "email"])
def test_answer_that_was_already_shown_or_emailed_cannot_be_taken_back_in_the_undo_window(
    session, patron, staff, seen_as
):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + minute)
    if seen_as == "page":
        actions.mark_read(conversation, person=patron, at=message.shown_from)
    else:
        assert take_next(at=message.shown_from).message_id == message.mail_id
    with pytest.raises(taking_back.TooLate):
        taking_back.take_back(message, by=staff, at=NOW + minute + 5 * second)
    assert (conversation.messages.count(), Draft.objects.count(), Notification.objects.count()) == (2, 0, 1)


def test_answer_cannot_be_taken_back_twice(session, patron, staff):
    message = say(ask(session, patron), staff, STAFF, at=NOW + minute)
    taking_back.take_back(message, by=staff, at=NOW + minute + second)
    with pytest.raises(taking_back.TooLate):
        taking_back.take_back(message, by=staff, at=NOW + minute + 2 * second)
    assert Draft.objects.get().body == "Try this"


def test_taking_back_an_answer_restores_the_original_waiting_time(session, patron, staff):
    conversation = ask(session, patron)
    message = say(conversation, staff, STAFF, at=NOW + hour)
    say(conversation, patron, PATRON, at=NOW + hour + 3 * second)
    conversation.refresh_from_db()
    assert conversation.waiting_since == NOW + hour + 3 * second
    taking_back.take_back(message, by=staff, at=NOW + hour + 5 * second)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since, conversation.queued_at) == (
        "waiting_for_staff",
        NOW,
        NOW,
    )


def test_one_of_two_pending_answers_can_be_taken_back(session, patron, staff, coordinator):
    conversation = ask(session, patron)
    first = say(conversation, staff, STAFF, body="first", at=NOW + minute)
    say(conversation, coordinator, STAFF, body="second", at=NOW + minute + 5 * second, then="ours")
    taking_back.take_back(first, by=staff, at=NOW + minute + 10 * second)
    conversation.refresh_from_db()
    assert (conversation.pending_from, conversation.status, conversation.waiting_since) == (
        NOW + minute + 20 * second,
        "waiting_for_staff",
        NOW,
    )
    assert patron_view(conversation, NOW + minute + 19 * second)[0] == ["It is checked out"]
    assert patron_view(conversation, NOW + minute + 20 * second)[0] == ["It is checked out", "second"]


def test_answer_that_is_taken_back_is_added_to_a_newer_draft(session, patron, staff):
    conversation, begun = ask(session, patron), uuid.uuid4()
    message = say(conversation, staff, STAFF, body="Come at five.", at=NOW + minute)
    drafts.save_draft(
        conversation,
        person=staff,
        side=STAFF,
        kind="reply",
        client_token=begun,
        sequence=1,
        body="And bring",
        at=NOW + minute + second,
    )
    Attachment.objects.create(
        conversation=conversation,
        client_token=begun,
        side=STAFF,
        added_by=staff,
        kind="pdf",
        file="a.pdf",
        name="a.pdf",
        size=3,
        added_at=NOW + minute,
    )
    taking_back.take_back(message, by=staff, at=NOW + minute + 2 * second)
    draft = Draft.objects.get()
    assert (draft.body, draft.client_token) == ("Come at five.\n\nAnd bring", message.client_token)
    assert Attachment.objects.get().client_token == draft.client_token


def test_patron_sees_no_conversation_about_a_verdict_if_the_answer_is_taken_back(
    recommendation, patron, staff
):
    judge(recommendation, "did_not_help", by=patron)
    conversation = Conversation.objects.get()
    message = say(conversation, staff, STAFF, at=NOW + hour)
    taking_back.take_back(message, by=staff, at=NOW + hour + second)
    conversation.refresh_from_db()
    assert (
        conversation.status,
        conversation.reason,
        conversation.waiting_since,
        conversation.last_message_at,
    ) == (
        "waiting_for_staff",
        "did_not_help",
        NOW,
        None,
    )
    assert list(Conversation.objects.belonging_to(Viewer(patron))) == []


# Tests of erased conversations.


def test_erased_conversation_refuses_every_change(session, patron, staff):
    conversation = ask(session, patron)
    message = say(
        conversation, staff, STAFF, items=[ChosenItem(item=ItemFactory(), reason="SECRET")], at=NOW + minute
    )
    desk_actions.erase(conversation, by=staff, at=NOW + minute + second)
    for change in (
        lambda: say(conversation, patron, PATRON, at=NOW + hour),
        lambda: say(conversation, staff, STAFF, at=NOW + hour),
        lambda: actions.close(conversation, by=patron, side=PATRON, at=NOW + hour),
        lambda: taking_back.take_back(message, by=staff, at=NOW + minute + 2 * second),
        lambda: desk_actions.take(conversation, by=staff, at=NOW + hour),
        lambda: desk_actions.erase(conversation, by=staff, at=NOW + hour),
    ):
        with pytest.raises(actions.Erased):
            change()
    conversation.refresh_from_db()
    assert (
        conversation.status,
        conversation.subject,
        conversation.patron,
        conversation.messages.count(),
    ) == ("erased", "", None, 0)
    assert list(Notification.objects.all()) == []
    assert Recommendation.objects.get().reason == ""


# Tests of messages whose times are out of order.


def test_message_that_waited_for_a_lock_counts_as_later_than_the_message_saved_first(session, patron, staff):
    conversation = ask(session, patron)
    say(conversation, staff, STAFF, at=NOW + hour)
    # The patron sent this message a second before the answer, but the message had to wait for the lock.
    say(conversation, patron, PATRON, at=NOW + hour - second)
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_staff"
    assert NOW + hour < conversation.waiting_since < NOW + hour + second
    assert states.replay(conversation) == states.state_of(conversation)


def test_new_message_is_shown_immediately_even_if_the_previous_message_has_a_future_time(
    session, patron, staff
):
    conversation = ask(session, patron, at=NOW + hour)
    say(conversation, patron, PATRON, body="right again", at=NOW)
    assert [message.body for message in conversation.messages.shown(NOW)] == ["right again"]
    conversation.refresh_from_db()
    assert conversation.last_message_at == NOW + hour
