"""Decide which items of the catalog a viewer may see as a patron."""

from django.db.models import Exists, OuterRef, Q

from recommendations.models import Item, Recommendation

from .models import SavedItem


def seen_items(viewer, *, at):
    """Return the items that were recommended to this viewer, or are in the viewer's lists.

    Removed titles of a list count too while the viewer can restore them.
    """
    recommended = Recommendation.objects.belonging_to(viewer, at).filter(item=OuterRef("pk"))
    saved = SavedItem.objects.belonging_to(viewer, restorable_at=at).filter(item=OuterRef("pk"))
    return Item.objects.filter(Q(Exists(recommended)) | Q(Exists(saved)))
