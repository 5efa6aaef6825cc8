"""Find the visit or conversation in which an item was recommended."""

from django.db.models import BigAutoField, F

from accounts.viewer import for_viewers
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession


def add_occasions(recommendations, viewer):
    """Set `found_at` and `quiet` on each recommendation.

    `found_at` is the visit or conversation in which the item was recommended. It is None if the viewer can no
    longer open that visit or conversation. `quiet` says whether the recommendation belongs to a quiet visit.
    """
    keys = [recommendation.pk for recommendation in recommendations]
    found = {}
    if keys:
        found = {row.given: row for row in _conversations(viewer, recommendations=keys)}
        found |= {row.given: row for row in _visits(viewer, recommendations=keys)}
    for recommendation in recommendations:
        recommendation.found_at = occasion = found.get(recommendation.pk)
        visit = occasion.help_session if isinstance(occasion, Conversation) else occasion
        recommendation.quiet = bool(visit and visit.quiet)


@for_viewers(recommendations=BigAutoField())
def _visits(viewer, recommendations):
    rows = HelpSession.objects.belonging_to(viewer)
    rows = rows.filter(recommendation_links__recommendation__in=recommendations)
    return rows.annotate(given=F("recommendation_links__recommendation"))


@for_viewers(recommendations=BigAutoField())
def _conversations(viewer, recommendations):
    rows = Conversation.objects.belonging_to(viewer)
    rows = rows.filter(messages__recommendation_links__recommendation__in=recommendations)
    rows = rows.annotate(given=F("messages__recommendation_links__recommendation"))
    return rows.select_related("help_session")
