"""The recommended items that the page of a conversation or of a help session shows."""

from collections import defaultdict

from django.db.models import BigAutoField, DateTimeField, F
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.conversations.models import MessageRecommendation
from portal.helpsessions.models import SessionRecommendation
from portal.prepared import prepared
from recommendations.models import Recommendation, each_once
from recommendations.verdicts import label_for

KEY = BigAutoField()
FIELDS = (
    *("reason", "starred", "verdict", "question_type", "why", "comment", "decided_at", "by_link"),
    *("item__public_id", "item__title", "item__creators", "item__kind", "item__is_fiction", "item__year"),
    *("item__url", "item__doi", "item__starts_on", "item__ends_on", "item__phone"),
    *("item__original_title", "item__original_creators", "item__original_lang"),
    *("item__form", "item__audience", "item__retired_at"),
)


def given_in(conversation, timeline):
    """Return ({primary key of a message: its recommendations}, [earlier recommendations]).

    The earlier recommendations are those of the conversation's help session, and the recommendation that the
    conversation is about. One query loads everything.
    """
    session = conversation.help_session_id or 0
    rows = _given(
        conversation=conversation.pk,
        since=timeline.begins or timezone.now(),
        session=session,
        own=conversation.recommendation_id or 0,
    )
    by_message, before = defaultdict(list), []
    for recommendation in with_verdict_labels(each_once(rows)):
        message = recommendation.message_id
        (by_message[message] if message else before).append(recommendation)
    return by_message, before


def given_at(help_session):
    """Return the recommendations of a help session, sorted by position, without the removed ones."""
    links = help_session.recommendation_links.not_removed()
    given = Recommendation.objects.filter(sessionrecommendation__in=links)
    return given.order_by("sessionrecommendation__position", "pk")


def with_verdict_labels(recommendations):
    """Return the recommendations as a list, and set `verdict_label` on each to its verdict in words."""
    recommendations = list(recommendations)
    for recommendation in recommendations:
        recommendation.verdict_label = label_for(recommendation)
    return recommendations


@prepared(conversation=KEY, since=DateTimeField(), session=KEY, own=KEY)
def _given(conversation, since, session, own):
    in_messages = (
        MessageRecommendation.objects.filter(message__conversation=conversation, message__sent_at__gte=since)
        .order_by()
        .values("recommendation")
    )
    in_session = (
        SessionRecommendation.objects.not_removed()
        .filter(help_session=session)
        .order_by()
        .values("recommendation")
    )
    of_conversation = Recommendation.objects.filter(pk=own).order_by().values("pk")
    given = Recommendation.objects.filter(pk__in=in_messages.union(in_session, of_conversation))
    place = Coalesce("messagerecommendation__position", "sessionrecommendation__position", 0)
    return (
        given.select_related("item")
        .only(*FIELDS)
        .with_places()
        .annotate(message_id=F("messagerecommendation__message"), place=place)
        .order_by("place", "pk", "place_branch")
    )
