"""Check what corrected searches reveal about items typed by hand, and how much work a correction is."""

import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations import actions
from recommendations.models import Item, SearchWord
from recommendations.search.finding import search_items
from recommendations.search.narrowing import Narrowing
from tests.factories import ItemFactory

pytestmark = pytest.mark.sql

PATRONS = Narrowing(in_catalog=True)


def catalog(title, **fields):
    return ItemFactory(title=title, creators="", source="catalog", source_key=title, **fields)


def by_hand(title):
    return ItemFactory(title=title, creators="", kind="web_page")


def seen(*queries):
    """Return (titles that a patron finds, corrected words) for each query."""
    found = [search_items(query, limit=31, narrowing=PATRONS) for query in queries]
    return [([item.title for item in one.items], one.corrected) for one in found]


def numbers():
    return {
        row.word: (row.items, row.titles, row.imported, row.imported_titles)
        for row in SearchWord.objects.all()
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("catalog_title", "count", "typed", "hand_titles"),
    [
        # The patron types the exact word that is only in an item added by hand.
        ("Sheller handbook", 8, "shelter", ["Shelter for women"]),
        # A rare word is replaced only by a word that 20 times as many items have.
        ("Garden book", 25, "gardex", ["Gardex oncology", "Gardex again"]),
        # The patron's word differs by one error from the word that staff typed by hand, and by two errors
        # from the word of the catalog.
        ("Grandmother stories", 3, "grandmohtre", ["Grandmohtrex clinic"]),
        # Several words that staff typed by hand begin with the patron's word.
        ("Encyclopedia", 3, "encyx", ["Encyxoprol 1", "Encyxoprol 2", "Encyxoprol 3"]),
    ],
)
def test_items_added_by_hand_do_not_change_which_catalog_titles_a_patron_finds(
    catalog_title, count, typed, hand_titles
):
    for number in range(count):
        catalog(f"{catalog_title} {number}")
    before = seen(typed)
    for title in hand_titles:
        by_hand(title)
    assert before == seen(typed)
    assert [title for title in before[0][0] if title in hand_titles] == []


@pytest.mark.django_db
def test_items_added_by_hand_do_not_displace_catalog_titles_in_a_patrons_search(monkeypatch):
    monkeypatch.setattr("recommendations.search.candidates.CANDIDATES", 5)
    for number in range(5):
        catalog(f"History of Zz {number}")
    catalog("Zz top")
    before = seen("zz")
    for number in range(20):
        by_hand(f"Zz hand {number:02}")
    assert before == seen("zz")
    assert before[0][0][0] == "Zz top"


WORDS = st.text("abn", min_size=3, max_size=9)
TITLES = st.lists(st.tuples(WORDS, WORDS).map(" ".join), max_size=5)


@pytest.mark.slow
@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(TITLES, TITLES, st.lists(WORDS, min_size=1, max_size=3), st.booleans())
def test_random_items_added_by_hand_never_change_what_a_patron_finds(
    imported, typed_by_staff, query, is_typed
):
    for number, title in enumerate(imported * 3):
        ItemFactory(title=title, creators="", source="catalog", source_key=str(number))
    # The patron guesses a title that staff typed, but leaves out its last letter.
    guesses = [title[:-1] for title in typed_by_staff] if is_typed else []
    queries = [" ".join(query), *guesses, *typed_by_staff]
    before = seen(*queries)
    for title in typed_by_staff:
        by_hand(title)
    after = seen(*queries)
    Item.objects.all().delete()
    SearchWord.objects.all().delete()
    assert before == after


@pytest.mark.django_db
def test_search_index_counts_all_and_imported_items_after_changes_and_after_a_rebuild():
    item, typed = catalog("River atlas", series="Atlas"), by_hand("River clinic")
    expected = {"river": (2, 2, 1, 1), "atlas": (1, 1, 1, 1), "clinic": (1, 1, 0, 0)}
    assert numbers() == expected
    call_command("rebuild_search")
    assert numbers() == expected
    # The change of the source turns the item added by hand into an imported item.
    actions.change_item(typed, source="catalog", source_key="2", series="Harbor")
    actions.change_item(item, retired_at=timezone.now())
    assert numbers() == {"river": (1, 1, 1, 1), "clinic": (1, 1, 1, 1), "harbor": (1, 0, 1, 0)}


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_migration_counts_all_items_and_imported_items_with_each_word():
    def migrate(name):
        MigrationExecutor(connection).migrate([("recommendations", name)])

    catalog("River atlas", original_title="Harbor"), by_hand("River clinic")
    expected = numbers()
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    migrate("0015_verdicts_count_by_visit")
    MigrationExecutor(connection).migrate(leaves)
    assert numbers() == expected
    assert expected["river"] == (2, 2, 1, 1)
    assert expected["harbor"] == (1, 0, 1, 0)


def candidates(query):
    """Return how many spellings and beginnings of words the search asks the database for."""
    asked = []

    def count(execute, sql, params, many, context):
        for value in params or ():
            if isinstance(value, list):
                asked.append(len(value))
            elif isinstance(value, str) and value.startswith("["):
                asked.append(len(json.loads(value)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        search_items(query, narrowing=PATRONS)
    return sum(asked)


@pytest.mark.django_db
def test_search_for_long_words_tries_few_other_spellings():
    catalog("Garden")
    assert candidates("gardne") > 0
    assert candidates("abcdefghij" * 8) == 0
    assert candidates(("abcdefghij" * 8 + " ") * 5) == 0
    # The first word is as long as a corrected word can be. For the second word, the search tries the most
    # spellings.
    longest, slowest = candidates("abcdefghijklmnopqrstuvwx"), candidates("abcdefghijklmnop")
    assert longest < 5_000
    assert slowest < 20_000
    for word, one in (("abcdefghijklmnopqrstuvw", longest), ("abcdefghijklmno", slowest)):
        query = " ".join(f"{word}{letter}" for letter in "abcdefghijklmnopqrstuvwxy")[:400]
        assert 0 < candidates(query) <= 3 * one


@pytest.mark.django_db
def test_search_replaces_at_most_three_words_if_all_are_known_but_no_item_has_them_all():
    for word in ("alphabetical", "butterflies", "constellation", "dictionaries", "elephantine"):
        catalog(word)
    one = candidates("alphabetical dictionaries")
    assert candidates("alphabetical butterflies constellation dictionaries elephantine") <= 2 * one


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("title", "typed", "corrected"),
    [
        ("Electroencephalographies", "electroencephalographeis", "electroencephalographies"),
        ("Electroencephalographical", "electroencephalographicla", ""),
        ("Garden letters window atlas", "gardne lettesr windwo atlas", "garden letters window atlas"),
        ("Garden letters window atlas", "gardne lettesr windwo atlsa", ""),
    ],
)
def test_up_to_three_words_of_at_most_24_letters_are_corrected_in_a_search(title, typed, corrected):
    catalog(title)
    assert search_items(typed, narrowing=PATRONS).corrected == corrected
