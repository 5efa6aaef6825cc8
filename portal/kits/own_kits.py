"""Fill each staff member's own kit with the items that they recommended in five or more visits."""

from django.db import transaction
from django.db.models import Count, Max

from accounts.models import User
from recommendations.models import Recommendation

from .models import Kit, KitItem

VISITS = 5
# An own kit has at most as many items as the item picker accepts at once (MAX_ITEMS in
# portal/desk/item_picker.py).
MAX_ITEMS = 20


def fill_own_kits(*, at):
    """Fill each staff member's own kit with items that they recommend often. Delete the kits of former staff.

    Quiet visits don't count. An item that the owner has removed is not added again. If a kit has too little
    room, the items that its owner recommended in the most visits are added first.
    """
    Kit.objects.filter(owner__isnull=False).exclude(owner__in=_staff()).delete()
    often = (
        Recommendation.objects.filter(never_counted=False, recommended_by__in=_staff(), item__retired_at=None)
        .values("recommended_by", "item")
        .annotate(visits=Count("visit_number", distinct=True))
        .filter(visits__gte=VISITS)
        .order_by("recommended_by", "-visits", "item")
    )
    items_of: dict[int, list[int]] = {}
    for row in often:
        items_of.setdefault(row["recommended_by"], []).append(row["item"])
    for owner, items in items_of.items():
        _fill(owner, items, at=at)


@transaction.atomic
def _fill(owner, items, *, at):
    kit, _new = Kit.objects.get_or_create(owner_id=owner, defaults={"changed_at": at})
    # Lock the kit, because `remove_own_item` locks it too.
    Kit.objects.select_for_update().get(pk=kit.pk)
    known = dict(kit.items.values_list("item", "removed_at"))
    room = MAX_ITEMS - sum(removed_at is None for removed_at in known.values())
    last = kit.items.aggregate(last=Max("position"))["last"]
    start = 0 if last is None else last + 1
    new = [item for item in items if item not in known][: max(room, 0)]
    KitItem.objects.bulk_create(
        KitItem(kit=kit, item_id=item, position=start + number) for number, item in enumerate(new)
    )


def _staff():
    return User.objects.filter(staff_roles__isnull=False).values("pk")
