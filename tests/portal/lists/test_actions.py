from django.utils import timezone

from portal.lists.actions import remove, save
from portal.lists.models import SavedItem
from tests.factories import ItemFactory


def test_saving_twice_saves_once_and_removing_deletes_it(patron):
    item = ItemFactory()
    first = save(item, patron=patron, at=timezone.now())
    assert save(item, patron=patron, at=timezone.now()) == first
    assert SavedItem.objects.count() == 1
    remove(first)
    assert SavedItem.objects.count() == 0
    save(item, patron=patron, at=timezone.now())
    assert SavedItem.objects.get().item == item
