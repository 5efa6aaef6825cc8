from datetime import timedelta

import pytest
from django.utils import timezone

from portal.lists.actions import UNDO_REMOVAL_FOR, forget_removed_items, remove, restore, save
from portal.lists.models import SavedItem
from tests.factories import HelpSessionFactory, ItemFactory, SavedItemFactory, SavedListFactory, recommend_in


def row_of(saved_item):
    return SavedItem.objects.filter(pk=saved_item.pk).values().get()


@pytest.fixture
def saved(patron, branch):
    [recommendation] = recommend_in(HelpSessionFactory(branch=branch, patron=patron))
    long_ago = timezone.now() - timedelta(days=30)
    return save(recommendation.item, patron=patron, at=long_ago, recommendation=recommendation)


def test_item_saved_twice_is_listed_once_and_can_be_removed(patron):
    item = ItemFactory()
    first = save(item, patron=patron, at=timezone.now())
    assert save(item, patron=patron, at=timezone.now()) == first
    assert SavedItem.objects.count() == 1
    remove(first, at=timezone.now())
    assert SavedItem.objects.in_lists().count() == 0
    save(item, patron=patron, at=timezone.now())
    assert SavedItem.objects.in_lists().get().item == item


@pytest.mark.parametrize("by", ["undo", "saving again"])
def test_removed_item_returns_as_the_same_row(saved, patron, by):
    before = row_of(saved)
    remove(saved, at=timezone.now())
    if by == "undo":
        restore(saved)
    else:
        save(saved.item, patron=patron, at=timezone.now())
    assert row_of(saved) == before


def test_item_is_saved_in_the_named_list(patron):
    item, other = ItemFactory(), SavedListFactory(patron=patron, name="For winter")
    save(item, patron=patron, at=timezone.now())
    save(item, patron=patron, at=timezone.now(), saved_list=other)
    assert sorted(SavedItem.objects.values_list("saved_list__name", "item")) == [
        ("", item.pk),
        ("For winter", item.pk),
    ]


def test_item_removed_more_than_a_day_ago_is_saved_as_a_new_row(saved, patron):
    now = timezone.now()
    remove(saved, at=now - UNDO_REMOVAL_FOR)
    again = save(saved.item, patron=patron, at=now)
    assert (again.pk != saved.pk, again.saved_at, again.recommendation) == (True, now, None)


def test_removed_items_are_deleted_after_a_day(saved):
    now = timezone.now()
    kept = SavedItemFactory(saved_list=saved.saved_list)
    just_removed = SavedItemFactory(saved_list=saved.saved_list)
    remove(saved, at=now - UNDO_REMOVAL_FOR)
    remove(just_removed, at=now - UNDO_REMOVAL_FOR + timedelta(seconds=1))
    # Removing it once more doesn't make the time longer.
    remove(saved, at=now)
    assert forget_removed_items(at=now) == 1
    assert set(SavedItem.objects.all()) == {kept, just_removed}
