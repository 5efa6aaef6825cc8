"""Undo a transfer, even if the staff member can't open the conversation at its new branch.

The usual filter `at_desk_of` doesn't find such a conversation. So a signed key identifies the transfer and
the staff member.
"""

from django.core import signing

from accounts.models import Branch
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from . import states
from .changes import Erased, enter, lock_conversation, raise_queue
from .desk_actions import UNDO_WITHIN, CannotUndo
from .models import Conversation, DeskEvent, Side

SALT = "portal.conversations.transfers"


def undo_key(conversation, *, user):
    """Return the key that lets `user` undo the transfer that they have just made.

    `conversation` must be the object that `transfer` returned. Return "" if the transfer has not changed the
    branch.
    """
    if conversation.transferred_from is None:
        return ""
    transfer = {
        "by": user.pk,
        "conversation": conversation.pk,
        "version": conversation.desk_version,
        "from": conversation.transferred_from,
    }
    return signing.dumps(transfer, salt=SALT, compress=True)


@compares_deadlines
@staff_action
def undo(key, *, by, at, now):
    """Undo a transfer: restore the branch and the assignee, and return the conversation.

    Raises CannotUndo if the key is wrong, too old or for another person. Also raises CannotUndo if anything
    has happened in the conversation since the transfer, or if a colleague has saved a draft since then.
    """
    try:
        kept = signing.loads(key, salt=SALT, max_age=UNDO_WITHIN)
    except signing.BadSignature as error:
        raise CannotUndo from error
    conversation = Conversation.objects.filter(pk=kept["conversation"]).first()
    branch = Branch.objects.filter(pk=kept["from"], closed_at=None).first()
    if conversation is None or branch is None or kept["by"] != by.pk:
        raise CannotUndo
    try:
        conversation = lock_conversation(conversation, at)
    except Erased as error:
        raise CannotUndo from error
    done = conversation.desk_events.filter(kind=DeskEvent.Kind.TRANSFERRED, by=by).order_by("pk").last()
    if (
        (conversation.pk, conversation.desk_version) != (kept["conversation"], kept["version"])
        or done is None
        or now() - done.at > UNDO_WITHIN
        or _somebody_writes(conversation, done)
    ):
        raise CannotUndo
    branches = sorted([conversation.branch_id, branch.pk])
    conversation.branch = branch
    if done.was is not None and done.was.is_staff:
        conversation.assignee, conversation.assigned_at = done.was, conversation.changed_at
    done.delete()
    enter(conversation, states.replay(conversation))
    conversation.desk_version += 1
    conversation.save()
    # The branches are sorted, so that an undo can't deadlock with a transfer in the opposite direction.
    for branch_id in branches:
        raise_queue(branch_id)
    return conversation


def _somebody_writes(conversation, transfer):
    """Return whether a colleague has saved a draft since the transfer.

    If so, the transfer can't be undone, because the colleague might lose access to the draft.
    """
    drafts = conversation.drafts.filter(side=Side.STAFF, saved_at__gt=transfer.at)
    return drafts.exclude(person=transfer.by).exists()
