"""Make, rename, remove and restore a list."""

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in, shows_unsent_text, with_unsent_text
from portal.htmx import back_to, render_page
from portal.templatetags.portal import whole_day

from .. import own_lists
from ..forms import ListForm
from ..models import MAX_ITEMS, MAX_LISTS, RESTORE_FOR, SavedList


@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def new_list(request):
    """Show the form for a new list, and make the list."""
    if request.viewer.person is None:
        return redirect_to_login(request.get_full_path_info())
    unsent, initial = with_unsent_text(request, {"name": ""})
    form = ListForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = own_lists.make_list(
                request.viewer.person, name=form.cleaned_data["name"], at=timezone.now()
            )
        except own_lists.NameTaken:
            form.add_name_taken()
        except own_lists.TooManyLists:
            form.add_too_many()
        else:
            return redirect(made)
    context = {
        "form": form,
        "unsent": unsent,
        "count": SavedList.objects.belonging_to(request.viewer).count(),
        "most": MAX_LISTS,
        "most_items": MAX_ITEMS,
    }
    return render_page(request, "lists/new.html", context, status=422 if form.errors else 200)


@sign_in_to_open(SavedList)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def change_list(request, public_id):
    """Show the form that renames the list, and the button that removes the list. A POST renames the list."""
    saved_list = get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=public_id)
    unsent, initial = with_unsent_text(request, {"name": saved_list.title})
    form = ListForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            own_lists.rename_list(saved_list, name=form.cleaned_data["name"])
        except own_lists.NameTaken:
            form.add_name_taken()
        else:
            return redirect(saved_list)
    context = {
        "form": form,
        "unsent": unsent,
        "saved_list": saved_list,
        "restore_days": RESTORE_FOR.days,
        "link_count": saved_list.links.working(timezone.now()).count(),
    }
    return render_page(request, "lists/change.html", context, status=422 if form.errors else 200)


@sign_in_to_open(SavedList)
@done_after_sign_in
@require_POST
def remove_list(request, public_id):
    """Remove the list with its items. The message on the next page has a button that undoes this."""
    saved_list = _list_or_removed(request, public_id)
    own_lists.remove_list(saved_list, at=timezone.now())
    words = _("“%(list)s” is removed. You can restore it until %(day)s.") % {
        "list": saved_list.title,
        "day": whole_day(saved_list.restorable_until),
    }
    messages.success(request, words, extra_tags=f"undo={reverse('restore_list', args=[public_id])}")
    return redirect("saved")


@sign_in_to_open(SavedList)
@done_after_sign_in
@require_POST
def restore_list(request, public_id):
    """Restore a removed list with everything in it."""
    saved_list = _list_or_removed(request, public_id)
    own_lists.restore_list(saved_list)
    messages.success(request, _("“%(list)s” is back in your lists.") % {"list": saved_list.title})
    return redirect(back_to(request, otherwise=saved_list.get_absolute_url()))


@sign_in_to_open(SavedList)
@done_after_sign_in
@require_POST
def delete_list(request, public_id):
    """Delete a removed list for good, before the time for restoring it is over."""
    saved_list = _list_or_removed(request, public_id)
    if saved_list.removed_at is None:
        raise Http404
    own_lists.delete_list_now(saved_list, at=timezone.now())
    messages.success(request, _("“%(title)s” is deleted.") % {"title": saved_list.title})
    return redirect("removed_from_lists")


def _list_or_removed(request, public_id):
    """Return the viewer's list, even if the viewer has removed it, for example in another tab."""
    lists = SavedList.objects.belonging_to(request.viewer, restorable_at=timezone.now())
    return get_object_or_404(lists.select_related("patron"), public_id=public_id)
