"""The page where a patron changes the order of a list, and the form that moves or copies a title."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import sign_in_to_open
from portal.htmx import announce, render_page
from portal.paging import page_of
from portal.text import uuid_or_none

from .. import ordering
from ..actions import ListFull
from ..models import MAX_ITEMS, SavedItem, SavedList

PAGE = 50
DIRECTIONS = ("up", "down", "top", "bottom")


@sign_in_to_open(SavedList)
@require_http_methods(["GET", "HEAD", "POST"])
def order_list(request, public_id):
    """Show the titles of a list with buttons that move them. A POST moves one title.

    The value of the button is "<public id of the title> <direction>". A script that drags a title sends
    "<public id> before <public id of another title>", or the same with "after".
    """
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    saved_list = get_object_or_404(lists, public_id=public_id)
    rows = SavedItem.objects.belonging_to(request.viewer).filter(saved_list=saved_list)
    moved = None
    if request.method == "POST":
        moved = _place(request.POST.get("move", ""), rows.select_related("saved_list__patron"))
        if not request.htmx:
            here = f"#order-{moved.public_id}" if moved else ""
            return redirect(f"{request.get_full_path_info()}{here}")
    page, more = page_of(
        rows.select_related("item"), "position", request.GET.get("after"), size=PAGE, oldest_first=True
    )
    context = {"saved_list": saved_list, "rows": page, "more": more, "later_page": "after" in request.GET}
    response = render_page(request, "lists/order.html", context, partial="order")
    return announce(response, _where(rows, moved)) if moved else response


def _place(command, rows):
    """Move a title as `command` says (see `order_list`), and return the title. Raises Http404."""
    moved_id, _space, way = command.partition(" ")
    moved = get_object_or_404(rows, public_id=uuid_or_none(moved_id))
    side, _space, other_id = way.partition(" ")
    if side in DIRECTIONS:
        ordering.place(moved, to=side)
    elif side in ("before", "after"):
        other = rows.filter(public_id=uuid_or_none(other_id)).first()
        ordering.place(moved, **{side: other})
    return moved


def _where(rows, moved):
    """Return a sentence for screen readers that says the new position of the title."""
    position = rows.filter(pk=moved.pk).values("position")
    return _("“%(title)s” is number %(number)d of %(count)d.") % {
        "title": moved.shown.title,
        "number": rows.filter(position__lte=position).count(),
        "count": rows.count(),
    }


@sign_in_to_open(SavedItem)
@require_POST
def move_saved(request, public_id):
    """Move a title to another list of the patron, or copy it there."""
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item", "saved_list")
    saved = get_object_or_404(rows, public_id=public_id)
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    target = get_object_or_404(lists, public_id=uuid_or_none(request.POST.get("list", "")))
    change = ordering.copy_to_list if "copy" in request.POST else ordering.move_to_list
    try:
        change(saved, target, at=timezone.now())
    except ListFull:
        words = _("“%(list)s” has %(most)d titles, and that is the limit. Choose another list.")
        messages.error(request, words % {"list": target.title, "most": MAX_ITEMS})
        return redirect(reverse("saved_title", args=[public_id]))
    words = _("“%(title)s” is in “%(list)s” now.")
    messages.success(request, words % {"title": saved.shown.title, "list": target.title})
    return redirect(target)
