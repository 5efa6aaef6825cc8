"""Move the promises of a branch when its opening hours, closed days or promised hours change.

docs/decisions/0017-promises-follow-the-calendar.md says which promises move, and to when.
"""

import datetime
from collections import Counter
from dataclasses import dataclass, field

from accounts.hours import Calendar
from accounts.models import Branch
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from . import promise_emails
from .changes import moment_of_change, raise_queue
from .desk_actions import UNDO_WITHIN
from .models import Conversation, DeskEvent
from .promises import set_promise

Status = Conversation.Status
BATCH = 200
NOTHING = datetime.timedelta()


class CalendarChanged(Exception):
    """Someone changed the hours or closed days of the branch after the page was shown."""


@dataclass
class Move:
    """One promise that moves from the time `was` to the time `to`. `zone` is the library's time zone."""

    conversation: Conversation
    was: datetime.datetime
    to: datetime.datetime
    zone: datetime.tzinfo

    @property
    def days(self):
        """Return (the day that was promised, the day that is promised now)."""
        return self.was.astimezone(self.zone).date(), self.to.astimezone(self.zone).date()

    @property
    def changes_the_day(self):
        before, after = self.days
        return before != after


@dataclass
class Moves:
    """The promises that move, and the number of promises that can't move.

    `overdue` counts the promises whose time has already passed. `too_early` counts the promises that would
    move to a time in the past.
    """

    moved: list[Move] = field(default_factory=list)
    overdue: int = 0
    too_early: int = 0
    # How many patrons were notified, by email or on a device. In a preview, how many would be notified.
    emails: int = 0

    def by_day(self):
        """Return [(old promised day, new promised day, number of promises)], sorted by the days."""
        return [(*days, count) for days, count in sorted(Counter(move.days for move in self.moved).items())]


def moved_promise(promised, before, after, at):
    """Return the new time of a promise if the calendar `after` replaces the calendar `before`.

    The number of opening hours until the promised time doesn't change. If the branch now promises more or
    fewer hours, the difference is added or subtracted. Return `promised` if the promise doesn't move. Return
    None if the new time is in the past.
    """
    left = before.open_time(at, promised)
    longer = datetime.timedelta(hours=after.promise_hours - before.promise_hours)
    if left + longer <= NOTHING:
        return None if longer else promised
    if not longer and before.after(at, left) == after.after(at, left):
        return promised
    return after.after(at, left + longer)


def preview(branch, calendar, *, at):
    """Return the Moves that result if `calendar` replaces the calendar of `branch`. Save nothing."""
    before, moves = Calendar.of(branch), Moves()
    if before == calendar:
        return moves
    for row in _promised(branch).select_related("patron", "help_session__shared_with").order_by("pk"):
        _add(moves, row, before, calendar, at)
    moves.emails = promise_emails.count(moves.moved, at=at)
    return moves


@compares_deadlines
@staff_action
def change_calendar(branch, save, *, seen, email, by, at, now):
    """Change the calendar of the branch, move its promises, and return the Moves.

    The function `save` saves the change. It is called as `save(branch, by=by, at=at)`. `seen` is the
    fingerprint of the calendar that the coordinator saw. If `email` is true, tell each patron whose promised
    day changes. Raises CalendarChanged, RoleEnded.
    """
    # Patrons can ask questions while this transaction runs, because a lock with no_key doesn't block new rows
    # with a foreign key to the branch.
    branch = Branch.objects.select_for_update(no_key=True).get(pk=branch.pk)
    before = Calendar.of(branch)
    if before.fingerprint() != seen:
        raise CalendarChanged
    save(branch, by=by, at=at)
    after, moves = Calendar.of(branch), Moves()
    if before == after:
        return moves
    for rows in _locked_batches(_promised(branch) | _just_answered(branch, at)):
        _move(rows, moves, before, after, by=by, at=now())
    if email:
        moves.emails = promise_emails.write(moves.moved, at=at)
    if moves.moved:
        raise_queue(branch.pk)
    return moves


def _promised(branch):
    """Return the conversations of the branch that have a promise, including snoozed ones."""
    return Conversation.objects.filter(
        branch=branch, status__in=[Status.WAITING_FOR_STAFF, Status.SNOOZED], promised_at__isnull=False
    )


def _just_answered(branch, at):
    """Return the branch's answered and closed conversations whose last action can still be undone.

    Their last promises must move too, because an undo would restore them.
    """
    return Conversation.objects.filter(
        branch=branch,
        status__in=[Status.WAITING_FOR_PATRON, Status.CLOSED],
        queued_at__gte=at - UNDO_WITHIN,
        last_promise_at__gt=at,
        merged_into=None,
    )


def _locked_batches(conversations):
    """Yield lists of at most BATCH locked conversations, in the order of their primary keys."""
    last = 0
    while rows := list(
        conversations.filter(pk__gt=last).select_for_update(no_key=True).order_by("pk")[:BATCH]
    ):
        yield rows
        last = rows[-1].pk


def _add(moves, row, before, after, at):
    """Add the conversation's promise to `moves`. Return the Move, or None if the promise doesn't move."""
    if row.promised_at <= at:
        moves.overdue += 1
        return None
    to = moved_promise(row.promised_at, before, after, at)
    if to is None:
        moves.too_early += 1
        return None
    if to == row.promised_at:
        return None
    move = Move(row, row.promised_at, to, after.zone)
    moves.moved.append(move)
    return move


def _move(rows, moves, before, after, *, by, at):
    """Move the promises of these locked conversations.

    `at` must be a time after the rows were locked. A promised time may have passed while this request waited
    for the locks.
    """
    changed, events = [], []
    for row in rows:
        row.changed_at = now = moment_of_change(row, at)
        if row.promised_at is None:
            to = moved_promise(row.last_promise_at, before, after, now)
            if to is None or to == row.last_promise_at:
                continue
            row.last_promise_at = to
        else:
            move = _add(moves, row, before, after, now)
            if move is None:
                continue
            set_promise(row, move.to, row.waiting_since)
            if move.changes_the_day:
                events.append(_event(move, by))
        row.version += 1
        row.desk_version += 1
        changed.append(row)
    Conversation.objects.bulk_update(
        changed,
        ["promised_at", "last_promise_at", "last_promise_since", "changed_at", "version", "desk_version"],
        batch_size=BATCH,
    )
    DeskEvent.objects.bulk_create(events)


def _event(move, by):
    moved_from, moved_to = move.days
    return DeskEvent(
        conversation=move.conversation,
        kind=DeskEvent.Kind.PROMISE_MOVED,
        by=by,
        moved_from=moved_from,
        moved_to=moved_to,
        at=move.conversation.changed_at,
    )
