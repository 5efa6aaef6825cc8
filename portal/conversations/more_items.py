"""Ask the person who recommended an item for another recommendation."""

from django.db import transaction

from portal.helpsessions.on_duty import on_duty

from . import actions, staff_notices
from .desk_actions import Kind, change_assignee
from .opening import conversation_of


@transaction.atomic
def ask_for_another(recommendation, *, at, **message):
    """Send a question about the recommendation, and return its conversation.

    `message` has further arguments for actions.ask. Raises Erased, like actions.ask.

    If nobody is assigned to the conversation, assign it to the helper, who recommended the item. If the
    helper is away, assign it to the covering colleague. In these cases, nobody is assigned:
    - Neither the helper nor the covering colleague is on duty.
    - The conversation has moved to a branch where the helper doesn't work.

    If the conversation should come back to the writer of its last answer, assign it to that writer instead.
    """
    known = conversation_of(recommendation)
    helper = None
    if known is None or known.comes_back_to_id is None:
        # `on_duty` locks the roles of one person, so call it before other rows are locked. If the
        # conversation comes back to a person, don't call `on_duty`, because `ask` locks the roles of that
        # person.
        branch = (known or recommendation).branch_id
        helper = on_duty(recommendation.recommended_by, branch_pk=branch, at=at)
    conversation = actions.ask(recommendation=recommendation, at=at, **message)
    if helper is not None and conversation.assignee_id is None:
        change_assignee(conversation, Kind.REQUESTED, to=helper, by=None)
        if known is not None:
            staff_notices.announce_reply(conversation, at=conversation.changed_at)
    return conversation
