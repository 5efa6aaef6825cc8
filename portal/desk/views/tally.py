"""Tallies. Staff count a directional contact, such as "Where is the printer?", with one key press."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for, service_point
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
    """Remove a tally of this staff member. If the tally was removed before, do nothing."""
    own = HelpSession.objects.at_desk_of(request.user).filter(
        staff=request.user, status=HelpSession.Status.TALLY
    )
    counted = own.filter(public_id=public_id).first()
    if counted is not None:
        actions.undo_tally(counted, by=request.user, at=timezone.now())
    return _response(request, None)


def _response(request, counted):
    """Show today's tally. If `counted` is not None, add a button that takes this count back."""
    is_queue = request.POST.get("from") == "queue"
    if request.htmx:
        context = {
            **tally_context(request),
            "counted": counted,
            "tally_from": "queue" if is_queue else "record",
        }
        return render(request, "desk/tally.html", context)
    if counted is not None:
        undo_url = reverse("undo_tally", args=[counted.public_id])
        messages.success(request, _("Contact counted."), extra_tags=f"undo={undo_url}")
    return redirect("desk" if is_queue else "record")
