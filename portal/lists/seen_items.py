"""Decide which items of the catalog a viewer may see as a patron."""

from recommendations.models import Item

from .models import SavedItem


def seen_items(viewer, *, at):
    """Return the items that this viewer may open, and those that the viewer has removed from a list.

    The page of a removed title can't be opened. Its cover is shown as long as the viewer can restore it.
    """
    removed = SavedItem.objects.belonging_to(viewer, restorable_at=at).values("item")
    return Item.objects.belonging_to(viewer, at) | Item.objects.filter(pk__in=removed)
