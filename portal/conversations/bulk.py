"""The same thing done with many conversations at once, and undone.

First the roles of whoever does it are held and all rows locked, by primary key; then each is changed in the
order of the branches, whose queues are raised by it. So two who do this at the same moment, to whatever
conversations, never wait for each other in a ring.
"""

import datetime
from dataclasses import dataclass, field

from django.core import signing

from accounts.staff_actions import staff_action

from . import desk_actions
from .actions import close
from .changes import STAFF
from .desk_actions import UNDO_WITHIN, AlreadyTaken, CannotUndo
from .models import Conversation

SALT = "portal.conversations.bulk"


@dataclass
class Done:
    """What became of the conversations: those that were left as they were, and why."""

    changed: list = field(default_factory=list)
    taken: list = field(default_factory=list)  # somebody else's by now: their `assignee`
    moved: list = field(default_factory=list)  # something happened in them since the page was drawn
    unfit: list = field(default_factory=list)  # closed, or of a branch where the colleague doesn't work
    undo: str = ""  # the key to undoing it; "" where nothing changed


@staff_action
def close_many(seen, *, by, at):
    """Close them. `seen`: {conversation: its desk_version on the page where it was chosen}: what came since, nobody has read."""
    done = Done()
    for conversation in _as_seen(seen, done):
        if conversation.is_open:
            close(conversation, by=by, side=STAFF, at=at)
            done.changed.append(conversation)
        else:
            done.unfit.append(conversation)
    return _with_key(done, by)


@staff_action
def snooze_many(seen, *, until, by, at):
    """Put them off until a day. `seen`: as for close_many."""
    done = Done()
    for conversation in _as_seen(seen, done):
        if conversation.is_open:
            desk_actions.snooze(conversation, until=until, by=by, at=at)
            done.changed.append(conversation)
        else:
            done.unfit.append(conversation)
    return _with_key(done, by)


@staff_action
def take_many(seen, *, by, at):
    """Make `by` the one who answers, where nobody else is: by the same rule as one alone."""
    done = Done()
    for conversation in _locked(seen):
        try:
            desk_actions.take(conversation, by=by, at=at)
        except AlreadyTaken:
            done.taken.append(conversation)
        else:
            done.changed.append(conversation)
    return _with_key(done, by)


@staff_action(also="to")
def assign_many(seen, *, to, by, at):
    """Make a colleague the one who answers. `seen`: as for close_many, so that no page that is out of date takes a conversation from anybody."""
    done = Done()
    for conversation in _as_seen(seen, done):
        if conversation.branch_id in to.desk_branch_ids or to.is_coordinator:
            desk_actions.assign(conversation, to=to, by=by, at=at, was=conversation.assignee)
            done.changed.append(conversation)
        else:
            done.unfit.append(conversation)
    return _with_key(done, by)


@staff_action
def undo(key, *, by, at):
    """Put back what `key` stands for, where nothing has happened since. Returns (in how many conversations, how many were left).

    Raises CannotUndo: it is too long ago, or somebody else did it.
    """
    try:
        kept = signing.loads(key, salt=SALT, max_age=UNDO_WITHIN)
    except signing.BadSignature as error:
        raise CannotUndo from error
    if kept["by"] != by.pk:
        raise CannotUndo
    done_at = {pk: datetime.datetime.fromisoformat(moment) for pk, moment in kept["conversations"]}
    count = 0
    for conversation in _locked(Conversation.objects.at_desk_of(by).filter(pk__in=done_at)):
        try:
            desk_actions.undo(conversation, done_at=done_at[conversation.pk], by=by, at=at)
        except CannotUndo:
            continue
        count += 1
    return count, len(done_at) - count


def _locked(conversations):
    """The conversations as they are now, their rows locked; by branch. What was joined or erased since is left out."""
    rows = Conversation.objects.select_for_update(no_key=True).filter(
        pk__in=[conversation.pk for conversation in conversations], merged_into=None
    )
    locked = list(rows.exclude(status=Conversation.Status.ERASED).order_by("pk").values_list("pk", flat=True))
    # Read afterwards, as in actions.locked: a joined row is looked up as it was before the wait.
    rows = Conversation.objects.filter(pk__in=locked).select_related("assignee", "branch")
    return sorted(rows, key=lambda conversation: (conversation.branch_id, conversation.pk))


def _as_seen(seen, done):
    versions = {conversation.pk: version for conversation, version in seen.items()}
    for conversation in _locked(seen):
        if conversation.desk_version == versions[conversation.pk]:
            yield conversation
        else:
            done.moved.append(conversation)


def _with_key(done, by):
    """Those that were so before have nothing to be undone."""
    versions = {conversation.pk: conversation.desk_version for conversation in done.changed}
    now = Conversation.objects.filter(pk__in=versions).values_list("pk", "desk_version", "changed_at")
    changed = [(pk, changed_at.isoformat()) for pk, version, changed_at in now if version != versions[pk]]
    if changed:
        done.undo = signing.dumps({"by": by.pk, "conversations": changed}, salt=SALT, compress=True)
    return done
