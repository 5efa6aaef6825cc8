"""Harvest records that say at which branches their copies are."""

import pymarc
import pytest
from django.core.management import call_command

from accounts.models import BranchCode
from portal.imports.models import CatalogLock
from recommendations.models import Holding, Item
from recommendations.search.finding import find_items
from tests.factories import BranchFactory
from tests.portal.imports.test_readers import marc

from .conftest import LONG_AGO, NOW

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def koha(branch, number="FIC"):
    return "952", " ", ("a", branch), ("o", number), ("p", "39001")


def with_copies(title, number, *copies):
    record = marc(("245", "0", ("a", title)), *copies, number=number)
    return {f"oai:town:{number}": pymarc.record_to_xml(record, namespace=True).decode()}


@pytest.fixture
def branches(library):
    found = {"MAIN": BranchFactory(name="Central"), "EAST": BranchFactory(name="Eastside")}
    for code, branch in found.items():
        BranchCode.objects.create(code=code, branch=branch)
    return found


def placed():
    return sorted(Holding.objects.values_list("item__source_key", "branch__name", "call_number"))


def test_harvest_assigns_copies_to_branches_and_moves_copies_that_have_changed_branch(
    harvest, server, proxy, branches
):
    server.put(with_copies("Rivers", "1", koha("MAIN", "R1"), koha("EAST", "R1")), at=LONG_AGO)
    server.put(with_copies("Lakes", "2", koha("EAST", "L2")), at=LONG_AGO)
    harvest()
    assert placed() == [(":1", "Central", "R1"), (":1", "Eastside", "R1"), (":2", "Eastside", "L2")]
    server.put(with_copies("Rivers", "1", koha("EAST", "R1")), at=NOW)
    assert harvest().changed == 1
    assert placed() == [(":1", "Eastside", "R1"), (":2", "Eastside", "L2")]


def test_unknown_branch_code_is_stored_once_with_its_count_from_all_pages_of_a_harvest(
    harvest, server, proxy, branches
):
    for number in range(25):
        server.put(with_copies(f"Title {number}", str(number), koha("NORTH"), koha("MAIN")), at=LONG_AGO)
    assert harvest().read == 25
    assert len(proxy.lists) == 3
    assert list(BranchCode.objects.filter(branch=None).values_list("code", "met")) == [("NORTH", 25)]
    assert {branch for _key, branch, _number in placed()} == {"Central"}


def test_withdrawn_item_shows_no_holdings_until_it_comes_back(harvest, server, proxy, branches):
    server.put(with_copies("Rivers", "1", koha("MAIN", "R1")), at=LONG_AGO)
    harvest()
    server.delete("oai:town:1", at=NOW)
    harvest()
    assert (Item.objects.get().places, find_items("r1")) == ([], [])
    server.put(with_copies("Rivers", "1", koha("EAST", "R1")), at=NOW)
    assert harvest().returned == 1
    item = Item.objects.get()
    assert [(place.branch, place.call_number) for place in item.places] == [("Eastside", "R1")]
    assert find_items("r1", branch=branches["EAST"]) == [item]


def test_import_of_copies_brings_a_withdrawn_item_and_its_holdings_back(branches, tmp_path, settings):
    settings.OAI_URL = ""
    file = tmp_path / "books.mrc"
    copy = "949", " ", ("m", "EAST"), ("a", "R1")
    file.write_bytes(marc(("245", "0", ("a", "Rivers")), copy).as_marc())
    layout = "949 branch=m call_number=a"
    call_command("import_items", str(file), holdings=layout)
    Item.objects.update(retired_at=NOW)
    call_command("import_items", str(file), holdings=layout)
    assert placed() == [(":1", "Eastside", "R1")]
    assert [item.places[0].call_number for item in find_items("r1")] == ["R1"]
    assert not CatalogLock.objects.exists()
