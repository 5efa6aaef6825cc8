"""Decide which items a viewer can save, and whether the visit must be added to an account first."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from accounts.waiting_forms import has_waited, refuse_quiet
from recommendations.models import Recommendation


def saveable(request, item_id):
    """Return the recommendation of an item that the viewer can save, or raise Http404.

    This is the recommendation with the public id in the form's field `recommendation`, or else the latest
    recommendation of the item.
    """
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


def keep_first(request, recommendation):
    """Return a redirect to the page that adds the visit to an account, or None if the viewer can save items.

    Only an account has lists. After the visit is added, the item is also saved. If the visit is quiet, it
    can't be added, and a warning says that its items can't be saved.
    """
    session = request.viewer.session_of(recommendation)
    if has_waited(request):
        refuse_quiet(session)
    if request.viewer.person is not None and not (session and session.quiet):
        return None
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
