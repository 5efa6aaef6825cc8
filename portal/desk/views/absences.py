"""Days on which somebody at the desk is away. Everybody sees whose; each sets their own, a coordinator anybody's."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Absence
from accounts.sign_in.access import staff_only
from accounts.staff import absences as actions
from portal.desk.library.forms import AbsenceForm
from portal.templatetags.portal import day_in_a_sentence

MOST_PAST = 10


@staff_only
def absences(request):
    """Who is away and will be; and the form that adds days."""
    whose = {} if request.user.is_coordinator else {"person": request.user}
    form = AbsenceForm(
        request.POST or None, today=request.library.today(), initial={"person": request.user}, **whose
    )
    if form.is_valid() and _save(request, form, None):
        return redirect("absences")
    return render(request, "desk/absences.html", {"form": form, **_everybody(request)})


@staff_only
def absence(request, public_id):
    """Changes the days; with the button `remove` takes them out."""
    found = get_object_or_404(
        Absence.objects.at_desk_of(request.user).select_related("person"), public_id=public_id
    )
    if "remove" in request.POST:
        actions.remove_absence(found, by=request.user, at=timezone.now())
        messages.success(request, _("Removed: %(days)s.") % {"days": _days(found)})
        return redirect("absences")
    initial = {"first_day": found.first_day, "last_day": found.last_day, "cover": found.cover_id}
    form = AbsenceForm(
        request.POST or None, today=request.library.today(), person=found.person, initial=initial
    )
    if form.is_valid() and _save(request, form, found):
        return redirect("absences")
    return render(request, "desk/absence.html", {"form": form, "absence": found})


def _save(request, form, absence):
    """Whether it was saved; otherwise the form says why not. What follows from it is said on the next page."""
    fields = {name: form.cleaned_data[name] for name in ("first_day", "last_day", "cover")}
    person = form.person or form.cleaned_data["person"]
    try:
        if absence:
            absence = actions.change_absence(absence, by=request.user, at=timezone.now(), **fields)
        else:
            absence = actions.add_absence(person=person, by=request.user, at=timezone.now(), **fields)
    except actions.Overlaps as overlap:
        words = _("%(name)s is away %(days)s already. Change those days instead.")
        form.add_error(
            "first_day", words % {"name": overlap.absence.person.display_name, "days": _days(overlap.absence)}
        )
        return False
    messages.success(
        request, _("%(name)s is away %(days)s.") % {"name": person.display_name, "days": _days(absence)}
    )
    covers_own, covered = actions.clashes_of(absence)
    for clash in covers_own:
        words = _(
            "%(cover)s is away %(days)s as well: until then choose another cover, or anybody may take what is left."
        )
        messages.warning(request, words % {"cover": clash.person.display_name, "days": _days(clash)})
    for clash in covered:
        words = _("%(cover)s was to cover for %(name)s, away %(days)s. Who does now?")
        messages.warning(
            request,
            words % {"cover": person.display_name, "name": clash.person.display_name, "days": _days(clash)},
        )
    return True


def _everybody(request):
    """Who is away and will be, with what is wrong about it, and what is over of what this person may change."""
    today = request.library.today()
    coming = list(Absence.objects.filter(last_day__gte=today).select_related("person", "cover"))
    for row in coming:
        row.mine, row.is_now = row.person_id == request.user.pk, row.first_day <= today
        row.may_change = row.mine or request.user.is_coordinator
        row.covers_away = [
            each
            for each in coming
            if each.person_id == row.cover_id
            and each.first_day <= row.last_day
            and each.last_day >= row.first_day
        ]
    past = (
        Absence.objects.at_desk_of(request.user).filter(last_day__lt=today).select_related("person", "cover")
    )
    return {
        "coming": coming,
        "past": past.order_by("-last_day", "-pk")[:MOST_PAST],
        "now": next((row for row in coming if row.mine and row.is_now), None),
    }


def _days(absence):
    first, last = day_in_a_sentence(absence.first_day), day_in_a_sentence(absence.last_day)
    if absence.first_day == absence.last_day:
        return pgettext("a day away", "on %(day)s") % {"day": first}
    return pgettext("days away", "from %(first)s to %(last)s") % {"first": first, "last": last}
