"""What the page for matching an item by hand with an imported record shows."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from portal.happening import happening
from portal.imports.pasting.entries import Entry
from portal.imports.pasting.reading import items_in_catalog
from recommendations.holdings import fetch_holdings
from recommendations.search import find_items

MAX_FOUND = 8


class Fact(NamedTuple):
    """A line of the comparison. `record` is None if no record is chosen yet."""

    label: str
    item: str
    record: str | None

    @property
    def differs(self):
        return self.record is not None and self.item.casefold() != self.record.casefold()


def facts_of(item, record):
    """Return what is known about the item by hand and about the record, as Facts. Leave out empty lines."""
    both = [each for each in (item, record) if each]
    fetch_holdings(both)
    columns = [_facts(each) for each in both]
    return [
        Fact(label, columns[0][label], columns[1][label] if record else None)
        for label in columns[0]
        if any(column[label] for column in columns)
    ]


def suggestions(item, query):
    """Return imported records that may be the same as the item by hand.

    The records that staff search for come first. Without a query, the title is searched. A record with the
    same ISBN or DOI is always the first one.
    """
    values = {name: getattr(item, name) for name in ("isbn", "doi") if getattr(item, name)}
    same = items_in_catalog([Entry(1, "", values)]).get(1)
    found = [each for each in find_items(query or item.title, limit=3 * MAX_FOUND) if each.source]
    if same and same.source and not query:
        fetch_holdings([same])
        found = [same, *(each for each in found if each.pk != same.pk)]
    return found[:MAX_FOUND]


def _facts(item):
    return {
        _("Kind"): str(item.kind_name),
        _("Title"): item.title,
        _("Author or creator"): item.creators,
        _("Year"): item.year,
        _("Publisher"): item.publisher,
        _("Series"): item.series,
        "ISBN": item.isbn,
        "DOI": item.doi,
        _("Link"): item.url,
        _("Day"): happening(item),
        _("Phone number"): item.phone,
        _("Call number"): ", ".join(
            f"{place.call_number} ({place.branch})" for place in item.places if place.call_number
        ),
    }
