"""Read what staff paste to add several items: lines, RIS or BibTeX.

If one line or record can't be read, the others are still read.
"""

import re

from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from portal.text import clean
from recommendations.models import Item

from . import lines, records
from .entries import Entry

# The maximum number of characters in a pasted text. A record with an abstract has about 2,000.
MAX_PASTED = 50_000
MAX_ENTRIES = 100
RIS = re.compile(r"^\s*TY  ?-", re.MULTILINE)
BIBTEX = re.compile(r"^\s*@\s*\w+\s*[{(]", re.MULTILINE)


def read_pasted(text):
    """Return (list of Entries, "line" or "record"). The second value says what each Entry was read from.

    At most MAX_ENTRIES are read. If the text has more, one more Entry says so.
    """
    text = clean(text, multiline=True)
    if RIS.search(text):
        found, unit = records.read_ris(text), "record"
    elif BIBTEX.search(text):
        found, unit = records.read_bibtex(text), "record"
    else:
        found, unit = lines.read_lines(text), "line"
    if len(found) > MAX_ENTRIES:
        rest = found[MAX_ENTRIES:]
        words = _("We can read up to %(count)d items at a time. Paste the other items afterward.")
        words %= {"count": MAX_ENTRIES}
        source = "\n".join(entry.source for entry in rest)
        found = [*found[:MAX_ENTRIES], Entry(rest[0].number, source, fault=words)]
    return found, unit


def items_in_catalog(entries):
    """Return {number of an entry: Item} for each entry with the ISBN or DOI of an item that the portal has.

    If several items match, prefer an imported item to an item added by hand, and then an older item to a
    newer one.
    """
    dois = {entry.values["doi"].lower() for entry in entries if entry.values.get("doi")}
    isbns = {entry.values["isbn"] for entry in entries if entry.values.get("isbn")}
    current = Item.objects.filter(retired_at=None).order_by("pk")
    found = list(current.filter(isbn__in=isbns)) if isbns else []
    if dois:
        found += current.exclude(doi="").alias(same=Lower("doi")).filter(same__in=dois)
    by_number: dict[str, Item] = {}
    for item in sorted(found, key=lambda item: not item.source):
        for number in filter(None, (item.isbn, item.doi.lower())):
            by_number.setdefault(number, item)
    same: dict[int, Item] = {}
    for entry in entries:
        for name in ("doi", "isbn"):
            number = entry.values.get(name, "").lower()
            if number in by_number:
                same.setdefault(entry.number, by_number[number])
    return same
