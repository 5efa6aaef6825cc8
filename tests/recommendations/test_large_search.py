"""Test how broad and narrowed searches ask the database, with a catalog that counts as large."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import timezone

from recommendations.models import Item
from recommendations.search import candidates, entries
from recommendations.search.candidates import is_enough, may_be_cut
from recommendations.search.finding import search_items
from recommendations.search.narrowing import IN_CATALOG, Narrowing

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

ON_POSTGRESQL = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite asks its index in the same way for all searches"
)
# This text is so long that a few entries with this text fill one page of PostgreSQL's table.
SUMMARY = " ".join(f"word{n}" for n in range(120))


@pytest.fixture
def is_large(db, monkeypatch):
    """Make a catalog of a few hundred items count as large."""
    if connection.vendor == "postgresql":
        # A sample reads whole pages of the table. Other tests leave pages without rows behind, and this statement
        # begins a new file without such pages. So a test reads the same sample each time.
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE recommendations_searchentry")
    for name, number in {"LARGE": 10, "SMALL_SAMPLE": 100, "LARGE_SAMPLE": 200, "ENOUGH": 20}.items():
        monkeypatch.setattr(candidates, name, number)


def add_items(*titles, kind="book"):
    items = Item.objects.bulk_create(
        Item(title=title, kind=kind, summary=SUMMARY, added_at=timezone.now()) for title in titles
    )
    entries.index([item.pk for item in items])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def lookups():
    """Yield a list that collects the queries to the text index, in the query language of the index."""
    found = []

    def collect(run, sql, values, *others):
        if "@@" in sql or "MATCH" in sql:
            found.append(values[0])
        return run(sql, values, *others)

    with connection.execute_wrapper(collect):
        yield found


@ON_POSTGRESQL
def test_broad_search_does_not_need_the_index_even_if_the_oldest_items_do_not_match(is_large):
    add_items(*(f"Other title {n}" for n in range(150)), *(f"Garden {n}" for n in range(250)))
    with lookups() as asked:
        found = search_items("garden", limit=10)
    assert asked == []
    assert len({item.title for item in found.items if item.title.startswith("Garden")}) == 10
    assert found.is_cut


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("number", "asks_index"), [(60, False), (8, True)], ids=["a sixth of the items", "a fiftieth"]
)
def test_search_uses_the_index_only_if_the_first_sample_has_too_few_matches(is_large, number, asks_index):
    titles = [f"Other title {n}" for n in range(400 - number)]
    step = len(titles) // number
    for n in range(number):
        titles.insert(n * (step + 1), f"Garden {n}")
    add_items(*titles)
    with lookups() as asked:
        found = search_items("garden", limit=10)
    assert bool(asked) == asks_index
    assert len(found.items) == min(number, 10)


@ON_POSTGRESQL
@pytest.mark.parametrize(("kind", "is_looked_up"), [("book", False), ("map", True)])
def test_search_uses_the_index_for_a_kind_only_if_few_items_are_of_this_kind(
    is_large, monkeypatch, kind, is_looked_up
):
    monkeypatch.setattr(candidates, "SHARE", 2)
    add_items(*(f"Garden {n}" for n in range(300)))
    add_items("Garden of maps", kind="map")
    with lookups() as asked:
        found = search_items("garden", limit=500, narrowing=Narrowing(kind=kind))
    assert {item.kind for item in found.items} == {kind}
    assert any("¤k" in query for query in asked) == is_looked_up


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL looks up other words")
def test_sqlite_looks_up_only_the_rare_words_of_a_search_with_two_rare_words():
    add_items("Art of the old world", "Art of the world", "World of an old artist")
    with lookups() as asked:
        found = search_items("world art ol", limit=10)
    assert asked == ['title : ("world" AND "art")', '("world" AND "art")']
    assert [item.title for item in found.items] == ["Art of the old world"]


def test_narrowed_search_looks_only_for_titles_if_enough_titles_match(monkeypatch):
    monkeypatch.setattr(candidates, "ENOUGH", 5)
    add_items(*(f"Old garden {n}" for n in range(8)), kind="map")
    add_items("Another garden")
    with lookups() as asked:
        found = search_items("garden", limit=3, narrowing=Narrowing(kind="map"))
    assert (len(asked), len(found.items), {item.kind for item in found.items}) == (1, 3, {"map"})
    assert found.is_cut


@pytest.mark.parametrize(
    ("marks", "expected"), [([], False), ([IN_CATALOG], False), (["¤kmap"], True), (["¤b1", "¤c"], True)]
)
def test_search_needs_fewer_candidates_if_it_is_narrowed_to_a_kind_or_branch(marks, expected):
    some = dict.fromkeys(range(candidates.ENOUGH))
    counts = candidates.Counts({"garden": (50, 50)}, (50, 50), 0)
    assert is_enough(some, ["garden"], counts, marks) == expected
    assert may_be_cut(some, ["garden"], counts, marks) == expected
