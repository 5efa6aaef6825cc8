"""The settings of the library, for coordinators."""

from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import library as actions
from accounts.access import coordinator_only
from accounts.models import Branch, StaffRole, User
from portal.conversations.models import ReplyTemplate
from recommendations import topics as topic_actions
from recommendations.models import Topic

from .forms import BranchForm, ClosedDayForm, HoursForm, LibraryForm, LogoForm, PersonForm, RoleForm, TopicForm

LIBRARY_FIELDS = ["name", "language", "time_zone", "default_branch", "accent_colour", "catalogue_link"]
LIBRARY_FIELDS += ["closes_after_days", "released_after_days", "desk_locks_after_minutes"]
BRANCH_FIELDS = ["name", "address", "phone", "promise_hours"]


@coordinator_only
def settings(request):
    branches = Branch.objects.annotate(people=Count("staff_roles")).order_by("closed_at", "name")
    topics = Topic.objects.aggregate(used=Count("pk", filter=Q(retired_at=None)), retired=Count("pk", filter=Q(retired_at__isnull=False)))
    context = {"branches": branches, "topics": topics, "people": _staff(), "reply_templates": ReplyTemplate.objects.count()}
    return render(request, "desk/library/settings.html", context)


@coordinator_only
def library_settings(request):
    library = request.library
    form = LibraryForm(request.POST or None, initial={name: getattr(library, name) for name in LIBRARY_FIELDS})
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("The library's settings are changed."))
        return redirect("settings")
    return render(request, "desk/library/library.html", {"form": form, "logo_form": LogoForm()})


@coordinator_only
@require_POST
def logo_settings(request):
    """A new logo, or with the button `remove` none."""
    form = LogoForm(request.POST, request.FILES)
    if "remove" in request.POST or form.is_valid():
        png = None if "remove" in request.POST else form.cleaned_data["logo"]
        actions.change_logo(request.library, png=png, by=request.user, at=timezone.now())
        messages.success(request, _("The logo is changed.") if png else _("The logo is removed."))
        return redirect("library_settings")
    library_form = LibraryForm(initial={name: getattr(request.library, name) for name in LIBRARY_FIELDS})
    return render(request, "desk/library/library.html", {"form": library_form, "logo_form": form, "form_error": True})


@coordinator_only
def add_branch(request):
    form = BranchForm(request.POST or None, initial={"promise_hours": 24})
    if form.is_valid():
        branch = actions.add_branch(by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("%(branch)s is added. Look at its hours next.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    return render(request, "desk/library/add_branch.html", {"form": form})


@coordinator_only
def branch_settings(request, slug):
    branch = get_object_or_404(Branch, slug=slug)
    form = BranchForm(request.POST or None, branch=branch, initial={name: getattr(branch, name) for name in BRANCH_FIELDS})
    if form.is_valid():
        actions.change_branch(branch, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("%(branch)s is changed.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    return _branch_page(request, branch, form=form)


@coordinator_only
@require_POST
def branch_hours(request, slug):
    branch = get_object_or_404(Branch, slug=slug)
    form = HoursForm(request.POST, branch=branch)
    if form.is_valid():
        actions.change_hours(branch, week=form.week, by=request.user, at=timezone.now())
        messages.success(request, _("The opening hours are changed."))
        return redirect("branch_settings", branch.slug)
    return _branch_page(request, branch, hours_form=form, form_error=True)


@coordinator_only
@require_POST
def branch_closed_days(request, slug):
    """Adds a day, or takes out the one that the button `remove` names."""
    branch = get_object_or_404(Branch, slug=slug)
    removed = next((closed for closed in branch.closed_days.all() if closed.day.isoformat() == request.POST.get("remove")), None)
    form = ClosedDayForm(request.POST)
    if removed:
        actions.remove_closed_day(branch, day=removed.day, by=request.user, at=timezone.now())
    elif form.is_valid():
        actions.add_closed_day(branch, by=request.user, at=timezone.now(), **form.cleaned_data)
    else:
        return _branch_page(request, branch, closed_form=form, form_error=True)
    messages.success(request, _("The closed days are changed."))
    return redirect("branch_settings", branch.slug)


@coordinator_only
@require_POST
def branch_use(request, slug):
    branch = get_object_or_404(Branch, slug=slug)
    if branch.closed_at:
        actions.put_into_use(branch, by=request.user, at=timezone.now())
        messages.success(request, _("%(branch)s is in use again.") % {"branch": branch})
        return redirect("branch_settings", branch.slug)
    try:
        actions.take_out_of_use(branch, by=request.user, at=timezone.now())
    except actions.DefaultBranch:
        messages.error(request, _("This is the default branch. Choose another one in the library's settings first."))
    else:
        messages.success(request, _("%(branch)s is no longer in use. What it has stays readable.") % {"branch": branch})
    return redirect("branch_settings", branch.slug)


@coordinator_only
def topics(request):
    """Adds a topic; with `topic` renames that one, and with the button `retire` or `bring_back` does that."""
    number = request.POST.get("topic") or request.GET.get("topic") or ""
    topic = Topic.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    form = TopicForm(request.POST or None, initial={"name": topic.name, "name_es": topic.name_es} if topic else None)
    if topic and "retire" in request.POST:
        topic_actions.retire_topic(topic, at=timezone.now())
    elif topic and "bring_back" in request.POST:
        topic_actions.bring_back_topic(topic)
    elif not (form.is_valid() and _save_topic(form, topic)):
        return render(request, "desk/library/topics.html", {"form": form, "topic": topic, "topics": Topic.objects.order_by("name")})
    messages.success(request, _("The topics are changed."))
    return redirect("topics")


@coordinator_only
def people(request):
    form = PersonForm(request.POST or None, initial={"role": StaffRole.Role.STAFF})
    if form.is_valid():
        try:
            person = actions.give_role(by=request.user, at=timezone.now(), **form.cleaned_data)
        except actions.LastCoordinator:
            form.add_error("role", _("They are the only coordinator. Make somebody else one first."))
        else:
            messages.success(request, _("%(person)s can sign in now and open the desk.") % {"person": person})
            return redirect("people")
    return render(request, "desk/library/people.html", {"form": form, "people": _staff()})


@coordinator_only
def person(request, public_id):
    """Gives or changes a role; with the button `remove` takes away the one at that branch."""
    someone = get_object_or_404(_staff(), public_id=public_id)
    form = RoleForm(request.POST or None, initial={"role": StaffRole.Role.STAFF})
    removed = next((role for role in someone.roles if str(role.branch.slug) == request.POST.get("remove")), None)
    if removed or form.is_valid():
        try:
            if removed:
                actions.remove_role(someone, branch=removed.branch, by=request.user, at=timezone.now())
            else:
                actions.change_role(someone, by=request.user, at=timezone.now(), **form.cleaned_data)
        except actions.LastCoordinator:
            messages.error(request, _("They are the only coordinator. Make somebody else one first."))
        else:
            messages.success(request, _("The roles are changed."))
        return redirect("person", someone.public_id) if StaffRole.objects.filter(user=someone).exists() else redirect("people")
    if "remove" in request.POST:
        return redirect("person", someone.public_id)
    return render(request, "desk/library/person.html", {"form": form, "someone": someone})


@coordinator_only
@require_POST
def forget_second_factor(request, public_id):
    someone = get_object_or_404(_staff(), public_id=public_id)
    actions.forget_second_factor(someone, by=request.user, at=timezone.now())
    messages.success(request, _("What they opened the desk with is removed. At its door they set up a new app or passkey."))
    return redirect("person", someone.public_id)


def _staff():
    return (
        User.objects.filter(staff_roles__isnull=False)
        .distinct()
        .prefetch_related("staff_roles__branch", "authenticator_set", "passkeys")
        .order_by("name", "email")
    )


def _branch_page(request, branch, **forms):
    context = {
        "branch": branch,
        "form": BranchForm(branch=branch, initial={name: getattr(branch, name) for name in BRANCH_FIELDS}),
        "hours_form": HoursForm(branch=branch),
        "closed_form": ClosedDayForm(),
        "closed_days": branch.closed_days.filter(day__gte=request.library.today()),
        "is_default": request.library.default_branch_id == branch.pk,
        **forms,
    }
    return render(request, "desk/library/branch.html", context)


def _save_topic(form, topic):
    """Whether it was saved; otherwise the form says why not."""
    try:
        if topic:
            topic_actions.rename_topic(topic, **form.cleaned_data)
        else:
            topic_actions.add_topic(**form.cleaned_data)
    except topic_actions.NameTaken:
        form.add_error("name", _("Another topic has this name. It may be a retired one."))
        return False
    return True
