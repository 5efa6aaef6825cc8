from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from portal.htmx import back_to, render_page
from portal.paging import page_of
from recommendations.models import Holding, Recommendation

from . import actions
from .models import SavedItem


@require_safe
def saved(request):
    return _page(request)


@require_POST
def save_item(request, public_id):
    """Save an item that was recommended to this reader. Who has no account yet is asked to keep the visit first."""
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


@require_POST
def remove_saved(request, public_id):
    found = get_object_or_404(
        SavedItem.objects.belonging_to(request.viewer).select_related("item"), public_id=public_id
    )
    actions.remove(found)
    undo = reverse("save_item", args=[found.item.public_id])
    messages.success(
        request,
        _("“%(title)s” is no longer in your list.") % {"title": found.item.title},
        extra_tags=f"undo={undo}",
    )
    if not request.htmx:
        return redirect("saved")
    return _page(request, partial="list")


def _page(request, *, partial=""):
    # Why it was chosen, and by whom, is read as long as the visit or conversation is that says so.
    theirs = Recommendation.objects.belonging_to(request.viewer).select_related("recommended_by")
    rows = (
        SavedItem.objects.belonging_to(request.viewer)
        .select_related("item")
        .prefetch_related(
            Prefetch("item__holdings", Holding.objects.select_related("branch")),
            Prefetch("recommendation", theirs),
        )
    )
    saved_items, older = page_of(rows, "saved_at", request.GET.get("after"))
    context = {
        "saved_items": saved_items,
        "older": older,
        "later_page": bool(request.GET.get("after")),
        "oob": bool(partial),
    }
    return render_page(request, "lists/saved.html", context, partial=partial)


def _recommended(request, item_id):
    """The recommendation that the button stood on, where the form names one; otherwise the latest of this item."""
    found = list(
        Recommendation.objects.belonging_to(request.viewer)
        .filter(item__public_id=item_id)
        .select_related("item")
        .order_by("-recommended_at", "-pk")[:100]
    )
    if not found:
        raise Http404
    return next((one for one in found if str(one.public_id) == request.POST.get("recommendation")), found[0])


def _keep_first(request, session):
    """To save something there must be somebody to save it for; and of a quiet visit nothing is saved."""
    if session is None or session.quiet:
        messages.warning(request, _("Nothing of this visit is put in a list."))
        address = session.get_absolute_url() if session else reverse("home")
    else:
        messages.info(
            request,
            _("A list needs an owner. Keep this visit in a library account first, then save what you like."),
        )
        address = reverse("keep_session", args=[session.public_id])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)
