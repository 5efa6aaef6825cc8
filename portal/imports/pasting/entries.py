"""The Entry for each line or record of a pasted text, and helpers to make its values."""

from dataclasses import dataclass, field

from portal.dois import clean_doi
from portal.imports import isbns
from portal.text import clean
from recommendations.models import Item


@dataclass(frozen=True)
class Entry:
    """One pasted line or record.

    `number` is its place in the pasted text, from 1. `source` is its text. `values` has fields of an Item. If
    the entry can't become an item, `fault` says why and what to do. Otherwise `fault` is "". `remark` says
    what was left out, what is missing, or where details were looked up.
    """

    number: int
    source: str
    values: dict = field(default_factory=dict)
    fault: str = ""
    remark: str = ""


# {field: the maximum number of characters}. The limits are those of Item.
MAX_LENGTHS: dict[str, int] = {
    name: Item._meta.get_field(name).max_length  # type: ignore[union-attr,misc]
    for name in ("title", "creators", "publisher", "year", "series", "url", "phone")
}


def shortened(values):
    """Drop empty values. Make each other value one line, and shorten it to the maximum length in an Item.

    A link that is too long is dropped, because a shortened link would lead to another page.
    """
    found = {}
    for name, value in values.items():
        text = value
        if name in MAX_LENGTHS:
            text = clean(value) if name == "url" else clean(value, max_length=MAX_LENGTHS[name])
            if name == "url" and len(text) > MAX_LENGTHS["url"]:
                text = ""
        if text:
            found[name] = text
    return found


def first_doi(texts):
    """Return the first DOI among these texts, or ""."""
    return next(filter(None, map(clean_doi, texts)), "")


def first_isbn(texts):
    """Return the first ISBN-13 among these texts, or ""."""
    return isbns.best_of(texts)[0]
