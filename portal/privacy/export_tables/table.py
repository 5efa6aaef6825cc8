"""The definition of a table in an export."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table in a person's export, with the rows of one model.

    `rows(person, at)` returns the rows as a queryset. `columns` is {name: source}. A source is a path of
    attributes, or a function that is called with (row, at). docs/export.md explains each column.
    """

    model: str
    title: object
    rows: Callable
    columns: dict


def name_of(person):
    """Return the person's name as patrons may see it, or "" if the person no longer exists."""
    return person.display_name if person else ""
