"""Directional contacts: one key each."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import staff_only
from portal.helpsessions import actions
from portal.helpsessions.models import HelpSession

from .items import branch_named, service_point


@staff_only
@require_POST
def tally(request):
    """Count one directional contact."""
    branch = branch_named(request)
    counted = actions.tally(
        by=request.user, at=timezone.now(), branch=branch, service_point=service_point(request, branch)
    )
    return _tally_answer(request, counted)


@staff_only
@require_POST
def undo_tally(request, public_id):
    counted = (
        HelpSession.objects.at_desk_of(request.user)
        .filter(staff=request.user, status=HelpSession.Status.TALLY, public_id=public_id)
        .first()
    )
    if counted is not None:  # undone already: what was asked for is so
        actions.undo_tally(counted, by=request.user, at=timezone.now())
    return _tally_answer(request, None)


def _tally_answer(request, counted):
    if request.htmx:
        return render(
            request,
            "desk/tally.html",
            {
                **tally_context(request),
                "counted": counted,
                "tally_from": "queue" if request.POST.get("from") == "queue" else "record",
            },
        )
    if counted is not None:
        messages.success(
            request, _("Counted."), extra_tags="undo=" + reverse("undo_tally", args=[counted.public_id])
        )
    return redirect("desk" if request.POST.get("from") == "queue" else "record")


def tally_context(request):
    today = HelpSession.objects.filter(
        staff=request.user, status=HelpSession.Status.TALLY, happened_on=request.library.today()
    )
    return {"tallied_today": today.count()}
