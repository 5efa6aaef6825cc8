"""The pages for a patron's list of saved items."""

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
from accounts.viewer import for_viewers
from portal.htmx import back_to, render_page
from portal.paging import page_of
from recommendations.holdings import fetch_holdings
from recommendations.models import Recommendation

from . import actions
from .models import SavedItem


@require_safe
def saved(request):
    """Show the patron's saved list."""
    if not request.viewer:
        return redirect_to_login(request.get_full_path())
    return _page(request)


@sign_in_to_open()
@require_POST
def save_item(request, public_id):
    """Save an item that was recommended to the viewer.

    A viewer by code must keep the visit in an account first.
    """
    recommendation = _recommended(request, public_id)
    session = request.viewer.session_of(recommendation)
    if request.viewer.person is None or (session and session.quiet):
        return _keep_first(request, session)
    actions.save(
        recommendation.item, patron=request.viewer.person, at=timezone.now(), recommendation=recommendation
    )
    if request.htmx:
        context = {
            "item": recommendation.item,
            "recommendation": recommendation,
            "saved": True,
            "back": back_to(request, otherwise=""),
        }
        return render(request, "components/save_button.html", context)
    back = back_to(request, otherwise="")
    return redirect(f"{back}#rec-{recommendation.public_id}" if back else "saved")


@sign_in_to_open(SavedItem)
@require_POST
def remove_saved(request, public_id):
    """Remove an item from the list."""
    saved_item = get_object_or_404(
        SavedItem.objects.belonging_to(request.viewer).select_related("item"), public_id=public_id
    )
    actions.remove(saved_item)
    undo = reverse("save_item", args=[saved_item.item.public_id])
    messages.success(
        request,
        _("“%(title)s” is no longer in your list.") % {"title": saved_item.item.title},
        extra_tags=f"undo={undo}",
    )
    if not request.htmx:
        return redirect("saved")
    return _page(request, partial="list")


def _page(request, *, partial=""):
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item")
    saved_items, older = page_of(rows, "saved_at", request.GET.get("after"))
    fetch_holdings([saved.item for saved in saved_items])
    _fetch_recommendations(saved_items, request.viewer)
    context = {
        "saved_items": saved_items,
        "older": older,
        "later_page": bool(request.GET.get("after")),
        "oob": bool(partial),
    }
    return render_page(request, "lists/saved.html", context, partial=partial)


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


def _keep_first(request, session):
    """Redirect to the page that adds the visit to an account, because only an account has a saved list.

    A quiet visit can't be added. In that case, show a warning that its items can't be saved.
    """
    if session is None or session.quiet:
        messages.warning(request, _("You can't save items from this visit."))
        address = session.get_absolute_url() if session else reverse("home")
    else:
        messages.info(
            request,
            _("To save items, first add this visit to a library account."),
        )
        address = reverse("keep_session", args=[session.public_id])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
