"""Views that merge two records of the same person, and that undo a merge within a day."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import coordinator_only
from portal.desk.access_log import log_reason, log_record_opened
from portal.desk.people import find
from portal.desk.people.namesakes import tell_apart
from portal.privacy import unmerging
from portal.privacy.merging import CannotMerge, may_merge_people, what_moves
from portal.text import uuid_or_none


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def merge_records(request, public_id):
    """Merge a person's record with another record of the same person.

    The first page lists the other people that the coordinator found today. After the coordinator chooses one
    of these people, the second page compares the two records. Then a POST request merges the records.
    """
    person, at = _open_record(request, public_id), timezone.now()
    others = _others(request, person)
    chosen = uuid_or_none(request.POST.get("with") or request.GET.get("with"))
    other = next((other for other in others if other.public_id == chosen), None)
    if other is None:
        return render(request, "desk/people/merge.html", {"person": person, "others": others})
    if request.method == "POST":
        return _merge(request, person, other, at)
    log_record_opened(request, other, at=at, reason=_reason(request, other))
    context = {"person": person, "other": other, **_both_context(person, other)}
    return render(request, "desk/people/merge.html", context)


def _merge(request, person, other, at):
    # After the merge, the page of the record shows the content of both records. So log that the coordinator
    # opened both.
    for record in (person, other):
        log_record_opened(request, record, at=at, reason=_reason(request, record))
    going, into = _in_order(person, other)
    try:
        unmerging.merge_for_a_day(going, into, by=request.user, at=at)
    except CannotMerge:
        messages.error(request, _("These two records can't be merged. Nothing was changed."))
        return redirect("patron_record", person.public_id)
    messages.success(request, _("Merged. You can undo the merge until this time tomorrow."))
    find.remember(request, [into])
    return redirect("patron_record", into.public_id)


@coordinator_only
@require_POST
def unmerge_records(request, public_id):
    """Undo a merge of two records. Move everything back to the record that it came from.

    The posted field `joined` contains the public id of the merge.
    """
    person, at = _open_record(request, public_id), timezone.now()
    chosen = uuid_or_none(request.POST.get("joined"))
    merged = get_object_or_404(unmerging.can_be_unmerged(person, at=at), public_id=chosen)
    try:
        restored = unmerging.unmerge(merged, by=request.user, at=timezone.now())
    except unmerging.CannotUnmerge:
        messages.error(request, _("The merge can't be undone anymore. Nothing was changed."))
    else:
        events = log_reason(request, restored, at=timezone.now(), reason=_("Undoing a merge of two records"))
        find.remember(request, [restored], events=events)
        messages.success(request, _("The merge was undone. The two records are as they were before."))
    return redirect("patron_record", person.public_id)


def _open_record(request, public_id):
    """Return the person, or raise Http404 if this coordinator may not merge the person's record.

    If the person has no visit or conversation at the coordinator's desk, the coordinator must have given a
    reason today. Coordinators can't merge their own records.
    """
    people = find.at_desk_of(request.user, find.found(request)).exclude(pk=request.user.pk)
    person = get_object_or_404(people, public_id=public_id)
    if not (person.is_near or find.reason_for(request, person)):
        raise Http404
    return person


def _others(request, person):
    """Return the other people that this staff member found today. The newest record comes first.

    Also set two attributes on each person: `masked` is the masked email address, and `apart` is a text that
    distinguishes namesakes.
    """
    found = find.found(request)
    people = (
        find.at_desk_of(request.user, found)
        .filter(pk__in=list(found))
        .exclude(pk__in=[person.pk, request.user.pk])
    )
    others = list(people.order_by("-joined_at", "pk"))
    tell_apart(others, shown=lambda other: find.masked(other.email))
    for other in others:
        other.masked = find.masked(other.email)
    return others


def _in_order(person, other):
    """Return (the record to delete, the record to keep). A staff member's record is always kept."""
    return (person, other) if other.is_staff else (other, person)


def _both_context(person, other):
    """Return a context that compares both records, and shows what the merged record would contain."""
    going, into = _in_order(person, other)
    moving, own = what_moves(going), what_moves(into)
    tell_apart([going, into])
    return {
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


def _reason(request, person):
    """Return the reason that the access log stores for opening this person's record.

    The reason is "" if the person has a visit or a conversation at the coordinator's desk.
    """
    return "" if person.is_near else find.reason_for(request, person) or _("Merging two records")
