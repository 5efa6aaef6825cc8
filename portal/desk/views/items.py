"""The items part of a form: the same for a session and for an answer."""

from functools import cache

from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from accounts.models import Branch
from accounts.sign_in.access import staff_only
from portal.desk.item_picker import ItemPicker
from portal.text import uuid_or_none
from recommendations.search import find_items

SHOWN = 8


@staff_only
@require_GET
def desk_items(request):
    """What is found as one types, in the form of a session or, with `conversation`, of an answer."""
    query, conversation = request.GET.get("q", ""), uuid_or_none(request.GET.get("conversation"))
    found = find_items(query, limit=SHOWN, branch=branch_named(request))
    items_url = reverse("desk_reply", args=[conversation]) if conversation else reverse("record")
    return render(
        request, "desk/items.html#found", {"found": found, "query": query.strip(), "items_url": items_url}
    )


def items_partial(request, picker, branch, items_url):
    """The part alone, after one of its buttons was pressed."""
    return render(
        request,
        "desk/items.html",
        {"picker": picker, "items_url": items_url, "swapped": True, **found_for(picker, branch)},
    )


def found_for(picker, branch):
    """What the search shows when the whole part is drawn."""
    return {
        "found": find_items(picker.query, limit=SHOWN, branch=branch) if picker.query else [],
        "query": picker.query,
    }


def untouched_part(picker, items_url):
    """The part in which nothing is chosen, searched for or written yet: it is the same for every answer, and drawing its fields
    was a sixth of what a conversation's page cost. "" where it is touched."""
    return (
        mark_safe(_untouched(get_language()).replace("/items-url/", items_url)) if picker.is_untouched else ""
    )


@cache
def _untouched(_language):
    return render_to_string("desk/items.html", {"picker": ItemPicker(), "items_url": "/items-url/"})


def branch_named(request):
    """The branch named in the form, if this is its desk; otherwise the first of this person's."""
    mine = Branch.objects.filter(pk__in=request.user.desk_branch_ids)
    named = number_or_none(request.POST.get("branch") or request.GET.get("branch"))
    return mine.filter(pk=named).first() or mine.first()


def service_point(request, branch):
    """The name of the shared desk computer at which this is recorded, if it stands in this branch."""
    desk = request.shared_desk
    return desk.name if desk and desk.branch_id == branch.pk else ""


def number_or_none(text):
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
