import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from portal.lists.models import SavedItem
from recommendations.models import Holding, Item, Recommendation
from recommendations.search.finding import find_items
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    recommend_in,
)
from tests.portal.imports.test_readers import as_xml, marc, titled

pytestmark = pytest.mark.django_db


def test_importing_the_same_file_again_changes_nothing(run, marc_file):
    file = marc_file(*[titled(f"Title {number}", number=str(number)) for number in range(30)])
    assert run(file) == (0, "30 added, 0 changed, 0 unchanged.\n", "")
    before = list(Item.objects.values())
    assert run(file) == (0, "0 added, 0 changed, 30 unchanged.\n", "")
    assert list(Item.objects.values()) == before


def test_import_updates_only_items_that_changed_in_the_file(run, marc_file):
    run(marc_file(titled("Old name", number="1"), titled("Other", number="2")))
    assert (
        run(
            marc_file(
                titled("New name", number="1"), titled("Other", number="2"), titled("Third", number="3")
            )
        )[1]
        == "1 added, 1 changed, 1 unchanged.\n"
    )
    assert [item.title for item in find_items("name")] == ["New name"]
    assert find_items("old") == []


def test_import_preserves_recommendations_and_saved_items(run, marc_file, patron, staff, branch):
    names = ["Updated", "Removed", "Deleted", "Renumbered", "Damaged"]
    run(marc_file(*[titled(name, number=name) for name in names]))
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    saved_list = SavedListFactory(patron=patron)
    for item in Item.objects.order_by("pk"):
        recommend_in(visit, item=item)
        SavedItemFactory(saved_list=saved_list, item=item)
    before = list(Item.objects.order_by("pk").values_list("pk", "public_id"))
    status, said, _ = run(
        marc_file(
            titled("Updated title", number="Updated"),
            titled("Deleted", number="Deleted", leader="00000dam a2200000 a 4500"),
            titled("Renumbered", number="new"),
            titled("Damaged", number="Damaged").as_marc().replace(b"Damaged\x1e\x1d", b"Dam\x1d"),
        )
    )
    assert (status, said) == (1, "1 added, 1 changed, 0 unchanged.\n")
    assert list(Item.objects.order_by("pk").values_list("pk", "public_id"))[:5] == before
    titles = ["Updated title", *names[1:]]
    assert [saved.item.title for saved in SavedItem.objects.order_by("pk").select_related("item")] == titles
    given = Recommendation.objects.order_by("pk").select_related("item")
    assert [recommendation.item.title for recommendation in given] == titles


def test_import_reports_the_position_of_broken_records_and_exits_with_status_1(run, marc_file):
    file = marc_file(
        titled("First"),
        titled("Cut", number="2").as_marc()[:50],
        titled("Last", number="3"),
        titled("Again", number="3"),
    )
    status, said, complaint = run(file)
    assert (status, said) == (1, "2 added, 0 changed, 0 unchanged.\n")
    assert complaint.splitlines() == [
        "2 could not be read:",
        "  record 2: it is cut off after 50 bytes",
        "  record 4: it has the same identifier as record 3",
    ]
    assert sorted(Item.objects.values_list("title", flat=True)) == ["First", "Last"]


def test_import_reports_records_with_an_invalid_year_and_exits_with_status_1(run, marc_file):
    late = marc(("245", "0", ("a", "Late")), ("260", " ", ("c", "5724")))
    file = marc_file(late, titled("Other", number="2"))
    reason = "its year, 5724, is after next year, so the item has no year"
    assert run(file) == (
        1,
        "2 added, 0 changed, 0 unchanged.\n",
        f"1 imported with a fault:\n  record 1: {reason}\n",
    )
    assert sorted(Item.objects.values_list("title", "year")) == [("Late", ""), ("Other", "")]


def test_second_import_adds_a_missing_title_in_the_original_script(run, marc_file):
    record = marc(("245", "0", ("a", "Shirim")), ("880", "0", ("6", "245-01/(2/r"), ("a", "שירים")))
    run(marc_file(record))
    Item.objects.update(original_title="", original_lang="")
    assert run(marc_file(record))[1] == "0 added, 1 changed, 0 unchanged.\n"
    assert list(Item.objects.values_list("original_title", "original_lang")) == [("שירים", "und-Hebr")]


def test_import_saves_call_numbers_only_with_a_branch_option(run, marc_file):
    BranchFactory(slug="east")
    other = BranchFactory()
    one = marc(("245", "0", ("a", "Atlas")), ("050", " ", ("a", "G1021")))
    run(marc_file(one))
    assert Holding.objects.count() == 0
    assert run(marc_file(one), "--branch", "east")[1] == "0 added, 1 changed, 0 unchanged.\n"
    Holding.objects.create(item=Item.objects.get(), branch=other, call_number="912")
    moved = marc(("245", "0", ("a", "Atlas")), ("050", " ", ("a", "G1046")))
    assert run(marc_file(moved), "--branch", "east")[1] == "0 added, 1 changed, 0 unchanged.\n"
    assert run(marc_file(moved), "--branch", "east")[1] == "0 added, 0 changed, 1 unchanged.\n"
    assert sorted(Holding.objects.values_list("branch__slug", "call_number")) == sorted(
        [("east", "G1046"), (other.slug, "912")]
    )
    assert [item.title for item in find_items("g1046")] == ["Atlas"]
    assert find_items("g1021") == []


def test_second_import_stores_whether_an_existing_item_is_fiction(run, tmp_path):
    file = tmp_path / "items.csv"
    file.write_text("id,title\n1,Emma\n2,Gardening\n")
    run(file)
    assert not Item.objects.filter(is_fiction=True).exists()
    file.write_text("id,title,genre\n1,Emma,Fiction\n2,Gardening,Nonfiction\n")
    assert run(file)[1] == "0 added, 2 changed, 0 unchanged.\n"
    assert [(item.title, item.is_fiction) for item in find_items("emma")] == [("Emma", True)]
    assert [(item.title, item.is_fiction) for item in find_items("gardening")] == [("Gardening", False)]
    assert run(file)[1] == "0 added, 0 changed, 2 unchanged.\n"


def test_records_with_the_same_number_from_two_sources_become_two_items(run, marc_file):
    run(marc_file(titled("Ours")))
    assert run(marc_file(titled("Theirs")), "--source", "partner")[1] == "1 added, 0 changed, 0 unchanged.\n"


def test_dry_run_of_an_import_prints_counts_and_changes_nothing(run, marc_file):
    branch = BranchFactory()
    run(marc_file(titled("Old"), titled("Same", number="2")))
    file = marc_file(titled("New"), titled("Same", number="2"), titled("Third", number="3"))
    assert (
        run(file, "--dry-run", "--branch", branch.slug)[1]
        == "Nothing was changed. An import would give: 1 added, 1 changed, 1 unchanged.\n"
    )
    assert sorted(Item.objects.values_list("title", flat=True)) == ["Old", "Same"]


def test_import_recognizes_xml_and_csv_files(run, tmp_path):
    (tmp_path / "a").write_bytes(as_xml(titled("From XML")))
    (tmp_path / "b").write_text("title,isbn\nFrom CSV,306406152\nNo number,9.78E+12\n")
    assert run(tmp_path / "a")[0] == 0
    status, said, _ = run(tmp_path / "b")
    assert status == 0
    assert "0 as given, 1 repaired (the check digit fits), 1 left empty" in said
    assert sorted(Item.objects.values_list("title", flat=True)) == ["From CSV", "From XML", "No number"]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, [], "can't be opened"),
        (b"", [], "The file is empty"),
        (b"a,b\n1,2\n", [], "--map title=COLUMN"),
        (b"title\n", [], "has no records"),
        (b"title\nx\n", ["--map", "title"], "should be FIELD=COLUMN"),
        (b"title\nx\n", ["--branch", "nowhere"], "There is no branch 'nowhere'. Branches: none yet."),
        (b"<collection/>", [], "has no records"),
        (b"<a>", [], "XML, but not MARCXML: its first element is <a>. Export the catalog as MARCXML"),
        (
            b'<?xml version="1.0"?><!-- <collection> --><!DOCTYPE m><mods:modsCollection xmlns:mods="x"/>',
            [],
            "XML, but not MARCXML: its first element is <mods:modsCollection>",
        ),
        (b"<modsCollection>" + b"<mods/>" * 2_000_000, [], "its first element is <modsCollection>"),
        (b"<!-- nothing", [], "XML, but not MARCXML: it has no element"),
        (b"title\nx\n", ["--source", " "], "--source needs a name"),
    ],
)
def test_import_with_an_unreadable_file_or_a_wrong_option_exits_with_status_2(
    tmp_path, content, options, words
):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError, match=words) as refused:
        call_command("import_items", str(file), *options)
    assert refused.value.returncode == 2


def test_import_of_a_file_with_only_broken_records_exits_with_status_2(run, marc_file):
    assert run(marc_file(b"rubbish\x1d"), "--format", "marc")[0] == 2


def test_import_tries_again_after_a_conflict_with_a_simultaneous_import(run, marc_file, monkeypatch):
    def meet_the_other(*args):
        monkeypatch.undo()
        raise IntegrityError("one_item_per_source_key")

    monkeypatch.setattr(type(Item.objects), "bulk_create", meet_the_other)
    assert run(marc_file(titled("First")))[:2] == (0, "1 added, 0 changed, 0 unchanged.\n")
    assert Item.objects.get().title == "First"


def test_import_without_database_tables_asks_the_user_to_migrate(monkeypatch, tmp_path):
    def no_tables():
        raise OperationalError("no such table: recommendations_item")

    monkeypatch.setattr(Item.objects, "exists", no_tables)
    with pytest.raises(CommandError, match="manage.py migrate") as refused:
        call_command("import_items", str(tmp_path / "any.csv"))
    assert refused.value.returncode == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a small table as a whole")
def test_import_finds_its_items_without_reading_all_items(run, marc_file):
    file = marc_file(*[titled(f"Title {number}", number=str(number)) for number in range(9)])
    with CaptureQueriesContext(connection) as captured:
        run(file)
    lookups = [query["sql"] for query in captured if '"source_key" IN' in query["sql"]]
    assert len(lookups) == 2
    for sql in lookups:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            plan = cursor.fetchall()[0][3]
        assert "USING INDEX one_item_per_source_key (source=? AND source_key=?)" in plan
