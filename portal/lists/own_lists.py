"""Make, rename, remove and restore a patron's lists."""

from django.db import transaction

from .locks import lock_lists
from .models import MAX_LISTS, NAME_MAX, SavedList, before_restorable, title_of


class NameTaken(Exception):
    """The patron has another list with this name."""


class TooManyLists(Exception):
    """The patron has MAX_LISTS lists already."""


@transaction.atomic
def make_list(patron, *, name, at):
    """Make a list with this name, and return it. Raises NameTaken, TooManyLists.

    The next item that the patron saves goes into this list.
    """
    lock_lists(patron)
    if SavedList.objects.of_patron(patron).count() >= MAX_LISTS:
        raise TooManyLists
    _refuse_taken(name, SavedList.objects.of_patron(patron))
    return SavedList.objects.create(patron=patron, name=name, made_at=at, used_at=at)


@transaction.atomic
def rename_list(saved_list, *, name):
    """Give the list this name. Raises NameTaken."""
    lock_lists(saved_list.patron)
    _refuse_taken(name, SavedList.objects.of_patron(saved_list.patron).exclude(pk=saved_list.pk))
    saved_list.name = name
    saved_list.save(update_fields=["name"])


@transaction.atomic
def remove_list(saved_list, *, at):
    """Remove the list with its items. `restore_list` can undo this for RESTORE_FOR."""
    lock_lists(saved_list.patron)
    SavedList.objects.filter(pk=saved_list.pk, removed_at=None).update(removed_at=at)
    saved_list.removed_at = saved_list.removed_at or at


@transaction.atomic
def restore_list(saved_list):
    """Restore the removed list with everything in it.

    If the patron has made another list with the same name, the restored list gets a number after its name.
    """
    patron = saved_list.patron
    lock_lists(patron)
    others = SavedList.objects.of_patron(patron).exclude(pk=saved_list.pk)
    taken = {other.title.casefold() for other in others}
    if saved_list.title.casefold() in taken:
        saved_list.name = numbered(saved_list.title, taken)
    saved_list.removed_at = None
    saved_list.save(update_fields=["name", "removed_at"])


def delete_list_now(saved_list, *, at):
    """Delete the removed list before the time for restoring it is over.

    Retention deletes the rows the next night. See `delete_now` in the module `actions`.
    """
    removed = SavedList.objects.filter(pk=saved_list.pk, removed_at__isnull=False)
    removed.update(removed_at=before_restorable(at))


def numbered(title, taken):
    """Add a number to the title, such as "Garden (2)". Use the first number that is not in `taken`."""
    number = 2
    while True:
        ending = f" ({number})"
        name = title[: NAME_MAX - len(ending)] + ending
        if name.casefold() not in taken:
            return name
        number += 1


def _refuse_taken(name, others):
    if title_of(name).casefold() in {str(other).casefold() for other in others}:
        raise NameTaken
