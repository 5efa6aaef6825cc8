"""Check who at the desk is emailed about what, and when."""

import datetime
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from portal import worker
from portal.conversations import actions, desk_actions, notes, staff_notices
from portal.conversations.models import Conversation
from portal.notifications.actions import take_next
from portal.notifications.choices import choose, set_defaults
from portal.notifications.delivery import Outgoing, Refused
from portal.notifications.kinds import CHOICES
from portal.notifications.models import DeskUse, Notification
from portal.notifications.settling import settle, write_staff_notices
from portal.worker import SOURCES
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
# The queries that decide about a staff member's notices and write their digest.
QUERIES = 23


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which moves the clock to so many minutes after Monday, 10:00."""

    def now(minutes):
        time_machine.move_to(MONDAY + minutes * MINUTE, tick=False)
        return timezone.now()

    now(0)
    return now


@pytest.fixture
def emails_at(now):
    """Return emails_at(minutes), which returns {address: subject} of the emails sent at this time."""

    def emails_at(minutes):
        now(minutes)
        mail.outbox.clear()
        worker.write_staff_notices(at=timezone.now())
        worker.Worker().deliver_due()
        found = [(email.to[0], email.subject) for email in mail.outbox]
        assert len(dict(found)) == len(found)
        return dict(found)

    return emails_at


@pytest.fixture
def ask(now, patron, branch):
    """Return ask(minutes), with which the patron begins a conversation at the branch."""

    def ask(minutes, *, where=branch):
        token = uuid.uuid4()
        return actions.ask(
            by=patron, at=now(minutes), body="SECRET words?", language="en", client_token=token, branch=where
        )

    return ask


@pytest.fixture
def write(now, patron):
    """Return write(minutes, conversation), with which the patron writes in a conversation."""

    def write(minutes, conversation):
        arguments = {"by": patron, "side": "patron", "body": "SECRET", "language": "en"}
        return actions.reply(conversation, at=now(minutes), client_token=uuid.uuid4(), **arguments)

    return write


def choose_all(person, choice, **times):
    kinds = ["conversations/new", "conversations/reply", "conversations/promise_due", "conversations/mention"]
    choose(person, {(kind, None): CHOICES[choice] for kind in kinds}, times)


NEW = "1 new conversation waits at Harbour Main."


def test_staff_of_the_branch_hear_of_a_new_conversation(ask, emails_at, staff, branch):
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
    assert emails_at(61) == {staff.email: "2 new conversations wait at Harbour Main."}


def test_emails_to_staff_contain_nothing_about_the_patron_or_the_matter(ask, emails_at, staff, patron):
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


def test_conversation_that_was_taken_or_answered_meanwhile_is_not_news(ask, emails_at, staff, branch):
    colleague = StaffFactory(email="ana@example.org", branch=branch)
    taken = ask(0)
    desk_actions.take(taken, by=colleague, at=timezone.now())
    assert emails_at(1) == {colleague.email: NEW}
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


def test_assignee_hears_of_the_patrons_answer_and_nobody_else_does(ask, write, emails_at, staff, branch):
    StaffFactory(email="ana@example.org", branch=branch)
    conversation = ask(0)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    write(100, conversation)
    write(101, conversation)
    assert emails_at(102) == {staff.email: "1 of your conversations at Harbour Main has a new message."}


def test_notices_wait_for_the_opening_of_the_branch_unless_the_person_chose_otherwise(
    ask, emails_at, staff, branch
):
    open_on_weekdays(branch, opens=13)
    eager = StaffFactory(email="ana@example.org", branch=branch)
    choose_all(eager, "hourly", when_closed=True)
    ask(0)
    assert emails_at(1) == {eager.email: NEW}
    assert emails_at(179) == {}
    assert emails_at(180) == {staff.email: NEW}


def test_nobody_gets_an_email_while_they_use_the_desk(ask, emails_at, staff):
    ask(0)
    DeskUse.objects.create(person=staff, used_at=MONDAY + MINUTE)
    assert emails_at(2) == {}
    assert emails_at(90) == {}


def test_staff_member_who_left_the_desk_before_gets_the_email_ten_minutes_later(ask, emails_at, staff):
    DeskUse.objects.create(person=staff, used_at=MONDAY - MINUTE)
    ask(0)
    assert emails_at(1) == {}
    assert emails_at(9) == {staff.email: NEW}


def test_opening_a_page_of_the_desk_counts_as_use_but_a_poll_does_not(client, sign_in, now, staff, branch):
    def use(path, minutes):
        at = now(minutes)
        client.get(path)
        return DeskUse.objects.filter(person=staff, used_at=at).exists()

    sign_in(client, staff)
    client.session.pop("desk_use_written_at")
    assert not use("/desk/queue/news/?state=1", 6)
    assert use("/desk/", 7)
    assert not use("/desk/", 11)
    assert use("/desk/record/", 12)
    assert not use("/me/", 20)


def test_colleague_who_covers_gets_the_notices_of_somebody_who_is_away(ask, write, emails_at, staff, branch):
    conversation = ask(0)
    cover = StaffFactory(email="ana@example.org", branch=branch)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    AbsenceFactory(person=staff, first_day=TODAY, last_day=TODAY, cover=cover)
    write(100, conversation)
    assert emails_at(101) == {cover.email: "1 of your conversations at Harbour Main has a new message."}


def test_nobody_gets_notices_if_the_cover_is_away_too(ask, write, emails_at, staff, branch):
    conversation = ask(0)
    cover = StaffFactory(email="ana@example.org", branch=branch)
    emails_at(0)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    AbsenceFactory(person=staff, first_day=TODAY, last_day=TODAY, cover=cover)
    AbsenceFactory(person=cover, first_day=TODAY, last_day=TODAY, cover=staff)
    write(100, conversation)
    assert emails_at(101) == {}


def test_each_due_promise_is_announced_once_and_again_if_it_moves(ask, emails_at, staff, now):
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


def test_mention_names_the_colleague_and_not_the_matter(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    conversation = ask(0)
    DeskUse.objects.create(person=omar, used_at=MONDAY - 20 * MINUTE)
    desk_actions.take(conversation, by=staff, at=timezone.now())
    notes.write_note(
        conversation, by=staff, at=timezone.now(), body="@Omar SECRET", client_token=uuid.uuid4()
    )
    assert emails_at(1)[omar.email] == "A colleague mentioned you in a note"


def test_mention_that_was_seen_meanwhile_is_not_emailed(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    conversation = ask(0)
    emails_at(1)
    notes.write_note(conversation, by=staff, at=timezone.now(), body="@Omar see", client_token=uuid.uuid4())
    assert emails_at(2) == {}
    notes.see_mentions(conversation, person=omar, at=timezone.now())
    assert emails_at(90) == {}


def test_notices_of_several_kinds_share_one_email_of_the_hour(ask, emails_at, staff, branch):
    omar = StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)
    first = ask(0)
    emails_at(1)
    ask(2)
    notes.write_note(first, by=staff, at=timezone.now(), body="@Omar see", client_token=uuid.uuid4())
    assert emails_at(61)[omar.email] == "What waits at the desk"
    [email] = [email for email in mail.outbox if email.to == [omar.email]]
    assert email.body.split("\n\n-- ")[0] == (
        "1 new conversation waits at Harbour Main.\n"
        f"http://localhost:8000/desk/conversations/{Conversation.objects.last().public_id}/\n\n"
        "Colleagues mentioned you in the notes of 1 conversation at Harbour Main.\n"
        f"http://localhost:8000/desk/conversations/{first.public_id}/"
    )


def test_choice_for_one_branch_comes_before_the_choice_for_every_branch(ask, emails_at, branch):
    other = BranchFactory(name="Hill")
    staff = StaffFactory(email="rosa@example.org", branch=branch)
    staff.staff_roles.create(branch=other)
    kind = "conversations/new"
    choose(staff, {(kind, None): CHOICES["none"], (kind, other.pk): CHOICES["at_once"]}, {})
    ask(0)
    ask(0, where=other)
    assert emails_at(1) == {staff.email: "1 new conversation waits at Hill."}


def test_default_of_the_library_applies_until_the_person_chooses(
    ask, emails_at, staff, branch, coordinator, library
):
    set_defaults({("conversations/new", None): CHOICES["none"]}, library=library, by=coordinator, at=MONDAY)
    choose(staff, {("conversations/new", None): CHOICES["at_once"]}, {})
    ask(0)
    assert emails_at(1) == {staff.email: NEW}
    assert coordinator.roles[0].branch == branch


def test_staff_member_whose_role_has_ended_gets_no_notice_that_waits(ask, emails_at, staff, branch):
    open_on_weekdays(branch, opens=13)
    ask(0)
    assert emails_at(1) == {}
    staff.staff_roles.all().delete()
    assert emails_at(180) == {}


def test_email_of_the_hour_that_a_server_refused_is_not_sent_after_the_role_has_ended(
    ask, emails_at, staff, branch, monkeypatch
):
    def refuse(*_):
        raise Refused("450 busy", permanent=False)

    ask(0)
    with monkeypatch.context() as patched:
        patched.setattr(Outgoing, "deliver", refuse)
        assert emails_at(1) == {}
    assert [row.kind for row in Notification.objects.all()] == ["notifications/desk_digest"]
    staff.staff_roles.all().delete()
    assert emails_at(10) == {}
    assert not Notification.objects.exists()


def test_failed_item_is_announced_after_the_minute_in_which_the_patron_can_correct_it(
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


def test_transferred_conversation_is_new_at_the_other_branch(emails_at, now, staff, patron, branch):
    other = BranchFactory(name="Hill")
    there = StaffFactory(email="there@example.org", branch=other)
    conversation = ConversationFactory(patron=patron, branch=branch)
    desk_actions.transfer(conversation, branch=other, by=staff, at=now(0), was=None)
    assert emails_at(1) == {there.email: "1 new conversation waits at Hill."}


@pytest.mark.parametrize("conversations", [1, 30])
def test_number_of_queries_of_a_digest_does_not_depend_on_the_number_of_notices(
    ask, now, staff, conversations, django_assert_num_queries
):
    for _ in range(conversations):
        ask(0)
    write_staff_notices(at=now(1), sources=SOURCES)
    taken = take_next(at=now(1))
    with django_assert_num_queries(QUERIES):
        assert settle(taken, at=now(1), sources=SOURCES).kind == "notifications/desk_digest"
