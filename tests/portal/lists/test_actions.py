from django.utils import timezone

from portal.lists.actions import remove, save
from portal.lists.models import SavedItem
from tests.factories import ItemFactory


def test_item_saved_twice_is_listed_once_and_can_be_removed(patron):
    item = ItemFactory()
    first = save(item, patron=patron, at=timezone.now())
    assert save(item, patron=patron, at=timezone.now()) == first
    assert SavedItem.objects.count() == 1
    remove(first)
    assert SavedItem.objects.count() == 0
    save(item, patron=patron, at=timezone.now())
    assert SavedItem.objects.get().item == item
