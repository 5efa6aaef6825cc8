"""Retire items that the library has withdrawn, and bring them back if the library has them again."""

from django.conf import settings
from django.db import transaction

from portal.imports.models import HarvestedRecord
from recommendations.models import Item
from recommendations.search import entries


@transaction.atomic
def withdraw_and_return(gone, back, *, at):
    """Retire the items `gone`, and make the items `back` current again. Both contain primary keys.

    An item stays current if it also belongs to another record that the server still has. Return how many
    items changed, as (withdrawn, returned). Searches don't find a retired item. Its text, holdings and
    verdicts are kept, so that patrons can still read it, and the library can bring it back.
    """
    in_use = set(
        HarvestedRecord.objects.filter(item__in=gone, is_deleted=False).values_list("item", flat=True)
    )
    gone, back = set(gone) - in_use, set(back)
    items = Item.objects.select_for_update(no_key=True).filter(pk__in=gone | back).order_by("pk")
    retired = {item.pk: item.retired_at is not None for item in items}
    withdrawn = [pk for pk in gone - back if not retired.get(pk, True)]
    returned = [pk for pk in back if retired.get(pk)]
    Item.objects.filter(pk__in=withdrawn).update(retired_at=at)
    Item.objects.filter(pk__in=returned).update(retired_at=None)
    entries.index([*withdrawn, *returned])
    return len(withdrawn), len(returned)


def bring_back_imported(keys, source, *, at):
    """Bring back the withdrawn items with these keys, because a file that was imported has them.

    If the source is harvested, do nothing, because only the server says which items the library has.
    """
    if not settings.OAI_URL or source != settings.OAI_SOURCE:
        retired = Item.objects.of_records(source, keys).filter(retired_at__isnull=False)
        withdraw_and_return([], retired.values_list("pk", flat=True), at=at)
