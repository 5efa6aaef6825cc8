"""Save items in a list, remove and restore them, and share one of them."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.waiting_forms import has_waited, may_wait_on_phone, tapped_at
from portal.htmx import announce, back_to
from portal.templatetags.portal import whole_day
from portal.text import uuid_or_none
from recommendations.models import Recommendation
from recommendations.saved_as import saved_as
from recommendations.shared_text import titles_as_text

from .. import actions
from ..details import add_details
from ..models import MAX_ITEMS, SavedItem, SavedList
from .saveable import keep_first, saveable


@may_wait_on_phone
@sign_in_to_open(Recommendation, named_in="recommendation")
@done_after_sign_in
@require_POST
def save_item(request, public_id):
    """Save an item that was recommended to the viewer.

    A viewer by code must first add the visit to an account. The parameter `list` is the public id of the
    list. Without `list`, the item is saved in the list that the patron used last.
    """
    recommendation = saveable(request, public_id)
    item, key = recommendation.item, recommendation.public_id
    if first := keep_first(request, recommendation):
        return first
    try:
        actions.save(
            item,
            patron=request.viewer.person,
            at=timezone.now(),
            recommendation=recommendation,
            saved_list=_wanted_list(request),
            tapped_at=tapped_at(request),
        )
    except actions.ListFull as error:
        return _say_full(request, error.saved_list, key)
    if request.htmx:
        return _button(request, item, key)
    request.done = _("“%(title)s” is in your list.") % {"title": item.title}
    return _back_to_item(request, key)


@may_wait_on_phone
@sign_in_to_open(SavedItem)
@done_after_sign_in
@require_POST
def remove_saved(request, public_id):
    """Remove an item from its list. The response has a button that undoes this.

    If the form comes from the panel of a recommended item, it has the field `recommendation`. The response to
    htmx is then the save button of the panel.
    """
    saved_item = _saved_item(request, public_id)
    actions.remove(saved_item, at=timezone.now(), tapped_at=tapped_at(request))
    button_of = uuid_or_none(request.POST.get("recommendation", ""))
    if request.htmx and button_of:
        return _button(request, saved_item.item, button_of, removed=saved_item)
    words = _("“%(title)s” is no longer in your list. You can restore it until %(day)s.") % {
        "title": saved_item.shown.title,
        "day": whole_day(saved_item.restorable_until),
    }
    if request.htmx:
        return announce(render(request, "lists/list.html#removed", {"saved": saved_item}), words)
    back = back_to(request, otherwise=reverse("saved"))
    undo = reverse("restore_saved", args=[saved_item.public_id])
    query = urlencode({"back": back, "item": button_of or ""})
    if not has_waited(request):
        messages.success(request, words, extra_tags=f"undo={undo}?{query}")
    # Don't add a fragment to the address, because the message with the undo button is at the top of the page.
    return redirect(back)


@may_wait_on_phone
@sign_in_to_open(SavedItem)
@done_after_sign_in
@require_POST
def restore_saved(request, public_id):
    """Undo the removal of an item. The item returns to its old place in the list."""
    saved_item = _saved_item(request, public_id)
    actions.restore(saved_item, at=timezone.now(), tapped_at=tapped_at(request))
    button_of = uuid_or_none(request.POST.get("recommendation", ""))
    if request.htmx and button_of:
        return _button(request, saved_item.item, button_of, restored=True)
    words = _("“%(title)s” is in your list again.") % {"title": saved_item.shown.title}
    if request.htmx:
        add_details([saved_item], request.viewer)
        return announce(
            render(request, "lists/list.html#row", {"saved": saved_item, "restored": True}), words
        )
    request.done = words
    if back_to(request, otherwise="") == reverse("removed_from_lists"):
        messages.success(request, words)
    return _back_to_item(request, uuid_or_none(request.GET.get("item", "")))


@sign_in_to_open(SavedItem)
@done_after_sign_in
@require_POST
def delete_saved(request, public_id):
    """Delete a removed item for good, before the time for restoring it is over."""
    saved_item = _saved_item(request, public_id)
    if saved_item.removed_at is None:
        raise Http404
    actions.delete_now(saved_item, at=timezone.now())
    words = _("“%(title)s” is deleted.") % {"title": saved_item.shown.title}
    if request.htmx:
        return announce(render(request, "lists/list.html#deleted", {"words": words}), words)
    messages.success(request, words)
    return redirect("removed_from_lists")


@sign_in_to_open(SavedItem)
@require_safe
def share_saved(request, public_id):
    """Show one title of a list as a text that the patron can share, copy or email."""
    saved_item = get_object_or_404(
        SavedItem.objects.belonging_to(request.viewer).select_related("item", "saved_list"),
        public_id=public_id,
    )
    context = {
        "item": saved_item.shown,
        "text": titles_as_text([saved_item.shown], library=request.library),
        "back": f"{saved_item.saved_list.get_absolute_url()}#saved-{public_id}",
    }
    return render(request, "recommendations/share.html", context)


def _saved_item(request, public_id):
    """Return the viewer's saved item, even if the viewer has removed it, for example in another tab."""
    return get_object_or_404(
        SavedItem.objects.belonging_to(request.viewer, restorable_at=timezone.now()).select_related(
            "item", "saved_list"
        ),
        public_id=public_id,
    )


def _wanted_list(request):
    """Return the viewer's list with the posted id, or None if no id was posted."""
    list_id = uuid_or_none(request.POST.get("list", ""))
    return list_id and get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=list_id)


def _button(request, item, key, *, removed=None, restored=False):
    """Render the save button of an item after a change. `key` is the public id of its recommendation.

    `removed` is the SavedItem that was just removed.
    """
    saved = saved_as(request.viewer.person, [item.pk]).get(item.pk)
    context = {
        "item": item,
        "key": key,
        "saved": saved,
        "removed": removed.public_id if removed else None,
        "restored": restored,
        "list": uuid_or_none(request.POST.get("list", "")),
        "back": back_to(request, otherwise=""),
    }
    words = _("Removed from your list.") if removed else saved.words if saved else ""
    return announce(render(request, "components/save_button.html", context), words)


def _say_full(request, saved_list, key):
    """Redirect to the page where the patron chooses another list, because `saved_list` is full.

    `key` is the public id of the recommendation.
    """
    messages.error(
        request,
        _("“%(list)s” has %(most)d titles, and that is the limit. Choose another list.")
        % {"list": saved_list.title, "most": MAX_ITEMS},
    )
    query = urlencode({"back": back_to(request, otherwise="")})
    address = f"{reverse('choose_lists', args=[key])}?{query}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _back_to_item(request, recommendation_id):
    back = back_to(request, otherwise="")
    return redirect(f"{back}#rec-{recommendation_id}" if back and recommendation_id else back or "saved")
