"""The list of look-ups that staff gave a reason for.

Staff must give a reason to look up people who have no visit or conversation at their desk.
"""

import datetime

from django.db.models import Q

from accounts.models import LookingReason, StaffRole, User
from portal.text import uuid_or_none

from .find import masked

PAGE_SIZE = 30
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def lookups_page(params):
    """Return the context of desk/people/lookups_with_reason.html, with four queries.

    `params` are the parameters of the URL. Two of them filter the list by public id: `staff` is the staff
    member who looked someone up, and `person` is the person who was looked up. `after` says where the page
    begins.
    """
    looks = LookingReason.objects.select_related("event__by", "event__patron").order_by(
        "-event__at", "-event__pk"
    )
    staff, person = (uuid_or_none(params.get(name, "")) for name in ("staff", "person"))
    if staff:
        looks = looks.filter(event__by__public_id=staff)
    if person:
        looks = looks.filter(patron__public_id=person)
    if position := _position(params.get("after", "")):
        at, pk = position
        looks = looks.filter(Q(event__at__lt=at) | Q(event__at=at, event__pk__lt=pk))
    rows = list(looks[: PAGE_SIZE + 1])
    for look in rows:
        look.masked = masked(look.event.patron.email) if look.event.patron else ""
    last = rows[PAGE_SIZE - 1].event if len(rows) > PAGE_SIZE else None
    return {
        "looks": rows[:PAGE_SIZE],
        "after": f"{(last.at - EPOCH) // datetime.timedelta(microseconds=1)}.{last.pk}" if last else None,
        "staff": staff,
        "person": User.objects.filter(public_id=person).first() if person else None,
        "is_first": "after" not in params,
        "colleagues": User.objects.filter(Q(staff_roles__in=StaffRole.objects.all()) | Q(public_id=staff))
        .distinct()
        .order_by("name", "pk"),
    }


def _position(text):
    """Return (time, primary key) of the last look-up on the previous page.

    Return None if the text isn't valid.
    """
    try:
        microseconds, pk = (int(part) for part in text.split("."))
        return (EPOCH + datetime.timedelta(microseconds=microseconds), pk) if 0 <= pk < 2**63 else None
    except (ValueError, OverflowError):
        return None
