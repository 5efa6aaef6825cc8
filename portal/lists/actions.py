"""Save items in a patron's list, and remove items from it."""

from django.db import transaction

from .models import SavedItem, SavedList


@transaction.atomic
def save(item, *, patron, at, recommendation=None):
    """Save the item in the patron's list, and return the SavedItem.

    If the patron has no list yet, the list is created.
    """
    saved_list, _ = SavedList.objects.get_or_create(patron=patron, name="", defaults={"made_at": at})
    saved, _ = SavedItem.objects.get_or_create(
        saved_list=saved_list, item=item, defaults={"saved_at": at, "recommendation": recommendation}
    )
    return saved


def remove(saved_item):
    """Remove the item from its list."""
    SavedItem.objects.filter(pk=saved_item.pk).delete()
