"""Tallies. Staff count a directional contact, such as "Where is the printer?", with one key press."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for, service_point
from portal.desk.params import number_or_none
from portal.desk.tallies import tally_context
from portal.helpsessions import actions
from portal.helpsessions.models import HelpSession


@staff_only
@require_POST
def tally(request):
    """Count one directional contact."""
    branch = branch_for(request)
    counted = actions.tally(
        by=request.user, at=timezone.now(), branch=branch, service_point=service_point(request, branch)
    )
    return _response(request, counted)


@staff_only
@require_POST
def undo_tally(request, public_id):
    """Remove a tally of this staff member. If it was already removed, do nothing."""
    own = HelpSession.objects.at_desk_of(request.user).filter(
        staff=request.user, status=HelpSession.Status.TALLY
    )
    counted = own.filter(public_id=public_id).first()
    if counted is not None:
        actions.undo_tally(counted, by=request.user, at=timezone.now())
    return _response(request, None)


@staff_only
@require_POST
def take_back_tally(request):
    """Remove this staff member's latest tally of today.

    The field `count` is the number of tallies that the page shows. If the number is different now, do
    nothing.
    """
    count = number_or_none(request.POST.get("count")) or 0
    taken_back = actions.take_back_tally(by=request.user, at=timezone.now(), count=count)
    return _response(request, None, taken_back=taken_back)


def _response(request, counted, *, taken_back=None):
    """Show how many contacts the staff member tallied today.

    If `counted` is a tally, add a button that takes this tally back. If the request was to take a tally back,
    `taken_back` says whether a tally was removed. Otherwise `taken_back` is None.
    """
    is_queue = request.POST.get("from") == "queue"
    if request.htmx:
        context = {
            **tally_context(request),
            "counted": counted,
            "tally_from": "queue" if is_queue else "record",
            "taken_back": taken_back,
        }
        return render(request, "desk/tally.html", context)
    if counted is not None:
        undo_url = reverse("undo_tally", args=[counted.public_id])
        messages.success(request, _("Contact counted."), extra_tags=f"undo={undo_url}")
    elif taken_back:
        messages.info(request, _("Contact taken back."))
    elif taken_back is False:
        messages.warning(request, _("The number of contacts has changed. Check it, then try again."))
    return redirect("desk" if is_queue else "record")
