"""The settings of the branches: names, opening hours, closed days, and whether a branch is in use."""

from functools import partial
from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import library as actions
from accounts.hours import Calendar, by_weekday
from accounts.models import Branch
from accounts.sign_in.access import coordinator_only
from portal.conversations.moved_promises import CalendarChanged
from portal.desk.forms.several import SeveralForms
from portal.desk.library.forms.branches import BranchForm, ClosedDayForm, HoursForm
from portal.desk.library.views.promises import save_calendar
from portal.templatetags.portal import whole_day

BRANCH_FIELDS = [
    *("name", "address", "phone", "promise_hours"),
    *("send_button", "call_tries", "covered_by", "check_in_tone"),
]


@coordinator_only
def add_branch(request):
    form = BranchForm(request.POST or None, initial={"promise_hours": 24})
    if form.is_valid():
        try:
            branch = actions.add_branch(by=request.user, at=timezone.now(), **form.cleaned_data)
        except actions.NameTaken:
            # Another request has saved this name since the form was checked. Check again, so that the page
            # shows the error.
            return add_branch(request)
        messages.success(request, _("%(branch)s added. Check its opening hours next.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    return render(request, "desk/library/add_branch.html", {"form": form})


@coordinator_only
def branch_settings(request, slug):
    """Change the fields, opening hours and closed days of a branch.

    Every button saves the whole page. A button `remove` also removes one closed day.
    """
    try:
        return _branch_settings(request, slug)
    except (CalendarChanged, actions.NameTaken):
        # A colleague saved at the same moment, so read everything again. The days that this person left
        # unchanged keep the colleague's hours. If another branch now has the name, the form shows an error.
        return branch_settings(request, slug)


def _branch_settings(request, slug):
    branch = get_object_or_404(Branch, slug=slug)
    forms = _forms(request, branch)
    if request.method != "POST" or "back" in request.POST or SeveralForms(*forms.values()).errors:
        return _branch_page(request, branch, forms)
    removed = _closed_day_to_remove(request, branch)
    changes, saves = _changes(
        Calendar.of(branch), **forms, removed=removed, save_hours="save_hours" in request.POST
    )

    def save(branch, *, by, at):
        for action in saves:
            action(branch, by=by, at=at)

    words = _("%(branch)s saved.") % {"branch": forms["form"]["name"].value()}
    if not removed:
        return save_calendar(request, branch, save, changes, saved=words)
    words += " " + _("Closed day removed: %(day)s.") % {"day": whole_day(removed.day)}
    query = urlencode({"day": removed.day.isoformat(), "reason": removed.reason})
    undo = f"{reverse('restore_closed_day', args=[branch.slug])}?{query}"
    return save_calendar(request, branch, save, changes, saved=words, undo=undo)


@coordinator_only
@require_POST
def restore_closed_day(request, slug):
    """Add a removed closed day again. The query string contains its day and reason."""
    request.POST = request.GET
    return branch_settings(request, slug)


def _closed_day_to_remove(request, branch):
    """Return the closed day that the pressed button removes, or None."""
    day = request.POST.get("remove")
    return (
        next((each for each in branch.closed_days.all() if each.day.isoformat() == day), None)
        if day
        else None
    )


def _forms(request, branch):
    """Return {name of a form in the template: form}. A form is bound if the request has one of its fields."""
    posted = request.POST
    has_hours = any(f"day{weekday}" in posted for weekday in range(7))
    has_day = "add" in posted or posted.get("day") or posted.get("reason")
    return {
        "form": BranchForm(posted if "name" in posted else None, branch=branch, initial=_initial(branch)),
        "hours_form": HoursForm(posted if has_hours else None, branch=branch),
        "closed_form": ClosedDayForm(posted if has_day else None, today=request.library.today()),
    }


def _changes(calendar, *, form, hours_form, closed_form, removed, save_hours):
    """Return (the changed attributes of the Calendar, the actions that save the changes).

    If `save_hours` is true, also save unchanged hours. The audit event then shows that somebody has checked
    the hours.
    """
    changes, saves, closed_days = {}, [], calendar.closed_days
    if form.is_bound and form.changes:
        if "promise_hours" in form.changes:
            changes["promise_hours"] = form.changes["promise_hours"]
        saves.append(partial(actions.change_branch, **form.changes))
    if hours_form.is_bound and (save_hours or by_weekday(hours_form.week) != calendar.week):
        changes["week"] = by_weekday(hours_form.week)
        saves.append(partial(actions.change_hours, week=hours_form.week))
    if removed:
        closed_days -= {removed.day}
        saves.append(partial(actions.remove_closed_day, day=removed.day))
    if closed_form.is_bound:
        closed_days |= {closed_form.cleaned_data["day"]}
        saves.append(partial(actions.add_closed_day, **closed_form.cleaned_data))
    return {**changes, "closed_days": closed_days}, saves


@coordinator_only
@require_POST
def branch_use(request, slug):
    """Take a branch out of use, or put it back into use."""
    branch = get_object_or_404(Branch, slug=slug)
    if branch.closed_at:
        actions.put_into_use(branch, by=request.user, at=timezone.now())
        messages.success(request, _("%(branch)s is in use again.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    try:
        actions.take_out_of_use(branch, by=request.user, at=timezone.now())
    except actions.DefaultBranch:
        messages.error(
            request,
            _("This is the default branch. First choose another default branch in the library settings."),
        )
    else:
        messages.success(
            request,
            _("%(branch)s is no longer in use. You can still read everything from this branch.")
            % {"branch": branch},
        )
    return redirect("branch_settings", branch.slug)


def _initial(branch):
    initial = {name: getattr(branch, name) for name in BRANCH_FIELDS}
    return initial | {
        "back_to_writer": "writer" if branch.back_to_writer else "branch",
        "check_ins_unreviewed": "email" if branch.check_ins_unreviewed else "pages",
    }


def _branch_page(request, branch, forms):
    all_forms = SeveralForms(*forms.values())
    context = {
        "branch": branch,
        "is_covered": branch.is_covered(timezone.now()),
        "closed_days": branch.closed_days.filter(day__gte=request.library.today()),
        "service_points": branch.service_points.filter(retired_at=None).order_by("name"),
        "is_default": request.library.default_branch_id == branch.pk,
        "all_forms": all_forms,
        "form_error": all_forms.errors,
        **forms,
    }
    return render(request, "desk/library/branch.html", context)
