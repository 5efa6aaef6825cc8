"""Check which answers are emailed to patrons, when, and in how many emails."""

import datetime
import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from portal.conversations import actions
from portal.conversations.models import Message
from portal.notifications import delivery
from portal.notifications.actions import take_next
from portal.notifications.choices import choose, turn_off
from portal.notifications.kinds import CHOICES
from portal.notifications.models import NoticeTimes, Notification
from portal.notifications.settling import settle
from portal.privacy.merging import merge_people
from portal.worker import SOURCES, Worker
from tests.factories import ConversationFactory, UserFactory
from tests.opening_hours import open_on_weekdays

pytestmark = pytest.mark.django_db

# A Monday, 10:00 at the library.
MONDAY = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)
MINUTE = timedelta(minutes=1)
# The queries that decide about a patron's notices and write their digest.
QUERIES = 19


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which moves the clock to so many minutes after Monday, 10:00."""

    def now(minutes):
        time_machine.move_to(MONDAY + minutes * MINUTE, tick=False)
        return timezone.now()

    now(0)
    return now


@pytest.fixture
def conversation(now, patron, branch):
    return ConversationFactory(patron=patron, branch=branch)


@pytest.fixture
def answer(now, staff):
    """Return answer(minutes, conversation), which answers at this time."""

    def answer(minutes, conversation, **changes):
        arguments = {"by": staff, "side": "staff", "body": "Yes.", "language": "en"} | changes
        return actions.reply(conversation, at=now(minutes), client_token=uuid.uuid4(), **arguments)

    return answer


@pytest.fixture
def emails_at(now):
    """Return emails_at(minutes), which returns the emails that the worker sends at this time."""

    def emails_at(minutes):
        now(minutes)
        mail.outbox.clear()
        Worker().deliver_due()
        return list(mail.outbox)

    return emails_at


def read(conversation, person, at):
    actions.mark_read(conversation, person=person, at=at)


def choose_answers(person, choice, **times):
    choose(person, {("conversations/answer", None): CHOICES[choice]}, times)


def test_second_answer_waits_for_the_end_of_the_quiet_period(answer, conversation, emails_at):
    answer(0, conversation)
    assert len(emails_at(1)) == 1
    answer(2, conversation)
    assert emails_at(3) == []
    assert emails_at(30) == []
    assert len(emails_at(31)) == 1
    assert emails_at(90) == []


def test_all_answers_of_a_quiet_period_come_in_one_email_of_the_newest(
    answer, conversation, emails_at, staff
):
    first = answer(0, conversation)
    assert len(emails_at(1)) == 1
    answer(2, conversation)
    emails_at(3)
    newest = answer(20, conversation)
    emails_at(21)
    [email] = emails_at(31)
    assert email.extra_headers["Message-ID"] == newest.mail_id
    assert email.extra_headers["References"].split()[0] == first.mail_id
    assert list(Notification.objects.values_list("state", "message_id").order_by("pk")) == [
        ("delivered", first.mail_id),
        ("delivered", newest.mail_id),
    ]


def test_answer_after_the_patron_has_read_is_emailed_at_once(answer, conversation, emails_at, now, patron):
    answer(0, conversation)
    emails_at(1)
    read(conversation, patron, now(2))
    answer(3, conversation)
    assert len(emails_at(4)) == 1


def test_answer_that_was_read_meanwhile_is_never_emailed(answer, conversation, emails_at, now, patron):
    answer(0, conversation)
    emails_at(1)
    answer(2, conversation)
    assert emails_at(3) == []
    read(conversation, patron, now(5))
    assert emails_at(31) == []
    assert not Notification.objects.filter(state="waiting").exists()


def test_two_conversations_have_quiet_periods_of_their_own(answer, conversation, emails_at, patron, branch):
    answer(0, conversation)
    emails_at(1)
    answer(2, ConversationFactory(patron=patron, branch=branch))
    assert len(emails_at(3)) == 1


def test_answer_that_was_taken_back_is_not_emailed(answer, conversation, emails_at, staff, now):
    answer(0, conversation)
    emails_at(1)
    answer(2, conversation)
    emails_at(3)
    message = answer(20, conversation)
    actions.take_back(message, by=staff, at=timezone.now())
    [email] = emails_at(32)
    assert email.extra_headers["Message-ID"] != message.mail_id


def test_answer_that_is_gone_is_not_emailed(answer, conversation, emails_at):
    message = answer(0, conversation)
    Message.objects.filter(pk=message.pk).delete()
    assert emails_at(1) == []
    assert not Notification.objects.exists()


def test_answer_in_a_conversation_that_went_to_another_record_is_not_emailed_to_the_old_one(
    answer, conversation, emails_at
):
    answer(0, conversation)
    type(conversation).objects.update(patron=UserFactory())
    assert emails_at(1) == []


def test_answer_is_emailed_after_a_merge_of_records(answer, conversation, emails_at, patron, now):
    answer(0, conversation)
    into = UserFactory(email="other@example.org")
    merge_people(patron, into, by=into, at=now(0))
    [email] = emails_at(1)
    assert email.to == ["other@example.org"]


def test_digest_that_a_server_refused_goes_to_the_new_address(
    answer, branch, conversation, emails_at, patron, monkeypatch
):
    def refuse(*_):
        raise delivery.Refused("450 busy", permanent=False)

    choose_answers(patron, "daily", daily_at=datetime.time(11))
    for about in conversation, ConversationFactory(patron=patron, branch=branch):
        answer(0, about)
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Outgoing, "deliver", refuse)
        assert emails_at(60) == []
    patron.email = "new@example.org"
    patron.save()
    assert [email.to for email in emails_at(62)] == [["new@example.org"]]


def test_patron_who_chose_none_gets_no_email_even_about_an_answer_that_waits(
    answer, conversation, emails_at, patron
):
    answer(0, conversation)
    turn_off(patron, ["conversations/answer"])
    assert emails_at(1) == []
    assert not Notification.objects.exists()


def test_code_goes_at_once_whatever_the_person_chose(emails_at, patron):
    NoticeTimes.objects.create(person=patron, quiet_from="00:00", quiet_until="23:59")
    row = Notification.objects.create(
        kind="account/mail",
        recipient=patron,
        to_address=patron.email,
        language="en",
        subject="Your code",
        text="123",
        message_id="<1@localhost>",
        created_at=MONDAY,
        due_at=MONDAY,
    )
    assert [email.subject for email in emails_at(0)] == [row.subject]


def test_answers_of_several_conversations_come_in_one_email_an_hour(
    answer, conversation, emails_at, patron, branch
):
    choose_answers(patron, "hourly")
    other = ConversationFactory(patron=patron, branch=branch)
    answer(0, conversation)
    [single] = emails_at(1)
    assert "has answered you" in single.body
    answer(2, conversation)
    answer(3, other)
    answer(4, other)
    assert emails_at(5) == []
    assert emails_at(60) == []
    [digest] = emails_at(61)
    assert digest.subject == "The library has answered in 2 conversations."
    assert "http://localhost:8000/messages/\n" in digest.body
    for secret in (conversation.subject, other.subject, str(other.public_id), patron.name):
        assert secret not in digest.body + digest.alternatives[0].content
    assert list(Notification.objects.values_list("kind", flat=True).order_by("pk")) == [
        "conversations/answer",
        "notifications/digest",
    ]


def test_answers_of_a_day_come_when_the_library_opens(answer, conversation, emails_at, patron, branch):
    open_on_weekdays(branch)
    choose_answers(patron, "daily")
    answer(0, conversation)
    answer(5, ConversationFactory(patron=patron, branch=branch))
    assert emails_at(6) == []
    assert emails_at(23 * 60 - 1) == []
    [email] = emails_at(23 * 60)
    assert email.subject == "The library has answered in 2 conversations."


def test_answers_of_a_day_come_at_the_chosen_hour_in_the_chosen_time_zone(
    answer, conversation, emails_at, patron
):
    choose_answers(patron, "daily", daily_at=datetime.time(7), time_zone="Europe/Madrid")
    answer(0, conversation)
    # 10:00 at the library is 17:00 in Madrid, so 7:00 is 14 hours later.
    assert emails_at(14 * 60 - 1) == []
    assert len(emails_at(14 * 60)) == 1


def test_answer_waits_for_the_end_of_the_quiet_hours(answer, conversation, emails_at, patron):
    choose_answers(patron, "at_once", quiet_from=datetime.time(9), quiet_until=datetime.time(12))
    answer(0, conversation)
    assert emails_at(1) == []
    assert emails_at(119) == []
    assert len(emails_at(120)) == 1


def test_email_that_a_server_refused_is_tried_again_but_not_after_the_answer_was_read(
    answer, conversation, emails_at, patron, now, monkeypatch
):
    def refuse(*_):
        raise delivery.Refused("450 busy", permanent=False)

    answer(0, conversation)
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Outgoing, "deliver", refuse)
        assert emails_at(1) == []
    assert len(Notification.objects.filter(state="waiting")) == 1
    read(conversation, patron, now(1.5))
    assert emails_at(3) == []
    assert not Notification.objects.exists()


def test_answer_goes_to_the_address_that_the_patron_has_when_it_is_sent(
    answer, conversation, emails_at, patron
):
    choose_answers(patron, "daily", daily_at=datetime.time(12))
    answer(0, conversation)
    answer(1, conversation)
    patron.email = "new@example.org"
    patron.save()
    assert [email.to for email in emails_at(120)] == [["new@example.org"]]


def test_answer_names_nobody_in_an_email_to_an_address_that_has_changed_meanwhile(
    answer, conversation, emails_at, patron, staff
):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True)
    choose_answers(patron, "daily", daily_at=datetime.time(12))
    answer(0, conversation)
    patron.email = "mistyped@example.org"
    patron.save()
    [email] = emails_at(120)
    assert email.to == ["mistyped@example.org"]
    assert staff.name not in email.subject + email.body
    assert str(conversation.public_id) not in email.body


def test_patron_who_has_no_address_any_more_gets_no_email(answer, conversation, emails_at, patron):
    choose_answers(patron, "daily", daily_at=datetime.time(12))
    answer(0, conversation)
    patron.email = None
    patron.save()
    assert emails_at(120) == []
    assert not Notification.objects.exists()


def test_emails_sent_by_a_clock_that_was_fast_hold_nothing_back(answer, conversation, emails_at, patron):
    choose_answers(patron, "hourly")
    year = 365 * 24 * 60
    answer(year, conversation)
    assert len(emails_at(year + 1)) == 1
    answer(0, ConversationFactory(patron=patron, branch=conversation.branch))
    assert len(emails_at(1)) == 1


def test_notice_says_why_it_came_and_links_to_the_choices(answer, conversation, emails_at):
    answer(0, conversation)
    [email] = emails_at(1)
    link = "http://localhost:8000/me/emails/"
    assert email.body.strip().endswith(
        "You're getting this email because you wrote to the library. To protect\n"
        "your privacy, it doesn't say what the answer is about. Choose which\n"
        f"emails you get:\n{link}"
    )
    assert f'href="{link}"' in email.alternatives[0].content


@pytest.mark.parametrize("conversations", [1, 20])
def test_number_of_queries_does_not_depend_on_the_number_of_notices(
    answer, patron, branch, conversations, now, django_assert_num_queries
):
    choose_answers(patron, "daily", daily_at=datetime.time(10, 30))
    for _ in range(conversations):
        answer(0, ConversationFactory(patron=patron, branch=branch))
        answer(0, ConversationFactory(patron=patron, branch=branch))
    taken = take_next(at=now(30))
    with django_assert_num_queries(QUERIES):
        assert settle(taken, at=now(30), sources=SOURCES).kind == "notifications/digest"


def test_person_who_is_erased_while_a_worker_holds_their_notice_gets_no_email(
    answer, conversation, patron, now
):
    answer(0, conversation)
    taken = take_next(at=now(1))
    patron.delete()
    assert settle(taken, at=now(1), sources=SOURCES) is None
