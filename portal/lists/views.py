"""The pages for a patron's list of saved items."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import BigAutoField, DateTimeField
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.viewer import for_viewers
from portal.htmx import announce, back_to, render_page
from portal.paging import page_of
from portal.text import uuid_or_none
from recommendations.holdings import fetch_holdings
from recommendations.models import Recommendation

from . import actions
from .models import SavedItem, SavedList


@require_safe
def saved(request):
    """Show the patron's saved list."""
    if not request.viewer:
        return redirect_to_login(request.get_full_path())
    return _page(request)


@sign_in_to_open(Recommendation, named_in="recommendation")
@done_after_sign_in
@require_POST
def save_item(request, public_id):
    """Save an item that was recommended to the viewer.

    A viewer by code must keep the visit in an account first. The parameter `list` is the public id of the
    list. Without it, the item is saved in the first list.
    """
    recommendation = _recommended(request, public_id)
    session = request.viewer.session_of(recommendation)
    if request.viewer.person is None or (session and session.quiet):
        return _keep_first(request, session, recommendation)
    saved_item = actions.save(
        recommendation.item,
        patron=request.viewer.person,
        at=timezone.now(),
        recommendation=recommendation,
        saved_list=_wanted_list(request),
    )
    if request.htmx:
        return _button(request, saved_item, recommendation.public_id)
    request.done = _("“%(title)s” is in your list.") % {"title": recommendation.item.title}
    return _back_to_item(request, recommendation.public_id)


@sign_in_to_open(SavedItem)
@done_after_sign_in
@require_POST
def remove_saved(request, public_id):
    """Remove an item from its list. The response has a button that undoes this.

    The saved list posts only the item. A card of a recommended item also posts the recommendation, and gets
    its save button back.
    """
    saved_item = _saved_item(request, public_id)
    actions.remove(saved_item, at=timezone.now())
    button_of = uuid_or_none(request.POST.get("recommendation", ""))
    if request.htmx and button_of:
        return _button(request, saved_item, button_of, removed=True)
    words = _("“%(title)s” is no longer in your list.") % {"title": saved_item.item.title}
    if request.htmx:
        return announce(render(request, "lists/saved.html#removed", {"saved": saved_item}), words)
    back = back_to(request, otherwise=reverse("saved"))
    undo = reverse("restore_saved", args=[saved_item.public_id])
    query = urlencode({"back": back, "item": button_of or ""})
    messages.success(request, words, extra_tags=f"undo={undo}?{query}")
    # The message is at the top of the page.
    return redirect(back)


@sign_in_to_open(SavedItem)
@done_after_sign_in
@require_POST
def restore_saved(request, public_id):
    """Undo the removal of an item. The item gets its place in the list back."""
    saved_item = _saved_item(request, public_id)
    actions.restore(saved_item)
    button_of = uuid_or_none(request.POST.get("recommendation", ""))
    if request.htmx and button_of:
        return _button(request, saved_item, button_of, restored=True)
    words = _("“%(title)s” is in your list again.") % {"title": saved_item.item.title}
    if request.htmx:
        _add_details([saved_item], request.viewer)
        return announce(
            render(request, "lists/saved.html#row", {"saved": saved_item, "restored": True}), words
        )
    request.done = words
    return _back_to_item(request, uuid_or_none(request.GET.get("item", "")))


def _saved_item(request, public_id):
    """Return the viewer's saved item. The viewer may have removed it, for example in another tab."""
    return get_object_or_404(
        SavedItem.objects.belonging_to(request.viewer, removed=True).select_related("item", "saved_list"),
        public_id=public_id,
    )


def _wanted_list(request):
    """Return the viewer's list that the form names, or None if it names no list."""
    list_id = uuid_or_none(request.POST.get("list", ""))
    return list_id and get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=list_id)


def _button(request, saved_item, recommendation_id, *, removed=False, restored=False):
    """Return the save button of an item card, in its new state."""
    context = {
        "item": saved_item.item,
        "key": recommendation_id,
        "saved": None if removed else saved_item.public_id,
        "removed": saved_item.public_id if removed else None,
        "restored": restored,
        "list": saved_item.saved_list.public_id if request.POST.get("list") else "",
        "back": back_to(request, otherwise=""),
    }
    words = _("Removed from your list.") if removed else _("In your list")
    return announce(render(request, "components/save_button.html", context), words)


def _back_to_item(request, recommendation_id):
    back = back_to(request, otherwise="")
    return redirect(f"{back}#rec-{recommendation_id}" if back and recommendation_id else back or "saved")


def _page(request):
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item")
    saved_items, older = page_of(rows, "saved_at", request.GET.get("after"))
    _add_details(saved_items, request.viewer)
    context = {
        "saved_items": saved_items,
        "older": older,
        "later_page": bool(request.GET.get("after")),
    }
    return render_page(request, "lists/saved.html", context)


def _add_details(saved_items, viewer):
    """Load what the cards of saved items show."""
    fetch_holdings([saved.item for saved in saved_items])
    _fetch_recommendations(saved_items, viewer)


def _fetch_recommendations(saved_items, viewer):
    """Load the `recommendation` of each saved item.

    It becomes None if the viewer can't open the visit or conversation with the recommendation.
    """
    pks = [saved.recommendation_id for saved in saved_items if saved.recommendation_id]
    readable = {row.pk: row for row in _readable(viewer, pks=pks, at=timezone.now())}
    for saved in saved_items:
        saved.recommendation = readable.get(saved.recommendation_id)


@for_viewers(pks=BigAutoField(), at=DateTimeField())
def _readable(viewer, pks, at):
    rows = Recommendation.objects.belonging_to(viewer, at)
    return rows.filter(pk__in=pks).select_related("recommended_by")


def _recommended(request, item_id):
    """Return the recommendation that the form names, or the latest recommendation of the item."""
    recommendations = list(
        Recommendation.objects.belonging_to(request.viewer)
        .filter(item__public_id=item_id)
        .select_related("item")
        .order_by("-recommended_at", "-pk")[:100]
    )
    if not recommendations:
        raise Http404
    for recommendation in recommendations:
        if str(recommendation.public_id) == request.POST.get("recommendation"):
            return recommendation
    return recommendations[0]


def _keep_first(request, session, recommendation):
    """Redirect to the page that adds the visit to an account, because only an account has a saved list.

    That page saves the item too. A quiet visit can't be added, so a warning says that its items can't be
    saved.
    """
    if session is None or session.quiet:
        messages.warning(request, _("You can't save items from this visit."))
        address = session.get_absolute_url() if session else reverse("home")
    else:
        messages.info(
            request,
            _("To save items, first add this visit to a library account."),
        )
        address = f"{reverse('keep_session', args=[session.public_id])}?save={recommendation.public_id}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
