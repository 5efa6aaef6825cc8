"""Guess from a catalog record whether a title is fiction: a novel, stories, a comic or poems.

A wrong guess only changes how patrons are asked about the item.
"""

import re

from portal.folding import fold

FICTION = re.compile(
    r"\b(fiction|novels?|short stories|fairy tales|comics?|manga|poetry|poems"
    r"|ficcion|novelas?|cuentos|poesia|poemas)\b"
)
NOT_FICTION = re.compile(r"\b(nonfiction|non fiction|no ficcion)\b")
YES = {"1", "x", "y", "yes", "true", "si", "s"}
# Matches the name of the fiction shelf, FIC in many libraries, in call numbers such as "J FIC LOWRY" and
# "[Fic]".
SHELF = re.compile(r"\bfic\b")


def names_fiction(genres):
    """Return whether one of these genres is fiction, such as "Detective and mystery fiction"."""
    return any(_names_fiction(fold(genre)) for genre in genres)


def says_yes(text):
    """Return whether the cell of a column named "fiction" says that the title is fiction."""
    return fold(text) in YES


def has_fiction_shelf(call_numbers):
    """Return whether one of these call numbers belongs to a shelf with fiction."""
    return any(SHELF.search(fold(number)) for number in call_numbers)


def _names_fiction(genre):
    return bool(FICTION.search(genre)) and not NOT_FICTION.search(genre)
