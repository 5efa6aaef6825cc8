"""Tallies. Staff count a short contact, such as "Where is the printer?", with one key press."""

import uuid

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for, service_point
from portal.desk.forms.tally import TallySheetForm
from portal.desk.params import number_or_none
from portal.desk.tallies import chosen_point, kinds_of, point_of, remember_point, tally_context
from portal.helpsessions import choices, tallies
from portal.helpsessions.models import HelpSession, TallyKind


@staff_only
@require_POST
def tally(request):
    """Count one contact. `point` is the service point, and `kind` one of its kinds of tallies."""
    point = chosen_point(request, request.POST.get("point"))
    if point and request.POST.get("from") == "sheet":
        remember_point(request, point)
    branch = point.branch if point else branch_for(request)
    kinds = TallyKind.objects.offered().filter(service_point=point)
    kind = kinds.filter(pk=number_or_none(request.POST.get("kind")) or 0).first() if point else None
    counted = tallies.tally(
        by=request.user,
        at=timezone.now(),
        branch=branch,
        service_point=point or service_point(request, branch),
        kind=kind,
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
        tallies.undo_tally(counted, by=request.user, at=timezone.now())
    return _response(request, None)


@staff_only
@require_POST
def take_back_tally(request):
    """Remove this staff member's latest tally of today.

    The field `count` is the number of tallies that the page shows. If the number is different now, do
    nothing.
    """
    count = number_or_none(request.POST.get("count")) or 0
    taken_back = tallies.take_back_tally(by=request.user, at=timezone.now(), count=count)
    return _response(request, None, taken_back=taken_back)


@staff_only
@require_http_methods(["GET", "POST"])
def tally_sheet(request):
    """Show the kinds of tallies of a service point.

    On POST, choose the service point `choose`, or count several contacts of one hour at once.
    """
    if chosen := chosen_point(request, request.POST.get("choose")):
        remember_point(request, chosen)
        return redirect("tally_sheet")
    points = choices.offered_points(branches=request.user.desk_branch_ids)
    point = chosen_point(request, request.POST.get("point"))
    point = point or point_of(request) or (points[0] if len(points) == 1 else None)
    now = timezone.now().astimezone(request.library.zone)
    kinds = kinds_of(point, now.date()) if point else []
    initial = {"token": uuid.uuid4(), "happened_on": now.date(), "hour": now.hour}
    form = TallySheetForm(request.POST or None, kinds=kinds, now=now, initial=initial)
    if request.method == "POST" and point and form.is_valid():
        return _count_several(request, form, point)
    context = {
        "points": points,
        "are_several_branches": len({each.branch_id for each in points}) > 1,
        "form": form,
        **_sheet_context(request, point, kinds),
    }
    return render(request, "desk/tally_sheet.html", context, status=422 if form.errors else 200)


def _count_several(request, form, point):
    data = form.cleaned_data
    first = tallies.tally_several(
        by=request.user,
        at=timezone.now(),
        service_point=point,
        happened_on=data["happened_on"],
        hour=data["hour"],
        numbers=form.numbers,
        token=data["token"],
    )
    number = sum(form.numbers.values())
    words = ngettext("%(count)d contact counted.", "%(count)d contacts counted.", number) % {"count": number}
    undo_url = reverse("undo_tally_sheet", args=[first])
    messages.success(request, words, extra_tags=f"undo={undo_url}")
    return redirect("tally_sheet")


@staff_only
@require_POST
def undo_tally_sheet(request, public_id):
    """Remove the contacts that this staff member counted with the tick sheet that `public_id` names."""
    removed = tallies.undo_several(by=request.user, at=timezone.now(), token=public_id)
    words = ngettext("%(count)d contact taken back.", "%(count)d contacts taken back.", removed)
    messages.info(request, words % {"count": removed})
    return redirect("tally_sheet")


def _sheet_context(request, point, kinds, counted=None):
    if point is None:
        return {}
    return {"point": point, "kinds": kinds, "counted": counted, **tally_context(request, point)}


def _response(request, counted, *, taken_back=None):
    """Show how many contacts were tallied today.

    If `counted` is a tally, add a button that takes this tally back. If the request was to take a tally back,
    `taken_back` says whether a tally was removed. Otherwise `taken_back` is None.
    """
    came_from = request.POST.get("from")
    if request.htmx and came_from == "sheet":
        point = chosen_point(request, request.POST.get("point"))
        kinds = kinds_of(point, request.library.today()) if point else []
        context = _sheet_context(request, point, kinds, counted)
        return render(request, "desk/tally_sheet.html#now", context)
    if request.htmx:
        context = {
            **tally_context(request, chosen_point(request, request.POST.get("point"))),
            "counted": counted,
            "tally_from": "queue" if came_from == "queue" else "record",
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
    pages = {"queue": "desk", "sheet": "tally_sheet"}
    return redirect(pages.get(came_from, "record"))
