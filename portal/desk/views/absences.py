"""Days when staff are away.

All staff see who is away now or later. Staff members can change their own days. Coordinators can also change
the days of their colleagues.
"""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Absence
from accounts.sign_in.access import staff_only
from accounts.staff import absences as actions
from portal.desk.absence_list import absences_context, days_in_words
from portal.desk.forms.absences import AbsenceForm


@staff_only
def absences(request):
    """List who is away, and add an absence."""
    person = {} if request.user.is_coordinator else {"person": request.user}
    form = AbsenceForm(
        request.POST or None, today=request.library.today(), initial={"person": request.user}, **person
    )
    if form.is_valid() and _save(request, form, None):
        return redirect("absences")
    return render(request, "desk/absences.html", {"form": form, **absences_context(request)})


@staff_only
def absence(request, public_id):
    """Change an absence, or remove it with the button `remove`."""
    found = get_object_or_404(
        Absence.objects.at_desk_of(request.user).select_related("person"), public_id=public_id
    )
    if "remove" in request.POST:
        actions.remove_absence(found, by=request.user, at=timezone.now())
        words = _("Removed days away for %(name)s: %(days)s.")
        messages.success(request, words % {"name": found.person.display_name, "days": days_in_words(found)})
        return redirect("absences")
    initial = {"first_day": found.first_day, "last_day": found.last_day, "cover": found.cover_id}
    form = AbsenceForm(
        request.POST or None, today=request.library.today(), person=found.person, initial=initial
    )
    if form.is_valid() and _save(request, form, found):
        return redirect("absences")
    return render(request, "desk/absence.html", {"form": form, "absence": found})


def _save(request, form, absence):
    """Save the absence and return True, or add an error to the form and return False.

    `absence` is None if the form adds a new absence.
    """
    fields = {name: form.cleaned_data[name] for name in ("first_day", "last_day", "cover")}
    person = form.person or form.cleaned_data["person"]
    try:
        if absence:
            absence = actions.change_absence(absence, by=request.user, at=timezone.now(), **fields)
        else:
            absence = actions.add_absence(person=person, by=request.user, at=timezone.now(), **fields)
    except actions.Overlaps as overlap:
        other = overlap.absence
        words = _("%(name)s is already away %(days)s. Change those days instead.")
        form.add_error("first_day", words % {"name": other.person.display_name, "days": days_in_words(other)})
        return False
    words = _("%(name)s is away %(days)s.")
    messages.success(request, words % {"name": person.display_name, "days": days_in_words(absence)})
    _warn_of_clashes(request, absence, person)
    return True


def _warn_of_clashes(request, absence, person):
    """Show a warning for each clash of the absence with the absence of a colleague.

    There is a clash if the colleague who covers for `person` is away on some of the same days. There is also
    a clash if `person` was going to cover for a colleague on some of these days.
    """
    covers_away, covered = actions.clashes_of(absence)
    for clash in covers_away:
        words = _(
            "%(cover)s is also away %(days)s. Choose another colleague to take over. Otherwise, "
            "any colleague can take the open conversations on these days."
        )
        messages.warning(request, words % {"cover": clash.person.display_name, "days": days_in_words(clash)})
    for clash in covered:
        words = _(
            "%(cover)s was going to take over for %(name)s, who is away %(days)s. Choose another colleague."
        )
        names = {"cover": person.display_name, "name": clash.person.display_name}
        messages.warning(request, words % {**names, "days": days_in_words(clash)})
