"""Load details of saved items for pages: call numbers, reasons and who recommended the items."""

from django.db.models import BigAutoField, DateTimeField
from django.utils import timezone

from accounts.viewer import for_viewers
from recommendations.holdings import fetch_holdings
from recommendations.models import Recommendation


def add_details(saved_items, viewer):
    """Load the call numbers and recommendations of saved items."""
    fetch_places(saved_items)
    _fetch_recommendations(saved_items, viewer)


def fetch_places(saved_items):
    """Load the places of the saved items: their branches, locations and call numbers.

    Leave out the call number of an item added by hand if the title was copied from a link, because staff
    typed this call number for another patron.
    """
    items = [saved.item for saved in saved_items if saved.item]
    fetch_holdings(items)
    for saved in saved_items:
        if saved.item and not saved.item.source and saved.from_link:
            saved.item.places = []


def _fetch_recommendations(saved_items, viewer):
    """Load the `recommendation` of each saved item.

    If the viewer can't open the visit or conversation with the recommendation, set `recommendation` to None.
    """
    pks = [saved.recommendation_id for saved in saved_items if saved.recommendation_id]
    readable = {row.pk: row for row in _readable(viewer, pks=pks, at=timezone.now())}
    for saved in saved_items:
        saved.recommendation = readable.get(saved.recommendation_id)
        if saved.recommendation:
            saved.recommendation.quiet = False


@for_viewers(pks=BigAutoField(), at=DateTimeField())
def _readable(viewer, pks, at):
    rows = Recommendation.objects.belonging_to(viewer, at).only(
        "public_id", "reason", "branch", "recommended_by__name"
    )
    return rows.filter(pk__in=pks).select_related("recommended_by")
