import random

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.folding import fold
from recommendations import actions
from recommendations.models import Holding, Item, SearchEntry
from recommendations.search import entry_for, find_items
from tests.factories import BranchFactory, ItemFactory

pytestmark = pytest.mark.sql


def titles(query, **options):
    return [item.title for item in find_items(query, **options)]


@pytest.mark.django_db
def test_search_finds_a_title_in_any_language_by_prefix_or_without_accents():
    for title in [
        "Łódź by night",
        "L'Étranger",
        "Война и мир",
        "日本文学史",
        "हिन्दी व्याकरण",
        "ألف ليلة وليلة",
        "C++ in a day",
    ]:
        ItemFactory(title=title)
    expected = {
        "lodz": "Łódź by night",
        "ŁÓDŹ NI": "Łódź by night",
        "etranger": "L'Étranger",
        "l’etr": "L'Étranger",
        "война": "Война и мир",
        "МИР": "Война и мир",
        "文学": "日本文学史",
        "हिन्": "हिन्दी व्याकरण",
        "الف ليلة": "ألف ليلة وليلة",
        "c++": "C++ in a day",
        "c+": "C++ in a day",
    }
    assert {query: titles(query) for query in expected} == {
        query: [title] for query, title in expected.items()
    }


@pytest.mark.django_db
def test_search_ranks_the_exact_title_first_and_a_match_in_the_summary_last():
    ItemFactory(title="A study", creators="B", summary="about Jazz")
    ItemFactory(title="Collected poems", creators="Jazz, Ann")
    ItemFactory(title="Jazz piano", creators="C")
    ItemFactory(title="All that jazz", creators="C")
    ItemFactory(title="Jazz", creators="Morrison, Toni")
    assert titles("jazz") == ["Jazz", "Jazz piano", "All that jazz", "Collected poems", "A study"]
    assert titles("jazz", limit=2) == ["Jazz", "Jazz piano"]
    assert titles("jazz morr") == ["Jazz"]


@pytest.mark.slow
@pytest.mark.django_db
def test_search_finds_an_exact_title_among_hundreds_of_matches():
    for number in range(320):
        ItemFactory(title=f"It {number}")
    ItemFactory(title="It")
    assert titles("it", limit=1) == ["It"]


@pytest.mark.slow
@pytest.mark.django_db
def test_search_finds_an_item_of_the_given_branch_among_hundreds_of_matches(branch):
    for number in range(320):
        ItemFactory(title=f"Rivers {number}")
    ItemFactory(title="Rivers of the far and distant north", branch=branch, call_number="551 R")
    assert titles("rivers", limit=1, branch=branch) == ["Rivers of the far and distant north"]


@pytest.mark.django_db
def test_search_ranks_items_of_the_given_branch_first():
    here, elsewhere = BranchFactory(), BranchFactory()
    ItemFactory(title="Knots", branch=elsewhere, call_number="623 K")
    ItemFactory(title="Knots and splices", branch=here, call_number="623.88 K")
    ItemFactory(title="Knots for all")
    assert titles("knot") == ["Knots", "Knots for all", "Knots and splices"]
    assert titles("knot", branch=here) == ["Knots and splices", "Knots", "Knots for all"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "9780306406157",
        "978-0-306-40615-7",
        "0306406152",
        "0-306-40615-2",
        "978-0-306-4",
        "qa76.73 .c15",
        "QA 76.73.C15",
        "qa7673",
    ],
)
def test_search_finds_an_item_by_any_spelling_of_its_isbn_or_call_number(query):
    ItemFactory(title="Another 76")
    ItemFactory(title="The one", isbn="9780306406157", branch=BranchFactory(), call_number="QA76.73 .C15")
    assert titles(query) == ["The one"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "",
        " ",
        "'",
        '"',
        '"a',
        "a-b",
        "NEAR(",
        "a AND",
        "OR",
        "a*",
        "*",
        "title:",
        "\\",
        "\x00",
        "a\x00b",
        "🎷",
        "{a}",
        "a:*&|!",
        "%",
        "x" * 5000,
        "9" * 400,
    ],
)
def test_search_query_with_special_characters_returns_no_items_instead_of_an_error(query):
    ItemFactory(title="Unrelated", creators="")
    assert titles(query) == []


@pytest.mark.slow
@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=40))
def test_any_title_typed_in_full_finds_its_item(text):
    title = "".join(character for character in text if character != "\x00")
    item = ItemFactory(title=title or "x")
    found = find_items(item.title)
    assert not fold(item.title) or fold(item.title) in {fold(other.title) for other in found}
    Item.objects.all().delete()


@pytest.mark.django_db
def test_search_does_not_find_a_retired_item():
    item = ItemFactory(title="Old almanac")
    actions.change_item(item, retired_at=timezone.now())
    assert titles("almanac") == []
    actions.change_item(item, retired_at=None, title="New almanac")
    assert titles("almanac") == ["New almanac"]


@pytest.mark.django_db
def test_search_finds_an_item_only_by_its_current_call_number(branch):
    item = ItemFactory(title="Atlas")
    actions.place_item(item, branch=branch, call_number="912 A")
    actions.place_item(item, branch=branch, call_number="G1021")
    assert (titles("912 a"), titles("g1021")) == ([], ["Atlas"])
    assert [holding.call_number for holding in item.holdings.all()] == ["G1021"]


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [1, 30])
def test_number_of_sql_queries_is_the_same_for_one_and_thirty_search_results(
    rows, branch, django_assert_num_queries
):
    for number in range(rows):
        ItemFactory(title=f"Rivers {number}", branch=branch, call_number=f"55{number}")
    with django_assert_num_queries(6):
        found = find_items("rivers", limit=30, branch=branch)
        assert [place.branch for item in found for place in item.places] == [branch.name] * rows


def whole_index():
    """Return {item id: (title, names, rest)} from SearchEntry.

    On SQLite, also check that the FTS5 table has the same texts.
    """
    entries = {entry.item_id: (entry.title, entry.names, entry.rest) for entry in SearchEntry.objects.all()}
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT rowid, title, names, rest FROM recommendations_text")
            assert {pk: tuple(words) for pk, *words in cursor.fetchall() if pk in entries} == entries
    return entries


def expected_index():
    entries = [
        entry_for(item, [holding.call_number for holding in item.holdings.order_by("pk")])
        for item in Item.objects.filter(retired_at=None)
    ]
    return {entry.item_id: (entry.title, entry.names, entry.rest) for entry in entries}


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(5))
def test_search_index_matches_the_items_after_random_changes(seed, branch):
    chance = random.Random(seed)
    items = [ItemFactory() for _ in range(3)]
    for step in range(60):
        item = chance.choice(items)
        match chance.randrange(5):
            case 0:
                items.append(ItemFactory(title=f"New {step}", summary="Œuvre", isbn="9780306406157"))
            case 1:
                actions.change_item(Item.objects.get(pk=item.pk), title=f"Changed {step}", creators="Ø")
            case 2:
                actions.change_item(item, retired_at=chance.choice([None, timezone.now()]))
            case 3:
                actions.place_item(item, branch=branch, call_number=f"{chance.randrange(9)} X")
            case 4:
                actions.change_item(item, original_title="Ёж")
    assert whole_index() == expected_index()


@pytest.mark.django_db
def test_rebuild_search_command_repairs_the_search_index(branch, capsys):
    kept, changed = ItemFactory(title="Kept"), ItemFactory(title="Before")
    Item.objects.filter(pk=changed.pk).update(title="After")
    Holding.objects.create(item=kept, branch=branch, call_number="1 A")
    SearchEntry.objects.filter(pk=kept.pk).delete()
    call_command("rebuild_search")
    assert whole_index() == expected_index()
    assert (titles("before"), titles("after"), titles("1 a")) == ([], ["After"], ["Kept"])
    assert capsys.readouterr().out == "2 items are in the search index.\n"


@pytest.mark.django_db
def test_changing_an_item_field_that_does_not_exist_raises_an_error():
    with pytest.raises(Exception, match="titel"):
        actions.change_item(ItemFactory(), titel="x")
