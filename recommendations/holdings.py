"""Load the holdings of items. Each holding says that a branch has an item."""

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


@prepared(items=BigAutoField())
def _holdings(items):
    places = Holding.objects.filter(item__in=items)
    return places.values_list("item", "branch", "branch__name", "call_number", "location")
