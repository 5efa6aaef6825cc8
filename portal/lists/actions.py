from django.db import transaction

from .models import SavedItem, SavedList


@transaction.atomic
def save(item, *, patron, at, recommendation=None):
    """Put the item on the patron's list, which begins to exist with the first. Saving twice is saving once."""
    saved_list, _ = SavedList.objects.get_or_create(patron=patron, name="", defaults={"made_at": at})
    saved, _ = SavedItem.objects.get_or_create(
        saved_list=saved_list, item=item, defaults={"saved_at": at, "recommendation": recommendation}
    )
    return saved


def remove(saved_item):
    """Take the item off its list."""
    SavedItem.objects.filter(pk=saved_item.pk).delete()
