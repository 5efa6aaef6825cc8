"""Load and arrange the holdings of items. Each holding says that a branch has an item."""

from typing import NamedTuple

from django.db.models import BigAutoField

from portal.prepared import prepared

from .models import Holding, Place


def fetch_holdings(items):
    """Fill in `item.places` for all items with one query."""
    places = {item.pk: [] for item in items}
    for item, *place in _holdings(items=list(places)):
        places[item].append(Place(*place))
    for item in items:
        item.places = places[item.pk]


class Arranged(NamedTuple):
    """The places of an item: those to show, those to fold, and how many branches the folded ones are at."""

    shown: list[Place]
    folded: list[Place]
    branches: int


def arrange(places, branch_id):
    """Return the places as Arranged. The places at this branch are shown, and the others are folded.

    A single place is never folded.
    """
    if len(places) < 2:
        return Arranged(places, [], 0)
    shown = [place for place in places if place.branch_id == branch_id]
    folded = [place for place in places if place.branch_id != branch_id]
    return Arranged(shown, folded, len({place.branch_id for place in folded}))


@prepared(items=BigAutoField())
def _holdings(items):
    places = Holding.objects.filter(item__in=items)
    return places.values_list("item", "branch", "branch__name", "call_number", "location")
