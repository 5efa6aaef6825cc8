"""Tallies. A tally is a contact that staff count with one key press and don't describe any further."""

from django.db.models import BigAutoField, Count, DateField, Q

from portal.helpsessions import choices
from portal.helpsessions.models import HelpSession, TallyKind
from portal.prepared import prepared

from .params import number_or_none

# request.session[POINT] has the primary key of the service point where this person counts, and the day when
# they chose it. The choice ends with the day.
POINT = "tally_point"


def tally_context(request, point=None):
    """Return a context with the numbers of contacts that were tallied today.

    `tallied_today` counts the contacts of the staff member, and `tallied_here` the contacts at `tally_point`.
    `tally_point` is the service point `point`, or else the result of `point_of`, which can be None.
    """
    point = point or point_of(request)
    counted = _tallied(user=request.user.pk, day=request.library.today(), point=point and point.pk)
    mine, here = next(iter(counted), (0, 0))
    return {"tallied_today": mine, "tallied_here": here, "tally_point": point}


@prepared(user=BigAutoField(), day=DateField(), point=BigAutoField())
def _tallied(user, day, point):
    tallied = HelpSession.objects.filter(status=HelpSession.Status.TALLY, happened_on=day)
    # Without a service point, count only the staff member's own tallies. So the query uses the index on
    # `staff`.
    tallied = tallied.filter(staff=user) if point is None else tallied
    is_here = Q(service_point=point) if point is not None else Q(pk=None)
    counts = {"mine": Count("pk", filter=Q(staff=user)), "here": Count("pk", filter=is_here)}
    return tallied.order_by().values("status").annotate(**counts).values_list("mine", "here")


def point_of(request):
    """Return the service point where this person counts, or None.

    This is the point that the person chose last today, or else the point of the shared desk computer.
    """
    pk, day = request.session.get(POINT) or (None, None)
    point = chosen_point(request, str(pk)) if pk and day == str(request.library.today()) else None
    desk = request.shared_desk
    return point or (choices.point_named(desk.name, desk.branch_id) if desk else None)


def remember_point(request, point):
    request.session[POINT] = point.pk, str(request.library.today())


def chosen_point(request, pk):
    """Return the offered service point with this primary key if it is at a branch of this person, or None."""
    pk, points = number_or_none(pk), choices.offered_points(branches=request.user.desk_branch_ids)
    return next((point for point in points if point.pk == pk), None)


def kinds_of(point, day):
    """Return the service point's kinds of tallies. Each has `here`, the number of its tallies on this day."""
    tallied = HelpSession.objects.filter(
        status=HelpSession.Status.TALLY, happened_on=day, service_point=point
    )
    counts = dict(tallied.order_by().values_list("tally_kind").annotate(Count("pk")))
    kinds = list(TallyKind.objects.offered().filter(service_point=point))
    for kind in kinds:
        kind.here = counts.get(kind.pk, 0)
    return kinds
