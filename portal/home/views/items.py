"""The patron's page of one item."""

from django.db.models import BigAutoField, DateTimeField, UUIDField
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from accounts.viewer import for_viewers
from portal.conversations.views.verdicts import card_of
from portal.errors import one_or_404
from portal.lists.models import SavedItem
from recommendations.holdings import fetch_holdings
from recommendations.models import Item, ItemMatch, Recommendation

from ..occasions import add_occasions

# The page shows at most this many of the occasions on which the item was recommended.
MAX_OCCASIONS = 20


@sign_in_to_open(Item)
@require_safe
def item(request, public_id):
    """Show an item that was recommended to the viewer, or that is in one of their lists.

    The page asks whether the latest recommendation worked out. For each earlier recommendation, it shows a
    link to this question.

    If the item was added by hand and is now matched with an imported record, redirect to the record. Emails
    and other pages may still have the address of the item that was added by hand.
    """
    viewer, at = request.viewer, timezone.now()
    found = _for_page(viewer, public_id=public_id, at=at)
    if not found and (records := _records_of(viewer, public_id=public_id, at=at)):
        return redirect("item", records[0].public_id)
    item = one_or_404(found)
    fetch_holdings([item])
    given = _recommendations(viewer, item=item.pk, at=at)
    for recommendation in given:
        recommendation.item = item
    saved_items = _saved(viewer, item=item.pk)
    if not given and not item.source and all(saved.from_link for saved in saved_items):
        # Staff typed the call number of this item for somebody else, so don't show it.
        item.places = []
    add_occasions(given, viewer)
    context = {
        "item": item,
        "given": given,
        "quiet": any(recommendation.quiet for recommendation in given),
        "saved_items": saved_items,
    }
    if given:
        context |= card_of(request, given[0], reverse("item", args=[public_id]))
    return render(request, "recommendations/item.html", context)


@for_viewers(public_id=UUIDField(), at=DateTimeField())
def _for_page(viewer, public_id, at):
    return Item.objects.belonging_to(viewer, at).filter(public_id=public_id)


@for_viewers(public_id=UUIDField(), at=DateTimeField())
def _records_of(viewer, public_id, at):
    matched = ItemMatch.objects.current().filter(item__public_id=public_id)
    return Item.objects.belonging_to(viewer, at).filter(pk__in=matched.values("record"))


@for_viewers(item=BigAutoField(), at=DateTimeField())
def _recommendations(viewer, item, at):
    rows = Recommendation.objects.belonging_to(viewer, at).not_removed().filter(item=item)
    rows = rows.select_related("branch", "recommended_by").with_next_step()
    return rows.order_by("-recommended_at", "-pk")[:MAX_OCCASIONS]


@for_viewers(item=BigAutoField())
def _saved(viewer, item):
    rows = SavedItem.objects.belonging_to(viewer).filter(item=item)
    return rows.select_related("saved_list").latest_first()
