"""Test that the catalog is right after harvests and imports in any order, with any interruptions."""

import io
from contextlib import suppress
from datetime import timedelta

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from portal.imports.harvest.client import Client
from portal.imports.harvest.running import run_harvest
from portal.imports.models import CatalogLock, Harvest
from recommendations.models import Item, SearchEntry, SearchWord
from recommendations.search.entries import entry_for, numbers_of
from tests.extent import times
from tests.portal.imports.test_readers import titled

from .conftest import LONG_AGO, in_catalog, on_server, xml
from .test_faults import Killed

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.long]

PAGES_READ = {"portal.imports.harvest.pages._save_rows", "portal.imports.harvest.running._finish"}
NUMBERS = st.integers(1, 14)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NUMBERS, st.sampled_from(["A", "B", "C"])),
        st.tuples(st.just("delete"), NUMBERS),
        st.tuples(st.just("lose"), NUMBERS),
        st.tuples(st.just("file"), st.lists(NUMBERS, min_size=1, max_size=4, unique=True)),
        st.tuples(st.just("harvest"), st.booleans()),
        st.tuples(
            st.just("killed"), st.booleans(), st.integers(1, 3), st.sampled_from(["page", *PAGES_READ])
        ),
    ),
    max_size=times(12, 30),
)


@searching(
    max_examples=times(8, 150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_catalog_has_the_same_records_as_the_server_after_interruptions_in_any_order(
    server, proxy, tmp_path_factory, monkeypatch, steps
):
    start_again(server)
    clock = LONG_AGO
    for step in steps:
        clock += timedelta(hours=1)
        take(step, server, clock, tmp_path_factory, monkeypatch)
        assert in_words() == counted_again()
    # The first run finishes an interrupted harvest. It continues where that harvest stopped, so it misses
    # later changes. The server may also have lost records without reporting them. So the second run is a full
    # harvest, which reads all records.
    for full in (False, True):
        while (harvest := run(full=full)).state != Harvest.State.COMPLETE:
            pass
    assert harvest.problem == ""
    known = {key: values for key, values in in_catalog().items() if key not in only_in_files()}
    assert known == on_server(server)


def start_again(server):
    for model in (Item, Harvest, CatalogLock, SearchWord):
        model.objects.all().delete()
    server.lose(*server.every())


def take(step, server, clock, folders, monkeypatch):
    kind, *values = step
    if kind == "put":
        number, title = values
        server.put({f"oai:town:{number}": xml(f"{title} {number}", str(number))}, at=clock)
    elif kind == "delete":
        server.delete(f"oai:town:{values[0]}", at=clock)
    elif kind == "lose":
        server.lose(f"oai:town:{values[0]}")
    elif kind == "file":
        file = folders.mktemp("files") / "old.mrc"
        file.write_bytes(b"".join(titled(f"Old {n}", number=str(n)).as_marc() for n in values[0]))
        call_command("import_items", str(file), stdout=io.StringIO())
    elif kind == "harvest":
        run(full=values[0])
    else:
        kill(*values, monkeypatch)


def run(**options):
    return run_harvest(client=Client(wait=lambda seconds: None), **options)


def kill(is_full, after, place, monkeypatch):
    """Run a harvest, and end it at call number `after` of the function that `place` names.

    If `place` is "page", end the harvest after `after` pages.
    """
    calls = iter(range(1, 1000))

    def dies(*_args, **_kwargs):
        if next(calls) >= after:
            raise Killed

    with monkeypatch.context() as patched:
        if place != "page":
            patched.setattr(place, dying(place, after))
        with suppress(Killed):
            run(full=is_full, report=dies if place == "page" else lambda harvest: None)


def dying(place, after):
    """Return a function like the one that `place` names. It raises Killed from call number `after` on."""
    module, _dot, name = place.rpartition(".")
    original = getattr(__import__(module, fromlist=[name]), name)
    calls = iter(range(1, 1000))

    def dies(*args, **kwargs):
        if next(calls) >= after:
            raise Killed
        return original(*args, **kwargs)

    return dies


def only_in_files():
    """Return the keys of the items that come only from files, and from no harvest."""
    return set(Item.objects.filter(harvested_records=None).values_list("source_key", flat=True))


def in_words():
    entries = {entry.pk: (entry.title, entry.names, entry.rest) for entry in SearchEntry.objects.all()}
    words = {
        word.word: [word.items, word.titles, word.imported, word.imported_titles]
        for word in SearchWord.objects.all()
    }
    return entries, words


def counted_again():
    """Return the entries and the table of words that the search index must have, computed from the items."""
    entries = {}
    for item in Item.objects.filter(retired_at=None):
        entry = entry_for(item, [])
        entries[item.pk] = entry.title, entry.names, entry.rest
    return entries, dict(numbers_of([(1, entries.values())]))
