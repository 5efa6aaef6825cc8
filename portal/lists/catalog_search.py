"""Find titles of the catalog that a patron can add to a list. Nothing about the search is saved."""

from recommendations.models import Item
from recommendations.search import find_items

# A search finds at most this many titles. If there are more, the page asks for another word.
MAX_FOUND = 30


def find_in_catalog(words):
    """Return the titles with these words, at most MAX_FOUND + 1. The best matches come first.

    What staff have typed by hand is left out, because it can be about one patron.
    """
    found = find_items(" ".join(words), limit=3 * MAX_FOUND)
    return [item for item in found if _is_imported(item)][: MAX_FOUND + 1]


def catalog_item(public_id):
    """Return the item with this public id if a search can find it, or None."""
    return imported_items().filter(public_id=public_id).first() if public_id else None


def imported_items():
    """Return the items that a search can find."""
    return Item.objects.exclude(source="").filter(retired_at=None)


def _is_imported(item):
    """Return whether the item was imported from the catalog and is still there."""
    return bool(item.source) and item.retired_at is None
