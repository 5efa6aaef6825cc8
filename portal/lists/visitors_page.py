"""Decide what visitors see of a shared list.

The preview and the page of the link both show the result of `shown_to_visitors`, and copies are made from it.
So no page of a link can show anything that its preview didn't.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from recommendations.models import Item

from .models import ListLink, SavedItem


@dataclass(frozen=True)
class SharedTitle:
    """A title as visitors see it. `item` has no primary key if the patron added the title by hand."""

    item: Item
    note: str


@dataclass(frozen=True)
class SharedList:
    """A list as visitors see it. `name` is the name of the patron, or "" if the link shows no name."""

    title: str
    name: str
    titles: list[SharedTitle]

    @property
    def has_notes(self):
        """Return whether visitors read a note of the patron."""
        return any(shared.note for shared in self.titles)


def shown_to_visitors(link: ListLink) -> SharedList:
    """Return what visitors see of the link's list now. For a preview, the link isn't saved."""
    rows = SavedItem.objects.in_lists().filter(saved_list=link.saved_list).select_related("item").in_order()
    return SharedList(
        title=_title(link.saved_list),
        name=link.shown_name,
        titles=[SharedTitle(saved.shown, saved.note if link.with_notes else "") for saved in rows],
    )


def _title(saved_list):
    """Return the title that visitors see. The first list of a patron may have no name."""
    return saved_list.name or _("A list of titles")
