"""Load and arrange the holdings of items. Each holding says that a branch has an item."""

from typing import NamedTuple

from django.db.models import BigAutoField

from portal.prepared import prepared

from .models import Holding, Place


def fetch_holdings(items):
    """Fill in `item.places` for all items with one query. See `Item.places`."""
    places = {item.pk: [] for item in items}
    for item, *place in _holdings(items=list(places)):
        places[item].append(Place(*place))
    for item in items:
        item.places = [] if item.retired_at else places[item.pk]


class Arranged(NamedTuple):
    """The places of an item: those that a page shows at once, and those that it collapses.

    `branches` is the number of branches with collapsed places.
    """

    shown: list[Place]
    folded: list[Place]
    branches: int


def arrange(places, branch_id):
    """Return the places as Arranged: those at this branch are shown, and the others are collapsed.

    A single place is never collapsed.
    """
    if len(places) < 2:
        return Arranged(places, [], 0)
    shown = [place for place in places if place.branch_id == branch_id]
    folded = [place for place in places if place.branch_id != branch_id]
    return Arranged(shown, folded, len({place.branch_id for place in folded}))


@prepared(items=BigAutoField())
def _holdings(items):
    places = Holding.objects.filter(item__in=items)
    columns = ("branch", "branch__name", "call_number", "location", "not_for_loan")
    return places.values_list("item", *columns)
