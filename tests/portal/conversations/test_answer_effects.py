"""Test answers that also take, close or count a conversation, and conversations that come back."""

import datetime
import uuid

import pytest

from accounts.models import AuditEvent, StaffRole
from portal.conversations import actions, desk_actions, states
from portal.conversations.models import DeskEvent
from portal.helpsessions.models import HelpSession
from tests.conversations import ask, now_of, say
from tests.factories import AbsenceFactory, BranchFactory, HelpSessionFactory, StaffFactory

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)
SECOND, DAY = datetime.timedelta(seconds=1), datetime.timedelta(days=1)
CONTACT = {
    "topic": None,
    "read_level": None,
    "minutes": None,
    "summary": "",
    "note": "",
    "happened_on": NOON.date(),
    "hour": 12,
    "mode": "web_form",
    "question_type": "reference",
    "people": 1,
    "language": "en",
    "question": "Where?",
    "quiet": False,
    "items": [],
}


@pytest.fixture
def conversation(library, branch, patron, staff):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return ask(patron, at=NOON, help_session=session)


@pytest.fixture
def jun(branch):
    return StaffFactory(name="Jun", branch=branch)


def set_back_to_writer(branch, to_writer=True):
    type(branch).objects.filter(pk=branch.pk).update(back_to_writer=to_writer)


def desk_events(conversation):
    """Return [(kind, name of the new assignee, name of the assignee before)] of the desk's events."""
    return list(conversation.desk_events.order_by("at", "pk").values_list("kind", "to__name", "was__name"))


# Take


def test_answer_that_takes_assigns_the_conversation_to_its_writer(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at, row.status) == (staff, NOON + SECOND, "waiting_for_patron")
    assert desk_events(row) == [("taken", staff.name, None)]
    assert row.desk_events.get().message == message


def test_answer_that_takes_an_own_conversation_adds_no_event(conversation, staff):
    desk_actions.take(conversation, by=staff, at=NOON)
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    actions.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, desk_events(row)) == (staff, [("taken", staff.name, None)])


def test_answer_that_takes_is_not_saved_if_a_colleague_took_the_conversation(conversation, staff, jun):
    desk_actions.take(conversation, by=jun, at=NOON + SECOND)
    with pytest.raises(desk_actions.AlreadyTaken) as taken:
        say(conversation, staff, at=NOON + 2 * SECOND, take=True)
    assert taken.value.assignee == jun
    row = now_of(conversation)
    assert (row.assignee, row.status, row.messages.count()) == (jun, "waiting_for_staff", 1)


def test_taking_back_an_answer_gives_the_conversation_back_to_its_assignee_who_is_away(
    conversation, staff, jun, library
):
    desk_actions.take(conversation, by=jun, at=NOON + SECOND)
    AbsenceFactory(person=jun, first_day=NOON.date(), last_day=NOON.date())
    message = say(conversation, staff, at=NOON + 2 * SECOND, take=True)
    assert now_of(conversation).assignee == staff
    actions.take_back(message, by=staff, at=NOON + 3 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at) == (jun, NOON + SECOND)
    assert (row.status, row.waiting_since) == ("waiting_for_staff", NOON)
    assert desk_events(row) == [("taken", "Jun", None)]


def test_taking_back_an_answer_keeps_a_later_assignment(conversation, staff, jun):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    desk_actions.assign(conversation, to=jun, by=staff, at=NOON + 2 * SECOND, was=staff)
    actions.take_back(message, by=staff, at=NOON + 3 * SECOND)
    assert now_of(conversation).assignee == jun


def test_undo_button_of_the_desk_does_not_undo_what_an_answer_did(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    row = now_of(conversation)
    assert not desk_actions.can_be_undone(row, by=staff)
    with pytest.raises(desk_actions.CannotUndo):
        desk_actions.undo(row, done_at=message.sent_at, by=staff, at=NOON + 2 * SECOND)
    assert now_of(conversation).assignee == staff


# Close


def test_taking_back_an_answer_that_closed_opens_the_conversation_again(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, then="close")
    assert now_of(conversation).status == "closed"
    actions.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.status, row.waiting_since, row.events.count()) == ("waiting_for_staff", NOON, 0)


# Count


def test_answer_that_counts_records_one_contact_without_the_patron(conversation, staff, branch):
    say(conversation, staff, at=NOON + SECOND, contact=CONTACT | {"branch": branch, "token": uuid.uuid4()})
    say(
        conversation,
        staff,
        at=NOON + 2 * SECOND,
        contact=CONTACT | {"branch": branch, "token": uuid.uuid4()},
    )
    row = now_of(conversation)
    contact = row.logged_as
    assert HelpSession.objects.exclude(pk=row.help_session_id).get() == contact
    assert (contact.staff, contact.patron, contact.mode, contact.status) == (
        staff,
        None,
        "web_form",
        "recorded",
    )
    assert desk_events(row) == [("logged", None, None)]


def test_taking_back_an_answer_that_counted_deletes_the_contact(conversation, staff, branch):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    message = say(conversation, staff, at=NOON + SECOND, contact=contact)
    actions.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.logged_as, desk_events(row)) == (None, [])
    assert HelpSession.objects.get() == row.help_session
    assert AuditEvent.objects.filter(action="undid_record", by=staff).count() == 1


def test_taking_back_a_second_answer_keeps_the_contact(conversation, staff, branch):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    say(conversation, staff, at=NOON + SECOND, contact=contact)
    second = say(conversation, staff, at=NOON + 2 * SECOND, contact=contact | {"token": uuid.uuid4()})
    actions.take_back(second, by=staff, at=NOON + 3 * SECOND)
    assert now_of(conversation).logged_as.public_id == contact["token"]


# The question "Count this as a contact?"


@pytest.mark.parametrize("how", ["answer", "close"])
def test_closing_asks_whether_the_conversation_is_a_contact(conversation, staff, how):
    if how == "answer":
        say(conversation, staff, at=NOON + SECOND, then="close")
    else:
        actions.close(conversation, by=staff, side="staff", at=NOON + SECOND)
    assert now_of(conversation).count_question == "asked"


def test_closing_does_not_ask_again_after_staff_said_no(conversation, staff, patron):
    actions.close(conversation, by=staff, side="staff", at=NOON + SECOND)
    desk_actions.decline_to_count(conversation, by=staff, at=NOON + 2 * SECOND)
    say(conversation, patron, "patron", at=NOON + 3 * SECOND)
    say(conversation, staff, at=NOON + 4 * SECOND, then="close")
    assert now_of(conversation).count_question == "declined"


def test_closing_a_counted_conversation_does_not_ask(conversation, staff, branch):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    say(conversation, staff, at=NOON + SECOND, then="close", contact=contact)
    assert now_of(conversation).count_question == ""


def test_desk_is_not_asked_about_a_contact_if_the_patron_closes_the_conversation(conversation, patron):
    actions.close(conversation, by=patron, side="patron", at=NOON + SECOND)
    assert now_of(conversation).count_question == ""


# Come back to the writer or to the branch


def test_answered_conversation_comes_back_to_the_branch_unless_the_branch_says_otherwise(
    conversation, staff, patron
):
    say(conversation, staff, at=NOON + SECOND)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert (now_of(conversation).assignee, desk_events(conversation)) == (None, [])


@pytest.mark.parametrize("then", ["turn", "close"])
def test_answered_conversation_comes_back_to_the_writer(conversation, staff, jun, patron, branch, then):
    set_back_to_writer(branch)
    say(conversation, staff, at=NOON + SECOND)
    answer = say(conversation, jun, at=NOON + 2 * SECOND, then=then)
    assert now_of(conversation).comes_back_to == jun
    say(conversation, patron, "patron", at=NOON + DAY)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at, row.comes_back_to) == (jun, NOON + DAY, None)
    assert desk_events(row) == [("returned", "Jun", None)]
    assert row.desk_events.get().message == answer


def test_conversation_that_somebody_took_stays_with_them(conversation, staff, jun, patron, branch):
    set_back_to_writer(branch)
    say(conversation, jun, at=NOON + SECOND)
    desk_actions.take(conversation, by=staff, at=NOON + 2 * SECOND)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert now_of(conversation).assignee == staff


def test_later_change_of_the_setting_does_not_change_earlier_answers(conversation, staff, patron, branch):
    set_back_to_writer(branch)
    say(conversation, staff, at=NOON + SECOND)
    set_back_to_writer(branch, to_writer=False)
    row = now_of(conversation)
    assert (states.replay(row).comes_back_to, row.comes_back_to) == (staff.pk, staff)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert now_of(conversation).assignee == staff


@pytest.mark.parametrize("why", ["left", "away", "inactive", "transferred", "kept in the queue"])
def test_conversation_comes_back_to_the_branch_if_the_writer_cannot_answer(
    conversation, staff, jun, patron, branch, library, why
):
    set_back_to_writer(branch)
    say(conversation, jun, at=NOON + SECOND, then="ours" if why == "kept in the queue" else "turn")
    if why == "left":
        StaffRole.objects.filter(user=jun).delete()
    elif why == "away":
        AbsenceFactory(person=jun, first_day=NOON.date(), last_day=NOON.date() + DAY)
    elif why == "inactive":
        type(jun).objects.filter(pk=jun.pk).update(is_active=False)
    elif why == "transferred":
        desk_actions.transfer(conversation, branch=BranchFactory(), by=staff, at=NOON + 2 * SECOND, was=None)
    say(conversation, patron, "patron", at=NOON + DAY)
    row = now_of(conversation)
    assert (row.assignee, row.comes_back_to, row.status) == (None, None, "waiting_for_staff")


def test_conversation_leaves_the_writer_again_if_they_take_back_the_answer(
    conversation, staff, patron, branch
):
    set_back_to_writer(branch)
    answer = say(conversation, staff, at=NOON + SECOND)
    say(conversation, patron, "patron", at=NOON + 2 * SECOND)
    assert now_of(conversation).assignee == staff
    actions.take_back(answer, by=staff, at=NOON + 3 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, row.waiting_since, DeskEvent.objects.count()) == (None, NOON, 0)
    assert states.replay(row) == states.state_of(row)
