"""What stands beside a thread: what this person was given before and how it turned out, and their other threads; as far as they agreed to it.

A visit is joined to somebody's name when they keep it, and the words they agree to say that staff see it. So this shows what is kept,
and of a quiet session, or of somebody who came by code alone, nothing.
"""

from django.db.models import Q

from portal.conversations.models import Conversation
from recommendations.models import Recommendation
from recommendations.verdicts import label_for

NEWEST = 5


def beside_context(conversation, user):
    """For desk/thread_beside.html, of a thread found with its help session and readers' form. At most two queries."""
    context = {"readers_form": getattr(conversation, "readers_form", None), "before": [], "other_threads": []}
    session = conversation.help_session
    if conversation.patron_id is None or (session is not None and session.quiet):
        return context
    return context | {"before": _given_before(conversation), "other_threads": _other_threads(conversation, user)}


def _given_before(conversation):
    """The newest that this person was given on other occasions, each with its verdict in words."""
    kept = Recommendation.objects.filter(patron=conversation.patron_id).exclude(pk=conversation.recommendation_id)
    here = Q(messagerecommendation__message__conversation=conversation)
    if conversation.help_session_id is not None:
        here |= Q(sessionrecommendation__help_session=conversation.help_session_id)
    quiet = Q(sessionrecommendation__help_session__quiet=True) | Q(messagerecommendation__message__conversation__help_session__quiet=True)
    before = kept.exclude(here).exclude(quiet).select_related("item", "branch").order_by("-recommended_at", "-pk")
    before = list(before.only("verdict", "question_type", "why", "comment", "recommended_at", "item__title", "branch__name")[:NEWEST])
    for recommendation in before:
        recommendation.said = label_for(recommendation)
    return before


def _other_threads(conversation, user):
    """Their other threads, the latest first. What of them this member of staff may not open has no subject here, and no link."""
    threads = list(
        Conversation.objects.filter(patron=conversation.patron_id)
        .not_joined()
        .exclude(pk=conversation.pk)
        .exclude(status=Conversation.Status.ERASED)
        .exclude(help_session__quiet=True)
        .select_related("branch")
        .only("public_id", "subject", "status", "snoozed_until", "opened_at", "assignee", "branch__name")
        .order_by("-opened_at", "-pk")[:NEWEST]
    )
    elsewhere = [thread.pk for thread in threads if thread.branch_id not in user.desk_branch_ids and thread.assignee_id != user.pk]
    openable = set(Conversation.objects.at_desk_of(user).filter(pk__in=elsewhere).values_list("pk", flat=True)) if elsewhere else set()
    for thread in threads:
        thread.may_open = thread.pk not in elsewhere or thread.pk in openable
    return threads
