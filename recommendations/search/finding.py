"""Find the items that staff or patrons look for, and rank them."""

import re
from typing import NamedTuple

from django.db.models import BigAutoField

from portal.dois import clean_doi
from portal.folding import fold
from portal.prepared import prepared
from recommendations.holdings import fetch_holdings
from recommendations.models import Item

from . import spelling
from .candidates import (
    ALL_ITEMS,
    ARTICLES,
    IMPORTED,
    count,
    is_enough,
    look_up,
    may_be_cut,
    may_be_in_a_title,
    number_of,
    titles_beginning_with,
)
from .narrowing import SIGN, Narrowing, here, words_before_subtitle

# A search uses at most this many words of the query.
WORDS_ASKED = 12
# The desk finds visits and conversations by these fields of their items.
DESK_SEARCH_FIELDS = ["title", "creators", "original_title", "original_creators"]
# If a search finds fewer items than this, it also looks for other spellings of the words.
FEW = 3
MARKS = re.compile(f"(?:{SIGN}[^ ]* ?)*")
WRITTEN_WORD = re.compile(r"[^\W_](?:[^\s:;,./()\[\]\"]*[^\W_])?")


class Found(NamedTuple):
    """The found items, best first.

    `corrected` has the words that were searched instead of the typed ones, or is empty. `marks` has the marks
    of all items that matched. They say how the search can be narrowed (narrowing.py). If `is_cut` is true,
    more items may match than the search looked at.
    """

    items: list
    corrected: str = ""
    marks: frozenset = frozenset()
    is_cut: bool = False


def find_items(query, **options):
    """Return the list of items that `search_items` finds."""
    return search_items(query, **options).items


def search_items(query, *, limit=10, branch=None, narrowing=None, as_typed=False):
    """Return Found with the items that contain every word of `query`. The best matches come first.

    The last word may be incomplete. If few items have the words, typing errors are corrected, unless
    `as_typed` is true. `narrowing` is a Narrowing.

    The items are in four groups, in this order:
    - items whose title, ISBN, DOI or call number equals the query
    - items with all words in the title
    - items with all words in the title and the names
    - other items

    In each group, items with a holding at `branch` come first. Each item has its `places` loaded. Events and
    courses that are over are left out.
    """
    query = str(query)[:400]
    folded = fold(clean_doi(query) or query)
    words = folded.split()[:WORDS_ASKED]
    if not words:
        return Found([])
    narrowing = narrowing or Narrowing()
    columns = IMPORTED if narrowing.in_catalog else ALL_ITEMS
    counts = count(words, columns)
    found = _find(words, counts, limit, branch, narrowing)
    if as_typed or len(found.items) >= min(FEW, limit):
        return found
    for corrected in spelling.corrections(words, counts, has_found=bool(found.items)):
        # If the last word was corrected, it is a whole word of the catalog. So don't look for longer words
        # that begin with it.
        is_finished = len(corrected) == len(words) and corrected[-1] != words[-1]
        numbers = count(corrected, columns)._replace(is_finished=is_finished)
        others = _find(corrected, numbers, limit, branch, narrowing, enough=limit)
        known = {item.pk for item in found.items}
        if more := [item for item in others.items if item.pk not in known]:
            words = _as_written(corrected, more)
            return Found((found.items + more)[:limit], words, found.marks | others.marks)
    return found


def _as_written(words, items):
    """Return a text with the words as the items write them, such as "márquez" for "marquez"."""
    texts = " ".join(f"{item.title} {item.creators}" for item in items[:3]).lower()
    written = {fold(word): word for word in reversed(WRITTEN_WORD.findall(texts))}
    return " ".join(written.get(word, word) for word in words)


def _find(words, counts, limit, branch, narrowing, *, enough=None):
    """Find the best items and return Found.

    If `enough` is set and this many titles have all words, only titles are searched.
    """
    entries = _candidates(words, counts, limit, branch, narrowing, enough)
    query = _query(words, branch)
    marks = {pk: _marks(entry) for pk, entry in entries.items()}
    ranks = {pk: _rank(entry, marks[pk], query) for pk, entry in entries.items()}
    best = sorted(entries, key=lambda pk: (*ranks[pk], pk))
    found: list[Item] = []
    # This loop almost always runs once. It runs again only if some of the items are events that are over.
    while best and len(found) < limit:
        asked, best = best[:limit], best[limit:]
        items = {item.pk: item for item in _with_keys(keys=asked)}
        found += [items[pk] for pk in asked if pk in items and not items[pk].is_over]
    found = found[:limit]
    if found:
        fetch_holdings(found)
    return Found(
        found, "", frozenset().union(*marks.values()), may_be_cut(entries, words, counts, narrowing.marks)
    )


@prepared(keys=BigAutoField())
def _with_keys(keys):
    return Item.objects.filter(pk__in=keys)


class _Query(NamedTuple):
    """The parts of a query that `_rank` needs.

    `finished` has all words except the last, which may be incomplete. `here` is the mark of the branch whose
    items come first, or None.
    """

    words: frozenset
    finished: frozenset
    last: str
    folded: str
    without_article: str
    number: str
    here: str | None


def _query(words, branch):
    folded = " ".join(words)
    return _Query(
        words=frozenset(words),
        finished=frozenset(words[:-1]),
        last=words[-1],
        folded=folded,
        without_article=_without_article(folded),
        number=_exact_number(words),
        here=here(branch.pk) if branch else None,
    )


def _exact_number(words):
    """Return the number that the words form, such as an ISBN. Return "" if they form none, or only a year."""
    number = number_of(words)
    return "" if len(number) == 4 and number.isdigit() else number


def _candidates(words, counts, limit, branch, narrowing, enough):
    """Return {item id: Entry} for some of the matches, unsorted. The best matches are among them."""
    marks, entries = narrowing.marks, {}
    if may_be_in_a_title(words, counts):
        entries = titles_beginning_with(" ".join(words), in_catalog=narrowing.in_catalog)
        if marks:
            entries = {pk: entry for pk, entry in entries.items() if set(marks) <= set(_marks(entry))}
        entries.update(look_up(words, counts, in_title=True, marks=marks))
    number = number_of(words)
    if number or not (is_enough(entries, words, counts, marks) or (enough and len(entries) >= enough)):
        entries.update(look_up(words, counts, marks=marks))
    if number and number != words[-1]:
        entries.update(look_up([number], count([number], counts.columns), marks=marks))
    if branch is not None and not narrowing.branch and is_enough(entries, words, counts, marks):
        mark = here(branch.pk)
        if sum(mark in _marks(entry) for entry in entries.values()) < limit:
            entries.update(look_up(words, counts, in_title=True, marks=[*marks, mark]))
    return entries


def _marks(entry):
    """Return the marks of the entry (see narrowing.py), which are at the beginning of the entry's `rest`."""
    return MARKS.match(entry.rest)[0].split()  # type: ignore[index]  # the pattern matches every text


def _rank(entry, marks, query):
    """Return a sort key for the entry."""
    if _holds(entry.title, query):
        place = 0
    elif _holds(f"{entry.title} {entry.names}", query):
        place = 1
    else:
        place = 2
    typed_at = entry.title.find(query.folded)
    difference = _difference(entry, marks, query)
    return difference, place, query.here not in marks, typed_at < 0, typed_at, len(entry.title)


def _difference(entry, marks, query):
    """Return 0 if the title, ISBN, DOI or call number equals the query, or 1 to 3 for less similar items."""
    if entry.title == query.folded or (query.number and _has_number(entry, query.number)):
        return 0
    if query.without_article == _without_article(entry.title):
        return 1
    title = entry.title.split()
    if number := words_before_subtitle(marks):
        title = title[:number]
        if query.without_article == _without_article(" ".join(title)):
            return 1
    # Return 2 if the query consists of the whole title and some of the item's names, in any order.
    rest = query.words.difference(title)
    is_whole = query.words.issuperset(title) and rest
    return 2 if is_whole and rest.issubset(entry.names.split()) else 3


def _has_number(entry, number):
    texts = (entry.names, entry.rest)
    return any(number in text and number in text.split() for text in texts)


def _without_article(text):
    article, _space, rest = text.partition(" ")
    return rest if rest and article in ARTICLES else text


def _holds(text, query):
    there = text.split()
    return query.finished.issubset(there) and any(word.startswith(query.last) for word in there)
