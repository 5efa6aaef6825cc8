"""The item picker, which is the part of a form where staff choose items.

The form that records a help session and the composer of answers both contain an item picker.
"""

from functools import cache

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.translation import get_language

from recommendations.search.finding import search_items

from .item_picker import ItemPicker
from .narrowing import choices, read_narrowing

MAX_FOUND = 8


def items_context(picker, branch, items_url):
    """Return the context of desk/items.html for an htmx response that replaces only the item picker."""
    return {"picker": picker, "items_url": items_url, "swapped": True, **search_context(picker, branch)}


def search_context(picker, branch):
    """Return the context of the item search: the query of this picker, and the items that the query finds."""
    if not picker.query:
        return {"found": [], "query": ""}
    return found_context(picker.query, branch, narrow=picker.narrow, as_typed=picker.as_typed)


def found_context(query, branch, *, narrow="", as_typed=False):
    """Return the context of the partial "found" in desk/items.html.

    `narrow` says how staff narrowed the search (portal/desk/narrowing.py). If `as_typed` is true, typing
    errors are not corrected. If the search then finds nothing, the value of `instead` in the context is the
    corrected words.
    """
    narrowing = read_narrowing(narrow, branch)
    found = search_items(query, limit=MAX_FOUND, branch=branch, narrowing=narrowing, as_typed=as_typed)
    instead = ""
    if as_typed and not found.items:
        instead = search_items(query, limit=MAX_FOUND, branch=branch, narrowing=narrowing).corrected
    return {
        "found": found.items,
        "query": query,
        "corrected": found.corrected,
        "instead": instead,
        "narrow": narrow,
        "choices": choices(
            narrowing,
            found.marks,
            _branch_to_offer(branch, narrowing, found.items),
            is_cut=found.is_cut,
        ),
    }


def _branch_to_offer(branch, narrowing, items):
    """Return the branch if the page offers to narrow the search to this branch, or else None.

    The page doesn't offer this if it shows all found items and the branch has all of them. If the search is
    narrowed to the branch already, the page still offers the branch, so that staff can undo this.
    """
    if branch is None or narrowing.branch or len(items) >= MAX_FOUND:
        return branch
    are_all_here = all(any(place.branch_id == branch.pk for place in item.places) for item in items)
    return None if are_all_here else branch


def untouched_items(picker, items_url):
    """Return the HTML of an empty item picker. If the picker is not empty, return "".

    Most pages show an empty item picker, so this HTML is cached. Without the cache, the picker accounted for
    a sixth of the time to render a conversation's page.
    """
    if not picker.is_untouched:
        return ""
    return mark_safe(_untouched(get_language()).replace("/items-url/", items_url))


@cache
def _untouched(_language):
    return render_to_string("desk/items.html", {"picker": ItemPicker(), "items_url": "/items-url/"})
