"""The same thing done with many threads at once, and undone.

All rows are locked first, by primary key; then each is changed in the order of the branches, whose queues are raised by it. So two
who do this at the same moment, to whatever threads, never wait for each other in a ring.
"""

import datetime
from dataclasses import dataclass, field

from django.core import signing
from django.db import transaction
from django.utils.dateparse import parse_datetime

from . import handling, states
from .actions import STAFF, close, enter, locked, save
from .models import Conversation, DeskEvent, Event

UNDONE_WITHIN = datetime.timedelta(minutes=10)
SALT = "portal.conversations.bulk"
Kind, Status = DeskEvent.Kind, Conversation.Status


class CannotUndo(Exception):
    """It is too long ago, or somebody else did it."""


@dataclass
class Done:
    """What became of the threads: `left` were left as they were, and why."""

    changed: list = field(default_factory=list)
    taken: list = field(default_factory=list)  # somebody else's by now, their `assignee`
    moved: list = field(default_factory=list)  # something happened in them since the page was drawn
    unfit: list = field(default_factory=list)  # closed, or of a branch where the colleague doesn't work
    undo: str = ""  # the key to undoing it


@transaction.atomic
def close_many(seen, *, by, at):
    """Close them. `seen`: {thread: its desk_version on the page where it was chosen}: nobody has read what came since."""
    done, undo = Done(), []
    for thread in _as_seen(seen, done):
        if thread.is_open:
            undo.append(_before(thread))
            close(thread, by=by, side=STAFF, at=at)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_undo(done, undo, "close", by)


@transaction.atomic
def snooze_many(seen, *, until, by, at):
    """Put them off until a day. `seen`: as for close_many."""
    done, undo = Done(), []
    for thread in _as_seen(seen, done):
        if thread.is_open:
            undo.append(_before(thread))
            handling.snooze(thread, until=until, by=by, at=at)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_undo(done, undo, "snooze", by)


@transaction.atomic
def take_many(seen, *, by, at):
    """Make `by` the one who answers, where nobody else is; by the same rule as one alone."""
    done, undo = Done(), []
    for thread in _locked(seen):
        try:
            before = _before(thread)
            handling.take(thread, by=by, at=at)
        except handling.AlreadyTaken:
            done.taken.append(thread)
        else:
            if before[2] != by.pk:
                undo.append(before)
            done.changed.append(thread)
    return _with_undo(done, undo, "assign", by)


@transaction.atomic
def assign_many(seen, *, to, by, at):
    """Make a colleague the one who answers. `seen`: as for close_many, so that no page that is out of date takes a thread from anybody."""
    done, undo = Done(), []
    for thread in _as_seen(seen, done):
        if thread.branch_id in to.desk_branch_ids or to.is_coordinator:
            if thread.assignee_id != to.pk:
                undo.append(_before(thread))
            handling.assign(thread, to=to, by=by, at=at, was=thread.assignee)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_undo(done, undo, "assign", by)


@transaction.atomic
def undo(key, *, by, at):
    """Put back what `key` stands for, in the threads where nothing has happened since. Returns (how many, how many were left).

    Raises CannotUndo.
    """
    try:
        kept = signing.loads(key, salt=SALT, max_age=UNDONE_WITHIN)
    except signing.BadSignature as error:
        raise CannotUndo from error
    if kept["by"] != by.pk:
        raise CannotUndo
    before = {pk: (version, was, assigned_at, promised_at) for pk, version, was, assigned_at, promised_at in kept["threads"]}
    count = 0
    for thread in _locked(Conversation.objects.filter(pk__in=before)):
        version, was, assigned_at, promised_at = before[thread.pk]
        if thread.desk_version == version + 1:
            _put_back(locked(thread, at), kept["did"], by, was, assigned_at, promised_at)
            count += 1
    return count, len(before) - count


def _put_back(thread, did, by, was, assigned_at, promised_at):
    """Nothing happened since, so what was done is the last that happened."""
    if did == "assign":
        thread.desk_events.filter(kind__in=[Kind.TAKEN, Kind.ASSIGNED], by=by).latest("pk").delete()
        thread.assignee_id, thread.assigned_at = was, parse_datetime(assigned_at) if assigned_at else None
    else:
        kind = {"close": Kind.CLOSED, "snooze": Kind.SNOOZED}[did]
        event = max(_latest(thread.desk_events.filter(kind=kind, by=by)) + _latest(thread.events.filter(kind=kind, by=by)), key=lambda event: event.at)
        if isinstance(event, Event) and event.shown_from <= thread.changed_at:
            thread.version += 1
        event.delete()
        enter(thread, states.replay(thread))
        thread.promised_at = parse_datetime(promised_at) if promised_at else None  # the promise that was made, whatever the hours are now
    save(thread)


def _latest(events):
    return list(events.order_by("-pk")[:1])


def _locked(threads):
    """The threads as they are now, their rows locked; by branch. What was joined or erased since is left out."""
    rows = Conversation.objects.select_for_update(of=("self",), no_key=True).select_related("assignee", "branch")
    rows = rows.filter(pk__in=[thread.pk for thread in threads], joined_into=None).exclude(status=Status.ERASED)
    return sorted(rows.order_by("pk"), key=lambda thread: (thread.branch_id, thread.pk))


def _as_seen(seen, done):
    versions = {thread.pk: version for thread, version in seen.items()}
    for thread in _locked(seen):
        if thread.desk_version == versions[thread.pk]:
            yield thread
        else:
            done.moved.append(thread)


def _before(thread):
    moments = [moment.isoformat() if moment else None for moment in (thread.assigned_at, thread.promised_at)]
    return [thread.pk, thread.desk_version, thread.assignee_id, *moments]


def _with_undo(done, before, did, by):
    if before:
        done.undo = signing.dumps({"did": did, "by": by.pk, "threads": before}, salt=SALT, compress=True)
    return done
