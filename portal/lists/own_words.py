"""What patrons write in their lists: notes, how far they are, and titles added by hand."""

from django.db import transaction

from .actions import ListFull
from .locks import lock_lists
from .models import MAX_ITEMS, SavedItem, SavedList


@transaction.atomic
def write_note(saved_item, *, note):
    """Save the patron's note about a title. An empty note deletes it."""
    _update(saved_item, note=note)


@transaction.atomic
def choose_reading(saved_item, *, reading):
    """Save how far the patron is with a title. An empty value clears the patron's choice."""
    _update(saved_item, reading=reading)


@transaction.atomic
def add_title(saved_list, *, title, creators="", at):
    """Add a title by hand, and return its SavedItem. Raises ListFull.

    If the patron has already added the same title by hand, return its SavedItem.
    """
    lock_lists(saved_list.patron)
    same = saved_list.saved_items.in_lists().filter(item=None, title=title, creators=creators)
    if added := same.first():
        return added
    if saved_list.saved_items.in_lists().count() >= MAX_ITEMS:
        raise ListFull(saved_list)
    SavedList.objects.filter(pk=saved_list.pk).update(used_at=at)
    return SavedItem.objects.create(
        saved_list=saved_list,
        title=title,
        creators=creators,
        position=saved_list.top_position(),
        saved_at=at,
    )


def combine(saved_item, *, into):
    """Add the note and reading status of `saved_item` to `into`, another row of the same title.

    If both rows have a reading status, `into` keeps its own. The caller locks the lists.
    """
    notes = [row.note for row in (into, saved_item) if row.note]
    into.note = "\n\n".join(dict.fromkeys(notes))
    into.reading = into.reading or saved_item.reading
    into.save(update_fields=["note", "reading"])


def _update(saved_item, **values):
    lock_lists(saved_item.saved_list.patron)
    SavedItem.objects.filter(pk=saved_item.pk).update(**values)
