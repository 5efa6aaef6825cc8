"""Test harvests from a real OAI-PMH server. The catalog must have the same records as the server."""

import re
from datetime import timedelta

import pytest

from portal.imports.models import Harvest, HarvestedRecord
from portal.lists.models import SavedItem
from recommendations.models import Item, SearchEntry
from recommendations.search.finding import find_items
from tests.factories import SavedItemFactory

from .conftest import LONG_AGO, NOW, in_catalog, numbered, on_server, xml

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_first_harvest_imports_all_records_and_the_next_imports_only_changed_records(harvest, server, proxy):
    server.put(numbered(25), at=LONG_AGO)
    first = harvest()
    assert (first.state, first.is_full, first.read, first.added) == ("complete", True, 25, 25)
    assert in_catalog() == on_server(server)
    server.put({"oai:town:3": xml("New name", "3"), "oai:town:26": xml("Added", "26")}, at=NOW)
    second = harvest()
    assert (second.is_full, second.read, second.added, second.changed) == (False, 2, 1, 1)
    assert in_catalog() == on_server(server)
    assert [item.title for item in find_items("new name")] == ["New name"]
    third = harvest()
    assert (third.read, third.added, third.changed, third.withdrawn) == (2, 0, 0, 0)


def test_harvest_lists_changes_from_one_day_before_the_last_harvest(harvest, server, proxy):
    server.put(numbered(1), at=LONG_AGO)
    first = harvest()
    assert abs(first.server_time - first.started_at) < timedelta(minutes=10)
    harvest()
    assert "from" not in proxy.lists[0]
    # The clocks of the server and of the portal can differ by a second. The harvest uses the earlier time.
    since = min(first.server_time, first.started_at) - timedelta(hours=24)
    assert proxy.lists[-1]["from"] == since.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_deleted_record_is_withdrawn_and_comes_back_as_the_same_item(harvest, server, proxy):
    server.put(numbered(3), at=LONG_AGO)
    harvest()
    item = Item.objects.get(title="Title 2")
    saved = SavedItemFactory(item=item)
    server.delete("oai:town:2", at=NOW)
    gone = harvest()
    assert (gone.withdrawn, gone.returned) == (1, 0)
    item.refresh_from_db()
    assert (item.title, item.retired_at is None) == ("Title 2", False)
    assert find_items("title 2") == []
    assert in_catalog() == on_server(server)
    server.put({"oai:town:2": xml("Title 2, new edition", "2")}, at=NOW)
    back = harvest()
    assert (back.withdrawn, back.returned, back.added) == (0, 1, 0)
    assert SavedItem.objects.get(pk=saved.pk).item == Item.objects.get(title="Title 2, new edition") == item
    assert [each.pk for each in find_items("edition")] == [item.pk]
    assert in_catalog() == on_server(server)


def test_record_is_withdrawn_even_if_only_its_leader_says_that_it_is_deleted(harvest, server, proxy):
    server.put(numbered(2), at=LONG_AGO)
    harvest()
    leader = "00000dam a2200000 a 4500"
    server.put({"oai:town:1": xml("Title 1", "1", leader=leader)}, at=NOW)
    assert harvest().withdrawn == 1
    assert list(in_catalog()) == [":2"]


def test_item_is_withdrawn_after_a_full_harvest_that_did_not_find_its_record(harvest, server, proxy):
    server.put(numbered(12), at=LONG_AGO)
    harvest()
    server.lose("oai:town:5", "oai:town:6")
    assert harvest().withdrawn == 0
    full = harvest(full=True)
    assert (full.withdrawn, full.problem, full.found_missing) == (2, "", True)
    assert in_catalog() == on_server(server)
    assert HarvestedRecord.objects.filter(is_deleted=True).count() == 2


def test_item_is_not_withdrawn_if_its_record_is_missing_from_the_list_but_not_from_the_server(
    harvest, server, proxy
):
    """The list omits the record by mistake. So the portal must ask the server about each omitted record."""
    server.put(numbered(5), at=LONG_AGO)
    harvest()

    def without_one(arguments, ask):
        content = ask()
        if arguments["verb"] == "ListRecords":
            content = re.sub(
                rb"<record>\s*<header>\s*<identifier>oai:town:2<.*?</metadata>\s*</record>",
                b"",
                content,
                flags=re.DOTALL,
            )
        return content

    proxy.fault = without_one
    full = harvest(full=True)
    assert (full.read, full.withdrawn, full.state) == (4, 0, "complete")
    assert in_catalog() == on_server(server)


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_harvest_withdraws_many_missing_records_only_after_a_person_has_confirmed(
    harvest, server, proxy, is_confirmed
):
    server.put(numbered(40), at=LONG_AGO)
    harvest()
    server.lose(*[f"oai:town:{n}" for n in range(1, 31)])
    full = harvest(full=True, withdraw_missing=is_confirmed)
    assert full.withdrawn == (30 if is_confirmed else 0)
    assert ("lacks 30 records" in full.problem) == (not is_confirmed)
    assert len(in_catalog()) == (10 if is_confirmed else 40)


def test_only_the_chosen_sets_are_harvested(harvest, server, proxy, settings):
    server.put(numbered(3), at=LONG_AGO, sets="books")
    server.put({"oai:town:9": xml("Ninth", "9")}, at=LONG_AGO, sets="books films")
    server.put(
        {"oai:town:7": xml("Seventh", "7"), "oai:town:8": xml("Eighth", "8")}, at=LONG_AGO, sets="films"
    )
    server.put({"oai:town:6": xml("Authority", "6")}, at=LONG_AGO, sets="other")
    settings.OAI_SETS = ["books", "films"]
    first = harvest()
    assert (first.read, first.added) == (7, 6)
    assert sorted(in_catalog()) == [":1", ":2", ":3", ":7", ":8", ":9"]
    # A record that leaves the chosen sets is withdrawn by the next full harvest.
    server.put({"oai:town:7": xml("Seventh", "7")}, at=NOW, sets="other")
    assert harvest(full=True).withdrawn == 1
    assert ":7" not in in_catalog()


def test_changed_settings_cause_a_full_harvest(harvest, server, proxy, settings):
    server.put(numbered(3), at=LONG_AGO, sets="books")
    assert harvest().is_full
    assert not harvest().is_full
    settings.OAI_SETS = ["books"]
    assert harvest().is_full


def test_harvest_skips_a_broken_record_and_does_not_change_its_item(harvest, server, proxy):
    server.put(numbered(12), at=LONG_AGO)
    harvest()
    server.put({"oai:town:4": xml("Broken name", "4"), "oai:town:5": xml("Good name", "5")}, at=NOW)
    proxy.fault = lambda arguments, ask: ask().replace(b"Broken name", b"Broken \x01 <name>")
    second = harvest()
    assert (second.state, second.changed, second.faults) == ("complete", 1, 1)
    [[identifier, reason]] = second.first_faults
    assert identifier == "oai:town:4"
    assert reason.startswith("it is not well-formed XML")
    assert {row["title"] for row in in_catalog().values()} >= {"Title 4", "Good name"}
    proxy.fault = None
    harvest()
    assert in_catalog() == on_server(server)


def test_record_with_a_damaged_header_is_reported_and_does_not_cause_a_withdrawal(harvest, server, proxy):
    server.put(numbered(3), at=LONG_AGO)
    harvest()
    header = b"<identifier>oai:town:2</identifier>"
    proxy.fault = lambda arguments, ask: (
        ask().replace(header, b"") if arguments["verb"] == "ListRecords" else ask()
    )
    full = harvest(full=True)
    assert (full.state, full.withdrawn, full.faults) == ("complete", 0, 1)
    assert full.first_faults[0][1] == "its header is damaged"
    assert in_catalog() == on_server(server)


def test_record_without_a_number_still_belongs_to_its_item_after_a_change(harvest, server, proxy):
    server.put({"oai:town:x": xml("Before", number="")}, at=LONG_AGO)
    harvest()
    [item] = Item.objects.all()
    server.put({"oai:town:x": xml("After", number="")}, at=NOW)
    harvest()
    item.refresh_from_db()
    assert (item.title, Item.objects.count()) == ("After", 1)


def test_record_still_belongs_to_its_item_after_its_number_has_changed(harvest, server, proxy):
    server.put({"oai:town:1": xml("Before", number="1")}, at=LONG_AGO)
    harvest()
    [item] = Item.objects.all()
    server.put({"oai:town:1": xml("After", number="100")}, at=NOW)
    harvest()
    item.refresh_from_db()
    assert (item.title, item.source_key, Item.objects.count()) == ("After", ":100", 1)


def test_two_records_with_the_same_number_give_one_item_and_a_fault(harvest, server, proxy):
    server.put({"oai:town:1": xml("One", "7"), "oai:town:2": xml("Two", "7")}, at=LONG_AGO)
    first = harvest()
    assert (first.added, first.faults) == (1, 1)
    assert first.first_faults == [["oai:town:2", "it has the same number as the record oai:town:1"]]
    assert harvest(full=True).withdrawn == 0
    assert [item.title for item in Item.objects.all()] == ["One"]


def test_items_stay_in_the_catalog_if_the_server_gives_all_records_new_identifiers(harvest, server, proxy):
    server.put(numbered(5), at=LONG_AGO)
    harvest()
    before = set(Item.objects.values_list("pk", flat=True))
    records = numbered(5)
    server.lose(*records)
    server.put({name.replace("town", "city"): text for name, text in records.items()}, at=LONG_AGO)
    full = harvest(full=True)
    assert (full.added, full.withdrawn, full.faults) == (0, 0, 0)
    assert set(Item.objects.filter(retired_at=None).values_list("pk", flat=True)) == before


def test_harvest_updates_the_items_of_an_earlier_import_of_a_file(harvest, server, proxy):
    item = Item.objects.create(source="catalogue", source_key=":1", title="Old", added_at=LONG_AGO)
    server.put(numbered(1), at=LONG_AGO)
    assert harvest().changed == 1
    item.refresh_from_db()
    assert item.title == "Title 1"


def test_full_harvest_is_due_four_weeks_after_the_last_one(harvest, server, proxy):
    server.put(numbered(1), at=LONG_AGO)
    harvest()
    Harvest.objects.update(started_at=NOW - timedelta(days=27))
    assert not harvest().is_full
    Harvest.objects.update(started_at=NOW - timedelta(days=29))
    assert harvest().is_full


def test_search_index_matches_the_items_after_harvests(harvest, server, proxy):
    server.put(numbered(15), at=LONG_AGO)
    harvest()
    server.delete("oai:town:2", "oai:town:9", at=NOW)
    harvest()
    entries = set(SearchEntry.objects.values_list("item", flat=True))
    assert entries == set(Item.objects.filter(retired_at=None).values_list("pk", flat=True))
