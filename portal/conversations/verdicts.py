"""Record a patron's verdict on an item. If the item failed, open a conversation about it at the desk.

An item failed if it didn't help, or if the patron couldn't get it.
"""

from django.db import transaction

from recommendations.actions import record_verdict
from recommendations.verdicts import NEEDS_FOLLOW_UP

from . import staff_notices, states
from .changes import Erased, enter, lock_conversation, lock_owned, save
from .models import Conversation
from .opening import begin, conversation_of, session_of

Status = Conversation.Status


@transaction.atomic
def take_verdict(recommendation, *, verdict, why, comment, by, at):
    """Record the patron's verdict and return the recommendation.

    If the item failed, the conversation about the recommendation goes into the desk's queue. If no such
    conversation exists, begin one without a message. The patron doesn't see it until someone writes in it. If
    the patron changes the verdict later, the conversation leaves the queue again.

    Raises Erased if the visit or the answer that contains the recommendation was erased after the caller read
    the recommendation.
    """
    before = lock_owned(recommendation)
    recommendation = record_verdict(
        recommendation, verdict=verdict, why=why, comment=comment, at=at, locked=before
    )
    conversation = conversation_of(recommendation)
    if conversation is None and before.patron_id is None and session_of(recommendation) is None:
        raise Erased
    is_new = conversation is None
    if conversation is not None:
        try:
            conversation = lock_conversation(conversation, at)
        except Erased:
            return recommendation
    elif verdict in NEEDS_FOLLOW_UP:
        conversation = _begin_about(recommendation, at)
    else:
        return recommendation
    _date_verdict(recommendation, before, conversation)
    if verdict in NEEDS_FOLLOW_UP and before.verdict not in NEEDS_FOLLOW_UP:
        state = states.item_failed(states.state_of(conversation), recommendation.decided_at, verdict)
    else:
        state = states.replay(conversation)
    enter(conversation, state, seen_by_patron=state.status == Status.WAITING_FOR_STAFF)
    conversation.version += 1
    if is_new:
        staff_notices.announce_new(conversation, at=at, due_at=conversation.at_desk_from)
    save(conversation, shows_at=conversation.at_desk_from)
    return recommendation


def _begin_about(recommendation, at):
    help_session = session_of(recommendation)
    conversation = begin(
        at,
        help_session=help_session,
        recommendation=recommendation,
        patron=help_session.patron if help_session else recommendation.patron,
        branch=(help_session or recommendation).branch,
        topic=recommendation.topic,
        subject=str(recommendation.item),
    )
    conversation.changed_at = at
    return conversation


def _date_verdict(recommendation, before, conversation):
    """Set the time of the verdict to the time of this change.

    But if the earlier verdict and the new verdict count as one complaint, keep the time of the earlier
    verdict. They count as one if both say that the item failed and staff haven't answered in between.
    """
    is_unanswered = (
        conversation.status == Status.WAITING_FOR_STAFF
        and {before.verdict, recommendation.verdict} <= NEEDS_FOLLOW_UP
        and before.decided_at >= conversation.waiting_since
    )
    decided_at = before.decided_at if is_unanswered else conversation.changed_at
    if recommendation.decided_at not in (None, decided_at):
        recommendation.decided_at = decided_at
        recommendation.save(update_fields=["decided_at"])
