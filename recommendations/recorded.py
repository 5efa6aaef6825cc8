"""Find the items that are ordered, or on loan until a certain day. The result names no patron."""

from django.db.models import BigIntegerField, DateField, ExpressionWrapper, F

from portal.prepared import prepared

from .models import NextStep

# Adding 0 stops SQLite from using the index of an item's recommendations. A popular item has thousands of
# recommendations, and few of these have a next step.
ITEM_KEY = ExpressionWrapper(F("recommendation__item") + 0, output_field=BigIntegerField())


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


@prepared(items=BigIntegerField(), today=DateField())
def _recorded(items, today):
    rows = NextStep.objects.annotate(item_key=ITEM_KEY).filter(
        item_key__in=items,
        recommendation__never_counted=False,
        kind__in=[NextStep.Kind.ORDERED, NextStep.Kind.ON_LOAN],
        promised_on__gte=today,
        arrived_at=None,
        # A step whose promised day is today or later is never overdue. With this condition, the query can use
        # the index.
        overdue_at=None,
    )
    return rows.order_by("recorded_at", "pk")
