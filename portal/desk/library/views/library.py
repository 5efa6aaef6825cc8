"""The settings of the whole library."""

from django.conf import settings as django_settings
from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dates import MONTHS
from django.utils.translation import gettext as _

from accounts import library as actions
from accounts.models import Branch, BranchCode, StaffRole
from accounts.sign_in.access import coordinator_only
from accounts.sign_in.library_cards import cards_exist
from accounts.sign_in.single_sign_on import sign_on_name
from portal.conversations.models import ReplyTemplate
from portal.desk.forms.several import SeveralForms
from portal.desk.library.forms.library import ChildrenForm, LibraryForm, LogoForm
from portal.desk.not_matched import count_not_matched
from portal.desk.undelivered import undelivered_at_desk_of
from portal.helpsessions.models import OwnField, PatronGroup
from portal.imports.models import Harvest
from portal.notifications.delivery import sends_email
from portal.signed_addresses import is_configured
from portal.surveys.models import RuleSet
from recommendations.models import Topic


@coordinator_only
def settings(request):
    """Show an overview of all settings."""
    branches = Branch.objects.annotate(people=Count("staff_roles")).order_by("closed_at", "name")
    topics = Topic.objects.aggregate(
        used=Count("pk", filter=Q(retired_at=None)), retired=Count("pk", filter=Q(retired_at__isnull=False))
    )
    context = {
        "branches": branches,
        "unknown_codes": BranchCode.objects.filter(branch=None).count(),
        "topics": topics,
        "patron_groups": PatronGroup.objects.filter(is_other=False, retired_at=None).count(),
        "own_fields": OwnField.objects.filter(retired_at=None).count(),
        "counts_for_surveys": RuleSet.objects.exists(),
        "year_starts_in": MONTHS[request.library.year_starts_in],
        "people": StaffRole.objects.aggregate(count=Count("user", distinct=True))["count"],
        "reply_templates": ReplyTemplate.objects.count(),
        "undelivered": undelivered_at_desk_of(request.user, at=timezone.now()).count(),
        "takes_email": is_configured(),
        "not_matched": count_not_matched(request.user),
        "harvest": Harvest.objects.order_by("-started_at", "-pk").first(),
        "harvests": bool(django_settings.OAI_URL),
        "has_cards": bool(django_settings.ILS),
        "has_sign_on": bool(sign_on_name()),
        "has_email": sends_email(),
    }
    return render(request, "desk/library/settings.html", context)


@coordinator_only
def library_settings(request):
    """Change the settings of the whole library and its logo.

    Every button saves the whole page. The button `remove` also removes the logo.
    """
    library, posted, at = request.library, request.POST, timezone.now()
    form = LibraryForm(posted if "name" in posted else None, library=library)
    has_logo = "save_logo" in posted or "logo" in request.FILES
    logo_form = LogoForm(posted, request.FILES) if has_logo else LogoForm()
    both = SeveralForms(form, logo_form)
    if request.method != "POST" or both.errors:
        if form.errors and has_logo and not logo_form.errors:
            # The page shows an error, and browsers then empty the field of the image. So the coordinator must
            # choose the image again.
            logo_form.add_error("logo", _("Nothing was saved. Choose the image again."))
        context = {"form": form, "logo_form": logo_form, "both_forms": both, "form_error": both.errors}
        return render(request, "desk/library/library.html", context)
    if form.is_bound and form.changes:
        actions.change_library(library, by=request.user, at=at, **form.changes)
    if has_logo:
        actions.change_logo(library, png=logo_form.cleaned_data["logo"], by=request.user, at=at)
    elif "remove" in posted:
        actions.change_logo(library, png=None, by=request.user, at=at)
    messages.success(request, _("Library settings saved."))
    return redirect("settings")


@coordinator_only
def children_settings(request):
    """Change how visits with a child are handed over."""
    library = request.library
    form = ChildrenForm(
        request.POST or None, initial={name: getattr(library, name) for name in ChildrenForm.base_fields}
    )
    if not (cards_exist() or library.childrens_groups):
        del form.fields["childrens_groups"]
    if form.is_valid():
        actions.change_library(library, by=request.user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("Settings for children's visits saved."))
        return redirect("settings")
    return render(request, "desk/library/children.html", {"form": form})
