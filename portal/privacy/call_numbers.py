"""Delete the phone numbers of patrons who asked for a call."""

from portal.conversations.desk_actions import UNDO_WITHIN
from portal.conversations.models import CallBack, Conversation

from . import holds


def forget_call_numbers(*, at):
    """Delete the numbers of calls whose end can no longer be undone. The worker runs this job.

    A number under a legal hold is not deleted until the hold is lifted. No page shows such a number.
    """
    done = CallBack.objects.filter(done_at__lte=at - UNDO_WITHIN)
    if done.exists():
        _delete(done)


def remove(numbers, *, at):
    """Delete these numbers now. If a number is under a legal hold, only hide it.

    If staff have not called yet, the worker later ends the open call. Staff then read that the number was
    deleted.
    """
    if numbers.exists():
        _delete(numbers)
        # The remaining numbers are under a legal hold. If staff undo an action, the number whose `done_at` is
        # the time of that action is shown again. A new `done_at` keeps the number hidden.
        numbers.update(done_at=at)


def _delete(numbers):
    held = Conversation.objects.filter(holds.held_conversations())
    numbers.exclude(conversation__in=held.values("pk")).delete()
