"""The patron's history, which the desk shows next to a conversation.

The history contains the patron's other conversations, and the items recommended on other occasions. Patrons
who keep a visit in their account agree that staff see their history. So the history is empty in two cases:
the conversation is in nobody's account, or it is about a quiet session.
"""

from django.db.models import BigAutoField, Q

from portal.conversations.models import Conversation
from portal.prepared import prepared
from recommendations.models import Recommendation

from .given_items import with_verdict_labels

NEWEST = 5
KEY = BigAutoField()


def patron_history_context(conversation, user):
    """Return the context of desk/patron_history.html, with at most three queries.

    The conversation's `help_session` and `readers_form` must be loaded already.
    """
    session = conversation.help_session
    is_hidden = conversation.patron_id is None or (session is not None and session.quiet)
    return {
        "readers_form": getattr(conversation, "readers_form", None),
        "before": [] if is_hidden else _given_before(conversation),
        "other_conversations": [] if is_hidden else _other_conversations(conversation, user),
    }


def _given_before(conversation):
    rows = _newest_given(
        patron=conversation.patron_id,
        conversation=conversation.pk,
        session=conversation.help_session_id or 0,
        own=conversation.recommendation_id or 0,
    )
    return with_verdict_labels(rows)


ITEM_FIELDS = (
    *("item__public_id", "item__title", "item__original_title", "item__original_lang"),
    *("item__kind", "item__form", "item__audience", "item__is_fiction"),
)


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
    fields = "starred", "verdict", "question_type", "why", "comment", "by_link", "recommended_at"
    return (
        Recommendation.objects.filter(patron=patron)
        .exclude(sessionrecommendation__removed_at__isnull=False)
        .exclude(here)
        .exclude(quiet)
        .select_related("item", "branch")
        .only(*fields, *ITEM_FIELDS, "branch__name")
        .order_by("-recommended_at", "-pk")[:NEWEST]
    )


def _other_conversations(conversation, user):
    """Return the patron's newest other conversations, and set `may_open` on each.

    The page hides the subject of a conversation that the staff member may not open.
    """
    others = _newest_conversations(patron=conversation.patron_id, conversation=conversation.pk)
    for other in others:
        other.may_open = other.branch_id in user.queue_branch_ids or other.assignee_id == user.pk
    elsewhere = [other for other in others if not other.may_open]
    if elsewhere:
        openable = Conversation.objects.at_desk_of(user).in_bulk([other.pk for other in elsewhere])
        for other in elsewhere:
            other.may_open = other.pk in openable
    return others


@prepared(patron=KEY, conversation=KEY)
def _newest_conversations(patron, conversation):
    fields = "public_id", "subject", "status", "snoozed_until", "opened_at", "assignee"
    return (
        Conversation.objects.filter(patron=patron)
        .not_merged()
        .exclude(pk=conversation)
        .exclude(status=Conversation.Status.ERASED)
        .exclude(help_session__quiet=True)
        .select_related("branch")
        .only(*fields, "branch__name")
        .order_by("-opened_at", "-pk")[:NEWEST]
    )
