"""Find out in which of a person's lists each item is, and return the text for its save button."""

from typing import NamedTuple

from django.db.models import BigAutoField
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from portal.prepared import prepared


class SavedAs(NamedTuple):
    """What the save button of a saved item shows.

    `public_id` is the public id of the SavedItem, or None if the item is in several lists.
    """

    public_id: object
    words: str


def saved_as(person, items):
    """Return {primary key of an item: SavedAs} for the items that are in a list of the person.

    `items` are primary keys of items.
    """
    if person is None or not items:
        return {}
    found: dict[int, list] = {}
    for item, *saved in _saved(person=person.pk, items=list(items)):
        found.setdefault(item, []).append(saved)
    return {item: _in_words(saved) for item, saved in found.items()}


def _in_words(saved):
    if len(saved) > 1:
        return SavedAs(
            None, ngettext("In %(count)d list", "In %(count)d lists", len(saved)) % {"count": len(saved)}
        )
    [(public_id, name)] = saved
    return SavedAs(public_id, _("In “%(list)s”") % {"list": name} if name else _("In your list"))


@prepared(person=BigAutoField(), items=BigAutoField())
def _saved(person, items):
    """Return (primary key of the item, public id of the SavedItem, name of the list) for each SavedItem."""
    rows = User.objects.filter(
        pk=person,
        saved_lists__removed_at=None,
        saved_lists__saved_items__removed_at=None,
        saved_lists__saved_items__item__in=items,
    )
    names = ("saved_lists__saved_items__item", "saved_lists__saved_items__public_id", "saved_lists__name")
    return rows.values_list(*names)
