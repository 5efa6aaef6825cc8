"""Match an item that was added by hand with an imported record, and undo such a match.

A match moves the recommendations and list entries of the item to the record, with their verdicts, reasons,
notes and positions in the lists. It also moves next steps that offer the item instead of another one, and
links of staff that show the item. The item added by hand is not deleted, so that undoing the match can move
everything back.
"""

from django.db.models import Q

from accounts.audit import record as record_event
from accounts.models import User
from accounts.staff_actions import staff_action
from portal.conversations.models import Event
from portal.lists.locks import lock_lists
from portal.lists.models import SavedItem, StaffLinkItem
from recommendations.models import Item, ItemMatch, NextStep, Recommendation
from recommendations.search import entries

# A match also points these foreign keys to the imported item, because pages show the item that such a key
# points to. A NextStep is made from an Event, so both must point to the same item.
OTHERS = [(Event, "other_item"), (NextStep, "other_item"), (StaffLinkItem, "item")]


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

    If a list contains the item and the record, the two entries stay as they are. Raises CannotMatch.
    """
    _lock_lists_with(SavedItem.objects.filter(item=item))
    item, record = _locked(item, record)
    if item.source or item.retired_at or not record.source or record.retired_at:
        raise CannotMatch
    moved = _lock_recommendations(item)
    Recommendation.objects.filter(pk__in=moved).update(item=record)
    saved = _without_twins(SavedItem.objects.filter(item=item), record)
    SavedItem.objects.filter(pk__in=saved).update(item=record)
    item.retired_at = at
    item.save(update_fields=["retired_at"])
    entries.index([item.pk])
    others = _move_others(item, record)
    found = ItemMatch.objects.create(
        item=item, record=record, recommendations=moved, saved_items=saved, others=others, at=at
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
    for model, field in OTHERS:
        rows = model._base_manager.filter(pk__in=found.others.get(model._meta.label, []), **{field: record})
        rows.update(**{field: item})
    item.retired_at = None
    item.save(update_fields=["retired_at"])
    entries.index([item.pk])
    found.undone_at = at
    found.save(update_fields=["undone_at"])
    record_event("undid_match_of_item", item, by=by, at=at)
    return record


def _lock_lists_with(saved_items):
    """Lock the lists of the patrons who have these entries, because changes of lists take the same locks.

    Lists are locked before items.
    """
    for patron in User.objects.filter(pk__in=saved_items.values("saved_list__patron")).order_by("pk"):
        lock_lists(patron)


def _locked(item, record):
    """Lock the item and the imported record, and return their rows.

    While the two are locked, patrons can still save them in lists.
    """
    locked = Item.objects.select_for_update(no_key=True).filter(pk__in=[item.pk, record.pk]).order_by("pk")
    rows = {row.pk: row for row in locked}
    return rows[item.pk], rows[record.pk]


def _lock_recommendations(item):
    """Lock the recommendations of the item, and the recommendations whose next step offers the item instead.

    Return the primary keys of the recommendations of the item.
    """
    named = Q(item=item) | Q(next_step__other_item=item)
    locked = Recommendation.objects.select_for_update(no_key=True, of=("self",)).filter(named).order_by("pk")
    return [row.pk for row in locked if row.item_id == item.pk]


def _move_others(item, record):
    """Point the foreign keys in OTHERS to the record. Return {model label: primary keys of the changed rows}.

    If a link of staff shows both the item and the record, it isn't changed, because it can't show the record
    twice.
    """
    both = StaffLinkItem.objects.filter(item=record).values("link")
    moved = {}
    for model, field in OTHERS:
        rows = model._base_manager.filter(**{field: item}).order_by("pk")
        if model is StaffLinkItem:
            rows = rows.exclude(link__in=both)
        if keys := list(rows.values_list("pk", flat=True)):
            model._base_manager.filter(pk__in=keys).update(**{field: record})
            moved[model._meta.label] = keys
    return moved


def _without_twins(saved_items, other):
    """Return the primary keys of the saved items that can move to the item `other`.

    An entry can't move if its list already contains `other`, because a list has each item only once. Removed
    entries always move, because their patrons may restore them.
    """
    twins = SavedItem.objects.filter(item=other, removed_at=None).values("saved_list")
    movable = saved_items.filter(Q(removed_at__isnull=False) | ~Q(saved_list__in=twins))
    return list(movable.order_by("pk").values_list("pk", flat=True))
