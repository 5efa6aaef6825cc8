"""Decide what visitors see of a link: a patron's list, or items that staff share.

The preview and the page of the link both show the result of `shown_to_visitors`. Copies are made from
`all_shown_to_visitors`, which has the same titles and notes. So no page of a link can show a title or note
that its preview didn't show. Only the page of an item shows more, such as call numbers. The preview says
this.
"""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from portal.paging import page_of
from recommendations.models import Item

from .models import ListLink, SavedItem, StaffLink


@dataclass(frozen=True)
class SharedTitle:
    """A title as visitors see it. `item` has no primary key if the patron added the title by hand."""

    item: Item
    note: str


@dataclass(frozen=True)
class SharedList:
    """A list, or a page of it, as visitors see it.

    `name` is the name of the patron, or "" if the link shows no name. `by_staff` is true if staff share these
    titles. `more` is the value of `after` for the next page, or None if this is the last page.
    """

    title: str
    name: str
    titles: list[SharedTitle]
    by_staff: bool = False
    more: UUID | None = None

    @property
    def has_notes(self):
        """Return whether visitors see at least one note of the patron."""
        return any(shared.note for shared in self.titles)


def shown_to_visitors(link: ListLink | StaffLink, *, after=None) -> SharedList:
    """Return the page of the link's titles that visitors see now. For a preview, `link` is not saved yet.

    The page begins after the title with the public id `after`. Each page has at most PAGE titles, because a
    list can have 500 titles with long notes. A StaffLink has only one page, because staff recommend at most
    20 items at once.
    """
    if isinstance(link, StaffLink):
        return shown_items([row.item for row in link.items.select_related("item")])
    rows, more = page_of(_rows(link).select_related("item"), "position", after, oldest_first=True)
    return _shown(link, rows, more=more)


def all_shown_to_visitors(link: ListLink | StaffLink) -> SharedList:
    """Return everything that visitors see of the link now, on all pages together."""
    if isinstance(link, StaffLink):
        return shown_to_visitors(link)
    return _shown(link, _rows(link).select_related("item").in_order())


def shown_items(items) -> SharedList:
    """Return what visitors see if staff share these items. The title of the page is always the same."""
    title = _("From the library")
    return SharedList(title=title, name="", titles=[SharedTitle(item, "") for item in items], by_staff=True)


def _rows(link):
    return SavedItem.objects.in_lists().filter(saved_list=link.saved_list)


def _shown(link, rows, *, more=None):
    return SharedList(
        title=_title(link.saved_list),
        name=link.shown_name,
        titles=[SharedTitle(saved.shown, saved.note if link.with_notes else "") for saved in rows],
        more=more,
    )


def items_shown_to_visitors(link: ListLink | StaffLink | None):
    """Return a queryset of the items on all pages of the link. If `link` is None, the queryset is empty."""
    if link is None:
        return Item.objects.none()
    if isinstance(link, StaffLink):
        return Item.objects.filter(pk__in=link.items.values("item"))
    return Item.objects.filter(pk__in=_rows(link).values("item"))


def _title(saved_list):
    """Return the title that visitors see. The first list of a patron may have no name."""
    return saved_list.name or _("A list of titles")
