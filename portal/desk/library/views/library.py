"""The settings of the whole library."""

from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import library as actions
from accounts.models import Branch, StaffRole
from accounts.sign_in.access import coordinator_only
from portal.conversations.models import ReplyTemplate
from portal.desk.library.forms.library import ChildrenForm, LibraryForm, LogoForm
from portal.desk.undelivered import undelivered_at_desk_of
from recommendations.models import Topic

LIBRARY_FIELDS = ["name", "language", "time_zone", "default_branch", "accent_color", "catalog_link"]
LIBRARY_FIELDS += ["closes_after_days", "released_after_days", "desk_locks_after_minutes"]


@coordinator_only
def settings(request):
    """Show an overview of all settings."""
    branches = Branch.objects.annotate(people=Count("staff_roles")).order_by("closed_at", "name")
    topics = Topic.objects.aggregate(
        used=Count("pk", filter=Q(retired_at=None)), retired=Count("pk", filter=Q(retired_at__isnull=False))
    )
    context = {
        "branches": branches,
        "topics": topics,
        "people": StaffRole.objects.aggregate(count=Count("user", distinct=True))["count"],
        "reply_templates": ReplyTemplate.objects.count(),
        "undelivered": undelivered_at_desk_of(request.user, at=timezone.now()).count(),
    }
    return render(request, "desk/library/settings.html", context)


@coordinator_only
def library_settings(request):
    """Change the settings of the whole library."""
    library = request.library
    form = LibraryForm(
        request.POST or None, initial={name: getattr(library, name) for name in LIBRARY_FIELDS}
    )
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("Library settings saved."))
        return redirect("settings")
    return render(request, "desk/library/library.html", {"form": form, "logo_form": LogoForm()})


@coordinator_only
def children_settings(request):
    """Change how visits with a child are handed over."""
    library = request.library
    form = ChildrenForm(
        request.POST or None, initial={name: getattr(library, name) for name in ChildrenForm.base_fields}
    )
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("Settings for children's visits saved."))
        return redirect("settings")
    return render(request, "desk/library/children.html", {"form": form})


@coordinator_only
@require_POST
def logo_settings(request):
    """Change the logo, or remove it with the button `remove`."""
    form = LogoForm(request.POST, request.FILES)
    if "remove" in request.POST or form.is_valid():
        png = None if "remove" in request.POST else form.cleaned_data["logo"]
        actions.change_logo(request.library, png=png, by=request.user, at=timezone.now())
        messages.success(request, _("Logo saved.") if png else _("Logo removed."))
        return redirect("library_settings")
    library_form = LibraryForm(initial={name: getattr(request.library, name) for name in LIBRARY_FIELDS})
    return render(
        request, "desk/library/library.html", {"form": library_form, "logo_form": form, "form_error": True}
    )
