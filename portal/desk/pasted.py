"""A text with several items that staff paste, and the preview of the items that the portal found in it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.imports.pasting.reading import MAX_PASTED, items_in_catalog, read_pasted
from portal.imports.pasting.resolver import with_details
from recommendations.holdings import fetch_holdings
from recommendations.models import Item


@dataclass(frozen=True)
class Understood:
    """One line of the preview.

    `item` is the item of the catalog, or a new item that isn't saved, or None if the entry has a fault. `row`
    has the values of a row of the item picker, if the item can be added. `source` is the pasted text of the
    entry.
    """

    number: int
    source: str
    item: Item | None
    row: dict | None
    words: str

    @property
    def is_new(self):
        return self.item is not None and self.item.pk is None


class Pasted:
    """The items in a text that staff pasted.

    `chosen` are the rows that the item picker already has. `room` is how many more rows fit. The details of
    DOIs are looked up for the staff member `by`. If `by` is None, nothing is looked up.
    """

    def __init__(self, text, *, chosen, room, by=None):
        self.text = text
        self.is_too_long = len(text) > MAX_PASTED
        entries, self.unit = ([], "line") if self.is_too_long else read_pasted(text)
        in_catalog = items_in_catalog(entries)
        entries = with_details(entries, known=in_catalog, by=by)
        fetch_holdings(in_catalog.values())
        taken = {number for row in chosen for number in (row.get("item"), _doi(row)) if number}
        self.preview = []
        for entry in entries:
            understood = _understood(entry, in_catalog.get(entry.number), taken, room - len(self.rows))
            self.preview.append(understood)

    @property
    def rows(self):
        """Return the rows of the item picker for the pasted items that can be added."""
        return [understood.row for understood in self.preview if understood.row]

    @property
    def rest(self):
        """Return the text of what can't be added, so that staff can correct it."""
        return "\n".join(understood.source for understood in self.preview if not understood.row)


def _understood(entry, item, taken, room):
    if entry.fault:
        return Understood(entry.number, entry.source, None, None, entry.fault)
    if item is None and _doi(entry.values) not in taken:
        if doi := _doi(entry.values):
            taken.add(doi)
        row = {name: str(value) for name, value in entry.values.items()} | {"item": "", "starred": "on"}
        item, words = Item(**entry.values), entry.remark
    elif item is None or str(item.public_id) in taken:
        words = _("This item is already chosen. Remove the line.")
        return Understood(entry.number, entry.source, item or Item(**entry.values), None, words)
    else:
        row, words = {"item": str(item.public_id), "starred": "on"}, ""
        taken.add(str(item.public_id))
    if room <= 0:
        row = None
        words = _("There is no room for this item. Save the other items first, or remove one of them.")
    return Understood(entry.number, entry.source, item, row, words)


def _doi(values):
    """Return the DOI in lower case, so that all its spellings are equal, or None if there is no DOI."""
    return str(values.get("doi") or "").lower() or None
