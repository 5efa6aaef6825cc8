from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from portal.lists import actions
from portal.lists.actions import ListFull, delete_now, remove, restore, save
from portal.lists.models import RESTORE_FOR, SavedItem
from portal.lists.own_lists import remove_list
from tests.factories import HelpSessionFactory, ItemFactory, SavedItemFactory, SavedListFactory, recommend_in


def row_of(saved_item):
    """Return the columns of the saved item, except the time of its last change."""
    row = SavedItem.objects.filter(pk=saved_item.pk).values().get()
    del row["changed_at"]
    return row


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
def test_undoing_a_removal_or_saving_again_restores_the_same_row(saved, patron, by):
    before = row_of(saved)
    remove(saved, at=timezone.now())
    if by == "undo":
        restore(saved, at=timezone.now())
    else:
        save(saved.item, patron=patron, at=timezone.now())
    assert row_of(saved) == before


def test_item_is_saved_in_the_named_list(patron):
    item = ItemFactory()
    save(item, patron=patron, at=timezone.now())
    other = SavedListFactory(patron=patron, name="For winter")
    save(item, patron=patron, at=timezone.now(), saved_list=other)
    assert sorted(SavedItem.objects.values_list("saved_list__name", "item")) == [
        ("", item.pk),
        ("For winter", item.pk),
    ]


def test_item_is_saved_in_the_list_that_was_used_last(patron):
    now = timezone.now()
    one, other = (SavedListFactory(patron=patron, name=name, made_at=now) for name in ("One", "Other"))
    assert save(ItemFactory(), patron=patron, at=now).saved_list == other
    later = now + timedelta(minutes=1)
    save(ItemFactory(), patron=patron, at=later, saved_list=one)
    assert save(ItemFactory(), patron=patron, at=later).saved_list == one
    remove_list(one, at=later)
    assert save(ItemFactory(), patron=patron, at=later).saved_list == other
    remove_list(other, at=later)
    assert save(ItemFactory(), patron=patron, at=later).saved_list.name == ""


def test_item_that_is_already_in_a_list_is_not_saved_again_in_the_last_used_list(patron):
    saved = SavedItemFactory(saved_list__patron=patron, saved_list__name="For winter")
    SavedListFactory(patron=patron, name="Used since")
    SavedItemFactory(item=saved.item)
    assert save(saved.item, patron=patron, at=timezone.now()) == saved


def test_item_is_not_saved_in_a_full_list(patron, monkeypatch):
    monkeypatch.setattr(actions, "MAX_ITEMS", 2)
    saved_list = SavedListFactory(patron=patron)
    removed = SavedItemFactory(saved_list=saved_list, removed_at=timezone.now())
    for _number in range(2):
        save(ItemFactory(), patron=patron, at=timezone.now())
    with pytest.raises(ListFull) as raised:
        save(ItemFactory(), patron=patron, at=timezone.now())
    assert raised.value.saved_list == saved_list
    # A removed item can be restored even if the list is full.
    restore(removed, at=timezone.now())
    assert SavedItem.objects.in_lists().count() == 3


def test_saving_an_item_that_can_no_longer_be_restored_creates_a_new_row(saved, patron):
    now = timezone.now()
    remove(saved, at=now - RESTORE_FOR - timedelta(days=2))
    again = save(saved.item, patron=patron, at=now)
    assert (again.pk != saved.pk, again.saved_at, again.recommendation) == (True, now, None)


def test_item_can_be_restored_until_the_end_of_the_day_that_the_page_mentions(saved, library):
    removed_at = datetime(2027, 5, 4, 22, 30, tzinfo=library.zone)
    remove(saved, at=removed_at)
    saved.refresh_from_db()
    with timezone.override(library.zone):
        assert saved.restorable_until == date(2027, 6, 3)
    last = datetime(2027, 6, 3, 23, 59, tzinfo=library.zone)
    assert SavedItem.objects.restorable(last).get() == saved
    assert not SavedItem.objects.restorable(last + timedelta(minutes=1)).exists()


def test_restoring_an_item_changes_nothing_if_the_patron_has_saved_it_again(saved):
    remove(saved, at=timezone.now())
    added = SavedItemFactory(saved_list=saved.saved_list, item=saved.item)
    restore(saved, at=timezone.now())
    assert SavedItem.objects.in_lists().get() == added


def test_removed_item_cannot_be_restored_after_the_patron_deletes_it(saved):
    now = timezone.now()
    kept = SavedItemFactory(saved_list=saved.saved_list)
    delete_now(kept, at=now)
    remove(saved, at=now)
    delete_now(saved, at=now)
    assert not SavedItem.objects.restorable(now).exists()
    assert SavedItem.objects.in_lists().get() == kept


def test_deleted_item_cannot_be_restored_even_if_the_clocks_changed_in_the_last_30_days(saved):
    # At the library, this is 11:30 p.m. on November 28. Daylight saving time ended less than 30 days before,
    # so the last 30 days had one hour more.
    late = datetime(2026, 11, 29, 5, 30, tzinfo=UTC)
    remove(saved, at=late)
    delete_now(saved, at=late)
    assert not SavedItem.objects.restorable(late).exists()
