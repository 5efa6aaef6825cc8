"""The items part of a form: the same for a session and for an answer."""

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.access import staff_only
from accounts.models import Branch
from portal.desk.choosing import uuid_or_none
from recommendations.search import find_items

SHOWN = 8


@staff_only
@require_GET
def desk_items(request):
    """What is found as one types, in the form of a session or, with `thread`, of an answer."""
    query, thread = request.GET.get("q", ""), uuid_or_none(request.GET.get("thread"))
    found = find_items(query, limit=SHOWN, branch=branch_named(request))
    items_url = reverse("desk_reply", args=[thread]) if thread else reverse("record")
    return render(request, "desk/items.html#found", {"found": found, "query": query.strip(), "items_url": items_url})


def items_part(request, choosing, branch, items_url):
    """The part alone, after one of its buttons was pressed."""
    return render(request, "desk/items.html", {"choosing": choosing, "items_url": items_url, "swapped": True, **found_for(choosing, branch)})


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
