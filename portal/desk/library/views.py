"""The settings of the library, for coordinators."""

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts import library as actions
from accounts.models import Branch, Invitation, StaffRole, User
from accounts.sign_in.access import coordinator_only
from accounts.staff import invitations, roles
from portal import limits
from portal.conversations import departures
from portal.conversations.models import ReplyTemplate
from recommendations import topics as topic_actions
from recommendations.models import Topic

from .forms import (
    BranchForm,
    ChildrenForm,
    ClosedDayForm,
    HoursForm,
    InvitationForm,
    LibraryForm,
    LogoForm,
    RoleForm,
    TopicForm,
)

LIBRARY_FIELDS = ["name", "language", "time_zone", "default_branch", "accent_color", "catalog_link"]
LIBRARY_FIELDS += ["closes_after_days", "released_after_days", "desk_locks_after_minutes"]
BRANCH_FIELDS = ["name", "address", "phone", "promise_hours"]
LAST_COORDINATOR = gettext_lazy("They are the only coordinator. Make somebody else one first.")


@coordinator_only
def settings(request):
    branches = Branch.objects.annotate(people=Count("staff_roles")).order_by("closed_at", "name")
    topics = Topic.objects.aggregate(
        used=Count("pk", filter=Q(retired_at=None)), retired=Count("pk", filter=Q(retired_at__isnull=False))
    )
    context = {
        "branches": branches,
        "topics": topics,
        "people": StaffRole.objects.aggregate(count=Count("user", distinct=True))["count"],
        "reply_templates": ReplyTemplate.objects.count(),
    }
    return render(request, "desk/library/settings.html", context)


@coordinator_only
def library_settings(request):
    library = request.library
    form = LibraryForm(
        request.POST or None, initial={name: getattr(library, name) for name in LIBRARY_FIELDS}
    )
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("The library's settings are changed."))
        return redirect("settings")
    return render(request, "desk/library/library.html", {"form": form, "logo_form": LogoForm()})


@coordinator_only
def children_settings(request):
    library = request.library
    form = ChildrenForm(
        request.POST or None, initial={name: getattr(library, name) for name in ChildrenForm.base_fields}
    )
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("What is done with children's visits is changed."))
        return redirect("settings")
    return render(request, "desk/library/children.html", {"form": form})


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
    return render(
        request, "desk/library/library.html", {"form": library_form, "logo_form": form, "form_error": True}
    )


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
    form = BranchForm(
        request.POST or None, branch=branch, initial={name: getattr(branch, name) for name in BRANCH_FIELDS}
    )
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
    removed = next(
        (
            closed
            for closed in branch.closed_days.all()
            if closed.day.isoformat() == request.POST.get("remove")
        ),
        None,
    )
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
        messages.error(
            request, _("This is the default branch. Choose another one in the library's settings first.")
        )
    else:
        messages.success(
            request, _("%(branch)s is no longer in use. What it has stays readable.") % {"branch": branch}
        )
    return redirect("branch_settings", branch.slug)


@coordinator_only
def topics(request):
    """Adds a topic; with `topic` renames that one, and with the button `retire` or `bring_back` does that."""
    number = request.POST.get("topic") or request.GET.get("topic") or ""
    topic = Topic.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    form = TopicForm(request.POST or None, topic=topic)
    if topic and "retire" in request.POST:
        topic_actions.retire_topic(topic, at=timezone.now())
    elif topic and "bring_back" in request.POST:
        topic_actions.bring_back_topic(topic)
    elif not (form.is_valid() and _save_topic(form, topic)):
        return render(
            request,
            "desk/library/topics.html",
            {"form": form, "topic": topic, "topics": Topic.objects.prefetch_related("names")},
        )
    messages.success(request, _("The topics are changed."))
    return redirect("topics")


@coordinator_only
def people(request):
    """Who works at this coordinator's branches, and who is invited there."""
    invited = list(
        Invitation.objects.at_desk_of(request.user)
        .select_related("invited_by")
        .prefetch_related("roles__branch")
    )
    for invitation in invited:
        invitation.has_run_out = invitation.expires_at <= timezone.now()
    return render(request, "desk/library/people.html", {"people": _colleagues(request), "invited": invited})


@coordinator_only
def invite(request):
    """The answer to the form is the one place where the link can be read."""
    form = InvitationForm(
        request.POST or None, coordinator=request.user, initial={"language": request.library.language}
    )
    if form.is_valid() and limits.counted(
        request, form, "email", "invitation", target=form.cleaned_data["email"].lower()
    ):
        try:
            link = invitations.invite(by=request.user, at=timezone.now(), **form.cleaned_data)
        except invitations.AlreadyInvited:
            form.add_error(
                "email",
                _("You have invited this address already. Send that invitation again, or withdraw it first."),
            )
        else:
            return _invited(request, link, name=form.cleaned_data["name"], email=form.cleaned_data["email"])
    return render(request, "desk/library/invite.html", {"form": form})


@coordinator_only
@require_POST
def invite_again(request, public_id):
    found = get_object_or_404(Invitation.objects.at_desk_of(request.user), public_id=public_id)
    limits.count(request, "invitation", target=found.email)
    try:
        link = invitations.send_again(found, by=request.user, at=timezone.now())
    except invitations.UnknownInvitation:
        raise Http404 from None
    return _invited(request, link, name=found.name, email=found.email)


@coordinator_only
@require_POST
def withdraw_invitation(request, public_id):
    found = get_object_or_404(Invitation.objects.at_desk_of(request.user), public_id=public_id)
    invitations.withdraw(found, by=request.user, at=timezone.now())
    messages.success(
        request,
        _("The invitation of %(name)s is withdrawn. Its link opens nothing any more.") % {"name": found.name},
    )
    return redirect("people")


@coordinator_only
def person(request, public_id):
    """Gives a role or changes it, at a branch of this coordinator's."""
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    form = RoleForm(request.POST or None, coordinator=request.user, initial={"role": StaffRole.Role.STAFF})
    if form.is_valid():
        try:
            roles.give_role(someone, by=request.user, at=timezone.now(), **form.cleaned_data)
        except roles.LastCoordinator:
            messages.error(request, LAST_COORDINATOR)
        else:
            messages.success(request, _("The roles are changed."))
        return redirect("person", someone.public_id)
    theirs = set(StaffRole.objects.at_desk_of(request.user).filter(user=someone).values_list("pk", flat=True))
    for role in someone.roles:
        role.may_end = role.pk in theirs
    return render(request, "desk/library/person.html", {"form": form, "someone": someone})


@coordinator_only
def end_role(request, public_id):
    """Says what ends with the role at the branch that the address names, where there are several, then ends it."""
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    named = {"branch__slug": request.GET["branch"]} if "branch" in request.GET else {}
    theirs = list(
        StaffRole.objects.at_desk_of(request.user).filter(user=someone, **named).select_related("branch")
    )
    if len(theirs) != 1:
        raise Http404
    role = theirs[0]
    if request.method != "POST":
        return render(
            request,
            "desk/library/end_role.html",
            {"someone": someone, "role": role, "ends": departures.what_ends(someone, branch=role.branch)},
        )
    try:
        departures.end_role(someone, branch=role.branch, by=request.user, at=timezone.now())
    except roles.LastCoordinator:
        messages.error(request, LAST_COORDINATOR)
        return redirect("person", someone.public_id)
    messages.success(
        request,
        _("%(person)s no longer works at %(branch)s.")
        % {"person": someone.display_name, "branch": role.branch},
    )
    still_there = request.user != someone or StaffRole.objects.filter(user=someone).exists()
    return redirect("people" if still_there else "signed_out")


@coordinator_only
@require_POST
def forget_second_factor(request, public_id):
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    roles.forget_second_factor(someone, by=request.user, at=timezone.now())
    messages.success(
        request, _("What they opened the desk with is removed. At its door they set up a new app or passkey.")
    )
    return redirect("person", someone.public_id)


def _colleagues(request):
    """Those who work at a branch of this coordinator's."""
    theirs = StaffRole.objects.at_desk_of(request.user).values("user")
    return (
        User.objects.filter(pk__in=theirs)
        .prefetch_related("staff_roles__branch", "authenticator_set", "passkeys")
        .order_by("name", "email")
    )


def _invited(request, link, *, name, email):
    return render(
        request,
        "desk/library/invited.html",
        {"link": link, "name": name, "email": email, "days": Invitation.LASTS.days},
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
            topic_actions.rename_topic(topic, **form.typed)
        else:
            topic_actions.add_topic(**form.typed)
    except topic_actions.NameTaken:
        form.add_error("name", _("Another topic has this name. It may be a retired one."))
        return False
    return True
