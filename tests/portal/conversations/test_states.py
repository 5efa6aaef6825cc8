"""Test every event in every state.

Each line of TABLE is checked twice: in the row that the actions save, and in a replay of the history.
"""

import datetime
import uuid
from dataclasses import replace

import pytest

from portal.conversations import actions, desk_actions, jobs, merging, notes, states, taking_back, verdicts
from portal.conversations.models import Conversation, Message
from portal.conversations.states import State
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import BranchFactory, HelpSessionFactory, ItemFactory, StaffFactory, recommend_in

pytestmark = [pytest.mark.sql, pytest.mark.one_database]

T0 = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
hour, day = datetime.timedelta(hours=1), datetime.timedelta(days=1)
# The state is reached at T1. The event happens at T2.
T1, T2 = T0 + hour, T0 + 2 * hour
UNTIL = datetime.date(2026, 3, 10)
LATER = datetime.date(2026, 3, 17)
SINCE_FIRST, SINCE_NOW, NOTHING = T0, T2, None

# (state before, event, state after, waiting since)
TABLE = [
    ("waiting_for_staff", "patron writes", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "item failed", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "item helped", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "staff answer", "waiting_for_patron", NOTHING),
    ("waiting_for_staff", "staff say more is to come", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "staff answer and close", "closed", NOTHING),
    ("waiting_for_staff", "patron closes", "closed", NOTHING),
    ("waiting_for_staff", "staff close", "closed", NOTHING),
    ("waiting_for_staff", "staff snooze", "snoozed", SINCE_FIRST),
    ("waiting_for_staff", "staff wake", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "the snooze ends", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "patron stays silent", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "it is taken", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "it is transferred", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "a note is written", "waiting_for_staff", SINCE_FIRST),
    ("waiting_for_staff", "it is erased", "erased", NOTHING),
    ("waiting_for_patron", "patron writes", "waiting_for_staff", SINCE_NOW),
    ("waiting_for_patron", "item failed", "waiting_for_staff", SINCE_NOW),
    ("waiting_for_patron", "item helped", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "staff answer", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "staff say more is to come", "waiting_for_staff", SINCE_NOW),
    ("waiting_for_patron", "staff answer and close", "closed", NOTHING),
    ("waiting_for_patron", "patron closes", "closed", NOTHING),
    ("waiting_for_patron", "staff close", "closed", NOTHING),
    ("waiting_for_patron", "staff snooze", "snoozed", NOTHING),
    ("waiting_for_patron", "staff wake", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "the snooze ends", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "patron stays silent", "closed", NOTHING),
    ("waiting_for_patron", "it is taken", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "it is transferred", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "a note is written", "waiting_for_patron", NOTHING),
    ("waiting_for_patron", "it is erased", "erased", NOTHING),
    # In the state "snoozed", the patron has waited for an answer since the first message.
    ("snoozed", "patron writes", "waiting_for_staff", SINCE_FIRST),
    ("snoozed", "item failed", "waiting_for_staff", SINCE_FIRST),
    ("snoozed", "item helped", "snoozed", SINCE_FIRST),
    ("snoozed", "staff answer", "waiting_for_patron", NOTHING),
    ("snoozed", "staff say more is to come", "snoozed", SINCE_FIRST),
    ("snoozed", "staff answer and close", "closed", NOTHING),
    ("snoozed", "patron closes", "closed", NOTHING),
    ("snoozed", "staff close", "closed", NOTHING),
    ("snoozed", "staff snooze", "snoozed", SINCE_FIRST),
    ("snoozed", "staff wake", "waiting_for_staff", SINCE_FIRST),
    ("snoozed", "the snooze ends", "waiting_for_staff", SINCE_FIRST),
    ("snoozed", "patron stays silent", "snoozed", SINCE_FIRST),
    ("snoozed", "it is taken", "snoozed", SINCE_FIRST),
    ("snoozed", "it is transferred", "snoozed", SINCE_FIRST),
    ("snoozed", "a note is written", "snoozed", SINCE_FIRST),
    ("snoozed", "it is erased", "erased", NOTHING),
    # In the state "snoozed, answered", the patron has an answer to every message.
    ("snoozed, answered", "patron writes", "waiting_for_staff", SINCE_NOW),
    ("snoozed, answered", "staff say more is to come", "snoozed", NOTHING),
    ("snoozed, answered", "staff wake", "waiting_for_staff", SINCE_NOW),
    ("snoozed, answered", "the snooze ends", "waiting_for_staff", "that day"),
    ("snoozed, answered", "patron stays silent", "snoozed", NOTHING),
    ("closed", "patron writes", "waiting_for_staff", SINCE_NOW),
    ("closed", "item failed", "waiting_for_staff", SINCE_NOW),
    ("closed", "item helped", "closed", NOTHING),
    ("closed", "staff answer", "waiting_for_patron", NOTHING),
    ("closed", "staff say more is to come", "waiting_for_staff", SINCE_NOW),
    ("closed", "staff answer and close", "closed", NOTHING),
    ("closed", "patron closes", "closed", NOTHING),
    ("closed", "staff close", "closed", NOTHING),
    ("closed", "staff snooze", "NotOpen", NOTHING),
    ("closed", "staff wake", "closed", NOTHING),
    ("closed", "the snooze ends", "closed", NOTHING),
    ("closed", "patron stays silent", "closed", NOTHING),
    ("closed", "it is taken", "closed", NOTHING),
    ("closed", "it is transferred", "closed", NOTHING),
    ("closed", "a note is written", "closed", NOTHING),
    ("closed", "it is erased", "erased", NOTHING),
    # Erased conversations never reopen.
    *[
        (
            "erased",
            happening,
            "erased" if happening in {"the snooze ends", "patron stays silent"} else "Erased",
            NOTHING,
        )
        for happening in [
            "patron writes",
            "item failed",
            "item helped",
            "staff answer",
            "staff say more is to come",
            "staff answer and close",
            "patron closes",
            "staff close",
            "staff snooze",
            "staff wake",
            "the snooze ends",
            "patron stays silent",
            "it is taken",
            "it is transferred",
            "a note is written",
            "it is erased",
        ]
    ],
]


def assert_replay_agrees(conversation):
    """Check that the conversation's state in the database equals the state that `replay` returns.

    Compare `at_desk_from` only if the conversation waits for staff.
    """
    state, replayed = states.state_of(conversation), states.replay(conversation)
    if conversation.status != "waiting_for_staff":
        state, replayed = replace(state, at_desk_from=None), replace(replayed, at_desk_from=None)
    assert state == replayed


def write(conversation, by, side, at, **kwargs):
    return actions.reply(
        conversation,
        by=by,
        side=side,
        at=at,
        body="words",
        language="en",
        client_token=uuid.uuid4(),
        **kwargs,
    )


@pytest.fixture
def world(library, branch, patron, staff):
    """Return a conversation that has waited since T0. It has one item, and the item has no verdict."""
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    other = actions.ask(
        by=patron, at=T0 - day, help_session=session, body="Before", language="en", client_token=uuid.uuid4()
    )
    write(other, staff, "staff", T0 - day + hour, items=[ChosenItem(item=ItemFactory())])
    write(other, patron, "patron", T0)
    return other


def reach(conversation, state, patron, staff):
    if state == "snoozed, answered":
        write(conversation, staff, "staff", T1 - hour / 2)
        desk_actions.snooze(conversation, until=UNTIL, by=staff, at=T1)
    elif state == "snoozed":
        desk_actions.snooze(conversation, until=UNTIL, by=staff, at=T1)
    elif state == "waiting_for_patron":
        write(conversation, staff, "staff", T1)
    elif state == "closed":
        write(conversation, staff, "staff", T1, then="close")
    elif state == "erased":
        desk_actions.erase(conversation, by=staff, at=T1)


def apply_event(conversation, happening, patron, staff):
    def judge(verdict):
        verdicts.take_verdict(
            Recommendation.objects.get(), verdict=verdict, why="", comment="", by=patron, at=T2
        )

    those = {
        "patron writes": lambda: write(conversation, patron, "patron", T2),
        "item failed": lambda: judge("did_not_help"),
        "item helped": lambda: judge("helped"),
        "staff answer": lambda: write(conversation, staff, "staff", T2),
        "staff say more is to come": lambda: write(conversation, staff, "staff", T2, then="ours"),
        "staff answer and close": lambda: write(conversation, staff, "staff", T2, then="close"),
        "patron closes": lambda: actions.close(conversation, by=patron, side="patron", at=T2),
        "staff close": lambda: actions.close(conversation, by=staff, side="staff", at=T2),
        "staff snooze": lambda: desk_actions.snooze(conversation, until=LATER, by=staff, at=T2),
        "staff wake": lambda: desk_actions.wake(conversation, by=staff, at=T2),
        "the snooze ends": lambda: jobs.wake_snoozed(at=T0 + 8 * day),
        "patron stays silent": lambda: jobs.close_after_silence(at=T0 + 365 * day),
        "it is taken": lambda: desk_actions.take(conversation, by=staff, at=T2),
        "it is transferred": lambda: desk_actions.transfer(
            conversation, branch=BranchFactory(), by=staff, at=T2, was=None
        ),
        "a note is written": lambda: notes.write_note(
            conversation, by=staff, at=T2, body="n", client_token=uuid.uuid4()
        ),
        "it is erased": lambda: desk_actions.erase(conversation, by=staff, at=T2),
    }
    those[happening]()


@pytest.mark.parametrize(
    ("state", "happening", "expected", "since"), TABLE, ids=[f"{line[0]}: {line[1]}" for line in TABLE]
)
def test_conversation_has_the_expected_state_after_each_event(
    world, patron, staff, state, happening, expected, since
):
    reach(world, state, patron, staff)
    if expected in {"Erased", "NotOpen"}:
        with pytest.raises((actions.Erased, desk_actions.NotOpen)) as refused:
            apply_event(world, happening, patron, staff)
        assert refused.typename == expected
        expected = state
    else:
        apply_event(world, happening, patron, staff)
    world.refresh_from_db()
    assert (world.status, world.waiting_since) == (expected, T0 + 8 * day if since == "that day" else since)
    if expected != "erased":
        assert_replay_agrees(world)
    assert (world.promised_at is None) == (world.waiting_since is None)
    assert (world.closes_at is not None) == (world.status == "waiting_for_patron")


def test_state_table_covers_every_state_and_event():
    happenings = {line[1] for line in TABLE}
    assert {line[0].partition(",")[0] for line in TABLE} == set(Conversation.Status.values)
    for state in ("waiting_for_staff", "waiting_for_patron", "snoozed", "closed", "erased"):
        assert {line[1] for line in TABLE if line[0] == state} == happenings


# Tests of details that TABLE doesn't show.


def test_conversation_still_has_the_bad_verdict_as_its_reason_after_a_question():
    state = states.patron_wrote(states.nothing_yet(T0), T0)
    assert state == State("waiting_for_staff", "asked", turned_at=T0, waiting_since=T0, at_desk_from=T0)
    state = states.help_failed(state, T1, "could_not_get_it")
    assert (state.reason, state.waiting_since, state.at_desk_from) == ("could_not_get_it", T0, T0)
    assert states.patron_wrote(state, T2).reason == "could_not_get_it"


def test_message_after_a_bad_verdict_reaches_the_queue_immediately():
    state = states.help_failed(states.nothing_yet(T0), T0, "did_not_help")
    assert state.at_desk_from == T0 + states.GRACE
    assert states.patron_wrote(state, T0 + states.GRACE / 2).at_desk_from == T0 + states.GRACE / 2


@pytest.mark.parametrize("days", [0, 1, 14])
def test_conversation_closes_automatically_after_the_number_of_days_in_the_settings(
    library, world, patron, staff, days
):
    library.closes_after_days = days
    library.save()
    write(world, staff, "staff", T1)
    world.refresh_from_db()
    assert world.closes_at == (T1 + days * day if days else None)
    jobs.close_after_silence(at=T1 + days * day - datetime.timedelta(seconds=1))
    world.refresh_from_db()
    assert (world.status, world.version) == ("waiting_for_patron", 3)
    jobs.close_after_silence(at=T1 + days * day)
    world.refresh_from_db()
    assert world.status == ("closed" if days else "waiting_for_patron")
    told = [("closed_by_itself", "staff", None, T1 + days * day)] if days else []
    assert list(world.events.values_list("kind", "side", "by", "shown_from")) == told


def test_snooze_ends_at_midnight_in_the_librarys_time_zone(world, staff):
    desk_actions.snooze(world, until=UNTIL, by=staff, at=T1)
    # Midnight in Chicago, on daylight saving time.
    midnight = datetime.datetime(2026, 3, 10, 5, 0, tzinfo=datetime.UTC)
    jobs.wake_snoozed(at=midnight - datetime.timedelta(seconds=1))
    assert Conversation.objects.get().status == "snoozed"
    jobs.wake_snoozed(at=midnight)
    jobs.wake_snoozed(at=midnight)
    world.refresh_from_db()
    assert (world.status, list(world.desk_events.values_list("kind", "by"))) == (
        "waiting_for_staff",
        [("snoozed", staff.pk), ("woken", None)],
    )


# Tests of merged conversations.


def make_merged(first, second, patron, staff, session):
    """Make two conversations from lists of (event, hour), and merge the first into the second.

    Return the second conversation.
    """
    conversations = []
    for happenings in (first, second):
        conversation = None
        for what, at in happenings:
            at = T0 + at * hour
            if conversation is None:
                conversation = actions.ask(
                    by=patron,
                    at=at,
                    help_session=session,
                    body=what,
                    language="en",
                    client_token=uuid.uuid4(),
                )
            elif what == "snooze":
                desk_actions.snooze(conversation, until=UNTIL, by=staff, at=at)
            elif what == "patron":
                write(conversation, patron, "patron", at)
            else:
                write(conversation, staff, "staff", at, then=what)
        conversations.append(conversation)
    merging.merge(conversations[0], into=conversations[1], by=staff, at=T0 + 20 * hour)
    conversations[1].refresh_from_db()
    return conversations[1]


@pytest.mark.parametrize(
    ("first", "second", "status", "since"),
    [
        ([("ask", 0)], [("ask", 1)], "waiting_for_staff", 0),
        ([("ask", 1)], [("ask", 0)], "waiting_for_staff", 0),
        # A newer answer in one merged conversation doesn't answer the question in the other one.
        ([("ask", 0)], [("ask", 1), ("turn", 2)], "waiting_for_staff", 0),
        ([("ask", 0)], [("ask", 1), ("close", 2)], "waiting_for_staff", 0),
        ([("ask", 1), ("close", 3)], [("ask", 0), ("turn", 1), ("patron", 2)], "waiting_for_staff", 2),
        # A snooze ends when the conversation is merged with one that isn't snoozed.
        ([("ask", 0)], [("ask", 1), ("snooze", 2)], "waiting_for_staff", 0),
        ([("ask", 0), ("snooze", 2)], [("ask", 1), ("close", 3)], "waiting_for_staff", 0),
        # If both merged conversations are answered, the one with the later answer determines the status.
        ([("ask", 0), ("turn", 3)], [("ask", 1), ("close", 2)], "waiting_for_patron", None),
        ([("ask", 0), ("turn", 2)], [("ask", 1), ("close", 3)], "closed", None),
    ],
)
def test_merged_conversation_waits_for_staff_if_either_conversation_was_unanswered(
    library, branch, patron, staff, first, second, status, since
):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    conversation = make_merged(first, second, patron, staff, session)
    assert (conversation.status, conversation.waiting_since) == (
        status,
        None if since is None else T0 + since * hour,
    )
    assert_replay_agrees(conversation)


def test_merged_conversation_has_its_old_waiting_time_after_its_answer_is_taken_back(
    library, branch, patron, staff
):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    conversation = make_merged([("ask", 0)], [("ask", 1), ("turn", 2)], patron, staff, session)
    answer = write(conversation, staff, "staff", T0 + 21 * hour)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since) == ("waiting_for_patron", None)
    taking_back.take_back(answer, by=staff, at=T0 + 21 * hour + Message.UNDO_WINDOW / 2)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since) == ("waiting_for_staff", T0)


def test_answer_sent_in_the_same_microsecond_as_a_merge_is_listed_after_the_merge(
    library, branch, patron, staff
):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    conversation = make_merged([("ask", 0)], [("ask", 1), ("turn", 2)], patron, staff, session)
    answer = write(conversation, staff, "staff", conversation.changed_at)
    assert answer.sent_at > conversation.changed_at
    conversation.refresh_from_db()
    assert (conversation.status, conversation.waiting_since) == ("waiting_for_patron", None)
    assert_replay_agrees(conversation)


def test_conversation_with_a_bad_verdict_still_waits_for_staff_after_a_merge(library, branch, patron, staff):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    [failed] = recommend_in(session)
    verdicts.take_verdict(failed, verdict="did_not_help", why="", comment="", by=patron, at=T0)
    of_verdict = Conversation.objects.get()
    asked = actions.ask(
        by=patron, at=T1, help_session=session, body="Hi", language="en", client_token=uuid.uuid4()
    )
    write(asked, staff, "staff", T1 + hour / 2)
    merging.merge(of_verdict, into=asked, by=staff, at=T2)
    asked.refresh_from_db()
    assert (asked.status, asked.waiting_since) == ("waiting_for_staff", T0)
    assert_replay_agrees(asked)
    verdicts.take_verdict(failed, verdict="could_not_get_it", why="", comment="", by=patron, at=T2 + hour)
    asked.refresh_from_db()
    assert (asked.reason, asked.waiting_since, Conversation.objects.count()) == ("could_not_get_it", T0, 2)


def test_assigning_a_conversation_does_not_change_its_state(library, world, staff):
    other = StaffFactory(branch=world.branch)
    world.refresh_from_db()
    before = states.state_of(world)
    for to, was in [(other, None), (staff, other), (None, staff)]:
        desk_actions.assign(world, to=to, by=staff, at=T2, was=was)
        world.refresh_from_db()
        assert (world.assignee, states.state_of(world)) == (to, before)
