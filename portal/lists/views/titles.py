"""The page of one title in a list, and the form for adding a title by hand."""

from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import sign_in_to_open
from portal.htmx import render_page

from .. import links, own_words
from ..actions import ListFull
from ..details import add_details
from ..forms import NoteForm, ReadingForm, TitleForm
from ..models import MAX_ITEMS, SavedItem, SavedList


@sign_in_to_open(SavedItem)
@require_http_methods(["GET", "HEAD", "POST"])
def saved_title(request, public_id):
    """Show one title of a list. A POST saves the patron's note, or how far they are with the title."""
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item", "saved_list__patron")
    saved = get_object_or_404(rows, public_id=public_id)
    at = timezone.now()
    is_shared = links.shows_notes(saved.saved_list, at)
    form = NoteForm(initial={"note": saved.note}, is_shared=is_shared)
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
        "readings": SavedItem.Reading.choices,
        "other_lists": links.add_shows_notes(others.last_used_first(), at),
    }
    return render_page(request, "lists/title.html", context, status=422 if form.errors else 200)


@sign_in_to_open(SavedList)
@require_http_methods(["GET", "HEAD", "POST"])
def add_title(request, public_id):
    """Show the form for a title that isn't from the library, and add the title to the list."""
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    saved_list = get_object_or_404(lists, public_id=public_id)
    form = TitleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = own_words.add_title(saved_list, at=timezone.now(), **form.cleaned_data)
        except ListFull:
            form.add_full()
        else:
            return redirect(f"{saved_list.get_absolute_url()}#saved-{added.public_id}")
    context = {
        "form": form,
        "saved_list": saved_list,
        "count": saved_list.saved_items.in_lists().count(),
        "most": MAX_ITEMS,
    }
    return render_page(request, "lists/add.html", context, status=422 if form.errors else 200)
