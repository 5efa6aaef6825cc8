"""The models of patrons' lists: the lists, their titles, and the links that show a list to others."""

from .links import LINK_NAME_MAX, MAX_LINKS, ListLink
from .lists import (
    MAX_ITEMS,
    MAX_LISTS,
    NAME_MAX,
    NOTE_MAX,
    RESTORE_FOR,
    SavedItem,
    SavedItemQuerySet,
    SavedList,
    SavedListQuerySet,
    last_day,
    restorable_since,
    title_of,
)

__all__ = [
    "LINK_NAME_MAX",
    "MAX_ITEMS",
    "MAX_LINKS",
    "MAX_LISTS",
    "NAME_MAX",
    "NOTE_MAX",
    "RESTORE_FOR",
    "ListLink",
    "SavedItem",
    "SavedItemQuerySet",
    "SavedList",
    "SavedListQuerySet",
    "last_day",
    "restorable_since",
    "title_of",
]
