"""Find a patron's lists and titles by typed words.

The database finds titles of the catalog, because it stores their folded words (recommendations/search/). It
doesn't store folded words of texts that patrons write: notes, titles added by hand and names of lists. So
Python folds these texts at each search. docs/decisions/0029 has the reason.
"""

from django.db.models import Exists, OuterRef, Q, TextField, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext, ngettext

from portal.own_search import MAX_FOUND, has_words, searchable
from portal.paging import PAGE
from recommendations.models import SearchEntry

from .models import SavedItem, SavedList

# A search folds at most this many characters of the patron's own texts, because folding more would take
# seconds. One full list with the longest notes has fewer characters, but all lists of a patron can have more.
MAX_READ = 1_500_000
# Exists() is faster than a join, because Django would also join the items themselves.
ENTRY_OF_ITEM = SearchEntry.objects.filter(pk=OuterRef("item"))
ITEM_FIELDS = ["title", "creators", "original_title", "original_creators"]


def find_lists(viewer, words):
    """Return the viewer's lists with these words in the name, most recently used first.

    Each list has the number of its titles as `count`.
    """
    lists = SavedList.objects.belonging_to(viewer).with_count().last_used_first()
    return [each for each in lists if has_words(searchable(each.title), words)]


def find_titles(viewer, words, *, saved_list=None):
    """Return the primary keys of the viewer's titles with these words, at most MAX_FOUND + 1.

    The search reads the title, the author or creator, and the patron's note. The titles are in the order of
    `saved_list`. If `saved_list` is None, the title that was saved last comes first.
    """
    rows = SavedItem.objects.belonging_to(viewer)
    if saved_list is not None:
        rows = rows.filter(saved_list=saved_list)
    column = "saved_at" if saved_list is None else "position"
    is_newest_first = saved_list is None
    found = [*_in_catalog(rows, words, column, is_newest_first), *_in_own_words(rows, words, column)]
    found.sort(reverse=is_newest_first)
    return [pk for _value, pk in found[: MAX_FOUND + 1]]


def load_titles(viewer, keys):
    """Return the viewer's saved items with these primary keys, in the same order."""
    rows = SavedItem.objects.belonging_to(viewer).filter(pk__in=keys).select_related("item", "saved_list")
    by_key = {row.pk: row for row in rows}
    return [by_key[key] for key in keys if key in by_key]


def in_words(keys):
    """Return a text such as "3 titles found" for the primary keys that `find_titles` has returned."""
    if not keys:
        return gettext("Nothing found")
    if len(keys) > MAX_FOUND:
        return gettext("More than %(most)s titles found") % {"most": MAX_FOUND}
    return ngettext("%(n)s title found", "%(n)s titles found", len(keys)) % {"n": len(keys)}


def mark_first_new(rows, show):
    """Mark the first row that "Show more" has added to the page, so that this row gets the focus.

    The page shows up to `show` rows. Return whether a row was marked.
    """
    added = rows[show - PAGE :] if show > PAGE else []
    for row in added[:1]:
        row.is_first_new = True
    return bool(added)


def _in_catalog(rows, words, column, is_newest_first):
    """Return (value of `column`, primary key) for each found title of the catalog that has no note."""
    entries = ENTRY_OF_ITEM.annotate(
        words=Concat(Value(" "), "title", Value(" "), "names", output_field=TextField())
    )
    for word in words:
        entries = entries.filter(words__contains=f" {word}")
    order = [f"-{column}", "-pk"] if is_newest_first else [column, "pk"]
    found = rows.filter(Exists(entries), note="").order_by(*order)
    return found.values_list(column, "pk")[: MAX_FOUND + 1]


def _in_own_words(rows, words, column):
    """Yield (value of `column`, primary key) for each found title that `_in_catalog` doesn't return.

    These titles have a note, were added by hand, or are no longer in the catalog. The latest come first.
    After MAX_READ characters of the patron's texts, search only the words that are folded in the database.
    """
    entry, own = "item__search_entry__", ["title", "creators", "note"]
    others = rows.filter(~Q(note="") | ~Exists(ENTRY_OF_ITEM)).order_by("-saved_at", "-pk")
    columns = [
        column,
        "pk",
        f"{entry}title",
        f"{entry}names",
        *own,
        *[f"item__{name}" for name in ITEM_FIELDS],
    ]
    left = MAX_READ
    # Use an iterator, because all notes of a patron together may not fit into the server's memory.
    for value, pk, title, names, *texts in others.values_list(*columns).iterator():
        # If the item has a SearchEntry, its folded words are already there, so fold only the patron's texts.
        written = [text for text in (texts if title is None else texts[: len(own)]) if text]
        left -= sum(map(len, written))
        own_words = searchable(*written) if left >= 0 else ""
        if has_words(f"{title or ''} {names or ''} {own_words}", words):
            yield value, pk
