"""Read pasted lines. Each line is one item.

The parts of a line are separated by tabs or by "|". A part can be a title, an author, a DOI, an ISBN, a link,
a day or a phone number. Links and DOIs are found even among other words in a part.
"""

import datetime
import re

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from portal.dois import clean_doi, looks_like_a_doi
from portal.happening import is_too_far, too_far
from portal.imports import isbns
from portal.phone_numbers import PHONE, clean_number
from portal.text import clean
from recommendations.models import Item

from .entries import MAX_LENGTHS, Entry, shortened

Kind = Item.Kind
BETWEEN_PARTS = re.compile(r"[\t|]")
# Long runs of spaces would make the patterns below very slow.
SPACES = re.compile(r"[^\S\t]+")
ADDRESS = re.compile(r"((?:https?://|www\.|doi:\s?)\S+|(?<![\w./])10\.\d{4,9}(?:\.\d+)*/\S+)", re.IGNORECASE)
ISBN = re.compile(
    r"(?:isbn(?:-?1[03])?:?\s*)?(?=(?:[\s-]*[\dx]){10}(?:(?:[\s-]*\d){3})?$)[\d\sx-]+", re.IGNORECASE
)
DAYS = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:\s*(?:/|to|–|-)\s*(\d{4}-\d{1,2}-\d{1,2}))?")
is_url = URLValidator(schemes=["http", "https"])


class Wrong(Exception):
    """A part of the line can't be right. The text of the exception says what to do."""


def read_lines(text):
    """Return an Entry for each line that isn't empty. The numbers of the Entries count empty lines too."""
    return [
        _read(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()
    ]


def _read(number, line):
    values: dict = {}
    words = []
    try:
        for part in _parts(line):
            words += _take(part, values)
    except Wrong as wrong:
        return Entry(number, line, fault=str(wrong))
    remark = ""
    if words:
        values["title"], *names = words
        values["creators"] = ", ".join(names)
    else:
        values["title"] = values.get("doi") or values.get("isbn") or values.get("url") or ""
        remark = _("This line has no title. You can write a title at the beginning, followed by a |.")
    if (
        len(values["title"]) > MAX_LENGTHS["title"]
        or len(values.get("creators", "")) > MAX_LENGTHS["creators"]
    ):
        return Entry(number, line, fault=_("This line is too long. Shorten the title or the author."))
    if not values["title"]:
        return Entry(number, line, fault=_("This line has no title. Write the title first, then a |."))
    values["kind"] = _kind(values)
    return Entry(number, line, shortened(values), remark=remark)


def _parts(line):
    for part in BETWEEN_PARTS.split(SPACES.sub(" ", line)):
        yield from (piece.strip(" ,;") for piece in ADDRESS.split(part) if piece.strip(" ,;.–-"))


def _take(part, values):
    """Add the part to `values` if it is a link, a DOI, a day, a phone number or an ISBN. Raises Wrong.

    Return [part] if the part is none of these, and otherwise an empty list.
    """
    if part.lower().startswith(("http://", "https://", "www.")) and not looks_like_a_doi(part):
        values["url"] = _url(part)
    elif looks_like_a_doi(part):
        values["doi"] = clean_doi(part)
        if not values["doi"]:
            raise Wrong(
                _("This is not a DOI. A DOI looks like 10.1000/182. Copy the DOI again from the article.")
            )
    elif days := DAYS.fullmatch(part):
        values |= _days(*days.groups())
    elif PHONE.fullmatch(part) or part.lower().startswith("tel:"):
        values["phone"] = clean_number(part.removeprefix("tel:"))
        if not values["phone"]:
            raise Wrong(_("This is not a phone number. Write the number like 414-555-0134."))
    elif ISBN.fullmatch(part):
        values["isbn"], _repair = isbns.read(part)
        if not values["isbn"]:
            raise Wrong(_("A digit of this ISBN is wrong. Compare it with the book."))
    else:
        return [clean(part)] if clean(part) else []
    return []


def _url(part):
    url = part if "://" in part else f"https://{part}"
    try:
        is_url(url)
    except ValidationError:
        raise Wrong(_("This web address can't be right. Copy it again from the browser.")) from None
    if len(url) > MAX_LENGTHS["url"]:
        raise Wrong(_("This web address is too long. Use a shorter one."))
    return url


def _days(first, last):
    try:
        days = [datetime.date(*map(int, day.split("-"))) for day in (first, last) if day]
    except ValueError:
        raise Wrong(_("This day doesn't exist. Write a day like 2027-05-03.")) from None
    if any(map(is_too_far, days)):
        raise Wrong(too_far())
    if days != sorted(days):
        raise Wrong(_("The last day is before the first day."))
    return dict(zip(("starts_on", "ends_on"), days, strict=False))


def _kind(values):
    """Guess the kind of item from the fields that have a value."""
    kinds = {
        "starts_on": Kind.EVENT,
        "phone": Kind.PERSON,
        "doi": Kind.ARTICLE,
        "isbn": Kind.BOOK,
        "url": Kind.WEB_PAGE,
        "creators": Kind.BOOK,
    }
    return next((kind for name, kind in kinds.items() if values.get(name)), Kind.OTHER)
