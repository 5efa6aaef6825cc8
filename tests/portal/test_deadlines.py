"""Check that an action that has waited for a lock compares a deadline with the time after the wait.

Each test lets an action begin just before a deadline. The clock then moves while the action waits. Without
the wait, the action succeeds. With the wait, it is too late.
"""

import datetime
from contextlib import contextmanager
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts import library as branches
from accounts.hours import Calendar
from accounts.models import Invitation
from accounts.patron.people import person_added_at_desk
from accounts.staff import invitations
from portal.conversations import bulk, desk_actions, moved_promises, taking_back
from portal.deadlines import compares_deadlines
from portal.helpsessions import account_codes, handover
from portal.lists.actions import remove, save
from portal.lists.models import RESTORE_FOR
from portal.privacy import unmerging
from tests.conversations import ask, now_of, say
from tests.factories import HelpSessionFactory, ItemFactory, UserFactory
from tests.opening_hours import open_on_weekdays

pytestmark = pytest.mark.django_db
NOW = datetime.datetime(2026, 3, 4, 18, tzinfo=datetime.UTC)
MOMENT = datetime.timedelta(milliseconds=50)
both_ways = pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def outcome(clock):
    """Return outcome(deadline, waits, action, for_query=), which calls action(at=…) just before a deadline.

    If `waits` is true, the deadline passes while the action waits for the first query that begins with the
    text `for_query`. The outcome is what the action returned, or the class name of its exception.
    """

    def outcome(deadline, waits, action, *, for_query="SAVEPOINT"):
        clock.move_to(deadline - MOMENT)
        with _waiting(clock, 2 * MOMENT if waits else 0 * MOMENT, for_query):
            try:
                return action(at=timezone.now())
            except Exception as error:
                return type(error).__name__

    return outcome


@contextmanager
def _waiting(clock, wait, for_query):
    """Move the clock by `wait` just before the block runs its first query that begins with `for_query`."""

    def begin(execute, sql, params, many, context):
        nonlocal wait
        if sql.startswith(for_query):
            clock.shift(wait)
            wait = 0 * MOMENT
        return execute(sql, params, many, context)

    with connection.execute_wrapper(begin):
        yield


def test_now_function_returns_the_start_time_plus_the_elapsed_time(clock):
    @compares_deadlines
    def action(*, at, now):
        clock.shift(3)
        return now() - at

    # The time `at`, when the action begins, may differ from the time that the clock shows.
    assert action(at=NOW - datetime.timedelta(days=400)) == datetime.timedelta(seconds=3)


@both_ways
def test_answer_cannot_be_taken_back_if_the_undo_window_ends_during_the_request(
    outcome, patron, staff, branch, waits
):
    conversation = ask(patron, branch=branch)
    answer = say(conversation, staff)
    last_second = answer.shown_from - datetime.timedelta(seconds=1)
    ended = outcome(last_second, waits, partial(taking_back.take_back, answer, by=staff))
    assert (ended == "TooLate", conversation.messages.filter(side="staff").exists()) == (waits, waits)


@both_ways
def test_change_cannot_be_undone_if_the_time_for_undo_ends_during_the_request(
    outcome, patron, staff, branch, waits
):
    conversation = ask(patron, branch=branch)
    taken = desk_actions.take(conversation, by=staff, at=NOW)
    undo = partial(desk_actions.undo, conversation, done_at=taken.changed_at, by=staff)
    ended = outcome(taken.changed_at + desk_actions.UNDO_WITHIN, waits, undo)
    assert (ended == "CannotUndo", now_of(conversation).assignee) == (waits, staff if waits else None)


@both_ways
def test_bulk_change_cannot_be_undone_if_the_time_for_undo_ends_during_the_request(
    outcome, patron, staff, branch, waits
):
    asked = [now_of(ask(patron, branch=branch)) for _ in range(2)]
    done = bulk.take_many({row: row.desk_version for row in asked}, by=staff, at=NOW)
    ended = outcome(
        NOW + desk_actions.UNDO_WITHIN,
        waits,
        partial(bulk.undo, done.undo, by=staff),
        for_query='SELECT "conversations_conversation"."id"',
    )
    assert ended == ((0, 2) if waits else (2, 0))


@both_ways
def test_code_card_that_expires_during_the_request_is_not_attached_to_a_visit(outcome, staff, branch, waits):
    [code] = handover.print_code_cards(by=staff, at=NOW, branch=branch, count=1)
    session = HelpSessionFactory(branch=branch, staff=staff)
    attach = partial(handover.attach_code_card, session, code=code, by=staff)
    ended = outcome(NOW + handover.CODE_CARD_LIFE, waits, attach)
    assert (ended, session.claim_codes.exists()) == ("CodeCardAlreadyAttached" if waits else None, not waits)


@both_ways
def test_account_code_that_expires_during_the_request_opens_no_record(outcome, staff, waits):
    pike = person_added_at_desk(name="Old Mr Pike", email="", language="en", by=staff, at=NOW)
    code = account_codes.make_code(pike, by=staff, at=NOW)
    ended = outcome(NOW + account_codes.LIFE, waits, partial(account_codes.use_code, code))
    assert ended == ("CodeEnded" if waits else pike)


@both_ways
def test_invitation_that_expires_during_the_request_gives_no_role(outcome, coordinator, branch, waits):
    noor = UserFactory(email="noor@example.org")
    noor.emailaddress_set.update_or_create(email=noor.email, defaults={"verified": True, "primary": True})
    link = invitations.invite(
        name="Noor", email=noor.email, language="en", at_branches={branch: "staff"}, by=coordinator, at=NOW
    )
    token = link.rstrip("/").rpartition("/")[2]
    ended = outcome(NOW + Invitation.LASTS, waits, partial(invitations.accept, token, person=noor))
    assert (ended, noor.staff_roles.exists()) == ("UnknownInvitation" if waits else None, not waits)


@both_ways
def test_records_cannot_be_unmerged_if_the_time_for_unmerging_ends_during_the_request(outcome, staff, waits):
    going, into = UserFactory(name="Sam"), UserFactory(name="Sam Okafor")
    merged = unmerging.merge_for_a_day(going, into, by=staff, at=NOW)
    ended = outcome(NOW + unmerging.CAN_BE_UNMERGED_FOR, waits, partial(unmerging.unmerge, merged, by=staff))
    assert ended == ("CannotUnmerge" if waits else going)


@both_ways
def test_promise_that_becomes_overdue_during_the_request_is_not_moved(
    outcome, patron, coordinator, branch, waits
):
    branch.promise_hours = 8
    branch.save()
    open_on_weekdays(branch)
    promised_at = ask(patron, branch=branch).promised_at
    tomorrow = (promised_at + datetime.timedelta(days=1)).date()
    close = partial(branches.add_closed_day, day=tomorrow, reason="")
    change = partial(
        moved_promises.change_calendar,
        branch,
        close,
        seen=Calendar.of(branch).fingerprint(),
        email=False,
        by=coordinator,
    )
    assert outcome(promised_at, waits, change).overdue == (1 if waits else 0)


@both_ways
def test_saving_a_removed_item_adds_a_row_if_the_time_to_restore_it_ends_during_the_request(
    outcome, library, patron, waits
):
    item = ItemFactory()
    saved = save(item, patron=patron, at=NOW)
    remove(saved, at=NOW)
    day = library.today(NOW) + RESTORE_FOR + datetime.timedelta(days=1)
    midnight = datetime.datetime.combine(day, datetime.time.min, tzinfo=library.zone)
    again = outcome(midnight, waits, partial(save, item, patron=patron))
    assert (again.pk == saved.pk) is not waits
