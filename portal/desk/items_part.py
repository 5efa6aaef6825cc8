"""The item picker, which is the part of a form where staff choose items.

The form that records a help session and the composer of answers both contain an item picker.
"""

from functools import cache

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.translation import get_language

from recommendations.search import find_items

from .item_picker import ItemPicker

MAX_FOUND = 8


def items_context(picker, branch, items_url):
    """Return the context of desk/items.html for an htmx response that replaces only the item picker."""
    return {"picker": picker, "items_url": items_url, "swapped": True, **search_context(picker, branch)}


def search_context(picker, branch):
    """Return the context of the item search: the query of this picker, and the items that the query finds."""
    found = find_items(picker.query, limit=MAX_FOUND, branch=branch) if picker.query else []
    return {"found": found, "query": picker.query}


def untouched_items(picker, items_url):
    """Return the HTML of an empty item picker. If the picker is not empty, return "".

    Most pages show an empty item picker, so this HTML is cached. Without the cache, the picker took a sixth
    of the time to render a conversation's page.
    """
    if not picker.is_untouched:
        return ""
    return mark_safe(_untouched(get_language()).replace("/items-url/", items_url))


@cache
def _untouched(_language):
    return render_to_string("desk/items.html", {"picker": ItemPicker(), "items_url": "/items-url/"})
