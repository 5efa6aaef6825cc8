"""Save items in a patron's list, remove items from it, and put removed items back."""

from datetime import timedelta

from django.db import transaction

from portal.deadlines import compares_deadlines

from .models import SavedItem, SavedList

# A removed item can be put back for this long. Then it is deleted.
UNDO_REMOVAL_FOR = timedelta(days=1)


@compares_deadlines
@transaction.atomic
def save(item, *, patron, at, now, recommendation=None, saved_list=None):
    """Save the item in a list of the patron, and return the SavedItem.

    Without `saved_list`, the item is saved in the patron's first list, which is created if necessary. If the
    patron has just removed the item from the list, it gets its old place in the list back.
    """
    if saved_list is None:
        saved_list, _ = SavedList.objects.get_or_create(patron=patron, name="", defaults={"made_at": at})
    _removed_for_good(now()).filter(saved_list=saved_list, item=item).delete()
    saved, _ = SavedItem.objects.get_or_create(
        saved_list=saved_list, item=item, defaults={"saved_at": at, "recommendation": recommendation}
    )
    if saved.removed_at is not None:
        restore(saved)
    return saved


def remove(saved_item, *, at):
    """Remove the item from its list. `restore` can undo this for UNDO_REMOVAL_FOR."""
    SavedItem.objects.filter(pk=saved_item.pk, removed_at=None).update(removed_at=at)


def restore(saved_item):
    """Put a removed item back into its list, with everything that belonged to it."""
    SavedItem.objects.filter(pk=saved_item.pk).update(removed_at=None)
    saved_item.removed_at = None


def forget_removed_items(*, at):
    """Delete the items that were removed at least UNDO_REMOVAL_FOR ago. The worker runs this job."""
    return _removed_for_good(at).delete()[0]


def _removed_for_good(at):
    return SavedItem.objects.filter(removed_at__lte=at - UNDO_REMOVAL_FOR)
