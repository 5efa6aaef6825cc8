"""Several items that staff paste at once, and the preview that says what was understood of each."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.imports.pasting.reading import MAX_PASTED, items_in_catalog, read_pasted
from portal.imports.pasting.resolver import with_details
from recommendations.holdings import fetch_holdings
from recommendations.models import Item


@dataclass(frozen=True)
class Understood:
    """One line of the preview.

    `item` is the item of the catalog, or a new item that isn't saved, or None if the entry is at fault. `row`
    has the values of a row of the item picker, if the item can be added. `source` is the pasted text.
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
    """What staff pasted. `chosen` are the rows that the item picker already has, and `room` how many fit."""

    def __init__(self, text, *, chosen, room):
        self.text = text
        self.is_too_long = len(text) > MAX_PASTED
        entries, self.unit = ([], "line") if self.is_too_long else read_pasted(text)
        in_catalog = items_in_catalog(entries)
        entries = with_details(entries, known=in_catalog)
        fetch_holdings(in_catalog.values())
        taken = {row.get("item") for row in chosen if row.get("item")}
        self.preview = []
        for entry in entries:
            understood = _understood(entry, in_catalog.get(entry.number), taken, room - len(self.rows))
            self.preview.append(understood)

    @property
    def rows(self):
        """Return the rows that can be added."""
        return [understood.row for understood in self.preview if understood.row]

    @property
    def rest(self):
        """Return the text of what can't be added, so that staff can correct it."""
        return "\n".join(understood.source for understood in self.preview if not understood.row)


def _understood(entry, item, taken, room):
    if entry.fault:
        return Understood(entry.number, entry.source, None, None, entry.fault)
    if item is None:
        row = {name: str(value) for name, value in entry.values.items()} | {"item": "", "starred": "on"}
        item, words = Item(**entry.values), entry.remark
    elif str(item.public_id) in taken:
        words = _("This item is already chosen. Remove the line.")
        return Understood(entry.number, entry.source, item, None, words)
    else:
        row, words = {"item": str(item.public_id), "starred": "on"}, ""
        taken.add(str(item.public_id))
    if room <= 0:
        row, words = None, _("There is no room for it. Save these items first, or remove one.")
    return Understood(entry.number, entry.source, item, row, words)
