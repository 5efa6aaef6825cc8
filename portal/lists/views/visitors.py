"""The pages that everybody with the link to a list can open.

A link that has ended, a wrong address and a deleted list get the same page. Its status, headers, size and
number of queries are always the same.
"""

from urllib.parse import quote

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from portal import limits
from portal.htmx import render_page
from recommendations.holdings import fetch_holdings

from .. import copying, links
from ..forms import CopyForm
from ..models import MAX_ITEMS, MAX_LISTS, SavedList
from ..own_lists import TooManyLists
from ..visitors_page import all_shown_to_visitors, items_shown_to_visitors, shown_to_visitors


@require_safe
def shared_list(request, token):
    """Show a page of the list to a visitor. Raises TooOften."""
    link = _link_of(request, token)
    if link is None:
        return _ended(request)
    after = request.GET.get("after")
    shown = shown_to_visitors(link, after=after)
    context = {"shown": shown, "later_page": bool(after), **_addresses(token)}
    return render_page(request, "lists/visitors.html", context)


@require_safe
def shared_item(request, token, public_id):
    """Show an item of the list to a visitor, without anything about the patron. Raises TooOften."""
    link = _link_of(request, token)
    if link is None:
        return _ended(request)
    item = items_shown_to_visitors(link).filter(public_id=public_id).first()
    if item is None:
        return _ended(request)
    fetch_holdings([item])
    if not item.source:
        # Don't show the call number, because staff typed it for one patron and the preview doesn't show it.
        item.places = []
    context = {"item": item, "shown": shown_to_visitors(link), **_addresses(token)}
    return render_page(request, "lists/visitors_item.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def copy_shared_list(request, token):
    """Ask the visitor for the name of the list into which the titles are copied. On POST, copy them.

    A visitor who isn't signed in signs in first, and then comes back to this page.
    """
    link = _link_of(request, token)
    if link is None:
        return _ended(request)
    person = request.viewer.person
    if person is None:
        return redirect_to_login(request.get_full_path_info())
    shown = all_shown_to_visitors(link)
    form = CopyForm(request.POST or None, initial={"name": shown.title})
    if request.method == "POST" and form.is_valid():
        try:
            made, count = copying.copy_list(
                link, patron=person, name=form.cleaned_data["name"], at=timezone.now()
            )
        except TooManyLists:
            form.add_too_many()
        except copying.NoRoom as error:
            form.add_no_room(error.saved_list, error.count)
        else:
            messages.success(request, _copied_words(made, count))
            return redirect(made)
    context = {
        "shown": shown,
        "token": token,
        "form": form,
        "count": SavedList.objects.belonging_to(request.viewer).count(),
        "most": MAX_LISTS,
        "most_items": MAX_ITEMS,
    }
    return render_page(request, "lists/copy.html", context, status=422 if form.errors else 200)


def _addresses(token):
    """Return the template context for the addresses of the items and covers that the link opens."""
    return {"token": token, "covers_at": f"/shared/{quote(token, safe='')}/covers"}


def _copied_words(saved_list, count):
    if not count:
        return _("“%(list)s” already has all these titles.") % {"list": saved_list.title}
    words = ngettext(
        "%(count)d title was copied into “%(list)s”.", "%(count)d titles were copied into “%(list)s”.", count
    )
    return words % {"count": count, "list": saved_list.title}


def _link_of(request, token):
    """Count the request, and return the link of this token if it works, or None. Raises TooOften."""
    limits.count(request, "shared_list")
    return links.find(token, at=timezone.now(), library=request.library)


def _ended(request):
    """Return the page for every link that doesn't work."""
    return render_page(request, "lists/link_ended.html", status=404)
