"""Test which answers are emailed to patrons, when, and in how many emails."""

import datetime
import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from accounts.patron import check_ins
from portal.conversations import actions, taking_back
from portal.conversations.models import Message
from portal.jobs import SOURCES
from portal.notifications import delivery
from portal.notifications.actions import correct_times_of_a_fast_clock, mark_failed, take_next
from portal.notifications.choices import choose, turn_off
from portal.notifications.kinds import CHOICES
from portal.notifications.models import NoticeTimes, Notification, StaffNotice
from portal.notifications.settling import settle
from portal.notifications.unsubscribing import read_token
from portal.notifications.writing import write
from portal.privacy.merging import merge_people
from portal.worker import Worker
from tests.factories import BranchFactory, ConversationFactory, UserFactory
from tests.opening_hours import open_on_weekdays

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

# A Monday, 10:00 at the library.
MONDAY = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)
MINUTE = timedelta(minutes=1)
# The number of queries that decide about a patron's notices and write the digest.
QUERIES = 19


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which sets the clock to Monday, 10:00, plus `minutes` minutes."""

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
    """Return answer(minutes, conversation), which sends an answer `minutes` after Monday, 10:00."""

    def answer(minutes, conversation, **changes):
        arguments = {"by": staff, "side": "staff", "body": "Yes.", "language": "en"} | changes
        return actions.reply(conversation, at=now(minutes), client_token=uuid.uuid4(), **arguments)

    return answer


@pytest.fixture
def emails_at(now):
    """Return emails_at(minutes), which runs the worker and returns the emails that it sends.

    The worker runs `minutes` after Monday, 10:00.
    """

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


def test_second_answer_is_emailed_when_the_quiet_period_ends(answer, conversation, emails_at):
    answer(0, conversation)
    assert len(emails_at(1)) == 1
    answer(2, conversation)
    assert emails_at(3) == []
    assert emails_at(30) == []
    assert len(emails_at(31)) == 1
    assert emails_at(90) == []


def test_patron_gets_one_email_about_all_answers_written_in_a_quiet_period(
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


def test_answer_is_emailed_immediately_if_the_patron_has_read_the_earlier_answers(
    answer, conversation, emails_at, now, patron
):
    answer(0, conversation)
    emails_at(1)
    read(conversation, patron, now(2))
    answer(3, conversation)
    assert len(emails_at(4)) == 1


def test_answer_is_not_emailed_if_the_patron_reads_it_before_the_quiet_period_ends(
    answer, conversation, emails_at, now, patron
):
    answer(0, conversation)
    emails_at(1)
    answer(2, conversation)
    assert emails_at(3) == []
    read(conversation, patron, now(5))
    assert emails_at(31) == []
    assert not Notification.objects.filter(state="waiting").exists()


def test_each_conversation_has_its_own_quiet_period(answer, conversation, emails_at, patron, branch):
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
    taking_back.take_back(message, by=staff, at=timezone.now())
    [email] = emails_at(32)
    assert email.extra_headers["Message-ID"] != message.mail_id


def test_deleted_answer_is_not_emailed(answer, conversation, emails_at):
    message = answer(0, conversation)
    Message.objects.filter(pk=message.pk).delete()
    assert emails_at(1) == []
    assert not Notification.objects.exists()


def test_answer_is_not_emailed_to_a_patron_who_no_longer_has_the_conversation(
    answer, conversation, emails_at
):
    answer(0, conversation)
    type(conversation).objects.update(patron=UserFactory())
    assert emails_at(1) == []


def test_answer_is_emailed_to_the_remaining_record_after_a_merge(
    answer, conversation, emails_at, patron, now
):
    answer(0, conversation)
    into = UserFactory(email="other@example.org")
    merge_people(patron, into, by=into, at=now(0))
    [email] = emails_at(1)
    assert email.to == ["other@example.org"]


def test_refused_digest_is_sent_again_to_the_patrons_new_address(
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


def test_refused_digest_is_not_sent_again_after_the_patron_turns_off_notices(
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
    turn_off(patron, ["conversations/answer"])
    assert emails_at(62) == []
    assert not Notification.objects.exists()


def test_refused_digest_is_sent_again_without_answers_that_the_patron_has_read(
    answer, branch, conversation, emails_at, patron, monkeypatch, now
):
    def refuse(*_):
        raise delivery.Refused("450 busy", permanent=False)

    choose_answers(patron, "daily", daily_at=datetime.time(11))
    other = ConversationFactory(patron=patron, branch=branch)
    for about in conversation, other:
        answer(0, about)
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Outgoing, "deliver", refuse)
        assert emails_at(60) == []
    assert Notification.objects.get().subject == "The library has answered in 2 conversations."
    read(conversation, patron, now(61))
    patron.email = "new@example.org"
    patron.save()
    [email] = emails_at(62)
    assert email.subject == "The library has answered in 1 conversation."
    # The new address may be unconfirmed, so the digest links to no conversation.
    assert str(other.public_id) not in email.body + email.alternatives[0].content


def test_emails_and_notices_dated_in_the_future_are_sent_soon(now):
    fast, at = now(60 * 24 * 300), now(0)
    later = at + timedelta(hours=30)
    new = write(kind="account/mail", to="a@example.org", at=fast, language="en", subject="New", text="1")
    leased = write(kind="account/mail", to="b@example.org", at=at, language="en", subject="Leased", text="1")
    retried = write(kind="account/mail", to="c@example.org", at=at, language="en", subject="Again", text="1")
    usual = write(
        kind="account/mail", to="d@example.org", at=at, due_at=later, language="en", subject="Later", text="1"
    )
    Notification.objects.filter(pk=leased.pk).update(leased_until=fast)
    Notification.objects.filter(pk=retried.pk).update(due_at=fast, attempts=2)
    notice = StaffNotice.objects.create(
        kind="conversations/new", about="a", url="/", branch=BranchFactory(), created_at=fast, due_at=fast
    )
    correct_times_of_a_fast_clock(at=at)
    assert {row.pk for row in Notification.objects.due(at)} == {new.pk, leased.pk, retried.pk}
    new.refresh_from_db()
    retried.refresh_from_db()
    usual.refresh_from_db()
    notice.refresh_from_db()
    assert (new.created_at, retried.attempts, usual.due_at, notice.due_at) == (at, 2, later, at)
    # The mail server defers one of these emails. The time of its next attempt comes from the right clock, so
    # correct_times_of_a_fast_clock() must not change this time.
    mark_failed(take_next(at=at), at=at, error="450 busy")
    correct_times_of_a_fast_clock(at=at + timedelta(seconds=1))
    assert Notification.objects.due(at + timedelta(seconds=1)).count() == 2


def test_patron_who_turned_off_notices_gets_no_email_about_an_earlier_answer(
    answer, conversation, emails_at, patron
):
    answer(0, conversation)
    turn_off(patron, ["conversations/answer"])
    assert emails_at(1) == []
    assert not Notification.objects.exists()


def test_no_notice_is_sent_to_a_patron_who_has_died(answer, conversation, emails_at, patron, staff):
    answer(0, conversation)
    check_ins.note_death(patron, by=staff, at=MONDAY)
    assert emails_at(1) == []
    assert not Notification.objects.exists()


def test_refused_digest_is_not_sent_to_a_patron_who_has_died(
    answer, branch, conversation, emails_at, patron, staff, monkeypatch
):
    def refuse(*_):
        raise delivery.Refused("450 busy", permanent=False)

    choose_answers(patron, "daily", daily_at=datetime.time(11))
    for about in conversation, ConversationFactory(patron=patron, branch=branch):
        answer(0, about)
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Outgoing, "deliver", refuse)
        assert emails_at(60) == []
    check_ins.note_death(patron, by=staff, at=MONDAY)
    assert emails_at(62) == []
    assert not Notification.objects.exists()


def test_code_is_emailed_immediately_even_during_quiet_hours(emails_at, patron):
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


def test_patron_gets_one_email_an_hour_about_answers_in_several_conversations(
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


def test_daily_email_about_answers_is_sent_when_the_library_opens(
    answer, conversation, emails_at, patron, branch
):
    open_on_weekdays(branch)
    choose_answers(patron, "daily")
    answer(0, conversation)
    answer(5, ConversationFactory(patron=patron, branch=branch))
    assert emails_at(6) == []
    assert emails_at(23 * 60 - 1) == []
    [email] = emails_at(23 * 60)
    assert email.subject == "The library has answered in 2 conversations."


def test_daily_email_is_sent_at_the_chosen_hour_in_the_patrons_time_zone(
    answer, conversation, emails_at, patron
):
    choose_answers(patron, "daily", daily_at=datetime.time(7), time_zone="Europe/Madrid")
    answer(0, conversation)
    # 10:00 at the library is 17:00 in Madrid, so 7:00 in Madrid is 14 hours later.
    assert emails_at(14 * 60 - 1) == []
    assert len(emails_at(14 * 60)) == 1


def test_answer_is_emailed_when_the_quiet_hours_end(answer, conversation, emails_at, patron):
    choose_answers(patron, "at_once", quiet_from=datetime.time(9), quiet_until=datetime.time(12))
    answer(0, conversation)
    assert emails_at(1) == []
    assert emails_at(119) == []
    assert len(emails_at(120)) == 1


def test_refused_email_about_an_answer_is_retried_until_the_patron_reads_the_answer(
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


@pytest.mark.parametrize("choice", ["at_once", "daily"])
def test_refused_email_waits_until_the_end_of_quiet_hours(
    choice, answer, branch, conversation, emails_at, patron, monkeypatch
):
    def refuse(*_):
        raise delivery.Refused("450 busy", permanent=False)

    quiet = {"quiet_from": datetime.time(11, 1), "quiet_until": datetime.time(12)}
    choose_answers(patron, choice, daily_at=datetime.time(11), **quiet)
    for about in conversation, ConversationFactory(patron=patron, branch=branch):
        answer(59, about)
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Outgoing, "deliver", refuse)
        assert emails_at(60) == []
    assert emails_at(62) == emails_at(119) == []
    attempts = set(Notification.objects.values_list("attempts", flat=True))
    assert (len(emails_at(120)), attempts) == (2 if choice == "at_once" else 1, {1})


def test_email_about_an_answer_is_sent_to_the_patrons_current_address(
    answer, conversation, emails_at, patron
):
    choose_answers(patron, "daily", daily_at=datetime.time(12))
    answer(0, conversation)
    answer(1, conversation)
    patron.email = "new@example.org"
    patron.save()
    assert [email.to for email in emails_at(120)] == [["new@example.org"]]


@pytest.mark.parametrize("choice", ["at_once", "daily"])
def test_digest_to_a_new_address_can_be_turned_off_with_one_click(
    answer, conversation, emails_at, patron, choice
):
    choose_answers(patron, choice, daily_at=datetime.time(12))
    answer(0, conversation)
    patron.email = "new@example.org"
    patron.save()
    [email] = emails_at(120)
    assert email.subject == "The library has answered in 1 conversation."
    assert email.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = email.extra_headers["List-Unsubscribe"].removeprefix("<http://localhost:8000/unsubscribe/")
    person, kinds = read_token(link.removesuffix("/>"))
    assert (person, [kind.key for kind in kinds]) == (patron, ["conversations/answer"])


def test_email_to_an_unconfirmed_new_address_mentions_no_staff_member(
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


def test_patron_who_removed_the_email_address_gets_no_email(answer, conversation, emails_at, patron):
    choose_answers(patron, "daily", daily_at=datetime.time(12))
    answer(0, conversation)
    patron.email = None
    patron.save()
    assert emails_at(120) == []
    assert not Notification.objects.exists()


def test_emails_dated_in_the_future_do_not_delay_notices(answer, conversation, emails_at, patron):
    choose_answers(patron, "hourly")
    year = 365 * 24 * 60
    answer(year, conversation)
    assert len(emails_at(year + 1)) == 1
    answer(0, ConversationFactory(patron=patron, branch=conversation.branch))
    assert len(emails_at(1)) == 1


def test_notice_says_why_the_patron_gets_it_and_links_to_the_choices(answer, conversation, emails_at):
    answer(0, conversation)
    [email] = emails_at(1)
    link = "http://localhost:8000/me/emails/"
    assert email.body.strip().endswith(
        "You're getting this email because you wrote to the library. To protect\n"
        "your privacy, this email doesn't say what the answer is about. Choose\n"
        f"which emails you get:\n{link}"
    )
    assert f'href="{link}"' in email.alternatives[0].content


@pytest.mark.parametrize("conversations", [1, 20])
def test_digest_runs_the_same_number_of_queries_for_any_number_of_answers(
    answer, patron, branch, conversations, now, django_assert_num_queries
):
    choose_answers(patron, "daily", daily_at=datetime.time(10, 30))
    for _ in range(conversations):
        answer(0, ConversationFactory(patron=patron, branch=branch))
        answer(0, ConversationFactory(patron=patron, branch=branch))
    taken = take_next(at=now(30))
    with django_assert_num_queries(QUERIES):
        assert settle(taken, at=now(30), sources=SOURCES).kind == "notifications/digest"


def test_no_email_is_sent_if_the_person_is_erased_while_a_worker_prepares_the_notice(
    answer, conversation, patron, now
):
    answer(0, conversation)
    taken = take_next(at=now(1))
    patron.delete()
    assert settle(taken, at=now(1), sources=SOURCES) is None
