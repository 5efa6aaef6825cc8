"""Change many conversations in one action, and undo these changes.

Simultaneous actions can't deadlock, because all of them lock rows in the same order. Each action locks the
roles of the staff member first, and then the conversations by primary key. It then changes the conversations
in the order of their branches, because a change also updates the row of the branch's queue.
"""

import datetime
from dataclasses import dataclass, field

from django.core import signing

from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from . import desk_actions
from .actions import close
from .changes import STAFF
from .desk_actions import UNDO_WITHIN, AlreadyTaken, CannotUndo
from .models import Conversation

SALT = "portal.conversations.bulk"


@dataclass
class Done:
    """The result of a bulk action: the changed conversations, and three lists of the unchanged conversations.

    `taken` has conversations that are assigned to someone else. `moved` has conversations that were changed
    after the page was loaded. `unfit` has conversations that the action doesn't apply to: they are closed, or
    belong to a branch where the new assignee doesn't work. `undo` is the key for the function `undo`, or ""
    if nothing can be undone.
    """

    changed: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    moved: list = field(default_factory=list)
    unfit: list = field(default_factory=list)
    undo: str = ""


@staff_action
def close_many(seen, *, by, at):
    """Close the conversations.

    `seen` is {selected conversation: the desk_version that the page of the staff member had}. A conversation
    with a newer version stays open, because the staff member hasn't seen what changed.
    """
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
    """Snooze the conversations until the day `until`. `seen` means the same as in close_many."""
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
    """Assign the conversations to `by`, except conversations that a colleague has already taken."""
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
    """Assign the conversations to a colleague. `seen` means the same as in close_many."""
    done = Done()
    for conversation in _as_seen(seen, done):
        if conversation.branch_id in to.queue_branch_ids or to.is_coordinator:
            desk_actions.assign(conversation, to=to, by=by, at=at, was=conversation.assignee)
            done.changed.append(conversation)
        else:
            done.unfit.append(conversation)
    return _with_key(done, by)


@compares_deadlines
@staff_action
def undo(key, *, by, at, now):
    """Undo a bulk action, except in conversations that were changed after the action.

    `key` is the value of Done.undo. Return (number of restored conversations, number of conversations that
    were not restored). Raises CannotUndo if too much time has passed or if someone else did the action.
    """
    try:
        kept = signing.loads(key, salt=SALT, max_age=UNDO_WITHIN)
    except signing.BadSignature as error:
        raise CannotUndo from error
    # A key from an older release has "threads" instead of "conversations".
    if kept["by"] != by.pk or "conversations" not in kept:
        raise CannotUndo
    done_at = {pk: datetime.datetime.fromisoformat(moment) for pk, moment in kept["conversations"]}
    count = 0
    for conversation in _locked(Conversation.objects.at_desk_of(by).filter(pk__in=done_at)):
        try:
            desk_actions.undo(conversation, done_at=done_at[conversation.pk], by=by, at=now())
        except CannotUndo:
            continue
        count += 1
    return count, len(done_at) - count


def _locked(conversations):
    """Lock the conversations, read them again, and return them sorted by branch.

    Merged and erased conversations are left out.
    """
    rows = Conversation.objects.select_for_update(no_key=True).filter(
        pk__in=[conversation.pk for conversation in conversations], merged_into=None
    )
    locked = list(rows.exclude(status=Conversation.Status.ERASED).order_by("pk").values_list("pk", flat=True))
    # The query with joins must run after the rows are locked, see changes.lock_conversation.
    rows = Conversation.objects.filter(pk__in=locked).select_related("assignee", "branch")
    return sorted(rows, key=lambda conversation: (conversation.branch_id, conversation.pk))


def _as_seen(seen, done):
    """Yield the conversations that have not changed since the page showed them.

    Add each changed conversation to `done.moved`.
    """
    versions = {conversation.pk: version for conversation, version in seen.items()}
    for conversation in _locked(seen):
        if conversation.desk_version == versions[conversation.pk]:
            yield conversation
        else:
            done.moved.append(conversation)


def _with_key(done, by):
    """Store the key for the function `undo` in `done.undo`, and return `done`.

    The key lists only the conversations that were changed.
    """
    versions = {conversation.pk: conversation.desk_version for conversation in done.changed}
    now = Conversation.objects.filter(pk__in=versions).values_list("pk", "desk_version", "changed_at")
    changed = [(pk, changed_at.isoformat()) for pk, version, changed_at in now if version != versions[pk]]
    if changed:
        done.undo = signing.dumps({"by": by.pk, "conversations": changed}, salt=SALT, compress=True)
    return done
