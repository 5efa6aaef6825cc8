"""The models of patrons' lists: the lists, their titles, and the links that show titles to others."""

from .links import LINK_NAME_MAX, MAX_LINKS, MAX_STAFF_LINKS, ListLink, StaffLink, StaffLinkItem
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
    before_restorable,
    last_day,
    restorable_since,
    title_of,
)

__all__ = [
    "LINK_NAME_MAX",
    "MAX_ITEMS",
    "MAX_LINKS",
    "MAX_LISTS",
    "MAX_STAFF_LINKS",
    "NAME_MAX",
    "NOTE_MAX",
    "RESTORE_FOR",
    "ListLink",
    "SavedItem",
    "SavedItemQuerySet",
    "SavedList",
    "SavedListQuerySet",
    "StaffLink",
    "StaffLinkItem",
    "last_day",
    "before_restorable",
    "restorable_since",
    "title_of",
]
