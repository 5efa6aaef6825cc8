"""Template tags that render where items are kept, and their links.

The tags render in Python, because a list shows them for each item, and templates would take five times as
long. Each function escapes all values.
"""

from html import escape

from django import template
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.catalog_links import own_link, through_catalog
from recommendations.holdings import arrange

register = template.Library()


@register.simple_tag(takes_context=True)
def where_kept(context, item, recommendation=None, *, all_links=False, for_anyone=False):
    """Render where an item is kept, and its links to the catalog and the web.

    The places at the branch of the person who looks at the page come first. The others are collapsed. See
    `item_links` for `all_links` and `for_anyone`.
    """
    places = _places(item, places_of(context, item, recommendation))
    return mark_safe(places + item_links(context, item, all_links=all_links, for_anyone=bool(for_anyone)))


@register.simple_tag(takes_context=True)
def item_links(context, item, *, all_links=False, for_anyone=False):
    """Render the links of an item to the library's catalog and to its own address on the web.

    If `all_links` is false, an item in the catalog gets only the link to the catalog, because pages with many
    items must stay small. If `for_anyone` is true, no link leads through the library's proxy server. For an
    item that is no longer in the catalog, say so, and render only the link to its own address.
    """
    library, links = context.get("library"), []
    if in_catalog := through_catalog(item, library):
        links.append(_link(in_catalog, _("See if it's available / place a hold"), item))
    if (all_links or not in_catalog) and (address := own_link(item, library, for_anyone=for_anyone)):
        links.append(_link(address, _("Open the website"), item))
    gone = f'<p class="meta">{escape(no_longer_there())}</p>' if item.retired_at else ""
    return mark_safe(gone + (f'<p class="row">{"".join(links)}</p>' if links else ""))


def no_longer_there():
    """Return what pages say about a retired item."""
    return _("No longer in the catalog")


def places_of(context, item, recommendation):
    """Return the places of an item, arranged for the person who looks at the page.

    The places at this person's own branch come first. At the desk, that branch is `own_branch_id` in the
    context. For patrons, it is the home branch of their library card. If they have no card, it is the branch
    that recommended the item, or the library's default branch.
    """
    if len(item.places) < 2:
        return arrange(item.places, None)
    return arrange(item.places, context.get("own_branch_id") or _patrons_branch(context, recommendation))


def _patrons_branch(context, recommendation):
    viewer, library = context.get("viewer"), context.get("library")
    if viewer and viewer.home_branch_id:
        return viewer.home_branch_id
    if recommendation:
        return recommendation.branch_id
    return library.default_branch_id if library else None


def _places(item, places):
    shown = "".join(map(_place, places.shown))
    if not places.folded:
        return shown
    if places.shown:
        words = ngettext("At %(n)s other branch", "At %(n)s other branches", places.branches)
    else:
        words = ngettext("At %(n)s branch", "At %(n)s branches", places.branches)
    summary = f"{escape(words % {'n': places.branches})}{_of(item)}"
    folded = "".join(map(_place, places.folded))
    return f'{shown}<details><summary class="meta">{summary}</summary>{folded}</details>'


def _place(place):
    number = f"<strong>{escape(place.call_number)}</strong> " if place.call_number else ""
    return f'<p class="meta holding">{number}{escape(place.where)}</p>'


def _link(address, words, item):
    return f'<a class="link-button" href="{escape(address)}">{escape(words)}{_of(item)}</a>'


def _of(item):
    """Return the title as hidden text for screen readers.

    A page has the same link text for each item, so all links would sound the same without the title.
    """
    return f'<span class="visually-hidden"> {escape(item.title)}</span>'
