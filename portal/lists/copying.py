"""Copy the titles of a shared list into one of the visitor's own lists."""

from django.db import transaction

from .locks import lock_lists
from .models import MAX_ITEMS, SavedItem, SavedList
from .own_lists import make_list
from .visitors_page import all_shown_to_visitors


class NoRoom(Exception):
    """`saved_list` has no room for `count` more titles."""

    def __init__(self, saved_list, count):
        self.saved_list, self.count = saved_list, count


@transaction.atomic
def copy_list(link, *, patron, name, at):
    """Copy the titles that visitors see into the patron's list with this name.

    Return (list, number of copied titles). If the patron has no list with this name, make one. Titles that
    are in the list already are not copied again. The copied titles go to the top, in the order of the shared
    list. Notes are copied only if the link shows them.

    Raises NoRoom if not all titles fit. Raises TooManyLists if the patron can't have one more list.
    """
    lock_lists(patron)
    lists = SavedList.objects.of_patron(patron)
    same_name = [each for each in lists if each.title.casefold() == name.casefold()]
    saved_list = same_name[0] if same_name else make_list(patron, name=name, at=at)
    rows = SavedItem.objects.in_lists().filter(saved_list=saved_list)
    own = {_key(row.item_id, row) for row in rows}
    # A dict drops duplicate titles and preserves the order.
    titles = {_key(shared.item.pk, shared.item): shared for shared in all_shown_to_visitors(link).titles}
    missing = [shared for key, shared in titles.items() if key not in own]
    if len(own) + len(missing) > MAX_ITEMS:
        raise NoRoom(saved_list, len(missing))
    first = saved_list.top_position() - len(missing) + 1
    SavedItem.objects.bulk_create(
        SavedItem(
            saved_list=saved_list,
            position=first + number,
            saved_at=at,
            note=shared.note,
            from_link=True,
            **_columns(shared.item),
        )
        for number, shared in enumerate(missing)
    )
    SavedList.objects.filter(pk=saved_list.pk).update(used_at=at)
    return saved_list, len(missing)


def _key(item_id, row):
    """Return what identifies a title in a list: the item's primary key, or the typed title and author."""
    return item_id or (row.title, row.creators)


def _columns(item):
    return {"item": item} if item.pk else {"title": item.title, "creators": item.creators}
