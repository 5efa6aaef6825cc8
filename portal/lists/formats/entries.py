"""Collect what a downloaded file says about each title of a list."""

import re
from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.folding import fold
from portal.happening import happening
from portal.text import clean
from recommendations.bibliography.csl import as_csl
from recommendations.bibliography.names import names_of

from ..details import add_details
from ..models import SavedItem


@dataclass(frozen=True)
class Entry:
    """A title in a file. `key` is unique in this file. It has only ASCII letters, digits and hyphens."""

    saved: SavedItem
    key: str

    @property
    def item(self):
        return self.saved.shown

    @property
    def call_numbers(self):
        """Return each call number with its places, such as "650.1 YAT (Central; Harbor, Floor 2)"."""
        places: dict[str, list[str]] = {}
        for place in self.item.places:
            if place.call_number:
                places.setdefault(clean(place.call_number), []).append(clean(place.where))
        return "; ".join(f"{number} ({'; '.join(where)})" for number, where in places.items())

    @property
    def reason(self):
        """Return why the library recommended the title, or "" if the patron can't read it anymore."""
        recommendation = self.saved.recommendation
        return recommendation.reason if recommendation else ""

    @property
    def remarks(self):
        """Return the patron's note, the library's reason, the phone number and the dates of the item."""
        reason = _("Why the library recommended it: %(reason)s") % {"reason": self.reason}
        phone = _("Phone: %(number)s") % {"number": self.item.phone}
        texts = (
            self.saved.note,
            self.reason and reason,
            self.item.phone and phone,
            capfirst(happening(self.item)),
        )
        return [text for text in texts if text]

    def as_csl(self):
        """Return the title as a dict in CSL JSON, without the patron's note and the library's reason."""
        return as_csl(self.item, key=self.key)


def entries_of(saved_list, viewer):
    """Return an Entry for each title of the viewer's list, in its order.

    Ignore visits that the viewer opened by code. So no file contains the reason from a quiet visit, because
    only a code opens such a visit.
    """
    rows = SavedItem.objects.belonging_to(viewer).filter(saved_list=saved_list)
    saved_items = list(rows.select_related("item").in_order())
    add_details(saved_items, viewer.without_codes())
    return with_keys(saved_items)


def with_keys(saved_items):
    """Return an Entry for each of these SavedItems. No two entries have the same key."""
    taken: set[str] = set()
    entries = []
    for saved in saved_items:
        key = base = _key(saved.shown)
        number = 2
        while key in taken:
            key, number = f"{base}-{number}", number + 1
        taken.add(key)
        entries.append(Entry(saved, key))
    return entries


def _key(item):
    """Return a key such as "kingsolver2012", or "item2012" if the creator's name has no Latin letters."""
    names = names_of(item)
    name = names[0].family or names[0].literal if names else item.title
    words = re.findall(r"[a-z]+", fold(name)) or ["item"]
    year = re.sub(r"[^0-9]", "", item.year)[:4]
    return f"{''.join(words)[:30]}{year}"
