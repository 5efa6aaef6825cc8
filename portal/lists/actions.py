"""Saving items in a patron's list, and removing them."""

from django.db import transaction

from .models import SavedItem, SavedList


@transaction.atomic
def save(item, *, patron, at, recommendation=None):
    """Save the item in the patron's list and return the saved item.

    The list is created with its first item.
    """
    saved_list, _ = SavedList.objects.get_or_create(patron=patron, name="", defaults={"made_at": at})
    saved, _ = SavedItem.objects.get_or_create(
        saved_list=saved_list, item=item, defaults={"saved_at": at, "recommendation": recommendation}
    )
    return saved


def remove(saved_item):
    """Remove the item from its list."""
    SavedItem.objects.filter(pk=saved_item.pk).delete()
