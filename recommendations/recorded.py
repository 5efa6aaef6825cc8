"""Say what staff have recorded about an item: it is ordered, or on loan until a day. No patron is named."""

from django.db.models import BigAutoField, DateField, F

from portal.prepared import prepared

from .models import NextStep


def add_recorded(items, today):
    """Set `recorded` on each item: the latest NextStep that is still true of the item, or None.

    Only two kinds of steps count: the library has ordered the item, or the item is on loan. Other steps are
    about one patron. Steps about quiet visits are left out. This runs one query for all items.
    """
    found = {}
    if items:
        rows = _recorded(items=[item.pk for item in items], today=today)
        found = {row.item_key: row for row in rows}
    for item in items:
        item.recorded = found.get(item.pk)


@prepared(items=BigAutoField(), today=DateField())
def _recorded(items, today):
    rows = NextStep.objects.filter(
        recommendation__item__in=items,
        recommendation__never_counted=False,
        kind__in=[NextStep.Kind.ORDERED, NextStep.Kind.ON_LOAN],
        promised_on__gte=today,
        arrived_at=None,
    )
    return rows.annotate(item_key=F("recommendation__item")).order_by("recorded_at", "pk")
