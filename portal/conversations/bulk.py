"""The same thing done with many threads at once, and undone.

First the roles of whoever does it are held and all rows locked, by primary key; then each is changed in the order of the branches,
whose queues are raised by it. So two who do this at the same moment, to whatever threads, never wait for each other in a ring.
"""

import datetime
from dataclasses import dataclass, field

from django.core import signing
from django.db import transaction

from accounts import roles

from . import handling
from .actions import STAFF, close
from .handling import UNDO_WITHIN, AlreadyTaken, CannotUndo
from .models import Conversation

SALT = "portal.conversations.bulk"


@dataclass
class Done:
    """What became of the threads: those that were left as they were, and why."""

    changed: list = field(default_factory=list)
    taken: list = field(default_factory=list)  # somebody else's by now: their `assignee`
    moved: list = field(default_factory=list)  # something happened in them since the page was drawn
    unfit: list = field(default_factory=list)  # closed, or of a branch where the colleague doesn't work
    undo: str = ""  # the key to undoing it; "" where nothing changed


@transaction.atomic
def close_many(seen, *, by, at):
    """Close them. `seen`: {thread: its desk_version on the page where it was chosen}: what came since, nobody has read."""
    roles.hold(by)
    done = Done()
    for thread in _as_seen(seen, done):
        if thread.is_open:
            close(thread, by=by, side=STAFF, at=at)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_key(done, by)


@transaction.atomic
def snooze_many(seen, *, until, by, at):
    """Put them off until a day. `seen`: as for close_many."""
    roles.hold(by)
    done = Done()
    for thread in _as_seen(seen, done):
        if thread.is_open:
            handling.snooze(thread, until=until, by=by, at=at)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_key(done, by)


@transaction.atomic
def take_many(seen, *, by, at):
    """Make `by` the one who answers, where nobody else is: by the same rule as one alone."""
    roles.hold(by)
    done = Done()
    for thread in _locked(seen):
        try:
            handling.take(thread, by=by, at=at)
        except AlreadyTaken:
            done.taken.append(thread)
        else:
            done.changed.append(thread)
    return _with_key(done, by)


@transaction.atomic
def assign_many(seen, *, to, by, at):
    """Make a colleague the one who answers. `seen`: as for close_many, so that no page that is out of date takes a thread from anybody."""
    roles.hold(by, to)
    done = Done()
    for thread in _as_seen(seen, done):
        if thread.branch_id in to.desk_branch_ids or to.is_coordinator:
            handling.assign(thread, to=to, by=by, at=at, was=thread.assignee)
            done.changed.append(thread)
        else:
            done.unfit.append(thread)
    return _with_key(done, by)


@transaction.atomic
def undo(key, *, by, at):
    """Put back what `key` stands for, where nothing has happened since. Returns (in how many threads, how many were left).

    Raises CannotUndo: it is too long ago, or somebody else did it.
    """
    try:
        kept = signing.loads(key, salt=SALT, max_age=UNDO_WITHIN)
    except signing.BadSignature as error:
        raise CannotUndo from error
    if kept["by"] != by.pk:
        raise CannotUndo
    roles.hold(by)
    done_at = {pk: datetime.datetime.fromisoformat(moment) for pk, moment in kept["threads"]}
    count = 0
    for thread in _locked(Conversation.objects.at_desk_of(by).filter(pk__in=done_at)):
        try:
            handling.undo(thread, done_at=done_at[thread.pk], by=by, at=at)
        except CannotUndo:
            continue
        count += 1
    return count, len(done_at) - count


def _locked(threads):
    """The threads as they are now, their rows locked; by branch. What was joined or erased since is left out."""
    rows = Conversation.objects.select_for_update(no_key=True).filter(
        pk__in=[thread.pk for thread in threads], joined_into=None
    )
    locked = list(rows.exclude(status=Conversation.Status.ERASED).order_by("pk").values_list("pk", flat=True))
    # Read afterwards, as in actions.locked: a joined row is looked up as it was before the wait.
    rows = Conversation.objects.filter(pk__in=locked).select_related("assignee", "branch")
    return sorted(rows, key=lambda thread: (thread.branch_id, thread.pk))


def _as_seen(seen, done):
    versions = {thread.pk: version for thread, version in seen.items()}
    for thread in _locked(seen):
        if thread.desk_version == versions[thread.pk]:
            yield thread
        else:
            done.moved.append(thread)


def _with_key(done, by):
    """Those that were so before have nothing to be undone."""
    versions = {thread.pk: thread.desk_version for thread in done.changed}
    now = Conversation.objects.filter(pk__in=versions).values_list("pk", "desk_version", "changed_at")
    changed = [(pk, changed_at.isoformat()) for pk, version, changed_at in now if version != versions[pk]]
    if changed:
        done.undo = signing.dumps({"by": by.pk, "threads": changed}, salt=SALT, compress=True)
    return done
