"""Save items in a patron's list, remove items from it, and restore removed items."""

from django.db import transaction
from django.db.models import Q

from portal.deadlines import compares_deadlines
from portal.sent_forms import MARGIN, ChangedMeanwhile, check_not_removed, remember_removals

from .locks import lock_lists
from .models import MAX_ITEMS, SavedItem, SavedList, before_restorable


class ListFull(Exception):
    """The list has MAX_ITEMS items already. `saved_list` is the list."""

    def __init__(self, saved_list):
        self.saved_list = saved_list


@compares_deadlines
@transaction.atomic
def save(item, *, patron, at, now, recommendation=None, saved_list=None, tapped_at=None):
    """Save the item in a list of the patron, and return the SavedItem. Raises ListFull.

    If `saved_list` is None, save the item in the list that the patron used last. If the patron has no list,
    create the first one. Change nothing if any list of the patron already has the item.

    If the patron has removed the item and can still restore it, the item is restored to its old place.
    `tapped_at` is explained in `restore`. Raises ChangedMeanwhile and TooOld.
    """
    lock_lists(patron)
    same = SavedItem.objects.filter(item=item, saved_list__patron=patron).select_related("saved_list")
    if saved_list is not None:
        same = same.filter(saved_list=saved_list)
    if saved := same.in_lists().latest_first().first():
        return saved
    if removed := same.restorable(now()).order_by("-removed_at", "-pk").first():
        restore(removed, at=at, tapped_at=tapped_at)
        return removed
    if tapped_at:
        _check_not_removed(same, patron, item, tapped_at=tapped_at, now=now())
    if saved_list is None:
        saved_list = _last_used(patron) or SavedList.objects.create(patron=patron, made_at=at, used_at=at)
    if saved_list.saved_items.in_lists().count() >= MAX_ITEMS:
        raise ListFull(saved_list)
    SavedList.objects.filter(pk=saved_list.pk).update(used_at=at)
    return SavedItem.objects.create(
        saved_list=saved_list,
        item=item,
        position=saved_list.top_position(),
        saved_at=at,
        recommendation=recommendation,
    )


def _check_not_removed(same, patron, item, *, tapped_at, now):
    """Raise ChangedMeanwhile if the patron has deleted the item for good after the tap.

    Raises TooOld if the portal no longer knows what was deleted at that time. `same` are the rows of this
    item. Rows that were deleted for good stay in the database until the next night.
    """
    if same.filter(changed_at__gt=tapped_at + MARGIN).exists():
        raise ChangedMeanwhile
    check_not_removed(_removal_key(patron, item), tapped_at=tapped_at, now=now)


def remember_deleted(rows):
    """Store the times when the items of these rows were removed, because retention deletes the rows next.

    `check_not_removed` reads these times.
    """
    rows = rows.filter(item__isnull=False).select_related("saved_list__patron", "item")
    # The same item may have been removed from several lists. Sort by time, so that the dict keeps the latest
    # removal.
    removals = sorted((row.changed_at or row.removed_at, row.pk, row) for row in rows)
    remember_removals({_removal_key(row.saved_list.patron, row.item): at for at, _pk, row in removals})


def _removal_key(patron, item):
    return f"saved item {patron.public_id} {item.public_id}"


def _last_used(patron):
    return SavedList.objects.of_patron(patron).last_used_first().first()


def remove(saved_item, *, at, tapped_at=None):
    """Remove the item from its list. `restore` can undo this for RESTORE_FOR.

    `tapped_at` is the time of the tap, if the form waited offline on a phone until `at`. Raises
    ChangedMeanwhile if the patron has restored the item after the tap.
    """
    in_list = SavedItem.objects.filter(pk=saved_item.pk, removed_at=None)
    _change(in_list, removed_at=at, at=at, tapped_at=tapped_at)
    saved_item.removed_at = saved_item.removed_at or at


@transaction.atomic
def restore(saved_item, *, at, tapped_at=None):
    """Put a removed item back into its list, with everything that belonged to it.

    If the patron has added the same item to the list again since removing it, nothing changes.

    `tapped_at` is the time of the tap, if the form waited offline on a phone until `at`. Raises
    ChangedMeanwhile if the patron has removed the item after the tap.
    """
    lock_lists(saved_item.saved_list.patron)
    same = SavedItem.objects.filter(
        saved_list=saved_item.saved_list, item__isnull=False, item=saved_item.item
    )
    if not same.in_lists().exists():
        removed = SavedItem.objects.filter(pk=saved_item.pk, removed_at__isnull=False)
        _change(removed, removed_at=None, at=at, tapped_at=tapped_at)
    saved_item.removed_at = None


def delete_now(saved_item, *, at):
    """Delete the removed item before the time for restoring it is over.

    No page shows the item anymore, and retention deletes the row the next night. If the patron is under a
    legal hold, the row stays until the hold is lifted.
    """
    removed = SavedItem.objects.filter(pk=saved_item.pk, removed_at__isnull=False)
    removed.update(removed_at=before_restorable(at), changed_at=at)


def _change(rows, *, removed_at, at, tapped_at):
    """Set `removed_at` of the rows. Raises ChangedMeanwhile if they have changed after `tapped_at`."""
    older = rows.filter(Q(changed_at=None) | Q(changed_at__lte=tapped_at + MARGIN)) if tapped_at else rows
    changed = older.update(removed_at=removed_at, changed_at=tapped_at or at)
    if tapped_at and not changed and rows.exists():
        raise ChangedMeanwhile
