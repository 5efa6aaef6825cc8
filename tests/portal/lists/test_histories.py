"""Test random histories of a patron's lists, with undo and restore, against a model in memory."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from portal.lists.actions import delete_now, remove, restore, save
from portal.lists.models import SavedItem, SavedList
from portal.lists.ordering import copy_to_list, move_to_list, place
from portal.lists.own_lists import (
    NameTaken,
    delete_list_now,
    make_list,
    remove_list,
    rename_list,
    restore_list,
)
from portal.lists.own_words import add_title, choose_reading, write_note
from portal.privacy.retention import forget
from tests.extent import times
from tests.factories import ItemFactory

DAY = timedelta(days=1)
RESTORABLE_DAYS = 30


class ModelRow:
    """A title in a list. `key` is an item or the title that the patron typed."""

    def __init__(self, pk, key, at, note="", reading=""):
        self.pk, self.key, self.saved_at, self.note, self.reading = pk, key, at, note, reading
        self.removed_on = None

    def values(self):
        return self.pk, self.key, self.saved_at, self.note, self.reading


class ModelList:
    """A list. `rows` has all its titles in their order, including the removed ones."""

    def __init__(self, pk, name, at):
        self.pk, self.name, self.used_at, self.removed_on, self.rows = pk, name, at, None, []

    def title(self):
        return self.name or "Your list"

    def live(self):
        return [row for row in self.rows if row.removed_on is None]

    def same(self, key):
        """Return the row of the title with this key, or None. If two rows have the key, return the older row."""
        return min((row for row in self.live() if row.key == key), key=lambda row: row.pk, default=None)


class History:
    """Run the same actions in the portal and in the model. ACTIONS names the methods that are actions."""

    def __init__(self, seed, patron, items):
        self.chance, self.patron, self.items = random.Random(seed), patron, items
        self.at = datetime(2026, 1, 15, 12, tzinfo=UTC)
        self.lists = []
        self.names = 0

    # Methods that read the model.

    def can_restore(self, removed_on):
        return removed_on is not None and (self.at.date() - removed_on).days <= RESTORABLE_DAYS

    def shown(self):
        return [one for one in self.lists if one.removed_on is None]

    def removed_rows(self):
        return [(one, row) for one in self.shown() for row in one.rows if self.can_restore(row.removed_on)]

    def any_row(self):
        rows = [(one, row) for one in self.shown() for row in one.live()]
        return self.chance.choice(rows) if rows else (None, None)

    # The actions that ACTIONS names.

    def add_list(self):
        name = f"List {self.chance.randrange(4)}"
        try:
            made = make_list(self.patron, name=name, at=self.at)
        except NameTaken:
            assert name in [one.name for one in self.shown()]
        else:
            self.lists.append(ModelList(made.pk, name, self.at))

    def rename(self):
        if self.shown():
            one, self.names = self.chance.choice(self.shown()), self.names + 1
            rename_list(SavedList.objects.get(pk=one.pk), name=f"Name {self.names}")
            one.name = f"Name {self.names}"

    def drop_list(self):
        if self.shown():
            one = self.chance.choice(self.shown())
            remove_list(SavedList.objects.get(pk=one.pk), at=self.at)
            one.removed_on = self.at.date()

    def bring_list_back(self):
        gone = [one for one in self.lists if self.can_restore(one.removed_on)]
        if gone:
            one, taken = self.chance.choice(gone), {other.title() for other in self.shown()}
            restore_list(SavedList.objects.get(pk=one.pk))
            one.removed_on = None
            if one.title() in taken:
                names = (f"{one.title()} ({number})" for number in range(2, 99))
                one.name = next(name for name in names if name not in taken)

    def delete_list(self):
        gone = [one for one in self.lists if self.can_restore(one.removed_on)]
        if gone:
            one = self.chance.choice(gone)
            delete_list_now(SavedList.objects.get(pk=one.pk), at=self.at)
            self.lists.remove(one)

    def save_item(self):
        item = self.chance.choice(self.items)
        one = self.chance.choice([None, *self.shown()])
        saved_list = one and SavedList.objects.get(pk=one.pk)
        saved = save(item, patron=self.patron, at=self.at, saved_list=saved_list)
        among = [one] if one else self.shown()
        if any(other.same(item) for other in among):
            assert saved.pk in {row.pk for other in among for row in other.live() if row.key == item}
            return
        gone = [row for other, row in self.removed_rows() if other in among and row.key == item]
        if gone:
            # The row that was removed last is back in its old place.
            assert saved.pk in {row.pk for row in gone}
            next(row for row in gone if row.pk == saved.pk).removed_on = None
            return
        if one is None and not self.shown():
            self.lists.append(ModelList(saved.saved_list_id, saved.saved_list.name, self.at))
        one = one or max(self.shown(), key=lambda other: (other.used_at, other.pk))
        assert saved.saved_list_id == one.pk
        one.rows.insert(0, ModelRow(saved.pk, item, self.at))
        one.used_at = self.at

    def add_by_hand(self):
        if self.shown():
            one, title = self.chance.choice(self.shown()), f"By hand {self.chance.randrange(5)}"
            added = add_title(SavedList.objects.get(pk=one.pk), title=title, at=self.at)
            if same := one.same(title):
                assert added.pk == same.pk
            else:
                one.rows.insert(0, ModelRow(added.pk, title, self.at))
                one.used_at = self.at

    def write(self):
        _one, row = self.any_row()
        if row:
            saved, row.note = SavedItem.objects.get(pk=row.pk), f"Note {self.chance.randrange(9)}"
            row.reading = self.chance.choice(["", *SavedItem.Reading.values])
            write_note(saved, note=row.note)
            choose_reading(saved, reading=row.reading)

    def take_out(self):
        _one, row = self.any_row()
        if row:
            remove(SavedItem.objects.get(pk=row.pk), at=self.at)
            row.removed_on = self.at.date()

    def put_back(self):
        if gone := self.removed_rows():
            one, row = self.chance.choice(gone)
            restore(SavedItem.objects.get(pk=row.pk), at=self.at)
            if isinstance(row.key, str) or not one.same(row.key):
                row.removed_on = None

    def undo(self):
        """Remove a title and undo the removal. The title's row must have the same values as before."""
        _one, row = self.any_row()
        if row:
            before = SavedItem.objects.filter(pk=row.pk).values().get()
            remove(SavedItem.objects.get(pk=row.pk), at=self.at)
            restore(SavedItem.objects.get(pk=row.pk), at=self.at)
            after = SavedItem.objects.filter(pk=row.pk).values().get()
            assert after | {"changed_at": None} == before | {"changed_at": None}

    def delete_title(self):
        if gone := self.removed_rows():
            one, row = self.chance.choice(gone)
            delete_now(SavedItem.objects.get(pk=row.pk), at=self.at)
            one.rows.remove(row)

    def sort(self):
        one, row = self.any_row()
        others = [other for other in one.live() if other is not row] if one else []
        if others:
            other, side = self.chance.choice(others), self.chance.choice(["before", "after"])
            place(SavedItem.objects.get(pk=row.pk), **{side: SavedItem.objects.get(pk=other.pk)})
            one.rows.remove(row)
            one.rows.insert(one.rows.index(other) + (side == "after"), row)

    def move(self):
        one, row = self.any_row()
        if row:
            to = self.chance.choice(self.shown())
            move_to_list(SavedItem.objects.get(pk=row.pk), SavedList.objects.get(pk=to.pk), at=self.at)
            if to is one:
                return
            if same := to.same(row.key):
                notes = dict.fromkeys(note for note in (same.note, row.note) if note)
                same.note, same.reading = "\n\n".join(notes), same.reading or row.reading
                row.removed_on = self.at.date()
            else:
                one.rows.remove(row)
                to.rows.insert(0, row)
                to.used_at = self.at

    def copy(self):
        one, row = self.any_row()
        if row:
            to = self.chance.choice(self.shown())
            copy_to_list(SavedItem.objects.get(pk=row.pk), SavedList.objects.get(pk=to.pk), at=self.at)
            if to is not one and not to.same(row.key):
                pk = SavedItem.objects.filter(saved_list=to.pk).latest("pk").pk
                to.rows.insert(0, ModelRow(pk, row.key, self.at, row.note, row.reading))
                to.used_at = self.at

    def wait(self):
        self.at += DAY * self.chance.choice([1, 9, 10, 15])

    def night(self):
        """Run the nightly retention job. It must delete all rows that are not shown and can't be restored."""
        forget(at=self.at)
        self.lists = [one for one in self.lists if one.removed_on is None or self.can_restore(one.removed_on)]
        for one in self.lists:
            one.rows = [row for row in one.rows if row.removed_on is None or self.can_restore(row.removed_on)]
        assert set(SavedList.objects.values_list("pk", flat=True)) == {one.pk for one in self.lists}
        assert set(SavedItem.objects.values_list("pk", flat=True)) == {
            row.pk for one in self.lists for row in one.rows
        }


ACTIONS = {
    **{"add_list": 4, "rename": 1, "drop_list": 2, "bring_list_back": 3, "delete_list": 1, "save_item": 12},
    **{"add_by_hand": 6, "write": 6, "take_out": 8, "put_back": 7, "undo": 4, "delete_title": 1, "sort": 8},
    **{"move": 6, "copy": 5, "wait": 2, "night": 1},
}


def in_database(history):
    """Return the lists as pages show them, and the titles and lists that can be restored."""
    lists = SavedList.objects.of_patron(history.patron)
    return (
        {
            (one.pk, one.name): [
                (row.pk, row.item or row.title, row.saved_at, row.note, row.reading)
                for row in one.saved_items.in_lists().in_order().select_related("item")
            ]
            for one in lists
        },
        set(SavedItem.objects.restorable(history.at).values_list("pk", flat=True)),
        set(
            SavedList.objects.not_forgotten(history.at).exclude(removed_at=None).values_list("pk", flat=True)
        ),
    )


def in_model(history):
    return (
        {(one.pk, one.name): [row.values() for row in one.live()] for one in history.shown()},
        {row.pk for _one, row in history.removed_rows()},
        {one.pk for one in history.lists if history.can_restore(one.removed_on)},
    )


@pytest.mark.few_cases
@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(3, 20)))
def test_lists_match_a_simple_model_after_each_of_many_random_actions(seed, patron, library):
    history = History(seed, patron, ItemFactory.create_batch(5))
    for _step in range(times(80, 300)):
        name = history.chance.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        history.at += timedelta(seconds=10)
        getattr(history, name)()
        assert in_database(history) == in_model(history), name
