"""Keep the search index and the table of words up to date when items change.

No trigger updates them, because SQLite silently loses a table's triggers when a migration alters the table.
"""

from collections import defaultdict

from django.db import connection, transaction
from stdnum import isbn

from portal.folding import after_elisions, fold
from recommendations.models import Holding, Item, SearchEntry, SearchWord

from .candidates import is_counted
from .narrowing import IN_CATALOG, marks_of

REST_MAX = 4000


def index(item_ids):
    """Update the search index and the table of words for these items.

    Call this function only once in a transaction that changes items, after all other rows are locked. It
    locks the rows of all words of these items. Other transactions may lock the same words, so another order
    of locks could cause a deadlock.
    """
    with transaction.atomic():
        item_ids = list(item_ids)
        if not item_ids:
            return
        # Lock the entries before reading the items, so that two processes never count the same words twice.
        rows = SearchEntry.objects.filter(pk__in=item_ids).select_for_update().order_by("pk")
        before = list(rows.values_list("title", "names", "rest"))
        items = list(Item.objects.filter(pk__in=item_ids, retired_at=None))
        holdings: dict[int, list] = {}
        for item_id, branch, call_number in (
            Holding.objects.filter(item__in=items)
            .order_by("pk")
            .values_list("item_id", "branch_id", "call_number")
        ):
            holdings.setdefault(item_id, []).append((branch, call_number))
        entries = [entry_for(item, holdings.get(item.pk, [])) for item in items]
        removed = set(item_ids) - {item.pk for item in items}
        SearchEntry.objects.filter(pk__in=removed).delete()
        SearchEntry.objects.bulk_create(
            entries, update_conflicts=True, unique_fields=["item"], update_fields=["title", "names", "rest"]
        )
        if connection.vendor == "sqlite":
            _write_text(item_ids, entries)
        _count(before, [(entry.title, entry.names, entry.rest) for entry in entries])


def entry_for(item, holdings):
    """Return an unsaved SearchEntry for the item.

    `holdings` has the pair (primary key of the branch, call number) for each holding of the item.
    """
    folded_numbers = [fold(number) for _branch, number in holdings]
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
        *after_elisions(f"{item.title} {item.creators}"),
        item.series,
        item.subjects,
    ]
    rest = [
        *isbns,
        *folded_numbers,
        *joined_numbers,
        item.doi,
        fold(item.doi).replace(" ", ""),
        item.publisher,
        item.year,
        item.summary,
    ]
    marks = marks_of(item, {branch for branch, _number in holdings})
    return SearchEntry(
        item_id=item.pk,
        title=fold(item.title)[:400].rstrip(),
        names=fold(" ".join(names)),
        rest=f"{marks} {fold(' '.join(rest))}"[:REST_MAX].rstrip(),
    )


def words_of(title, names):
    """Return {word: whether it is in the title} for the words that the table of words has."""
    in_title = set(title.split())
    words = in_title.union(names.split())
    return {word: word in in_title for word in words if is_counted(word)}


def rebuild():
    """Rebuild the whole index and the table of words. Searches still work during this time.

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
    with transaction.atomic():
        recount()


def recount():
    """Count all words of the search index again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Nobody may change an entry between the reading and the writing of the counts.
            cursor.execute("LOCK TABLE recommendations_searchentry IN SHARE ROW EXCLUSIVE MODE")
    SearchWord.objects.all().delete()
    counts = numbers_of([(1, SearchEntry.objects.values_list("title", "names", "rest").iterator())])
    SearchWord.objects.bulk_create(
        (SearchWord(word, word[::-1], *numbers) for word, numbers in sorted(counts.items())), batch_size=5000
    )


def _write_text(item_ids, entries):
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM recommendations_text WHERE rowid = %s", [[pk] for pk in item_ids])
        cursor.executemany(
            "INSERT INTO recommendations_text (rowid, title, names, rest) VALUES (%s, %s, %s, %s)",
            [[entry.item_id, entry.title, entry.names, entry.rest] for entry in entries],
        )


COUNT_ON_SQLITE = """
INSERT INTO recommendations_searchword (word, backward, items, titles, imported, imported_titles)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (word) DO UPDATE SET items = items + excluded.items, titles = titles + excluded.titles,
    imported = imported + excluded.imported, imported_titles = imported_titles + excluded.imported_titles"""
# The words are sorted, so two processes lock their rows in the same order.
COUNT_ON_POSTGRESQL = """
INSERT INTO recommendations_searchword AS known (word, backward, items, titles, imported, imported_titles)
SELECT * FROM unnest(%s::text[], %s::text[], %s::integer[], %s::integer[], %s::integer[], %s::integer[])
ON CONFLICT (word) DO UPDATE
SET items = known.items + excluded.items, titles = known.titles + excluded.titles,
    imported = known.imported + excluded.imported,
    imported_titles = known.imported_titles + excluded.imported_titles"""


def _count(before, after):
    """Update the counts in the table of words after some entries have changed.

    `before` has the old entries, and `after` the new ones, both as [(title, names, rest)].
    """
    changes = numbers_of([(-1, before), (1, after)])
    rows = [(word, word[::-1], *numbers) for word, numbers in sorted(changes.items()) if any(numbers)]
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(COUNT_ON_SQLITE, rows)
        else:
            cursor.execute(COUNT_ON_POSTGRESQL, [list(column) for column in zip(*rows, strict=True)])
    if fewer := [word for word, _backward, items, *_others in rows if items < 0]:
        SearchWord.objects.filter(word__in=fewer, items__lte=0).delete()


def numbers_of(counted):
    """Return {word: [items, titles, imported, imported_titles]}, as in SearchWord.

    `counted` is [(factor, entries)], and an entry is (title, names, rest). The factor is 1 to add the
    entries, or -1 to subtract them.
    """
    numbers: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for factor, entries in counted:
        for title, names, rest in entries:
            # IN_CATALOG contains the sign ¤, which no text contains, and no other mark begins with
            # IN_CATALOG. So `in` finds only this mark.
            is_imported = IN_CATALOG in rest
            for word, is_in_title in words_of(title, names).items():
                each = numbers[word]
                each[0] += factor
                each[1] += factor * is_in_title
                each[2] += factor * is_imported
                each[3] += factor * (is_imported and is_in_title)
    return numbers
