"""The page of one title in a list, and the page that adds titles from the catalog or by hand."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in, shows_unsent_text, with_unsent_text
from portal.htmx import announce, render_page
from portal.limits import counted
from portal.own_search_form import SearchForm
from portal.text import uuid_or_none

from .. import actions, catalog_search, links, own_words
from ..actions import ListFull
from ..details import add_details
from ..forms import NoteForm, ReadingForm, TitleForm
from ..models import MAX_ITEMS, SavedItem, SavedList


@sign_in_to_open(SavedItem)
@shows_unsent_text()
@done_after_sign_in
@require_http_methods(["GET", "HEAD", "POST"])
def saved_title(request, public_id):
    """Show one title of a list. A POST saves the patron's note, or how far they are with the title."""
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item", "saved_list__patron")
    saved = get_object_or_404(rows, public_id=public_id)
    at = timezone.now()
    is_shared = links.shows_notes(saved.saved_list, at)
    unsent, initial = with_unsent_text(request, {"note": saved.note})
    form = NoteForm(initial=initial, is_shared=is_shared)
    if "reading" in request.POST:
        reading = ReadingForm(request.POST)
        if reading.is_valid():
            own_words.choose_reading(saved, reading=reading.cleaned_data["reading"])
        return redirect("saved_title", public_id)
    if request.method == "POST":
        form = NoteForm(request.POST, is_shared=is_shared)
        if form.is_valid():
            own_words.write_note(saved, note=form.cleaned_data["note"])
            return redirect(f"{saved.saved_list.get_absolute_url()}#saved-{public_id}")
    add_details([saved], request.viewer)
    others = SavedList.objects.belonging_to(request.viewer).exclude(pk=saved.saved_list_id)
    context = {
        "saved": saved,
        "form": form,
        "unsent": unsent,
        "readings": SavedItem.Reading.choices,
        "other_lists": links.add_shows_notes(others.last_used_first(), at),
    }
    return render_page(request, "lists/title.html", context, status=422 if form.errors else 200)


@sign_in_to_open(SavedList)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def add_title(request, public_id):
    """Show the search for titles of the catalog, and the form for a title that isn't from the library.

    A POST adds the title that was typed into this form.
    """
    saved_list = _list(request, public_id)
    unsent, initial = with_unsent_text(request, {"title": "", "creators": ""})
    form = TitleForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            added = own_words.add_title(saved_list, at=timezone.now(), **form.cleaned_data)
        except ListFull:
            form.add_full()
        else:
            return redirect(f"{saved_list.get_absolute_url()}#saved-{added.public_id}")
    return _add_page(request, saved_list, form=form, unsent=unsent)


@sensitive_post_parameters("words")
@sign_in_to_open(SavedList)
@require_http_methods(["GET", "HEAD", "POST"])
def find_in_catalog(request, public_id):
    """Show the catalog titles that contain the typed words. Keep the words out of URLs, and don't save them.

    The portal stores only how often a person searches, because programs that search all the time would slow
    the portal.

    A GET (for example the redirect after a sign-in) has no words, so it redirects to the form.
    """
    saved_list = _list(request, public_id)
    if request.method != "POST":
        return redirect("add_title", public_id)
    search, found, instead = SearchForm(request.POST), None, ""
    if search.is_valid() and counted(request, search, "words", "catalog_search"):
        as_typed = bool(request.POST.get("as_typed"))
        words = search.cleaned_data["words"]
        found = catalog_search.find_in_catalog(words, as_typed=as_typed)
        if as_typed and not found.items:
            instead = catalog_search.find_in_catalog(words).corrected
        _mark_added(found.items, saved_list)
    return _add_page(request, saved_list, search=search, found=found, instead=instead)


@sign_in_to_open(SavedList)
@require_POST
def add_found(request, public_id):
    """Add a title of the catalog to the list. For htmx, return the row of the title."""
    saved_list = _list(request, public_id)
    item = catalog_search.catalog_item(uuid_or_none(request.POST.get("item", "")))
    if item is None:
        raise Http404
    try:
        saved = actions.save(item, patron=request.viewer.person, at=timezone.now(), saved_list=saved_list)
    except ListFull:
        words = _("“%(list)s” has %(most)d titles, and that is the limit. Choose another list.")
        messages.error(request, words % {"list": saved_list.title, "most": MAX_ITEMS})
        address = saved_list.get_absolute_url()
        return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
    if not request.htmx:
        return redirect(f"{saved_list.get_absolute_url()}#saved-{saved.public_id}")
    item.is_added = True
    context = {"item": item, "saved_list": saved_list, "is_new": True, **_counted(saved_list)}
    words = _("“%(title)s” is in your list.") % {"title": item.title}
    return announce(render(request, "lists/add.html#found", context), words)


def _list(request, public_id):
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    return get_object_or_404(lists, public_id=public_id)


def _mark_added(items, saved_list):
    """Set `is_added` on each item that is in the list already."""
    rows = saved_list.saved_items.in_lists().filter(item__in=items)
    added = set(rows.values_list("item", flat=True))
    for item in items:
        item.is_added = item.pk in added


def _counted(saved_list):
    return {"count": saved_list.saved_items.in_lists().count(), "most": MAX_ITEMS}


def _add_page(request, saved_list, *, form=None, unsent=None, search=None, found=None, instead=""):
    most = catalog_search.MAX_FOUND
    if form is None:
        # After a search that found nothing, fill in its words, because the patron may add the title by hand.
        form = TitleForm(
            initial={"title": search["words"].value()} if search and found and not found.items else None
        )
    has_errors = bool(form.errors or (search and search.errors))
    context = {
        "form": form,
        "unsent": unsent,
        "search": search or SearchForm(),
        "with_errors": search if search and search.errors else form,
        "found": found and found.items[:most],
        "corrected": found and found.corrected,
        "instead": instead,
        "has_searched": found is not None,
        "has_more": bool(found) and len(found.items) > most,
        "saved_list": saved_list,
        **_counted(saved_list),
    }
    return render_page(request, "lists/add.html", context, status=422 if has_errors else 200)
