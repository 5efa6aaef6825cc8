"""Every state of every page, in a library in which every page has something to show."""

from dataclasses import dataclass

from portal.counts.actions import rebuild

from . import desk_pages, patron_pages
from .rows import Rows
from .steps_with_rows import Steps
from .words import HOSTILE, State, Words

__all__ = ["HOSTILE", "Built", "State", "Words", "build"]


def build(branch, staff, patron, words):
    """Build rows of every kind for `patron`, and return them with the states of all pages, as Built."""
    rows = Rows(branch, staff, patron, words)
    rebuild()
    steps = Steps(rows, words)
    pages = {who: states(rows, words, steps) for who, states in patron_pages.PAGES.items()}
    desk = desk_pages.desk(rows, words, steps)
    return Built(rows.library, pages, desk, rows.codes, patron, rows.people)


@dataclass(frozen=True)
class Built:
    library: object
    pages: dict
    desk: list
    codes: dict
    patron: object
    people: dict

    def show_as(self, show, page, who):
        """Sign in as `who`, which is a key of `pages`.

        If `who` is a viewer by code, open visits with their codes instead.
        """
        held = {
            "holder of a code": ["live"],
            "holder of a quiet code": ["quiet"],
            "holder of a child's code": ["childs", "shared"],
        }.get(who, [])
        return show(page, self.people.get(who), codes=[self.codes[name] for name in held])
