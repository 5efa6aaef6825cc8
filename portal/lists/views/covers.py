"""Serve the pictures of real covers. Each request checks that the viewer may see the item at this moment.

Browsers don't store the pictures. So a shared device shows no covers after a visit is closed, and nobody sees
the covers of a link that has ended.
"""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from recommendations.covers.stored import read_cover

from .. import links
from ..catalog_search import imported_items
from ..seen_items import seen_items
from ..visitors_page import items_shown_to_visitors

POLICY = "sandbox; frame-ancestors 'none'"


@sign_in_to_open()
@require_safe
def item_cover(request, public_id):
    """Return the cover of an item that a visit, a list or the catalog search shows to the viewer."""
    items = seen_items(request.viewer, at=timezone.now())
    if request.viewer.person:
        items |= imported_items()
    return picture(items, public_id)


@require_safe
def shared_cover(request, token, public_id):
    """Return the cover of an item to a visitor, if the link works and shows the item.

    These requests don't count toward a rate limit: one page has many covers, and nobody can guess the token.
    """
    link = links.find(token, at=timezone.now(), library=request.library)
    return picture(items_shown_to_visitors(link), public_id)


def picture(items, public_id):
    """Return the cover of one of `items`. Raises Http404 if no item has this id, or if it has no cover."""
    item = get_object_or_404(items.only("isbn"), public_id=public_id, has_cover=True)
    content = read_cover(item.isbn)
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type="image/webp")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, no-store"
    # The picture is compressed already. "identity" stops middleware from compressing it again.
    response.headers["Content-Encoding"] = "identity"
    return response
