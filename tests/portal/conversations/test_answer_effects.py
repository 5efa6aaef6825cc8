"""Test the effects of sending an answer.

Sending an answer can also take the conversation, close it or count it as a contact. And it decides whether
the conversation later comes back to the writer of the answer or to the branch.
"""

import datetime
import uuid

import pytest

from accounts.models import AuditEvent, StaffRole
from portal.conversations import actions, desk_actions, states, taking_back
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
    """Return the desk's events as [(kind, name of the new assignee, name of the previous assignee)]."""
    return list(conversation.desk_events.order_by("at", "pk").values_list("kind", "to__name", "was__name"))


# Tests of sending an answer and taking the conversation.


def test_send_and_take_button_assigns_the_conversation_to_the_writer(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at, row.status) == (staff, NOON + SECOND, "waiting_for_patron")
    assert desk_events(row) == [("taken", staff.name, None)]
    assert row.desk_events.get().message == message


def test_send_and_take_button_adds_no_event_if_the_writer_is_already_assigned(conversation, staff):
    desk_actions.take(conversation, by=staff, at=NOON)
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    taking_back.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, desk_events(row)) == (staff, [("taken", staff.name, None)])


def test_send_and_take_button_sends_no_answer_if_a_colleague_has_taken_the_conversation(
    conversation, staff, jun
):
    desk_actions.take(conversation, by=jun, at=NOON + SECOND)
    with pytest.raises(desk_actions.AlreadyTaken) as taken:
        say(conversation, staff, at=NOON + 2 * SECOND, take=True)
    assert taken.value.assignee == jun
    row = now_of(conversation)
    assert (row.assignee, row.status, row.messages.count()) == (jun, "waiting_for_staff", 1)


def test_taking_back_an_answer_restores_an_earlier_assignee_who_is_now_away(
    conversation, staff, jun, library
):
    desk_actions.take(conversation, by=jun, at=NOON + SECOND)
    AbsenceFactory(person=jun, first_day=NOON.date(), last_day=NOON.date())
    message = say(conversation, staff, at=NOON + 2 * SECOND, take=True)
    assert now_of(conversation).assignee == staff
    taking_back.take_back(message, by=staff, at=NOON + 3 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at) == (jun, NOON + SECOND)
    assert (row.status, row.waiting_since) == ("waiting_for_staff", NOON)
    assert desk_events(row) == [("taken", "Jun", None)]


def test_taking_back_an_answer_keeps_an_assignment_made_after_the_answer(conversation, staff, jun):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    desk_actions.assign(conversation, to=jun, by=staff, at=NOON + 2 * SECOND, was=staff)
    taking_back.take_back(message, by=staff, at=NOON + 3 * SECOND)
    assert now_of(conversation).assignee == jun


def test_undo_button_does_not_undo_an_assignment_by_the_send_and_take_button(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, take=True)
    row = now_of(conversation)
    assert not desk_actions.can_be_undone(row, by=staff)
    with pytest.raises(desk_actions.CannotUndo):
        desk_actions.undo(row, done_at=message.sent_at, by=staff, at=NOON + 2 * SECOND)
    assert now_of(conversation).assignee == staff


# Tests of sending an answer and closing the conversation.


def test_conversation_closed_by_an_answer_reopens_when_the_answer_is_taken_back(conversation, staff):
    message = say(conversation, staff, at=NOON + SECOND, then="close")
    assert now_of(conversation).status == "closed"
    taking_back.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.status, row.waiting_since, row.events.count()) == ("waiting_for_staff", NOON, 0)


# Tests of sending an answer and counting the conversation as a contact.


def test_send_and_count_button_pressed_twice_records_one_contact_that_has_no_patron(
    conversation, staff, branch
):
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


def test_contact_counted_with_an_answer_is_deleted_when_the_answer_is_taken_back(conversation, staff, branch):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    message = say(conversation, staff, at=NOON + SECOND, contact=contact)
    taking_back.take_back(message, by=staff, at=NOON + 2 * SECOND)
    row = now_of(conversation)
    assert (row.logged_as, desk_events(row)) == (None, [])
    assert HelpSession.objects.get() == row.help_session
    assert AuditEvent.objects.filter(action="undid_record", by=staff).count() == 1


def test_taking_back_a_later_answer_keeps_the_contact_counted_with_an_earlier_answer(
    conversation, staff, branch
):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    say(conversation, staff, at=NOON + SECOND, contact=contact)
    second = say(conversation, staff, at=NOON + 2 * SECOND, contact=contact | {"token": uuid.uuid4()})
    taking_back.take_back(second, by=staff, at=NOON + 3 * SECOND)
    assert now_of(conversation).logged_as.public_id == contact["token"]


# Tests of the question "Count this conversation as a contact?".


@pytest.mark.parametrize("how", ["answer", "close"])
def test_staff_who_close_a_conversation_are_asked_whether_to_count_it_as_a_contact(conversation, staff, how):
    if how == "answer":
        say(conversation, staff, at=NOON + SECOND, then="close")
    else:
        actions.close(conversation, by=staff, side="staff", at=NOON + SECOND)
    assert now_of(conversation).count_question == "asked"


def test_staff_who_declined_to_count_a_conversation_are_not_asked_again(conversation, staff, patron):
    actions.close(conversation, by=staff, side="staff", at=NOON + SECOND)
    desk_actions.decline_to_count(conversation, by=staff, at=NOON + 2 * SECOND)
    say(conversation, patron, "patron", at=NOON + 3 * SECOND)
    say(conversation, staff, at=NOON + 4 * SECOND, then="close")
    assert now_of(conversation).count_question == "declined"


def test_staff_who_close_a_counted_conversation_are_not_asked_whether_to_count_it(
    conversation, staff, branch
):
    contact = CONTACT | {"branch": branch, "token": uuid.uuid4()}
    say(conversation, staff, at=NOON + SECOND, then="close", contact=contact)
    assert now_of(conversation).count_question == ""


def test_staff_are_not_asked_whether_to_count_a_conversation_that_the_patron_closed(conversation, patron):
    actions.close(conversation, by=patron, side="patron", at=NOON + SECOND)
    assert now_of(conversation).count_question == ""


# Tests of conversations that come back to the writer of the answer or to the branch.


def test_conversation_comes_back_to_the_branch_by_default_when_the_patron_writes_again(
    conversation, staff, patron
):
    say(conversation, staff, at=NOON + SECOND)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert (now_of(conversation).assignee, desk_events(conversation)) == (None, [])


@pytest.mark.parametrize("then", ["turn", "close"])
def test_conversation_comes_back_to_the_writer_of_the_answer_if_the_branch_has_set_this(
    conversation, staff, jun, patron, branch, then
):
    set_back_to_writer(branch)
    say(conversation, staff, at=NOON + SECOND)
    answer = say(conversation, jun, at=NOON + 2 * SECOND, then=then)
    assert now_of(conversation).comes_back_to == jun
    say(conversation, patron, "patron", at=NOON + DAY)
    row = now_of(conversation)
    assert (row.assignee, row.assigned_at, row.comes_back_to) == (jun, NOON + DAY, None)
    assert desk_events(row) == [("returned", "Jun", None)]
    assert row.desk_events.get().message == answer


def test_conversation_taken_by_a_colleague_does_not_come_back_to_the_writer(
    conversation, staff, jun, patron, branch
):
    set_back_to_writer(branch)
    say(conversation, jun, at=NOON + SECOND)
    desk_actions.take(conversation, by=staff, at=NOON + 2 * SECOND)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert now_of(conversation).assignee == staff


def test_changing_who_gets_returning_conversations_affects_only_later_answers(
    conversation, staff, patron, branch
):
    set_back_to_writer(branch)
    say(conversation, staff, at=NOON + SECOND)
    set_back_to_writer(branch, to_writer=False)
    row = now_of(conversation)
    assert (states.replay(row).comes_back_to, row.comes_back_to) == (staff.pk, staff)
    say(conversation, patron, "patron", at=NOON + DAY)
    assert now_of(conversation).assignee == staff


@pytest.mark.few_cases
@pytest.mark.parametrize("why", ["left", "away", "inactive", "transferred", "kept in the queue"])
def test_conversation_comes_back_to_the_branch_if_it_cannot_come_back_to_the_writer(
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


def test_taking_back_an_answer_also_undoes_the_assignment_to_its_writer(conversation, staff, patron, branch):
    set_back_to_writer(branch)
    answer = say(conversation, staff, at=NOON + SECOND)
    say(conversation, patron, "patron", at=NOON + 2 * SECOND)
    assert now_of(conversation).assignee == staff
    taking_back.take_back(answer, by=staff, at=NOON + 3 * SECOND)
    row = now_of(conversation)
    assert (row.assignee, row.waiting_since, DeskEvent.objects.count()) == (None, NOON, 0)
    assert states.replay(row) == states.state_of(row)
