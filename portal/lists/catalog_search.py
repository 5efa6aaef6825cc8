"""Find titles of the catalog that a patron can add to a list. The typed words are not saved."""

from recommendations.models import Item
from recommendations.search.finding import search_items
from recommendations.search.narrowing import Narrowing

# A search finds at most this many titles. If there are more, the page asks for another word.
MAX_FOUND = 30


def find_in_catalog(words, *, as_typed=False):
    """Return the titles with these words as Found, at most MAX_FOUND + 1. The best matches come first.

    Typing errors are corrected, unless `as_typed` is true. Items that staff typed by hand are left out,
    because their text can be about one patron.
    """
    narrowing = Narrowing(in_catalog=True)
    return search_items(" ".join(words), limit=MAX_FOUND + 1, narrowing=narrowing, as_typed=as_typed)


def catalog_item(public_id):
    """Return the item with this public id if `find_in_catalog` can find it, or None."""
    return imported_items().filter(public_id=public_id).first() if public_id else None


def imported_items():
    """Return the items that `find_in_catalog` can find."""
    return Item.objects.exclude(source="").filter(retired_at=None)
