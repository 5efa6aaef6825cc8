"""The pages that show a patron's lists, and the lists and titles that the patron has removed."""

from django.contrib.auth.views import redirect_to_login
from django.db.models import BigAutoField, F, Window
from django.db.models.functions import RowNumber
from django.http import Http404
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.kept_devices import may_keep
from accounts.viewer import for_viewers
from portal.htmx import render_page
from portal.own_search_form import SearchForm
from portal.paging import PAGE, page_of, split_off

from ..details import add_details
from ..models import MAX_ITEMS, MAX_LISTS, RESTORE_FOR, SavedItem, SavedList
from ..search import find_titles, in_words, load_titles, mark_first_new

# Pages state the limits for lists and titles when this share of a limit is reached.
NEAR_LIMIT = 0.9
# A list with at least this many titles has a search field.
MANY = 20


@require_safe
def saved(request):
    """Show the patron's lists. If the patron has only one list, show that list."""
    if not request.viewer:
        return redirect_to_login(request.get_full_path_info())
    lists = list(_lists(request.viewer))
    if len(lists) < 2:
        return _list_page(request, lists[0] if lists else None)
    first = {item.saved_list_id: item for item in _first_items(request.viewer)}
    for saved_list in lists:
        saved_list.first = first.get(saved_list.pk)
    context = {"lists": lists, "most": MAX_LISTS, "is_near_limit": len(lists) >= MAX_LISTS * NEAR_LIMIT}
    return render_page(request, "lists/lists.html", context | _may_keep(request))


@sign_in_to_open(SavedList)
@require_safe
def saved_list(request, public_id):
    """Show one list of the patron."""
    lists = list(_lists(request.viewer))
    for each in lists:
        if each.public_id == public_id:
            return _list_page(request, each, has_others=len(lists) > 1)
    raise Http404


@sensitive_post_parameters("words")
@sign_in_to_open(SavedList)
@require_http_methods(["GET", "HEAD", "POST"])
def search_list(request, public_id):
    """Show the titles of a list that contain the typed words. Keep the words out of URLs, and save nothing.

    A GET (for example the redirect after a sign-in) has no words, so it redirects to the list.
    """
    lists = list(_lists(request.viewer))
    found = next((each for each in lists if each.public_id == public_id), None)
    if found is None:
        raise Http404
    if request.method != "POST":
        return redirect(found)
    return _list_page(request, found, has_others=len(lists) > 1, search=SearchForm(request.POST))


@require_safe
def removed_from_lists(request):
    """Show the lists and titles that the patron has removed and can still restore."""
    if not request.viewer:
        return redirect_to_login(request.get_full_path_info())
    at = timezone.now()
    rows = SavedItem.objects.belonging_to(request.viewer, restorable_at=at)
    rows = rows.filter(removed_at__isnull=False).select_related("item", "saved_list")
    removed, older = page_of(rows, "removed_at", request.GET.get("after"))
    lists = SavedList.objects.belonging_to(request.viewer, restorable_at=at)
    lists = lists.filter(removed_at__isnull=False).order_by("-removed_at", "-pk")
    context = {
        "removed": removed,
        "older": older,
        "lists": [] if request.GET.get("after") else lists,
        "restore_days": RESTORE_FOR.days,
    }
    return render_page(request, "lists/removed.html", context)


def _list_page(request, saved_list, *, has_others=False, search=None):
    """Show a list. If `search` is a valid SearchForm, show only the titles with its words."""
    after = request.GET.get("after")
    saved_items, older, found = [], None, None
    if search and search.is_valid():
        found = find_titles(request.viewer, search.cleaned_data["words"], saved_list=saved_list)
        saved_items = load_titles(request.viewer, found[: search.cleaned_data["show"]])
        mark_first_new(saved_items, search.cleaned_data["show"])
    elif saved_list:
        saved_items, older = _page(request.viewer, saved_list, after)
    if search:
        # A search has no link to a second page. Its button "Show more" adds rows to the same page.
        older = None
    add_details(saved_items, request.viewer)
    context = {
        "saved_list": saved_list,
        "has_others": has_others,
        "saved_items": saved_items,
        "older": older,
        "later_page": bool(after),
        "form": search or SearchForm(),
        "may_search": search is not None or (saved_list is not None and saved_list.count >= MANY),
        "found": found,
        "found_words": "" if found is None else in_words(found),
        "most": MAX_ITEMS,
        "is_near_limit": bool(saved_list) and saved_list.count >= MAX_ITEMS * NEAR_LIMIT,
    }
    status = 422 if search and search.errors else 200
    context |= _may_keep(request)
    return render_page(request, "lists/list.html", context, partial="items", status=status)


def _page(viewer, saved_list, after):
    if after:
        rows = SavedItem.objects.belonging_to(viewer).filter(saved_list=saved_list)
        return page_of(rows.select_related("item"), "position", after, oldest_first=True)
    return split_off(_first_page(viewer, saved_list=saved_list.pk))


def _may_keep(request):
    return {"may_keep": may_keep(request) and not request.kept_device}


@for_viewers()
def _lists(viewer):
    """Return the viewer's lists with the number of their items as `count`, most recently used first."""
    return SavedList.objects.belonging_to(viewer).with_count().last_used_first()


@for_viewers()
def _first_items(viewer):
    """Return the first item of each list of the viewer."""
    place = Window(RowNumber(), partition_by=F("saved_list"), order_by=["position", "pk"])
    rows = SavedItem.objects.belonging_to(viewer).select_related("item")
    return rows.annotate(place=place).filter(place=1)


@for_viewers(saved_list=BigAutoField())
def _first_page(viewer, saved_list):
    # Most requests are for the first page, so its query is compiled once. The rows are sorted as in page_of.
    rows = SavedItem.objects.belonging_to(viewer).filter(saved_list=saved_list).select_related("item")
    return rows.in_order()[: PAGE + 1]
