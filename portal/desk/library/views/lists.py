"""The pages where coordinators change the lists of the record form: patron groups and service points."""

from django.contrib import messages
from django.db.models import Prefetch
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Branch, LibraryCard
from accounts.sign_in.access import coordinator_only
from portal.desk.library.forms.lists import OwnFieldForm, PatronGroupForm, ServicePointForm, TallyKindsForm
from portal.desk.library.log_to_map import upload_to_map
from portal.desk.params import number_or_none
from portal.helpsessions import choices
from portal.helpsessions.models import OwnField, OwnValue, PatronGroup, ServicePoint, TallyKind

# The page lists at most this many groups of library cards that belong to no patron group.
MAX_UNMAPPED = 50


@coordinator_only
def patron_groups(request):
    """List the patron groups, and add one.

    If the request has the primary key of a `group`, change, retire or restore this group instead.
    """
    group = _chosen(request, "group", PatronGroup.objects.filter(is_other=False))
    form = PatronGroupForm(request.POST or None, group=group)
    if request.method == "POST" and _change_group(request, group, form):
        messages.success(request, _("Patron groups saved."))
        return redirect("patron_groups")
    groups = list(PatronGroup.objects.order_by("retired_at", *PatronGroup.ORDER))
    offered = [row for row in groups if row.retired_at is None and not row.is_other]
    context = {
        "form": form,
        "group": group,
        "groups": groups,
        "offered": offered,
        "most": choices.MAX_GROUPS,
        "unmapped": _unmapped_card_groups(offered),
        "log_to_map": upload_to_map(request),
    }
    return render(request, "desk/library/patron_groups.html", context)


def _change_group(request, group, form):
    """Save, retire or restore the group, depending on the pressed button, and return True.

    If that is impossible, add an error to the form and return False.
    """
    by = {"by": request.user, "at": timezone.now()}
    try:
        if group and "retire" in request.POST:
            choices.retire_group(group, **by)
            return True
        if group and "bring_back" in request.POST:
            form.is_valid()
            form.errors.clear()
            choices.bring_back_group(group, **by)
        elif form.is_valid():
            choices.save_group(group, **form.cleaned_data, **by)
    except choices.NameTaken:
        form.add_error("name", _("Another group has this name. Choose a different name."))
    except choices.TooMany:
        form.add_error(
            None,
            _("A library can offer at most %(count)d groups. First stop offering another group.")
            % {"count": choices.MAX_GROUPS},
        )
    except choices.CardGroupTaken as error:
        form.add_error(
            "card_groups", _("“%(name)s” already belongs to another patron group.") % {"name": error.args[0]}
        )
    return not form.errors


def _unmapped_card_groups(offered):
    """Return the groups on library cards that count as no offered patron group."""
    mapped = {name.casefold() for group in offered for name in group.card_groups}
    names = LibraryCard.objects.exclude(patron_group="").order_by("patron_group").distinct()
    names = names.values_list("patron_group", flat=True)
    return [name for name in names if name.strip().casefold() not in mapped][:MAX_UNMAPPED]


@coordinator_only
def service_points(request, slug):
    """List the service points of a branch, and add one.

    If the request has the primary key of a `point`, change, retire or restore this service point instead.
    """
    branch = get_object_or_404(Branch, slug=slug)
    point = _chosen(request, "point", ServicePoint.objects.filter(branch=branch))
    form = ServicePointForm(request.POST or None, point=point)
    if request.method == "POST" and _change_point(request, branch, point, form):
        messages.success(request, _("Service points saved."))
        return redirect("service_points", branch.slug)
    kinds = Prefetch("tally_kinds", TallyKind.objects.offered(), to_attr="offered_kinds")
    points = branch.service_points.order_by("retired_at", *ServicePoint.ORDER).prefetch_related(kinds)
    context = {"branch": branch, "form": form, "point": point, "points": points}
    context["log_to_map"] = upload_to_map(request)
    return render(request, "desk/library/service_points.html", context)


def _change_point(request, branch, point, form):
    by = {"by": request.user, "at": timezone.now()}
    if point and ("retire" in request.POST or "bring_back" in request.POST):
        choices.offer_point(point, is_offered="bring_back" in request.POST, **by)
        return True
    if not form.is_valid():
        return False
    try:
        choices.save_point(point, branch=branch, **form.cleaned_data, **by)
    except choices.NameTaken:
        form.add_error(
            "name", _("Another service point of this branch has this name. Choose a different name.")
        )
    return not form.errors


@coordinator_only
def tally_kinds(request, slug):
    """Change the kinds of tallies of the service point whose primary key is in the request."""
    branch = get_object_or_404(Branch, slug=slug)
    point = _chosen(request, "point", ServicePoint.objects.filter(branch=branch))
    if point is None:
        return redirect("service_points", branch.slug)
    form = TallyKindsForm(request.POST or None, kinds=list(point.tally_kinds.offered()))
    while form.is_valid():
        seen = form.kinds.values()
        try:
            choices.save_kinds(point, kinds=form.typed, seen=seen, by=request.user, at=timezone.now())
        except choices.KindsChanged:
            # A colleague has just saved other kinds. Check the posted values with the colleague's kinds.
            form = TallyKindsForm(request.POST, kinds=list(point.tally_kinds.offered()))
            continue
        messages.success(request, _("Kinds of tallies saved."))
        return redirect("service_points", branch.slug)
    return render(request, "desk/library/tally_kinds.html", {"branch": branch, "point": point, "form": form})


@coordinator_only
def own_fields(request):
    """List the fields that the library has added to the record form, and add one.

    If the request has the primary key of a `field`, change, retire or restore this field instead.
    """
    field = _chosen(request, "field", OwnField.objects.all())
    form = OwnFieldForm(request.POST or None, field=field)
    if request.method == "POST" and _change_field(request, field, form):
        messages.success(request, _("Fields saved."))
        return redirect("own_fields")
    offered = Prefetch("values", OwnValue.objects.offered(), to_attr="offered_values")
    fields = OwnField.objects.order_by("retired_at", *OwnField.ORDER).prefetch_related(offered)
    context = {"form": form, "field": field, "fields": fields}
    return render(request, "desk/library/own_fields.html", context)


def _change_field(request, field, form):
    by = {"by": request.user, "at": timezone.now()}
    try:
        if field and "retire" in request.POST:
            choices.offer_field(field, is_offered=False, **by)
            return True
        if field and "bring_back" in request.POST:
            form.is_valid()
            form.errors.clear()
            choices.offer_field(field, is_offered=True, **by)
        elif form.is_valid():
            choices.save_field(field, **form.cleaned_data, **by)
    except choices.NameTaken:
        form.add_error("name", _("Another field has this name. Choose a different name."))
    except choices.TooMany:
        form.add_error(
            None,
            _("A library can have at most %(count)d fields of its own. First stop using another field.")
            % {"count": choices.MAX_FIELDS},
        )
    return not form.errors


def _chosen(request, name, rows):
    """Return the row whose primary key is in the request, or None."""
    pk = number_or_none(request.POST.get(name) or request.GET.get(name))
    return rows.filter(pk=pk).first() if pk else None
