"""The items part of a form, as one types: the same for a session and for an answer."""

from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.access import staff_only
from accounts.models import Branch
from portal.desk.choosing import Choosing
from recommendations.search import find_items

SHOWN = 8


@staff_only
@require_http_methods(["GET", "POST"])
def desk_items(request):
    """The items part of a form: GET finds items as one types, POST does what a button of that part asks."""
    if request.method == "GET":
        query = request.GET.get("q", "")
        return render(request, "desk/items.html#found", {"found": find_items(query, limit=SHOWN, branch=branch_named(request)), "query": query.strip()})
    choosing = Choosing(request.POST)
    choosing.change(request.POST.get("action", ""))
    response = render(request, "desk/items.html", {"choosing": choosing, **found_for(choosing, branch_named(request))})
    response["HX-Trigger-After-Settle"] = "items-changed"
    return response


def found_for(choosing, branch):
    """What the search shows when the whole part is drawn."""
    return {"found": find_items(choosing.query, limit=SHOWN, branch=branch) if choosing.query else [], "query": choosing.query}


def branch_named(request):
    """The branch named in the form, if this is its desk; otherwise the first of this person's."""
    mine = Branch.objects.filter(pk__in=request.user.desk_branch_ids)
    named = number_or_none(request.POST.get("branch") or request.GET.get("branch"))
    return mine.filter(pk=named).first() or mine.first()


def number_or_none(text):
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
