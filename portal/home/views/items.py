"""The patron's page of one item."""

from django.db.models import BigAutoField, DateTimeField, F, UUIDField
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from accounts.viewer import for_viewers
from portal.conversations.models import Conversation
from portal.conversations.views.verdicts import card_of
from portal.errors import one_or_404
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem
from recommendations.holdings import fetch_holdings
from recommendations.models import Item, Recommendation

# The page shows at most this many of the occasions on which the item was recommended.
MAX_OCCASIONS = 20


@sign_in_to_open(Item)
@require_safe
def item(request, public_id):
    """Show an item that was recommended to the viewer, or that is in one of their lists.

    The latest recommendation has the question whether it worked out. The earlier ones have a link to it.
    """
    viewer, at = request.viewer, timezone.now()
    item = one_or_404(_for_page(viewer, public_id=public_id, at=at))
    fetch_holdings([item])
    given = _recommendations(viewer, item=item.pk, at=at)
    for recommendation in given:
        recommendation.item = item
    _add_occasions(given, viewer)
    context = {
        "item": item,
        "given": given,
        "quiet": any(recommendation.quiet for recommendation in given),
        "saved_items": _saved(viewer, item=item.pk),
    }
    if given:
        context |= card_of(request, given[0], reverse("item", args=[public_id]))
    return render(request, "recommendations/item.html", context)


def _add_occasions(recommendations, viewer):
    """Set `found_at`, the visit or conversation with each recommendation, and whether it is `quiet`.

    `found_at` is None if the viewer can't open it any more.
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


@for_viewers(public_id=UUIDField(), at=DateTimeField())
def _for_page(viewer, public_id, at):
    return Item.objects.belonging_to(viewer, at).filter(public_id=public_id)


@for_viewers(item=BigAutoField(), at=DateTimeField())
def _recommendations(viewer, item, at):
    rows = Recommendation.objects.belonging_to(viewer, at).not_removed().filter(item=item)
    rows = rows.select_related("branch", "recommended_by")
    return rows.order_by("-recommended_at", "-pk")[:MAX_OCCASIONS]


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


@for_viewers(item=BigAutoField())
def _saved(viewer, item):
    rows = SavedItem.objects.belonging_to(viewer).filter(item=item)
    return rows.select_related("saved_list").latest_first()
