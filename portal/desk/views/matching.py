"""Match items that staff added by hand with imported records, and undo a match."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.desk.matching import facts_of, suggestions
from portal.imports import matching
from portal.paging import page_of
from portal.text import clean, uuid_or_none
from recommendations.holdings import fetch_holdings
from recommendations.models import Item, ItemMatch


@staff_only
@require_GET
def items_by_hand(request):
    """List the items that staff added by hand, and the latest matches."""
    rows, after = page_of(matching.items_by_hand(), "added_at", request.GET.get("after"))
    fetch_holdings(rows)
    latest = ItemMatch.objects.current().select_related("item").order_by("-at")[:10]
    return render(request, "desk/items_by_hand.html", {"items": rows, "after": after, "matches": latest})


@staff_only
@require_http_methods(["GET", "POST"])
def match_item(request, public_id):
    """Show an item added by hand beside an imported record. On POST, match them."""
    item = get_object_or_404(Item, public_id=public_id, source="")
    current = item.matches.current().select_related("record").first()
    record = _record(request.POST.get("record") or request.GET.get("record"))
    if request.method == "POST":
        if record is None:
            raise Http404
        return _match(request, item, record)
    query = clean(request.GET.get("q", ""), max_length=200)
    context = {
        "item": item,
        "match": current,
        "record": record,
        "query": query,
        "found": [] if current or record else suggestions(item, query),
        "facts": facts_of(item, record or (current and current.record)),
        "given": item.recommendations.filter(never_counted=False).count(),
    }
    return render(request, "desk/match_item.html", context)


@staff_only
@require_POST
def undo_match(request, public_id):
    """Undo the match of an item added by hand."""
    item = get_object_or_404(Item, public_id=public_id, source="")
    try:
        matching.undo_match(item, by=request.user, at=timezone.now())
        messages.success(
            request, _("Undone. Recommendations and lists again show the item that was added by hand.")
        )
    except matching.NothingToUndo:
        messages.info(request, _("This match is already undone."))
    return redirect("match_item", item.public_id)


def _match(request, item, record):
    try:
        matching.match(item, record, by=request.user, at=timezone.now())
        messages.success(request, _("Matched. Recommendations and lists now show the imported record."))
    except matching.CannotMatch:
        messages.error(
            request, _("Not matched, because somebody changed one of the two items. Compare them again.")
        )
    return redirect("match_item", item.public_id)


def _record(public_id):
    public_id = uuid_or_none(public_id) if public_id else None
    return matching.imported_records().filter(public_id=public_id).first() if public_id else None
