"""What stands out for a coordinator: who of the staff looked at whom with a reason, because no visit or conversation led them there."""

import datetime

from django.db.models import Q

from accounts.models import LookingReason, StaffRole, User
from portal.text import uuid_or_none

from .find import masked

SIZE = 30
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def lookups_page(params):
    """The context of desk/people/lookups_with_reason.html. `params` of the address: staff and person (public ids), after (where to go on). Four
    queries, however many there are."""
    looks = LookingReason.objects.select_related("event__by", "event__patron").order_by(
        "-event__at", "-event__pk"
    )
    staff, person = (uuid_or_none(params.get(name, "")) for name in ("staff", "person"))
    if staff:
        looks = looks.filter(event__by__public_id=staff)
    if person:
        looks = looks.filter(patron__public_id=person)
    if place := _place(params.get("after", "")):
        at, pk = place
        looks = looks.filter(Q(event__at__lt=at) | Q(event__at=at, event__pk__lt=pk))
    found = list(looks[: SIZE + 1])
    for look in found:
        look.masked = masked(look.event.patron.email) if look.event.patron else ""
    last = found[SIZE - 1].event if len(found) > SIZE else None
    return {
        "looks": found[:SIZE],
        "after": f"{(last.at - EPOCH) // datetime.timedelta(microseconds=1)}.{last.pk}" if last else None,
        "staff": staff,
        "person": User.objects.filter(public_id=person).first() if person else None,
        "is_first": "after" not in params,
        "colleagues": User.objects.filter(Q(staff_roles__in=StaffRole.objects.all()) | Q(public_id=staff))
        .distinct()
        .order_by("name", "pk"),
    }


def _place(text):
    try:
        microseconds, pk = (int(part) for part in text.split("."))
        return (EPOCH + datetime.timedelta(microseconds=microseconds), pk) if 0 <= pk < 2**63 else None
    except (ValueError, OverflowError):
        return None
