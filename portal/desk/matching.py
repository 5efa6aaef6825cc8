"""What the page for matching an item added by hand with an imported record shows."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from portal.happening import happening
from portal.imports.pasting.entries import Entry
from portal.imports.pasting.reading import items_in_catalog
from recommendations.holdings import fetch_holdings
from recommendations.search.finding import find_items
from recommendations.search.narrowing import Narrowing

MAX_FOUND = 8


class Fact(NamedTuple):
    """A line that compares an item added by hand with a record. `record` is None if no record is chosen yet.

    `item_lang` and `record_lang` are the languages of a text in its original script, or "".
    """

    label: str
    item: str
    record: str | None
    item_lang: str = ""
    record_lang: str = ""

    @property
    def differs(self):
        return self.record is not None and self.item.casefold() != self.record.casefold()


def facts_of(item, record):
    """Return what is known about the item added by hand and about the record, as Facts.

    Leave out a Fact if both of its values are empty.
    """
    both = [each for each in (item, record) if each]
    fetch_holdings(both)
    columns = [_facts(each) for each in both]
    facts = [
        Fact(label, columns[0][label], columns[1][label] if record else None)
        for label in columns[0]
        if any(column[label] for column in columns)
    ]
    langs = item.original_lang, record.original_lang if record else ""
    in_script = set(_in_original_script(item))
    return [
        fact._replace(item_lang=langs[0], record_lang=langs[1]) if fact.label in in_script else fact
        for fact in facts
    ]


def suggestions(item, query):
    """Return imported records that may be the same as the item added by hand.

    If staff entered a query, return the records that match it. Otherwise, search for the title of the item,
    and put a record with the same ISBN or DOI first.
    """
    values = {name: getattr(item, name) for name in ("isbn", "doi") if getattr(item, name)}
    same = items_in_catalog([Entry(1, "", values)]).get(1)
    found = find_items(query or item.title, limit=MAX_FOUND, narrowing=Narrowing(in_catalog=True))
    if same and same.source and not query:
        fetch_holdings([same])
        found = [same, *(each for each in found if each.pk != same.pk)]
    return found[:MAX_FOUND]


def _facts(item):
    return {
        _("Kind"): str(item.kind_name),
        _("Title"): item.title,
        _("Author or creator"): item.creators,
        **_in_original_script(item),
        _("Year"): item.year,
        _("Publisher"): item.publisher,
        _("Series"): item.series,
        "ISBN": item.isbn,
        "DOI": item.doi,
        _("Extent"): item.extent,
        _("Link"): item.url,
        _("Day"): happening(item),
        _("Phone number"): item.phone,
        _("Call number"): ", ".join(
            f"{place.call_number} ({place.where})" for place in item.places if place.call_number
        ),
    }


def _in_original_script(item):
    return {
        _("Title in its original script"): item.original_title,
        _("Author in the original script"): item.original_creators,
    }
