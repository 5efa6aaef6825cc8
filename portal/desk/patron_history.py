"""What stands beside a conversation: what this person was given before and how it turned out, and their other conversations; as far as they agreed to it.

A visit is joined to somebody's name when they keep it, and the words they agree to say that staff see it. So this shows what is kept,
and of a quiet session, or of somebody who came by code alone, nothing.
"""

from django.db.models import BigAutoField, Q

from portal.conversations.models import Conversation
from portal.prepared import prepared
from recommendations.models import Recommendation
from recommendations.verdicts import label_for

NEWEST = 5
KEY = BigAutoField()


def beside_context(conversation, user):
    """For desk/patron_history.html, of a conversation found with its help session and readers' form. At most two queries."""
    context = {
        "readers_form": getattr(conversation, "readers_form", None),
        "before": [],
        "other_conversations": [],
    }
    session = conversation.help_session
    if conversation.patron_id is None or (session is not None and session.quiet):
        return context
    return context | {
        "before": _given_before(conversation),
        "other_conversations": _other_conversations(conversation, user),
    }


def _given_before(conversation):
    """The newest that this person was given on other occasions, each with its verdict in words."""
    hung_on = {"session": conversation.help_session_id or 0, "own": conversation.recommendation_id or 0}
    before = _newest_given(patron=conversation.patron_id, conversation=conversation.pk, **hung_on)
    for recommendation in before:
        recommendation.said = label_for(recommendation)
    return before


@prepared(patron=KEY, conversation=KEY, session=KEY, own=KEY)
def _newest_given(patron, conversation, session, own):
    here = (
        Q(pk=own)
        | Q(messagerecommendation__message__conversation=conversation)
        | Q(sessionrecommendation__help_session=session)
    )
    quiet = Q(sessionrecommendation__help_session__quiet=True) | Q(
        messagerecommendation__message__conversation__help_session__quiet=True
    )
    kept = (
        Recommendation.objects.filter(patron=patron)
        .exclude(here)
        .exclude(quiet)
        .select_related("item", "branch")
        .order_by("-recommended_at", "-pk")
    )
    return kept.only(
        "starred",
        "verdict",
        "question_type",
        "why",
        "comment",
        "recommended_at",
        "item__title",
        "branch__name",
    )[:NEWEST]


def _other_conversations(conversation, user):
    """Their other conversations, the latest first. What of them this member of staff may not open has no subject here, and no link."""
    others = _newest_conversations(patron=conversation.patron_id, conversation=conversation.pk)
    elsewhere = [
        other.pk
        for other in others
        if other.branch_id not in user.desk_branch_ids and other.assignee_id != user.pk
    ]
    openable = (
        set(Conversation.objects.at_desk_of(user).filter(pk__in=elsewhere).values_list("pk", flat=True))
        if elsewhere
        else set()
    )
    for other in others:
        other.may_open = other.pk not in elsewhere or other.pk in openable
    return others


@prepared(patron=KEY, conversation=KEY)
def _newest_conversations(patron, conversation):
    others = Conversation.objects.filter(patron=patron).not_merged().exclude(pk=conversation)
    others = (
        others.exclude(status=Conversation.Status.ERASED)
        .exclude(help_session__quiet=True)
        .select_related("branch")
        .order_by("-opened_at", "-pk")
    )
    return others.only(
        "public_id", "subject", "status", "snoozed_until", "opened_at", "assignee", "branch__name"
    )[:NEWEST]
