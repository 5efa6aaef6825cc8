"""What a reader yields, whatever the file: a Record with its text cleaned and cut to what an Item holds, or a Fault."""

from dataclasses import dataclass, field

from portal.text import clean
from recommendations.models import Holding, Item

FIELDS = (
    "kind",
    "title",
    "creators",
    "original_title",
    "publisher",
    "year",
    "isbn",
    "doi",
    "url",
    "series",
    "summary",
    "language",
)
LONGEST_SUMMARY = 4000
LONGEST_CALL_NUMBER = Holding._meta.get_field("call_number").max_length


class Unreadable(Exception):
    """Nothing in the file can be read; its words say what to do."""


@dataclass(frozen=True)
class Fault:
    """One record that could not be read."""

    number: int
    reason: str


@dataclass(frozen=True)
class Record:
    """`number` counts from 1 in the file; `values` has all of FIELDS; `isbn` says how that number fared: isbns.Repair."""

    number: int
    key: str
    values: dict
    call_numbers: tuple = ()
    isbn: str = ""


@dataclass
class Draft:
    """A record while its reader collects it."""

    number: int
    key: str
    values: dict
    call_numbers: list = field(default_factory=list)
    isbn: str = ""

    def finished(self):
        """The Record; a Fault where what every item needs is missing."""
        values = {name: _tidy(name, self.values.get(name) or "") for name in FIELDS}
        values["kind"] = values["kind"] or Item.Kind.BOOK
        if not values["title"]:
            return Fault(self.number, "it has no title")
        call_numbers = dict.fromkeys(
            clean(number, max_length=LONGEST_CALL_NUMBER) for number in self.call_numbers
        )
        return Record(
            self.number,
            clean(self.key, max_length=120),
            values,
            tuple(number for number in call_numbers if number),
            self.isbn,
        )


def _tidy(name, value):
    if name == "summary":
        return clean(value, max_length=LONGEST_SUMMARY, multiline=True)
    longest: int = Item._meta.get_field(name).max_length  # type: ignore[union-attr, assignment]  # they all have one
    if name in {"url", "doi"}:  # cut, they would lead elsewhere
        value = clean(value)
        return (
            value
            if len(value) <= longest and (name == "doi" or value.lower().startswith(("http://", "https://")))
            else ""
        )
    return clean(value, max_length=longest)
