"""Narrow a search to a branch, a kind or form of item, or a language.

The search index has a mark for each of these, such as "¤kbook". A mark is a word that nobody can type,
because `fold` removes the sign ¤. For the database, a mark is only one more word to search for.

Another mark, such as "¤t2", says how many words of the title come before the subtitle.
"""

import re
from typing import NamedTuple

from portal.folding import fold

from .languages import CODES

SIGN = "¤"
IN_CATALOG = f"{SIGN}c"
BEFORE_SUBTITLE = f"{SIGN}t"
# What separates a title from a subtitle or another title, as in "The hobbit, or, There and back again".
SUBTITLE = re.compile(r"\s*[:;/=]\s+|,\s+or[,:]?\s+", re.IGNORECASE)
NOT_PLAIN = re.compile("[^a-z0-9]")


class Narrowing(NamedTuple):
    """What the found items must have in common. Empty fields don't narrow the search.

    `branch` is the primary key of a branch that has the items. `in_catalog` leaves out items that staff
    typed by hand.
    """

    branch: int | None = None
    kind: str = ""
    language: str = ""
    in_catalog: bool = False
    form: str = ""

    @property
    def marks(self):
        kind, form, language = _plain(self.kind), _plain(self.form), _plain(self.language)
        marks = [
            here(self.branch) if self.branch else "",
            f"{SIGN}k{kind}" if kind else "",
            f"{SIGN}f{form}" if form else "",
            f"{SIGN}l{language}" if language else "",
            IN_CATALOG if self.in_catalog else "",
        ]
        return [mark for mark in marks if mark]


def here(branch):
    """Return the mark that the items of a branch have. `branch` is the primary key of the branch."""
    return f"{SIGN}b{branch}"


def words_before_subtitle(marks):
    """Return how many words the title has before its subtitle, or 0 if it has no subtitle."""
    return next((int(mark[2:]) for mark in marks if mark.startswith(BEFORE_SUBTITLE)), 0)


def marks_of(item, branches):
    """Return the marks of the item, separated by spaces.

    `branches` are the primary keys of the branches that have the item.
    """
    narrowings = [Narrowing(branch) for branch in sorted(branches)]
    language = item.language.lower()
    language = CODES.get(language) or CODES.get(language[:2] if language[2:3] in {"-", "_"} else "", language)
    narrowings.append(Narrowing(None, item.kind, language, bool(item.source), item.form))
    marks = [mark for narrowing in narrowings for mark in narrowing.marks]
    main_title, *subtitles = SUBTITLE.split(item.title, maxsplit=1)
    words = len(fold(main_title).split()) if subtitles else 0
    return " ".join([*marks, f"{BEFORE_SUBTITLE}{words}"] if words else marks)


def _plain(code):
    """Return the code with only ASCII letters and digits, so that it is one word of the index."""
    return NOT_PLAIN.sub("", code.lower())
