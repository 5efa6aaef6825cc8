"""Let a harvest, an import and an edit by hand change the same items at the same moment, on PostgreSQL."""

import io
import random

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from portal.imports.harvest.client import Client
from portal.imports.harvest.running import run_harvest
from portal.imports.lock import AlreadyRunning
from portal.imports.models import CatalogLock, Harvest
from recommendations.actions import change_item, place_item
from recommendations.models import Holding, Item
from tests.extent import times
from tests.factories import BranchFactory, LibraryFactory
from tests.portal.imports.test_readers import titled
from tests.processes import rounds

from .conftest import LONG_AGO, NOW, numbered, xml
from .test_orders import counted_again, in_words

COUNT = 30

pytestmark = [
    pytest.mark.long,
    pytest.mark.core,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def test_simultaneous_import_and_harvest_and_edits_by_hand_lose_nothing(
    server, proxy, tmp_path, transactional_db
):
    LibraryFactory()
    branch = BranchFactory()
    file = tmp_path / "books.mrc"

    def before(number):
        titles = {n: f"Round {number} title {n}" for n in range(1, COUNT + 1)}
        server.put(
            {f"oai:town:{n}": xml(f"{title} of the server", str(n)) for n, title in titles.items()}, at=NOW
        )
        server.delete(f"oai:town:{COUNT}", at=NOW)
        made = [titled(f"{title} of the file", number=str(n)).as_marc() for n, title in titles.items()]
        file.write_bytes(b"".join(made))
        return number

    def harvest(number):
        return until_it_is_our_turn(lambda: run_harvest(client=Client(wait=lambda seconds: None))).state

    def import_file(number):
        until_it_is_our_turn(lambda: call_command("import_items", str(file), stdout=io.StringIO()))

    def edit(number):
        items = list(Item.objects.order_by("pk"))
        random.Random(number).shuffle(items)
        for item in items:
            change_item(item, phone=f"555 {number}")
            place_item(item, branch=branch, call_number=f"CALL {number}")

    def after(number, outcomes):
        assert outcomes == ["complete", None, None]
        current = Item.objects.filter(retired_at=None)
        assert {item.source_key for item in current} == {f":{n}" for n in range(1, COUNT)}
        for item in current:
            title = f"Round {number} title {item.source_key[1:]}"
            assert item.title in (f"{title} of the server", f"{title} of the file")
        assert set(Item.objects.values_list("phone", flat=True)) == {f"555 {number}"}
        assert set(Holding.objects.values_list("call_number", flat=True)) == {f"CALL {number}"}
        assert [entry[0] for entry in sorted(in_words()[0].values())] == sorted(
            entry[0] for entry in counted_again()[0].values()
        )
        assert in_words()[1] == counted_again()[1]
        assert not CatalogLock.objects.exists()

    server.put(numbered(COUNT), at=LONG_AGO)
    run_harvest(client=Client(wait=lambda seconds: None))
    rounds([harvest, import_file, edit], times(3, 30), before=before, after=after)


def test_only_one_of_eight_harvests_runs_and_the_others_say_what_is_running(server, proxy, transactional_db):
    LibraryFactory()

    def before(number):
        server.put({f"oai:town:{n}": xml(f"Round {number}", str(n)) for n in range(1, 25)}, at=NOW)

    def harvest(_data):
        try:
            return run_harvest(client=Client(wait=lambda seconds: None)).state
        except AlreadyRunning as refused:
            return refused.row.work

    def after(_data, outcomes):
        assert set(outcomes) <= {"complete", "harvest"}
        assert "complete" in outcomes
        assert Item.objects.count() == 24
        assert not Harvest.objects.filter(state="unfinished").exists()

    rounds([harvest] * 8, times(3, 30), before=before, after=after)


def until_it_is_our_turn(work):
    """Call `work` again and again, as long as it is refused because another import or harvest is running."""
    while True:
        try:
            return work()
        except AlreadyRunning:
            continue
        except CommandError as refused:
            if "Only one import or harvest can run at a time" not in str(refused):
                raise
