"""Two records of one person, joined by a coordinator who answers for it; and parted again for a day."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import coordinator_only
from portal.desk.access_log import log_reason, log_record_opened
from portal.desk.people import find
from portal.privacy import unmerging
from portal.privacy.merging import CannotMerge, may_merge_people, what_moves
from portal.text import uuid_or_none


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def merge_records(request, public_id):
    """First the other record, of those found today; then both beside each other; then it is done."""
    person, at = _open_record(request, public_id), timezone.now()
    other = _other(request, person)
    if other is None:
        return render(
            request, "desk/people/merge.html", {"person": person, "others": _others(request, person)}
        )
    going, into = (person, other) if other.is_staff else (other, person)
    if request.method == "POST":
        for record in (person, other):  # from here on whoever opens the one opens both
            log_record_opened(request, record, at=at, reason=_reason(request, record))
        try:
            unmerging.merge_for_a_day(going, into, by=request.user, at=at)
        except CannotMerge:
            messages.error(request, _("These two can't be joined. Nothing was changed."))
            return redirect("patron_record", person.public_id)
        messages.success(
            request, _("Joined: both are one record now. Until this time tomorrow it can be undone.")
        )
        find.remember(request, [into])
        return redirect("patron_record", into.public_id)
    log_record_opened(request, other, at=at, reason=_reason(request, other))
    moving, own = what_moves(going), what_moves(into)
    context = {
        "person": person,
        "other": other,
        "may_merge": may_merge_people(going, into),
        "both": [(going, moving, find.masked(going.email)), (into, own, find.masked(into.email))],
        "joined": {
            "name": into.name or going.name,
            "email": find.masked(into.email or going.email),
            "ends": find.masked(going.email) if into.email else "",
        },
        "sums": {
            name: getattr(moving, name) + getattr(own, name)
            for name in ("visits", "conversations", "saved_items")
        },
    }
    return render(request, "desk/people/merge.html", context)


@coordinator_only
@require_POST
def unmerge_records(request, public_id):
    """Undo it: what moved moves back."""
    person = _open_record(request, public_id)
    named = uuid_or_none(request.POST.get("joined"))
    joined = get_object_or_404(unmerging.can_be_unmerged(person, at=timezone.now()), public_id=named)
    try:
        again = unmerging.unmerge(joined, by=request.user, at=timezone.now())
    except unmerging.CannotUnmerge:
        messages.error(request, _("This can't be undone any more. Nothing was changed."))
    else:
        find.remember(
            request, [again], because=log_reason(request, again, at=timezone.now(), reason=_("Parted again"))
        )
        messages.success(request, _("Undone: they are two records again, each with what it had."))
    return redirect("patron_record", person.public_id)


def _open_record(request, public_id):
    """A person whose record this coordinator has open: near their desk, or found with a reason. Never their own: a colleague answers for that."""
    person = get_object_or_404(
        find.at_desk_of(request.user, find.found(request)).exclude(pk=request.user.pk), public_id=public_id
    )
    if not (person.is_near or find.reason_for(request, person)):
        raise Http404
    return person


def _other(request, person):
    named = uuid_or_none(request.POST.get("with") or request.GET.get("with"))
    return next((other for other in _others(request, person) if other.public_id == named), None)


def _others(request, person):
    """Whom this coordinator found today, by name: few enough to choose from."""
    found = find.found(request)
    people = (
        find.at_desk_of(request.user, found)
        .filter(public_id__in=list(found))
        .exclude(pk__in=[person.pk, request.user.pk])
    )
    others = list(people.order_by("name", "pk"))
    for other in others:
        other.masked = find.masked(other.email)
    return others


def _reason(request, person):
    return "" if person.is_near else find.reason_for(request, person) or _("To join two records")
