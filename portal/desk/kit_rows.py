"""The kits that the item picker offers, and the rows that a kit adds to it."""

from dataclasses import dataclass, replace

from django.db.models import BigAutoField, Count, Q

from portal.kits.models import Kit, KitItem, at_desk_of
from portal.prepared import prepared
from recommendations.models import ItemMatch

KITS_OFFERED = 60
KEY = BigAutoField()


@dataclass(frozen=True)
class Offered:
    """A kit that the item picker offers."""

    kit: Kit
    count: int
    is_own: bool


def offered_kits(user, *, topic=None):
    """Return the kits that this staff member may add, as a list of Offered. Kits of `topic` come first."""
    kits = _with_numbers(person=user.pk, branches=list(user.desk_branch_ids))
    offered = [Offered(kit, kit.number, kit.owner_id is not None) for kit in kits if kit.number]
    about = topic.pk if topic else None

    def order(row):
        return row.is_own, about is None or row.kit.topic_id != about, row.kit.name.casefold()

    offered.sort(key=order)
    return offered[:KITS_OFFERED]


@prepared(person=KEY, branches=KEY)
def _with_numbers(person, branches):
    """Return the kits that this staff member may add. Each has `number`: how many items are in the kit."""
    kits = Kit.objects.filter(at_desk_of(person, branches)).offered().with_words()
    return kits.annotate(number=Count("items", filter=Q(items__removed_at=None)))[: KITS_OFFERED * 5]


def counts_of(kits):
    """Return {primary key of a kit: number of its items}."""
    counts = dict.fromkeys([kit.pk for kit in kits], 0)
    for kit in KitItem.objects.filter(kit__in=counts, removed_at=None).values_list("kit", flat=True):
        counts[kit] += 1
    return counts


def kit_to_add(public_id, user):
    """Return the kit with this public id, or None if the staff member may not use it or it is retired."""
    return Kit.objects.at_desk_of(user).offered().filter(public_id=public_id).first()


def items_of(kit):
    """Return the KitItems of the kit, with their items and reasons loaded.

    If an item added by hand is now matched with an imported record, its KitItem has the record instead.
    """
    rows = kit.items.filter(removed_at=None).select_related("item", "item__got_count")
    rows = list(rows.prefetch_related("reasons"))
    records = ItemMatch.objects.records_of([row.item for row in rows])
    by_item = {}
    for row in rows:
        row.item = records.get(row.item_id, row.item)
        by_item.setdefault(row.item.pk, row)
    return list(by_item.values())


def with_their_kits(chosen, user):
    """Return the ChosenItems. If an item can't come from the kit in its field `kit`, set this field to None.

    An item can come from a kit that contains the item and that the staff member may use. The kit must not be
    an own kit.
    """
    ids = {row.kit for row in chosen if row.kit}
    if not ids:
        return chosen
    kits = Kit.objects.at_desk_of(user).filter(public_id__in=ids, owner=None)
    pairs = {(kit.public_id, row.item.pk) for kit in kits for row in items_of(kit)}
    return [row if row.item and (row.kit, row.item.pk) in pairs else replace(row, kit=None) for row in chosen]


def can_be_recommended(item):
    """Return False if the item was withdrawn, or if it is an event or course that is over."""
    return not (item.retired_at or item.is_over)


def rows_of_kit(kit, language):
    """Return (rows of the item picker, number of items left out). A row has the reason in `language`.

    Withdrawn items and past events are left out, because staff should not recommend them.
    """
    items = items_of(kit)
    usable = [row for row in items if can_be_recommended(row.item)]
    rows = [
        {
            "item": str(row.item.public_id),
            "reason": row.reason_in(language),
            "starred": "on" if row.starred else "",
            # The kit is only needed to count how often a kit helped. Own kits are not counted.
            "kit": "" if kit.owner_id else str(kit.public_id),
        }
        for row in usable
    ]
    return rows, len(items) - len(usable)
