"""Test which staff are emailed, about what, and when."""

import datetime
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from portal import jobs, worker
from portal.conversations import actions, desk_actions, notes, staff_notices
from portal.conversations.models import Conversation
from portal.jobs import SOURCES
from portal.notifications.actions import take_next
from portal.notifications.choices import choose, set_defaults
from portal.notifications.delivery import Outgoing, Refused
from portal.notifications.kinds import CHOICES
from portal.notifications.models import DeskUse, Notification
from portal.notifications.settling import settle, write_staff_notices
from portal.notifications.unsubscribing import read_token
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    StaffFactory,
    recommend_in,
)
from tests.opening_hours import open_on_weekdays

pytestmark = pytest.mark.django_db

# A Monday, 10:00 at the library.
MONDAY = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)
MINUTE = timedelta(minutes=1)
TODAY = MONDAY.date()
# The number of queries that decide about a staff member's notices and write the digest.
QUERIES = 23


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which sets the clock to Monday, 10:00, plus `minutes` minutes."""

    def now(minutes):
        time_machine.move_to(MONDAY + minutes * MINUTE, tick=False)
        return timezone.now()

    now(0)
    return now


@pytest.fixture
def emails_at(now):
    """Return emails_at(minutes), which lets the worker send emails `minutes` after Monday, 10:00.

    It returns {address: subject} of the emails.
    """

    def emails_at(minutes):
        now(minutes)
        mail.outbox.clear()
        jobs.write_staff_notices(at=timezone.now())
        worker.Worker().deliver_due()
        found = [(email.to[0], email.subject) for email in mail.outbox]
        assert len(dict(found)) == len(found)
        return dict(found)

    return emails_at


@pytest.fixture
def ask(now, patron, branch):
    """Return ask(minutes), which lets the patron begin a conversation at the branch."""

    def ask(minutes, *, where=branch):
        token = uuid.uuid4()
        return actions.ask(
            by=patron, at=now(minutes), body="SECRET words?", language="en", client_token=token, branch=where
        )

    return ask


@pytest.fixture
def write(now, patron):
    """Return write(minutes, conversation), which lets the patron write in the conversation."""

    def write(minutes, conversation):
        arguments = {"by": patron, "side": "patron", "body": "SECRET", "language": "en"}
        return actions.reply(conversation, at=now(minutes), client_token=uuid.uuid4(), **arguments)

    return write


def choose_all(person, choice, **times):
    kinds = ["conversations/new", "conversations/reply", "conversations/promise_due", "conversations/mention"]
    choose(person, {(kind, None): CHOICES[choice] for kind in kinds}, times)


NEW = "1 new conversation is waiting at Harbour Main."
OWN = "1 of your conversations at Harbour Main has a new message."


def test_staff_of_the_branch_are_emailed_about_a_new_conversation(ask, emails_at, staff, branch):
    StaffFactory(email="elsewhere@example.org", branch=BranchFactory())
    colleague = StaffFactory(email="ana@example.org", branch=branch)
    ask(0)
    assert emails_at(1) == {staff.email: NEW, colleague.email: NEW}
    assert emails_at(90) == {}


def test_staff_get_at_most_one_email_an_hour(ask, emails_at, staff, branch):
    ask(0)
    assert emails_at(1) == {staff.email: NEW}
    ask(2)
    ask(40)
    assert emails_at(41) == {}
    assert emails_at(60) == {}
    assert emails_at(61) == {staff.email: "2 new conversations are waiting at Harbour Main."}


def test_emails_to_staff_contain_nothing_about_the_patron_or_the_question(ask, emails_at, staff, patron):
    conversation, other = ask(0), ask(0)
    assert conversation != other
    emails_at(1)
    [email] = mail.outbox
    html = email.alternatives[0].content
    for words in ("SECRET", patron.name, patron.email, str(conversation.public_id)):
        assert words not in email.subject + email.body + html
    assert "http://localhost:8000/desk/?branch=harbour-main" in email.body
    assert "You're getting this email because you work at the desk." in email.body
    assert "http://localhost:8000/desk/notices/" in email.body
    assert email.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_staff_are_not_emailed_about_a_conversation_already_taken_or_answered(ask, emails_at, staff, branch):
    colleague = StaffFactory(email="ana@example.org", branch=branch)
    taken = ask(0)
    desk_actions.take(taken, by=colleague, at=timezone.now())
    assert emails_at(1) == {}
    answered = ask(2)
    actions.reply(
        answered,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="Yes",
        language="en",
        client_token=uuid.uuid4(),
    )
    assert staff.email not in emails_at(3)


def test_staff_member_is_emailed_about_a_conversation_assigned_to_them(ask, emails_at, staff, branch):
    colleague = StaffFactory(email="ana@example.org", branch=branch)
    conversation = ask(0)
    desk_actions.assign(conversation, to=colleague, by=staff, at=timezone.now(), was=None)
    assert emails_at(1) == {colleague.email: NEW}


def test_only_the_assignee_is_emailed_about_a_patrons_message(ask, write, emails_at, staff, branch):
    StaffFactory(email="ana@example.org", branch=branch)
    conversation = ask(0)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    write(100, conversation)
    write(101, conversation)
    assert emails_at(102) == {staff.email: "1 of your conversations at Harbour Main has a new message."}


def test_staff_get_notices_by_default_when_the_branch_opens(ask, emails_at, staff, branch):
    open_on_weekdays(branch, opens=13)
    eager = StaffFactory(email="ana@example.org", branch=branch)
    choose_all(eager, "hourly", when_closed=True)
    ask(0)
    assert emails_at(1) == {eager.email: NEW}
    assert emails_at(179) == {}
    assert emails_at(180) == {staff.email: NEW}


def test_staff_member_who_uses_the_desk_gets_no_email(ask, emails_at, staff):
    ask(0)
    DeskUse.objects.create(person=staff, used_at=MONDAY + MINUTE)
    assert emails_at(2) == {}
    assert emails_at(90) == {}


def test_staff_member_is_emailed_ten_minutes_after_leaving_the_desk(ask, emails_at, staff):
    DeskUse.objects.create(person=staff, used_at=MONDAY - MINUTE)
    ask(0)
    assert emails_at(9) == {}
    assert emails_at(10) == {staff.email: NEW}


def test_staff_member_is_not_emailed_within_ten_minutes_of_using_the_desk(
    client, sign_in, now, ask, emails_at, staff, branch
):
    sign_in(client, staff)
    for minutes in (0, 0.5, 1.9, 4.9):
        now(minutes)
        client.get("/desk/")
    ask(5)
    assert emails_at(14.8) == {}
    assert emails_at(15.9) == {staff.email: NEW}


def test_opening_a_desk_page_counts_as_using_the_desk_but_polling_does_not(
    client, sign_in, now, staff, branch
):
    def use(path, minutes):
        at = now(minutes)
        client.get(path)
        return DeskUse.objects.filter(person=staff, used_at=at).exists()

    sign_in(client, staff)
    client.session.pop("desk_use_written_at")
    assert not use("/desk/queue/news/?state=1", 6)
    assert use("/desk/", 7)
    assert not use("/desk/", 7.9)
    assert use("/desk/record/", 8)
    assert not use("/me/", 20)


def test_covering_colleague_gets_the_notices_of_a_staff_member_who_is_away(
    ask, write, emails_at, staff, branch
):
    conversation = ask(0)
    cover = StaffFactory(email="ana@example.org", branch=branch)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    AbsenceFactory(person=staff, first_day=TODAY, last_day=TODAY, cover=cover)
    write(100, conversation)
    assert emails_at(101) == {cover.email: "1 of your conversations at Harbour Main has a new message."}


def test_nobody_gets_the_notices_if_the_covering_colleague_is_also_away(ask, write, emails_at, staff, branch):
    conversation = ask(0)
    cover = StaffFactory(email="ana@example.org", branch=branch)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    AbsenceFactory(person=staff, first_day=TODAY, last_day=TODAY, cover=cover)
    AbsenceFactory(person=cover, first_day=TODAY, last_day=TODAY, cover=staff)
    write(100, conversation)
    assert emails_at(101) == {}


def test_staff_are_emailed_again_about_a_due_promise_only_if_the_promise_moves(ask, emails_at, staff, now):
    conversation = ask(0)
    emails_at(1)
    Conversation.objects.update(promised_at=MONDAY + 300 * MINUTE)

    def run_job_at(minutes):
        staff_notices.announce_due_promises(at=now(minutes))
        return emails_at(minutes)

    due = {staff.email: "1 conversation at Harbour Main is close to its promised time."}
    assert run_job_at(179) == {}
    assert run_job_at(180) == due
    assert run_job_at(185) == {}
    assert run_job_at(250) == {}
    Conversation.objects.filter(pk=conversation.pk).update(promised_at=MONDAY + 400 * MINUTE)
    assert run_job_at(281) == due


def test_email_about_a_mention_does_not_contain_the_note(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    conversation = ask(0)
    DeskUse.objects.create(person=omar, used_at=MONDAY - 20 * MINUTE)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    notes.write_note(
        conversation, by=staff, at=timezone.now(), body="@Omar SECRET", client_token=uuid.uuid4()
    )
    assert emails_at(1)[omar.email] == "A colleague mentioned you in a note"


def test_staff_are_not_emailed_about_a_mention_that_they_have_seen(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    conversation = ask(0)
    emails_at(1)
    notes.write_note(conversation, by=staff, at=timezone.now(), body="@Omar see", client_token=uuid.uuid4())
    assert emails_at(2) == {}
    notes.see_mentions(conversation, person=omar, at=timezone.now())
    assert emails_at(90) == {}


def test_hourly_email_combines_notices_of_several_kinds(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    first = ask(0)
    emails_at(1)
    ask(2)
    notes.write_note(first, by=staff, at=timezone.now(), body="@Omar see", client_token=uuid.uuid4())
    assert emails_at(61)[omar.email] == "What's waiting at the desk"
    [email] = [email for email in mail.outbox if email.to == [omar.email]]
    assert email.body.split("\n\n-- ")[0] == (
        "1 new conversation is waiting at Harbour Main.\n"
        f"http://localhost:8000/desk/conversations/{Conversation.objects.last().public_id}/\n\n"
        "Colleagues mentioned you in the notes of 1 conversation at Harbour Main.\n"
        f"http://localhost:8000/desk/conversations/{first.public_id}/"
    )


def test_notice_choice_for_one_branch_overrides_the_choice_for_all_branches(ask, emails_at, branch):
    other = BranchFactory(name="Hill")
    staff = StaffFactory(email="rosa@example.org", branch=branch)
    staff.staff_roles.create(branch=other)
    kind = "conversations/new"
    choose(staff, {(kind, None): CHOICES["none"], (kind, other.pk): CHOICES["at_once"]}, {})
    ask(0)
    ask(0, where=other)
    assert emails_at(1) == {staff.email: "1 new conversation is waiting at Hill."}


def test_librarys_default_notices_apply_until_a_staff_member_chooses_notices(
    ask, emails_at, staff, branch, coordinator, library
):
    set_defaults({("conversations/new", None): CHOICES["none"]}, library=library, by=coordinator, at=MONDAY)
    choose(staff, {("conversations/new", None): CHOICES["at_once"]}, {})
    ask(0)
    assert emails_at(1) == {staff.email: NEW}
    assert coordinator.roles[0].branch == branch


def test_waiting_notice_is_not_sent_if_the_staff_members_role_has_ended(ask, emails_at, staff, branch):
    open_on_weekdays(branch, opens=13)
    ask(0)
    assert emails_at(1) == {}
    staff.staff_roles.all().delete()
    assert emails_at(180) == {}


@pytest.fixture
def refused_at(emails_at, monkeypatch):
    """Return refused_at(minutes), which runs the worker while the mail server defers all emails."""

    def refuse(*_):
        raise Refused("450 busy", permanent=False)

    def refused_at(minutes):
        with monkeypatch.context() as patched:
            patched.setattr(Outgoing, "deliver", refuse)
            assert emails_at(minutes) == {}

    return refused_at


def test_refused_hourly_email_is_not_sent_again_if_the_staff_members_role_has_ended(
    ask, emails_at, refused_at, staff
):
    ask(0)
    refused_at(1)
    assert [row.kind for row in Notification.objects.all()] == ["notifications/desk_digest"]
    staff.staff_roles.all().delete()
    assert emails_at(10) == {}
    assert not Notification.objects.exists()


def test_refused_hourly_email_is_sent_again_without_notices_that_were_turned_off(
    ask, write, emails_at, refused_at, staff
):
    own = ask(0)
    desk_actions.take(own, by=staff, at=timezone.now())
    write(0, own)
    ask(0)
    ask(0)
    refused_at(1)
    [digest] = Notification.objects.all()
    assert "2 new conversations are waiting" in digest.text
    assert OWN in digest.text
    choose(staff, {("conversations/new", None): CHOICES["none"]}, {})
    assert emails_at(10) == {staff.email: OWN}
    [email] = mail.outbox
    assert "new conversation" not in email.body + email.alternatives[0].content
    assert email.extra_headers["Message-ID"] == digest.message_id
    address = email.extra_headers["List-Unsubscribe"].removeprefix("<http://localhost:8000/unsubscribe/")
    assert [kind.key for kind in read_token(address.removesuffix("/>"))[1]] == ["conversations/reply"]
    assert emails_at(60) == {}


def test_refused_hourly_email_is_sent_again_without_answered_conversations(
    ask, emails_at, refused_at, staff, branch
):
    first, _second = ask(0), ask(0)
    refused_at(1)
    arguments = {"by": staff, "side": "staff", "body": "Yes.", "language": "en"}
    actions.reply(first, at=timezone.now(), client_token=uuid.uuid4(), **arguments)
    assert emails_at(10)[staff.email] == NEW
    assert emails_at(90) == {}


def test_refused_hourly_email_is_not_sent_again_if_every_conversation_was_answered(
    ask, emails_at, refused_at, staff
):
    conversation = ask(0)
    refused_at(1)
    arguments = {"by": staff, "side": "staff", "body": "Yes.", "language": "en"}
    actions.reply(conversation, at=timezone.now(), client_token=uuid.uuid4(), **arguments)
    assert staff.email not in emails_at(10)
    assert not Notification.objects.filter(recipient=staff).exists()


def test_staff_are_emailed_about_a_bad_verdict_only_after_its_first_minute(
    emails_at, now, staff, patron, branch
):
    from portal.conversations.verdicts import take_verdict

    session = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    [recommendation] = recommend_in(session)

    def say(verdict, minutes):
        take_verdict(recommendation, verdict=verdict, why="", comment="", by=patron, at=now(minutes))

    say("did_not_help", 0)
    say("helped", 0.5)
    assert emails_at(2) == {}
    assert not Notification.objects.filter(state="waiting").exists()
    say("did_not_help", 10)
    assert emails_at(10.5) == {}
    assert emails_at(11.5) == {staff.email: NEW}
    say("could_not_get_it", 80)
    assert emails_at(82) == {}


def test_staff_of_the_new_branch_are_emailed_about_a_transferred_conversation(
    emails_at, now, staff, patron, branch
):
    other = BranchFactory(name="Hill")
    there = StaffFactory(email="there@example.org", branch=other)
    conversation = ConversationFactory(patron=patron, branch=branch)
    desk_actions.transfer(conversation, branch=other, by=staff, at=now(0), was=None)
    assert emails_at(1) == {there.email: "1 new conversation is waiting at Hill."}


@pytest.mark.parametrize("conversations", [1, 30])
def test_staff_digest_runs_the_same_number_of_queries_for_any_number_of_notices(
    ask, now, staff, conversations, django_assert_num_queries
):
    for _ in range(conversations):
        ask(0)
    write_staff_notices(at=now(1), sources=SOURCES)
    taken = take_next(at=now(1))
    with django_assert_num_queries(QUERIES):
        assert settle(taken, at=now(1), sources=SOURCES).kind == "notifications/desk_digest"
