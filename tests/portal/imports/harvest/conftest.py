import io
from datetime import UTC, datetime, timedelta

import pymarc
import pytest

from portal.imports.harvest.client import Client
from portal.imports.harvest.running import run_harvest
from portal.imports.readers.marc_xml import read_xml
from portal.imports.records import FIELDS
from recommendations.models import Item
from tests.faulty_proxy import FaultyProxy
from tests.oai_server import OaiServer, running
from tests.portal.imports.test_readers import titled

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=300)


def xml(title, number="1", **options):
    return pymarc.record_to_xml(titled(title, number=number, **options), namespace=True).decode()


def numbered(count, word="Title"):
    """Return {identifier: MARCXML} for records with the numbers from 1 to `count`."""
    return {f"oai:town:{n}": xml(f"{word} {n}", number=str(n)) for n in range(1, count + 1)}


def in_catalog():
    """Return {key: values} for the harvested items that are in the catalog."""
    items = Item.objects.filter(source="catalogue", retired_at=None)
    return {row["source_key"]: {name: row[name] for name in FIELDS} for row in items.values()}


def on_server(server):
    """Return {key: values} for the records that the server has."""
    found = [next(read_xml(io.BytesIO(text.encode()))) for text in server.current().values()]
    return {record.key: record.values for record in found}


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """Run one OAI-PMH server for all tests of a module."""
    with running(tmp_path_factory.mktemp("oai") / "records.sqlite3") as server:
        yield server


@pytest.fixture
def server(process):
    """Return the server of the module, after all its records were removed."""
    process.lose(*process.every())
    return process


@pytest.fixture
def proxy(server, settings):
    """Start a proxy in front of the server, and put the proxy's address into the settings."""
    with FaultyProxy(server.port) as proxy:
        settings.OAI_URL = proxy.address
        settings.OAI_PREFIX, settings.OAI_SETS, settings.OAI_SOURCE = "marc21", [], "catalogue"
        yield proxy


@pytest.fixture
def waits():
    return []


@pytest.fixture
def harvest(proxy, waits, db):
    """Return harvest(**options), which runs a harvest without waiting.

    The fixture `waits` collects the seconds of each wait that is skipped.
    """

    def harvest(**options):
        return run_harvest(client=Client(wait=waits.append), **options)

    return harvest


__all__ = ["LONG_AGO", "NOW", "OaiServer", "in_catalog", "numbered", "on_server", "xml"]
