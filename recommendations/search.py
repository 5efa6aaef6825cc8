"""Search for items by their words, on SQLite and on PostgreSQL.

The words are folded first (portal/folding.py). SQLite searches an FTS5 table. PostgreSQL uses two GIN indexes
(migration 0002).

Code that changes an item must call `index`, because no trigger updates the search index. We don't use
triggers, because SQLite silently loses a table's triggers when a migration alters the table.
"""

from typing import NamedTuple

from django.db import connection, transaction
from stdnum import isbn

from portal.folding import WORD_MAX, after_elisions, fold
from recommendations.holdings import fetch_holdings
from recommendations.models import Holding, Item, SearchEntry

# A search uses at most this many words of the query.
WORDS_ASKED = 12
REST_MAX = 4000
# The maximum number of matches that a search ranks. A separate query finds exact titles, so that a search
# never misses an exact title.
CANDIDATES = 300
# The desk finds visits and conversations by these fields of their items.
DESK_SEARCH_FIELDS = ["title", "creators", "original_title", "original_creators"]


def find_items(query, *, limit=10, branch=None):
    """Return a list of the items that contain every word of `query`. The best matches come first.

    The last word may be incomplete. The items are in four groups, in this order: items whose title, ISBN or
    call number equals the query, items with all words in the title, items with all words in the title and the
    creators, other items. In each of these groups, items with a holding at `branch` come first. Each item has
    its `places`. Events and courses that are over are left out.
    """
    folded = fold(str(query)[:400])
    words = folded.split()[:WORDS_ASKED]
    if not words:
        return []
    entries = _candidates(folded, words, branch)
    has_copy_here = set()
    if branch is not None and entries:
        here = Holding.objects.filter(branch=branch, item__in=entries)
        has_copy_here = set(here.values_list("item_id", flat=True))
    ranks = {pk: _rank(entry, folded, words, pk in has_copy_here) for pk, entry in entries.items()}
    best = sorted(entries, key=lambda pk: (*ranks[pk], pk))
    found: list[Item] = []
    # Almost always, the first round finds enough items. Only events and courses that are over need another.
    while best and len(found) < limit:
        asked, best = best[:limit], best[limit:]
        items = Item.objects.in_bulk(asked)
        found += [items[pk] for pk in asked if pk in items and not items[pk].is_over]
    found = found[:limit]
    fetch_holdings(found)
    return found


class _Entry(NamedTuple):
    title: str
    names: str
    rest: str


def _candidates(folded, words, branch):
    """Return {item id: _Entry} for some matches, including the best ones. `_rank` sorts the matches later."""
    exact = SearchEntry.objects.filter(title=folded).values_list("item_id", "title", "names", "rest")
    entries = {pk: _Entry(*entry) for pk, *entry in exact[:CANDIDATES]}
    entries.update(_look_up(words, in_title=True))
    if len(entries) < CANDIDATES or _number(words):
        entries.update(_look_up(words))
    if branch is not None and len(entries) >= CANDIDATES:
        entries.update(_look_up(words, in_title=True, branch=branch))
    return entries


def _rank(entry, folded, words, has_copy_here):
    number = _number(words)
    exact = entry.title == folded or (number and number in entry.rest.split())
    if _holds(entry.title, words):
        place = 0
    elif _holds(f"{entry.title} {entry.names}", words):
        place = 1
    else:
        place = 2
    typed_at = entry.title.find(folded)
    return not exact, place, not has_copy_here, typed_at < 0, typed_at, len(entry.title), entry.title


def _holds(text, words):
    there = text.split()
    *finished, last = words
    return set(finished) <= set(there) and any(word.startswith(last) for word in there)


def _number(words):
    """Return the words joined into one, because they may be an ISBN or a call number with spaces.

    Return an empty string if the words have no digit or are too short.
    """
    joined = "".join(words)
    has_digit = any(character.isdigit() for character in joined)
    return joined[:WORD_MAX] if len(joined) >= 3 and has_digit else ""


def index(item_ids):
    """Update the search index of these items.

    Call this function in the transaction that changes the items.
    """
    with transaction.atomic():
        items = list(Item.objects.filter(pk__in=item_ids, retired_at=None))
        call_numbers: dict[int, list[str]] = {}
        for item_id, call_number in (
            Holding.objects.filter(item__in=items).order_by("pk").values_list("item_id", "call_number")
        ):
            call_numbers.setdefault(item_id, []).append(call_number)
        entries = [entry_for(item, call_numbers.get(item.pk, [])) for item in items]
        removed = set(item_ids) - {item.pk for item in items}
        SearchEntry.objects.filter(pk__in=removed).delete()
        SearchEntry.objects.bulk_create(
            entries, update_conflicts=True, unique_fields=["item"], update_fields=["title", "names", "rest"]
        )
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.executemany(
                    "DELETE FROM recommendations_text WHERE rowid = %s", [[pk] for pk in item_ids]
                )
                cursor.executemany(
                    "INSERT INTO recommendations_text (rowid, title, names, rest) VALUES (%s, %s, %s, %s)",
                    [[entry.item_id, entry.title, entry.names, entry.rest] for entry in entries],
                )


def entry_for(item, call_numbers):
    """Return an unsaved SearchEntry for the item.

    `call_numbers` has the item's call numbers at all branches.
    """
    folded_numbers = [fold(number) for number in call_numbers]
    joined_numbers = [number.replace(" ", "") for number in folded_numbers]
    isbns = [
        item.isbn,
        isbn.to_isbn10(item.isbn) if item.isbn.startswith("978") and isbn.is_valid(item.isbn) else "",
    ]
    names = [
        item.creators,
        item.original_title,
        item.original_creators,
        item.search_words,
        *after_elisions(item.title),
        *after_elisions(item.creators),
    ]
    rest = [
        *isbns,
        *folded_numbers,
        *joined_numbers,
        item.doi,
        item.series,
        item.publisher,
        item.year,
        item.summary,
    ]
    return SearchEntry(
        item_id=item.pk,
        title=fold(item.title)[:400].rstrip(),
        names=fold(" ".join(names)),
        rest=fold(" ".join(rest))[:REST_MAX].rstrip(),
    )


def rebuild():
    """Rebuild the whole index while searches still use it.

    After every 1000 items, yield the number of items done so far.
    """
    done, last = 0, 0
    while ids := list(Item.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:1000]):
        index(ids)
        done, last = done + len(ids), ids[-1]
        yield done
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM recommendations_text "
                "WHERE rowid NOT IN (SELECT item_id FROM recommendations_searchentry)"
            )
            cursor.execute("INSERT INTO recommendations_text (recommendations_text) VALUES ('optimize')")


# Folded words have no quotes, backslashes, NULs or operators. Quotes around the words are therefore enough to
# escape the words in both query languages.

ON_SQLITE = """
SELECT entry.item_id, entry.title, entry.names, entry.rest
FROM recommendations_text
JOIN recommendations_searchentry AS entry ON entry.item_id = recommendations_text.rowid
WHERE recommendations_text MATCH %s{has_copy} LIMIT %s"""
ON_POSTGRESQL = """
SELECT entry.item_id, entry.title, entry.names, entry.rest
FROM recommendations_searchentry AS entry WHERE {indexed} @@ %s::tsquery{has_copy} LIMIT %s"""
HAS_COPY = """
AND EXISTS (
    SELECT 1 FROM recommendations_holding AS copy
    WHERE copy.item_id = entry.item_id AND copy.branch_id = %s
)"""
TITLE_WORDS = "array_to_tsvector(string_to_array(title, ' '))"
ALL_WORDS = "array_to_tsvector(array_remove(string_to_array(title || ' ' || names || ' ' || rest, ' '), ''))"


def _look_up(words, *, in_title=False, branch=None):
    """Return {item id: _Entry} for at most CANDIDATES entries with these words.

    The last word may be incomplete.
    """
    *finished, last = words
    number = "" if in_title else _number(words)
    if connection.vendor == "sqlite":
        asked = " AND ".join([*(f'"{word}"' for word in finished), f'"{last}"*'])
        asked = f'({asked}) OR "{number}"*' if number else asked
        query, asked = ON_SQLITE, f"title : ({asked})" if in_title else asked
    else:
        asked = " & ".join([*(f"'{word}'" for word in finished), f"'{last}':*"])
        asked = f"({asked}) | '{number}':*" if number else asked
        query = ON_POSTGRESQL
    query = query.format(indexed=TITLE_WORDS if in_title else ALL_WORDS, has_copy=HAS_COPY if branch else "")
    with connection.cursor() as cursor:
        cursor.execute(query, [asked, *([branch.pk] if branch else []), CANDIDATES])
        return {pk: _Entry(*entry) for pk, *entry in cursor.fetchall()}
