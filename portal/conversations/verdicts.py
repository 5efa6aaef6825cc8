"""Record a patron's verdict on an item. If the item failed, put a conversation into the desk's queue.

An item failed if it didn't help, or if the patron couldn't get it.
"""

from django.db import transaction

from portal.helpsessions.answer_signal import patron_answered
from portal.helpsessions.models import HelpSession
from portal.helpsessions.on_duty import helper_on_duty
from recommendations.actions import record_verdict, repeats
from recommendations.models import Recommendation
from recommendations.verdicts import NEEDS_FOLLOW_UP

from . import next_steps, states
from .changes import Erased, lock_conversation, lock_owned
from .models import Conversation
from .opening import begin, conversation_of, session_of
from .outcomes import enter_answer

Status, Verdict = Conversation.Status, Recommendation.Verdict


@transaction.atomic
def take_verdict(recommendation, *, verdict, why, comment, by, at, by_link=False, tapped_at=None):
    """Record the patron's verdict and return the recommendation.

    `by_link` and `tapped_at` are arguments for record_verdict, which raises ChangedMeanwhile. If a phone
    sends the same verdict again, nothing changes.

    If the item failed, the conversation about the recommendation is put into the desk's queue. If there is no
    conversation yet, begin one without a message, and assign it to the helper of the visit. The patron
    doesn't see the new conversation until someone writes a message there. If the patron changes the verdict
    later, the conversation leaves the queue again. The item's next step ends as soon as the verdict is no
    longer "could not get it".

    Raises Erased if the visit or the answer that contains the recommendation was erased after the caller read
    the recommendation.
    """
    answer = {"verdict": verdict, "why": why, "comment": comment, "by_link": by_link, "tapped_at": tapped_at}
    recommendation = _take(recommendation, by=by, at=at, **answer)
    if verdict:
        visits = HelpSession.objects.filter(recommendation_links__recommendation=recommendation)
        patron_answered.send(HelpSession, visits=visits, at=at)
    return recommendation


def _take(recommendation, *, verdict, by, at, **answer):
    helper = None
    if verdict in NEEDS_FOLLOW_UP and conversation_of(recommendation) is None:
        help_session = session_of(recommendation)
        helper = helper_on_duty(help_session, at=at) if help_session else None
    if verdict in NEEDS_FOLLOW_UP:
        # The verdict may begin a conversation about the visit, so lock the visit. Lock the visit before its
        # items, as erasing and forgetting do. With a different order, two transactions could deadlock.
        visits = HelpSession.objects.filter(recommendation_links__recommendation=recommendation)
        list(visits.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    before = lock_owned(recommendation)
    typed = {name: answer[name] for name in ("why", "comment", "tapped_at")}
    if repeats(before, verdict=verdict, **typed):
        return recommendation
    recommendation = record_verdict(recommendation, verdict=verdict, at=at, locked=before, **answer)
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
        conversation = _begin_about(recommendation, helper, at)
    else:
        return recommendation
    _date_verdict(recommendation, before, conversation)
    if before.verdict == Verdict.COULD_NOT_GET_IT != verdict:
        next_steps.end_by_patron(conversation, recommendation, by)
    resumes = verdict == Verdict.COULD_NOT_GET_IT != before.verdict
    resumes = resumes and next_steps.resume(conversation, recommendation)
    if verdict in NEEDS_FOLLOW_UP and before.verdict not in NEEDS_FOLLOW_UP and not resumes:
        state = states.help_failed(states.state_of(conversation), recommendation.decided_at, verdict)
    else:
        state = states.replay(conversation)
    enter_answer(conversation, state, is_new=is_new, at=at)
    return recommendation


def _begin_about(recommendation, helper, at):
    help_session = session_of(recommendation)
    conversation = begin(
        at,
        help_session=help_session,
        recommendation=recommendation,
        patron=help_session.patron if help_session else recommendation.patron,
        branch=(help_session or recommendation).branch,
        topic=recommendation.topic,
        subject=str(recommendation.item),
        assignee=helper,
        assigned_at=at if helper else None,
    )
    conversation.changed_at = at
    return conversation


def _date_verdict(recommendation, before, conversation):
    """Set the time of the verdict. Usually, this is the time of the change.

    There is one exception: both the earlier and the new verdict say that the item failed, and staff haven't
    answered in between. The two then count as one complaint, so the new verdict gets the time of the earlier
    one.
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
