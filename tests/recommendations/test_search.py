import io
import random
import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.folding import fold
from portal.imports.matching import imported_records, items_by_hand, match, undo_match
from recommendations import actions
from recommendations.models import Holding, Item, SearchEntry, SearchWord
from recommendations.search.candidates import CANDIDATES, Counts, is_enough, may_be_cut
from recommendations.search.entries import entry_for
from recommendations.search.finding import Found, find_items, search_items
from recommendations.search.narrowing import Narrowing
from tests.extent import times
from tests.factories import BranchFactory, ItemFactory
from tests.portal.imports.test_readers import titled

pytestmark = pytest.mark.sql


def titles(query, **options):
    return [item.title for item in find_items(query, **options)]


@pytest.mark.django_db
def test_title_in_any_language_is_found_by_its_first_letters_typed_without_accents():
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


@pytest.mark.only_long
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


@pytest.mark.few_cases
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


@pytest.mark.few_cases
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
def test_any_title_that_is_typed_in_full_finds_its_item(text):
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
def test_search_runs_the_same_number_of_queries_for_one_and_thirty_results(
    rows, branch, django_assert_num_queries
):
    for number in range(rows):
        ItemFactory(title=f"Rivers {number}", branch=branch, call_number=f"55{number}")
    with django_assert_num_queries(6):
        found = find_items("rivers", limit=30, branch=branch, as_typed=True)
        assert [place.branch for item in found for place in item.places] == [branch.name] * rows


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [1, 30])
def test_corrected_search_runs_the_same_number_of_queries_for_one_and_thirty_results(
    rows, django_assert_num_queries
):
    for number in range(rows):
        ItemFactory(title=f"Rivers {number}")
    # A corrected search ends early if `limit` titles match. So the limit here is higher than the number of
    # rows.
    with django_assert_num_queries(9):
        found = search_items("rivesr", limit=40)
    assert (len(found.items), found.corrected) == (rows, "rivers")


WORD_COLUMNS = ["word", "backward", "items", "titles", "imported", "imported_titles"]


def whole_index():
    """Return (entries, words) of the search index.

    `entries` is {item id: (title, names, rest)}, and `words` has the rows of the table of words. On SQLite,
    also check that the FTS5 table has the same texts.
    """
    entries = {entry.item_id: (entry.title, entry.names, entry.rest) for entry in SearchEntry.objects.all()}
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT rowid, title, names, rest FROM recommendations_text")
            assert {pk: tuple(words) for pk, *words in cursor.fetchall() if pk in entries} == entries
    return entries, set(SearchWord.objects.values_list(*WORD_COLUMNS))


def expected_index():
    entries = [
        entry_for(item, list(item.holdings.order_by("pk").values_list("branch_id", "call_number")))
        for item in Item.objects.filter(retired_at=None)
    ]
    items: dict = {}
    for entry in entries:
        in_title = set(entry.title.split())
        for word in in_title.union(entry.names.split()):
            if not re.search(r"\d", word) and not re.fullmatch("[\u3040-\u9fff]", word):
                is_imported = bool(Item.objects.get(pk=entry.item_id).source)
                items.setdefault(word, []).append(
                    [1, word in in_title, is_imported, is_imported and word in in_title]
                )
    words = {(word, word[::-1], *map(sum, zip(*found, strict=True))) for word, found in items.items()}
    return {entry.item_id: (entry.title, entry.names, entry.rest) for entry in entries}, words


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(times(5, 40)))
def test_search_index_matches_the_items_after_random_changes(seed, branch, staff, tmp_path):
    chance = random.Random(seed)
    items = [ItemFactory() for _ in range(3)]
    for step in range(times(60, 300)):
        item, now = Item.objects.get(pk=chance.choice(items).pk), timezone.now()
        match chance.randrange(9):
            case 0:
                items.append(ItemFactory(title=f"New {step} 文学", summary="Œuvre", isbn="9780306406157"))
            case 1:
                actions.change_item(item, title=f"Changed {step}", creators="Ø")
            case 2 if not item.matches.current():
                actions.change_item(item, retired_at=chance.choice([None, now]))
            case 3:
                actions.place_item(item, branch=branch, call_number=f"{chance.randrange(9)} X")
            case 4:
                actions.change_item(item, original_title="Ёж", series="New", subjects=f"Changed {step % 3}")
            case 5:
                actions.change_item(item, source=chance.choice(["", "catalog"]), source_key=str(item.pk))
            case 6:
                numbers = chance.sample(range(8), 3)
                records = [titled(f"Imported {step % 4} ёж 本", number=str(number)) for number in numbers]
                file = tmp_path / "records.mrc"
                file.write_bytes(b"".join(record.as_marc() for record in records))
                call_command("import_items", file, stdout=io.StringIO())
                items = list(Item.objects.order_by("pk"))
            case 7:
                for by_hand, record in zip(items_by_hand()[:1], imported_records()[:1], strict=False):
                    match(by_hand, record, by=staff, at=now)
            case 8:
                for matched in Item.objects.filter(matches__undone_at=None, matches__isnull=False)[:1]:
                    undo_match(matched, by=staff, at=now)
        if step % 20 == 0:
            assert whole_index() == expected_index()
    assert whole_index() == expected_index()


@pytest.mark.django_db
def test_rebuild_search_command_repairs_the_search_index(branch, capsys):
    kept, changed = ItemFactory(title="Kept"), ItemFactory(title="Before")
    Item.objects.filter(pk=changed.pk).update(title="After")
    Holding.objects.create(item=kept, branch=branch, call_number="1 A")
    SearchEntry.objects.filter(pk=kept.pk).delete()
    SearchWord.objects.create(word="gone", backward="enog", items=3, titles=1, imported=1, imported_titles=0)
    SearchWord.objects.filter(word="kept").delete()
    call_command("rebuild_search")
    assert whole_index() == expected_index()
    assert (titles("before"), titles("after"), titles("1 a")) == ([], ["After"], ["Kept"])
    assert capsys.readouterr().out == "2 items are in the search index.\n"


@pytest.mark.django_db
def test_changing_an_item_field_that_does_not_exist_raises_an_error():
    with pytest.raises(Exception, match="titel"):
        actions.change_item(ItemFactory(), titel="x")


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["s", "g", "gard", "sullivan", "o'sullivan", "o sullivan"])
def test_search_finds_an_item_by_the_beginning_of_any_word_of_its_title_or_names(query):
    ItemFactory(title="The green garden", creators="O'Sullivan, Maggie; O Sullivan, Sean")
    ItemFactory(title="Another", creators="Bell")
    assert titles(query) == ["The green garden"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        ({"branch": "here"}, ["Rivers", "Rivers on disc"]),
        ({"kind": "audiobook"}, ["Rivers on disc"]),
        ({"kind": "web_page"}, ["Rivers online"]),
        ({"language": "es"}, ["Rivers en español"]),
        ({"in_catalog": True}, ["Rivers en español"]),
        ({"form": "large_print"}, ["Rivers elsewhere"]),
        ({"branch": "here", "kind": "book"}, ["Rivers"]),
        ({"kind": "map"}, []),
        ({"language": '" OR rivers'}, []),
    ],
)
def test_search_can_be_narrowed_to_one_branch_or_kind_or_form_or_language(narrowing, expected):
    here, elsewhere = BranchFactory(), BranchFactory()
    ItemFactory(title="Rivers", branch=here, call_number="551 R")
    ItemFactory(title="Rivers on disc", kind="audiobook", branch=here, call_number="551 R")
    ItemFactory(title="Rivers elsewhere", form="large_print", branch=elsewhere, call_number="551 R")
    ItemFactory(title="Rivers online", kind="web_page")
    ItemFactory(title="Rivers en español", language="spa", source="catalog", source_key="1")
    if narrowing.get("branch"):
        narrowing = {**narrowing, "branch": here.pk}
    assert sorted(titles("rivers", narrowing=Narrowing(**narrowing))) == expected


@pytest.mark.django_db
def test_typed_word_that_finds_enough_items_is_not_corrected():
    for number in range(3):
        ItemFactory(title=f"Wards {number}")
    for number in range(90):
        ItemFactory(title=f"Words {number}")
    assert search_items("wards").corrected == ""
    assert search_items("wurds").corrected == "words"
    assert search_items("wurds", as_typed=True) == Found([])


@pytest.mark.django_db
def test_items_with_the_typed_word_are_listed_before_items_with_the_corrected_word():
    rare = ItemFactory(title="Garder le silence")
    for number in range(30):
        ItemFactory(title=f"Garden {number}")
    found = search_items("garder", limit=3)
    assert (found.items[0], found.corrected, len(found.items)) == (rare, "garden", 3)


@pytest.mark.django_db
def test_rare_word_is_not_corrected_to_a_word_that_is_nearly_as_rare():
    ItemFactory(title="Piranesi")
    ItemFactory(title="Pirandesi")
    found = search_items("piranesi")
    assert ([item.title for item in found.items], found.corrected) == (["Piranesi"], "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("graden", "garden"),
        ("gardeen", "garden"),
        ("garen", "garden"),
        ("gxrdxn", ""),
        ("gardenrey", ""),
        ("gardenn9", ""),
        ("encyclpoedai", "encyclopedia"),
        ("enciclopedja", "encyclopedia"),
        ("ncyclopedi", "encyclopedia"),
        ("encyclopaedie", "encyclopedia"),
        ("encclopeddai", ""),
    ],
)
def test_one_typing_error_is_corrected_and_two_are_corrected_in_longer_words(typed, corrected):
    ItemFactory(title="Garden")
    ItemFactory(title="Encyclopedia")
    assert search_items(typed).corrected == corrected


def test_search_may_stop_early_only_if_its_words_are_frequent_outside_of_titles():
    """Frequent words make PostgreSQL read a sample of the entries, and stop when it has enough candidates."""
    counts = Counts({"fiction": (50_000, 10)}, (50_000, 10), 100_000)
    some = dict.fromkeys(range(CANDIDATES // 2))
    assert (is_enough(some, ["fiction"], counts), may_be_cut(some, ["fiction"], counts)) == (False, True)
    rare = Counts({"fiction": (50, 10)}, (50, 10), 100_000)
    assert not may_be_cut(some, ["fiction"], rare)
    assert may_be_cut(dict.fromkeys(range(CANDIDATES)), ["fiction"], rare)
