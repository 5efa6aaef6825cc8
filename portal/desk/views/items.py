"""The search for items to recommend, and the page of one item."""

from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for
from portal.desk.items_part import found_context
from portal.lists.views.covers import picture
from portal.text import uuid_or_none
from recommendations.holdings import fetch_holdings
from recommendations.models import Item

# On desk pages, the addresses of covers begin with this path.
COVERS_AT = "/desk/covers"


@staff_only
@require_GET
def desk_items(request):
    """List the items that match what a staff member has typed so far.

    The parameters of the URL say which page the list is for. `conversation` is the id of the conversation
    that the staff member answers. `correcting` is the id of the help session that the staff member corrects.
    `kit` is the id of the kit that the staff member edits, or "new". If all of them are missing, the list is
    for the record form.
    """
    query, conversation = request.GET.get("q", ""), uuid_or_none(request.GET.get("conversation"))
    correcting = uuid_or_none(request.GET.get("correcting"))
    items_url = reverse("desk_reply", args=[conversation]) if conversation else reverse("record")
    if correcting:
        items_url = reverse("correct_session", args=[correcting])
    if request.GET.get("kit"):
        kit = uuid_or_none(request.GET["kit"])
        items_url = reverse("change_kit", args=[kit]) if kit else reverse("add_kit")
    narrow, as_typed = request.GET.get("narrow", ""), bool(request.GET.get("as_typed"))
    found = found_context(query.strip(), branch_for(request), narrow=narrow, as_typed=as_typed)
    return render(request, "desk/items.html#found", {**found, "items_url": items_url})


@staff_only
@require_safe
def desk_item(request, public_id):
    """Show an item and where it is kept. The page has nothing about patrons."""
    item = get_object_or_404(Item, public_id=public_id)
    fetch_holdings([item])
    branch = branch_for(request)
    context = {"item": item, "own_branch_id": branch and branch.pk, "covers_at": COVERS_AT}
    return render(request, "desk/item.html", context)


@staff_only
@require_safe
def desk_cover(request, public_id):
    """Return the picture of an item's real cover. Staff may see all items of the catalog."""
    return picture(Item.objects.all(), public_id)
