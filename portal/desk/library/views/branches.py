"""The settings of the branches: names, opening hours, closed days, and whether a branch is in use."""

from functools import partial

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import library as actions
from accounts.hours import by_weekday
from accounts.models import Branch
from accounts.sign_in.access import coordinator_only
from portal.desk.library.forms.branches import BranchForm, ClosedDayForm, HoursForm
from portal.desk.library.views.promises import save_calendar

BRANCH_FIELDS = ["name", "address", "phone", "promise_hours", "send_button", "covered_by"]


@coordinator_only
def add_branch(request):
    form = BranchForm(request.POST or None, initial={"promise_hours": 24})
    if form.is_valid():
        branch = actions.add_branch(by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("%(branch)s added. Check its opening hours next.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    return render(request, "desk/library/add_branch.html", {"form": form})


@coordinator_only
def branch_settings(request, slug):
    """Change the name, address, phone and promise of a branch, and how its staff answer."""
    branch = get_object_or_404(Branch, slug=slug)
    form = BranchForm(request.POST or None, branch=branch, initial=_initial(branch))
    if form.is_valid() and "back" not in request.POST:
        return save_calendar(
            request,
            branch,
            partial(actions.change_branch, **form.cleaned_data),
            {"promise_hours": form.cleaned_data["promise_hours"]},
            saved=_("%(branch)s saved.") % {"branch": form.cleaned_data["name"]},
        )
    return _branch_page(request, branch, form=form)


@coordinator_only
@require_POST
def branch_hours(request, slug):
    """Change the opening hours of a branch."""
    branch = get_object_or_404(Branch, slug=slug)
    form = HoursForm(request.POST, branch=branch)
    if form.is_valid() and "back" not in request.POST:
        return save_calendar(
            request,
            branch,
            partial(actions.change_hours, week=form.week),
            {"week": by_weekday(form.week)},
            saved=_("Opening hours saved."),
        )
    return _branch_page(request, branch, hours_form=form, form_error=not form.is_valid())


@coordinator_only
@require_POST
def branch_closed_days(request, slug):
    """Add a closed day. If a button `remove` was pressed, remove the day that the button names."""
    branch = get_object_or_404(Branch, slug=slug)
    to_remove = request.POST.get("remove")
    if "back" in request.POST:
        typed = (
            {} if to_remove else {"closed_form": ClosedDayForm(request.POST, today=request.library.today())}
        )
        return _branch_page(request, branch, **typed)
    removed = next((each for each in branch.closed_days.all() if each.day.isoformat() == to_remove), None)
    closed_days = frozenset(each.day for each in branch.closed_days.all())
    if removed:
        save = partial(actions.remove_closed_day, day=removed.day)
        closed_days -= {removed.day}
    elif to_remove:
        # Someone else has removed the day already.
        return redirect("branch_settings", branch.slug)
    else:
        form = ClosedDayForm(request.POST, today=request.library.today())
        if not form.is_valid():
            return _branch_page(request, branch, closed_form=form, form_error=True)
        save = partial(actions.add_closed_day, **form.cleaned_data)
        closed_days |= {form.cleaned_data["day"]}
    return save_calendar(request, branch, save, {"closed_days": closed_days}, saved=_("Closed days saved."))


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
    return initial | {"back_to_writer": "writer" if branch.back_to_writer else "branch"}


def _branch_page(request, branch, **forms):
    context = {
        "branch": branch,
        "is_covered": branch.is_covered(timezone.now()),
        "form": BranchForm(branch=branch, initial=_initial(branch)),
        "hours_form": HoursForm(branch=branch),
        "closed_form": ClosedDayForm(today=request.library.today()),
        "closed_days": branch.closed_days.filter(day__gte=request.library.today()),
        "is_default": request.library.default_branch_id == branch.pk,
        **forms,
    }
    return render(request, "desk/library/branch.html", context)
