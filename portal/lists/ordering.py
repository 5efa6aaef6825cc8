"""Change the order of a list, and move or copy titles between the lists of a patron.

A list is sorted by `position`. A request to move a title names only that title and its new neighbor, and not
the whole order. So a request from a tab that shows an old order loses no title and duplicates none.
"""

from django.db import transaction
from django.db.models import F

from .actions import ListFull, remove
from .locks import lock_lists
from .models import MAX_ITEMS, SavedItem, SavedList
from .own_words import combine


@transaction.atomic
def place(saved_item, *, to="", before=None, after=None):
    """Move a title within its list.

    Give one of three arguments. `to` is "up", "down", "top" or "bottom". `before` or `after` is another title
    (a SavedItem) of the same list, and the title moves directly before or after it. If one of the two titles
    is no longer in the list, nothing changes.
    """
    lock_lists(saved_item.saved_list.patron)
    rows = SavedItem.objects.in_lists().filter(saved_list=saved_item.saved_list)
    moved = rows.filter(pk=saved_item.pk).first()
    if moved is None:
        return
    if to:
        before, after = _neighbor(moved, rows.exclude(pk=moved.pk), to)
    anchor = rows.filter(pk=(before or after).pk).first() if before or after else None
    if anchor is None or anchor == moved:
        return
    position = anchor.position if before else anchor.position + 1
    # Include removed titles, so that restoring one puts it back in the same place.
    following = SavedItem.objects.filter(saved_list=moved.saved_list_id, position__gte=position)
    following.update(position=F("position") + 1)
    SavedItem.objects.filter(pk=moved.pk).update(position=position)


@transaction.atomic
def move_to_list(saved_item, saved_list, *, at):
    """Move a title with the patron's note and reading status to the top of `saved_list`. Raises ListFull.

    If `saved_list` already has the same title, add the note and reading status to it, and remove the title
    from its old list.
    """
    lock_lists(saved_list.patron)
    moved = SavedItem.objects.in_lists().filter(pk=saved_item.pk).first()
    if moved is None or moved.saved_list_id == saved_list.pk:
        return
    if there := _same_in(saved_list, moved):
        combine(moved, into=there)
        remove(moved, at=at)
        return
    _refuse_full(saved_list)
    SavedItem.objects.filter(pk=moved.pk).update(saved_list=saved_list, position=saved_list.top_position())
    SavedList.objects.filter(pk=saved_list.pk).update(used_at=at)


@transaction.atomic
def copy_to_list(saved_item, saved_list, *, at):
    """Copy a title with the patron's note and reading status to the top of `saved_list`. Raises ListFull.

    If `saved_list` already has the same title, nothing changes.
    """
    lock_lists(saved_list.patron)
    copied = SavedItem.objects.in_lists().filter(pk=saved_item.pk).first()
    if copied is None or copied.saved_list_id == saved_list.pk or _same_in(saved_list, copied):
        return
    _refuse_full(saved_list)
    kept = ("item_id", "title", "creators", "recommendation_id", "note", "reading", "from_link")
    SavedItem.objects.create(
        saved_list=saved_list,
        saved_at=at,
        position=saved_list.top_position(),
        **{name: getattr(copied, name) for name in kept},
    )
    SavedList.objects.filter(pk=saved_list.pk).update(used_at=at)


def _neighbor(moved, others, to):
    """Return `before` and `after` for `place`. Both are None if the title can't move further."""
    above, below = others.filter(position__lt=moved.position), others.filter(position__gt=moved.position)
    return {
        "up": (above.order_by("-position").first(), None),
        "top": (above.order_by("position").first(), None),
        "down": (None, below.order_by("position").first()),
        "bottom": (None, below.order_by("-position").first()),
    }[to]


def _same_in(saved_list, saved_item):
    same = SavedItem.objects.in_lists().filter(saved_list=saved_list)
    if saved_item.item_id:
        return same.filter(item=saved_item.item_id).first()
    return same.filter(item=None, title=saved_item.title, creators=saved_item.creators).first()


def _refuse_full(saved_list):
    if saved_list.saved_items.in_lists().count() >= MAX_ITEMS:
        raise ListFull(saved_list)
