"""Match an item that was added by hand with an imported record, and undo such a match.

The recommendations and list entries move from the item to the record. Each row stays, with its verdict, its
reason, its note and its place. The item added by hand is not deleted, so that undoing can move the rows back.
"""

from django.db.models import Q

from accounts.audit import record as record_event
from accounts.models import User
from accounts.staff_actions import staff_action
from portal.lists.locks import lock_lists
from portal.lists.models import SavedItem
from recommendations.models import Item, ItemMatch, Recommendation
from recommendations.search import entries


class CannotMatch(Exception):
    """The item was not added by hand, or it is already matched, or the record was not imported."""


class NothingToUndo(Exception):
    """The item has no match, or a colleague has just undone it."""


def items_by_hand():
    """Return the items that were added by hand and that are not matched with an imported record yet."""
    return Item.objects.filter(source="", retired_at=None)


def imported_records():
    """Return the items that were imported and that are still in the catalog."""
    return Item.objects.filter(retired_at=None).exclude(source="")


@staff_action
def match(item, record, *, by, at):
    """Move everything from the item added by hand to the imported record, and return the ItemMatch.

    If a list contains both, both entries stay as they are. Raises CannotMatch.
    """
    _lock_lists_with(SavedItem.objects.filter(item=item))
    item, record = _locked(item, record)
    if item.source or item.retired_at or not record.source or record.retired_at:
        raise CannotMatch
    recommendations = Recommendation.objects.select_for_update(no_key=True).filter(item=item).order_by("pk")
    moved = list(recommendations.values_list("pk", flat=True))
    Recommendation.objects.filter(pk__in=moved).update(item=record)
    saved = _without_twins(SavedItem.objects.filter(item=item), record)
    SavedItem.objects.filter(pk__in=saved).update(item=record)
    item.retired_at = at
    item.save(update_fields=["retired_at"])
    entries.index([item.pk])
    found = ItemMatch.objects.create(
        item=item, record=record, recommendations=moved, saved_items=saved, at=at
    )
    record_event("matched_item", item, by=by, at=at)
    return found


@staff_action
def undo_match(item, *, by, at):
    """Move back what the match moved, and return the record. Raises NothingToUndo.

    Recommendations and list entries that were made after the match stay with the record.
    """
    found = item.matches.current().select_related("record").first()
    if found is None:
        raise NothingToUndo
    _lock_lists_with(SavedItem.objects.filter(pk__in=found.saved_items))
    item, record = _locked(item, found.record)
    found = ItemMatch.objects.select_for_update(no_key=True).current().filter(pk=found.pk).first()
    if found is None:
        raise NothingToUndo
    moved = Recommendation.objects.filter(pk__in=found.recommendations, item=record)
    Recommendation.objects.filter(
        pk__in=list(moved.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    ).update(item=item)
    saved = _without_twins(SavedItem.objects.filter(pk__in=found.saved_items, item=record), item)
    SavedItem.objects.filter(pk__in=saved).update(item=item)
    item.retired_at = None
    item.save(update_fields=["retired_at"])
    entries.index([item.pk])
    found.undone_at = at
    found.save(update_fields=["undone_at"])
    record_event("undid_match_of_item", item, by=by, at=at)
    return record


def _lock_lists_with(saved_items):
    """Lock the lists with these entries, as each change of a list does. Lists are locked before items."""
    for patron in User.objects.filter(pk__in=saved_items.values("saved_list__patron")).order_by("pk"):
        lock_lists(patron)


def _locked(item, record):
    """Lock the item and the record, and return their rows.

    Patrons can still save one of the two while it is locked.
    """
    locked = Item.objects.select_for_update(no_key=True).filter(pk__in=[item.pk, record.pk]).order_by("pk")
    rows = {row.pk: row for row in locked}
    return rows[item.pk], rows[record.pk]


def _without_twins(saved_items, other):
    """Return the primary keys of the saved items that can move to the item `other`.

    An entry can't move if its list already contains `other`, because a list has each item only once. Removed
    entries always move, because their patrons may restore them.
    """
    twins = SavedItem.objects.filter(item=other, removed_at=None).values("saved_list")
    movable = saved_items.filter(Q(removed_at__isnull=False) | ~Q(saved_list__in=twins))
    return list(movable.order_by("pk").values_list("pk", flat=True))
