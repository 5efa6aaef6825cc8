"""Shared desk computers.

Staff can unlock their current computer for the rest of the day, close any unlocked computer, and set a PIN.
"""

import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.forms.desk_pins import SetPinForm
from accounts.models import SharedDesk
from accounts.sign_in import desk_pins
from accounts.sign_in.access import behind_second_factor, has_shown_second_factor, staff_only
from accounts.sign_in.sign_ins import device
from accounts.staff import desk_lock, shared_desks
from portal.desk.forms.computers import UnlockDeskForm


@staff_only
def desk_computers(request):
    """List the shared desk computers that are unlocked.

    A POST request unlocks the computer that sent it, until the end of the day.
    """
    if request.method == "POST":
        return _unlock(request)
    return _page(request, _form(request))


@behind_second_factor
def _unlock(request):
    form = _form(request)
    if not form.is_valid():
        return _page(request, form)
    desk, token = shared_desks.unlock(by=request.user, at=timezone.now(), **form.cleaned_data)
    if request.shared_desk:
        shared_desks.close(request.shared_desk, by=request.user, at=timezone.now())
    response = redirect("desk_computers")
    desk_lock.unlock_here(request, response, desk, token)
    messages.success(
        request,
        _("This is a shared desk computer until the end of the day. Any colleague with a PIN can open it."),
    )
    return response


@staff_only
@require_POST
def close_desk_computer(request, public_id):
    """End the shared use of a desk computer, so that PINs no longer work on that computer."""
    is_here = request.shared_desk and request.shared_desk.public_id == public_id
    desk = request.shared_desk if is_here else get_object_or_404(_unlocked(request.user), public_id=public_id)
    shared_desks.close(desk, by=request.user, at=timezone.now())
    messages.success(request, _("%(name)s is closed. PINs no longer work there.") % {"name": desk.name})
    return redirect("desk_computers")


@staff_only
@require_POST
def desk_used(request):
    """Keep a shared desk computer unlocked.

    While someone uses the computer, static/js/lock.js sends a request to this view.
    """
    return HttpResponse(status=204)


@sensitive_post_parameters("pin", "pin_again")
@behind_second_factor
def desk_pin(request):
    """Set the staff member's own PIN, or remove it with the button `remove`."""
    pin = desk_pins.pin_of(request.user)
    if pin and "remove" in request.POST:
        desk_pins.remove_pin(request.user, by=request.user, at=timezone.now())
        messages.success(request, _("PIN removed."))
        return redirect("desk_computers")
    form = SetPinForm(request.POST or None)
    if form.is_valid():
        desk_pins.set_pin(
            request.user, pin=form.cleaned_data["pin"], at=timezone.now(), keep=request.session.session_key
        )
        messages.success(
            request,
            _("PIN saved. You can use it on any unlocked shared desk computer of your branches."),
        )
        return redirect("desk_computers")
    return render(request, "desk/pin.html", {"form": form, "pin": pin})


def _form(request):
    initial = {
        "name": device(request.headers.get("User-Agent", "")),
        "branch": request.user.roles[0].branch_id,
    }
    return UnlockDeskForm(
        request.POST or None, branches=[role.branch_id for role in request.user.roles], initial=initial
    )


def _page(request, form):
    here = request.shared_desk
    context = {
        "form": form,
        "until_midnight": here and timezone.localtime(here.until).time() == datetime.time(),
        "pin": desk_pins.pin_of(request.user),
        "unlocked": _unlocked(request.user)
        .select_related("branch", "unlocked_by")
        .order_by("branch__name", "name", "pk"),
        "by_second_factor": has_shown_second_factor(request),
    }
    return render(request, "desk/computers.html", context)


def _unlocked(user):
    return SharedDesk.objects.at_desk_of(user).unlocked(timezone.now())
