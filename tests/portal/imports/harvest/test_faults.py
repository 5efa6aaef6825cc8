"""Test harvests from a server that is killed, slow or busy, sends wrong dates, or repeats itself.

tests/faulty_proxy.py puts these faults into the answers of a real OAI-PMH server. At the end of most tests, the
catalog must have the same records as the server.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlencode

import pytest

from portal.imports import actions
from portal.imports.harvest import client as asking
from portal.imports.harvest import pages, requests
from portal.imports.lock import AlreadyRunning, HeldLock, LockLost, catalog_lock
from portal.imports.models import CatalogLock, Harvest, HarvestedRecord
from recommendations.models import Item
from tests.oai_server import DAYS, running

from .conftest import LONG_AGO, NOW, in_catalog, numbered, on_server, xml

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


class Killed(Exception):
    """The exception that stops a harvest in the middle, as if its process were killed."""


def only_lists(fault):
    """Return a function for `proxy.fault` that changes only the responses to ListRecords requests.

    `fault(number, arguments, ask)` returns these responses. `number` counts the requests, beginning with 0.
    """
    count = iter(range(10_000))

    def change(arguments, ask):
        return fault(next(count), arguments, ask) if arguments["verb"] == "ListRecords" else ask()

    return change


def error(code):
    return (
        '<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>'
        f'2026-01-01T00:00:00Z</responseDate><request/><error code="{code}">No.</error></OAI-PMH>'
    ).encode()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("a date", 230), (None, 2), ("soon", 2)],
)
def test_harvest_waits_as_long_as_a_busy_server_asks(harvest, server, proxy, waits, header, seconds):
    server.put(numbered(12), at=LONG_AGO)

    def busy_once(n, arguments, ask):
        if n != 1:
            return ask()
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=4))
        return 503, {"Retry-After": date if header == "a date" else header} if header else {}, b""

    proxy.fault = only_lists(busy_once)
    assert harvest().state == "complete"
    assert seconds - 100 <= sum(waits) <= seconds + 10
    assert sum(waits) > 0
    assert in_catalog() == on_server(server)


def test_harvest_stops_and_continues_later_if_a_busy_server_asks_to_wait_for_hours(
    harvest, server, proxy, waits
):
    server.put(numbered(12), at=LONG_AGO)
    proxy.fault = only_lists(
        lambda n, arguments, ask: (503, {"Retry-After": "7200"}, b"") if n == 1 else ask()
    )
    stopped = harvest()
    assert (stopped.state, stopped.read, waits) == ("unfinished", 10, [])
    assert stopped.problem == "it is busy (HTTP status 503), and asks to wait 120 minutes"
    proxy.fault = None
    assert harvest().pk == stopped.pk
    assert "resumptionToken" in proxy.lists[-1]
    assert in_catalog() == on_server(server)


PART = b"<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'><ListRecords><record><header>"
BROKEN = {
    "a cut-off page": lambda content: content[: len(content) // 2],
    "a web page": lambda content: b"<!DOCTYPE html><html><body>Maintenance</body></html>",
    "nothing": lambda content: b"",
    "an error 500": lambda content: (500, {}, b"Oops"),
    "the end of the connection": lambda content: None,
    "a wrong length": lambda content: (200, {"Content-Length": str(len(content) + 50)}, content),
    "only the beginning": lambda content: PART,
}


@pytest.mark.few_cases
@pytest.mark.parametrize("what", BROKEN)
def test_harvest_asks_again_for_a_broken_page(harvest, server, proxy, waits, what):
    server.put(numbered(12), at=LONG_AGO)
    proxy.fault = only_lists(lambda n, arguments, ask: BROKEN[what](ask()) if n in (1, 2) else ask())
    assert harvest().state == "complete"
    assert waits == [2, 10]
    assert in_catalog() == on_server(server)


def test_harvest_stops_at_a_page_that_stays_broken_and_later_continues_at_this_page(
    harvest, server, proxy, waits
):
    server.put(numbered(25), at=LONG_AGO)
    harvest()
    server.lose("oai:town:1")
    proxy.fault = only_lists(lambda n, arguments, ask: BROKEN["a web page"](ask()) if n else ask())
    stopped = harvest(full=True)
    assert (stopped.state, stopped.read, stopped.withdrawn) == ("unfinished", 10, 0)
    assert stopped.problem == "it answers with a web page, not with OAI-PMH"
    assert waits == [2, 10, 30]
    assert len(in_catalog()) == 25
    proxy.fault = None
    continued = harvest()
    assert (continued.pk, continued.state, continued.read, continued.withdrawn) == (
        stopped.pk,
        "complete",
        24,
        1,
    )
    assert in_catalog() == on_server(server)


def test_harvest_begins_the_list_again_if_the_servers_token_has_expired(harvest, server, proxy):
    server.put(numbered(25), at=LONG_AGO)
    proxy.fault = only_lists(lambda n, arguments, ask: error("badResumptionToken") if n == 2 else ask())
    full = harvest()
    assert (full.state, full.added, full.withdrawn) == ("complete", 25, 0)
    assert ["resumptionToken" in each for each in proxy.lists] == [False, True, True, False, True, True]
    assert in_catalog() == on_server(server)


def test_harvest_stops_if_every_token_expires_immediately(harvest, server, proxy):
    server.put(numbered(25), at=LONG_AGO)
    proxy.fault = only_lists(
        lambda n, arguments, ask: error("badResumptionToken") if "resumptionToken" in arguments else ask()
    )
    stopped = harvest()
    assert stopped.state == "unfinished"
    assert "the token for the next page had expired" in stopped.problem
    assert len(proxy.lists) == 8
    proxy.fault = None
    assert harvest().state == "complete"
    assert in_catalog() == on_server(server)


def test_harvest_reads_a_list_to_its_end_if_the_server_repeats_a_page(harvest, server, proxy):
    server.put(numbered(35), at=LONG_AGO)
    pages = {}

    def repeat(n, arguments, ask):
        pages[n] = ask()
        # The third page has the same records as the second, but another token.
        if n == 2:
            records = pages[1][: pages[1].index(b"<resumptionToken")]
            return records + pages[2][pages[2].index(b"<resumptionToken") :]
        return pages[n]

    proxy.fault = only_lists(repeat)
    harvest()
    assert len(in_catalog()) == 25
    proxy.fault = None
    # The next full harvest finds the records that the server left out.
    assert harvest(full=True).withdrawn == 0
    assert in_catalog() == on_server(server)


@pytest.mark.parametrize("has_new_tokens", [False, True])
def test_harvest_stops_at_a_list_that_never_ends_and_withdraws_nothing(
    harvest, server, proxy, has_new_tokens
):
    server.put(numbered(25), at=LONG_AGO)
    harvest()
    server.lose("oai:town:3")
    first = []

    def loop(n, arguments, ask):
        first.append(ask() if not first else b"")
        if not has_new_tokens:
            return first[0]
        return re.sub(rb"(<resumptionToken[^>]*>)[^<]*", rb"\g<1>token%d" % n, first[0])

    proxy.fault = only_lists(loop)
    before = len(proxy.requests)
    stopped = harvest(full=True)
    assert (stopped.state, stopped.withdrawn) == ("unfinished", 0)
    assert stopped.problem == "its list has no end: it sends the same records again and again"
    assert len(proxy.requests) - before < 10
    proxy.fault = None
    assert harvest().withdrawn == 1
    assert in_catalog() == on_server(server)


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_no_change_is_lost_if_the_servers_clock_is_wrong(harvest, server, proxy, days):
    """The server's clock is wrong. Both the dates of the records and the time of the answers come from it."""
    clock = NOW + timedelta(days=days)
    server.put(numbered(3), at=clock - timedelta(days=100))
    date = re.compile(rb"<responseDate>[^<]*")
    shown = f"<responseDate>{clock:%Y-%m-%dT%H:%M:%SZ}".encode()
    proxy.fault = lambda arguments, ask: date.sub(shown, ask())
    harvest()
    server.put({"oai:town:2": xml("Changed", "2")}, at=clock)
    assert harvest().changed == 1
    assert in_catalog() == on_server(server)


def test_no_change_is_lost_if_the_server_dates_its_answers_in_the_future(harvest, server, proxy):
    shown = f"<responseDate>{NOW + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}".encode()
    server.put(numbered(3), at=LONG_AGO)
    proxy.fault = lambda arguments, ask: re.sub(rb"<responseDate>[^<]*", shown, ask())
    harvest()
    server.put({"oai:town:2": xml("Changed", "2")}, at=datetime.now(UTC))
    assert harvest().changed == 1
    assert in_catalog() == on_server(server)


@pytest.mark.parametrize("date", [b"", b"yesterday", b"2026-02-31T00:00:00Z", b"0000-00-00"])
def test_no_change_is_lost_if_the_server_does_not_say_its_time(harvest, server, proxy, date):
    server.put(numbered(3), at=LONG_AGO)
    shown = b"<responseDate>" + date
    proxy.fault = lambda arguments, ask: re.sub(rb"<responseDate>[^<]*", shown, ask())
    harvest()
    server.put({"oai:town:2": xml("Changed", "2")}, at=NOW)
    assert harvest().changed == 1
    assert in_catalog() == on_server(server)


def test_harvest_sends_dates_without_times_if_the_server_knows_only_days(harvest, proxy, server, tmp_path):
    with running(tmp_path / "days.sqlite3", granularity=DAYS) as by_day:
        proxy.port = by_day.port
        by_day.put(numbered(3), at=LONG_AGO)
        first = harvest()
        by_day.put({"oai:town:2": xml("Changed", "2")}, at=NOW)
        assert harvest().changed == 1
        day = (first.server_time - timedelta(days=1)).date()
        assert proxy.lists[-1]["from"] == f"{day}"
        assert in_catalog() == on_server(by_day)


def test_harvest_sends_dates_without_times_if_the_server_wrongly_claims_to_accept_times(
    harvest, proxy, server, tmp_path
):
    with running(tmp_path / "days.sqlite3", granularity=DAYS) as by_day:
        proxy.port = by_day.port
        proxy.fault = lambda arguments, ask: ask().replace(DAYS.encode() + b"<", b"YYYY-MM-DDThh:mm:ssZ<")
        by_day.put(numbered(3), at=LONG_AGO)
        harvest()
        by_day.put({"oai:town:2": xml("Changed", "2")}, at=NOW)
        assert harvest().changed == 1
        assert len(proxy.lists[-1]["from"]) == 10


def test_harvest_asks_for_all_records_if_the_server_refuses_all_dates(harvest, server, proxy):
    server.put(numbered(3), at=LONG_AGO)
    harvest()
    proxy.fault = lambda arguments, ask: error("badArgument") if "from" in arguments else ask()
    second = harvest()
    assert (second.state, second.read) == ("complete", 3)


@pytest.mark.parametrize("place", ["after the import of a page", "after a page", "before the end"])
def test_harvest_that_was_killed_continues_later_and_withdraws_nothing_before_its_end(
    harvest, server, proxy, monkeypatch, place
):
    server.put(numbered(25), at=LONG_AGO)
    harvest()
    server.lose("oai:town:1", "oai:town:25")
    server.put({"oai:town:30": xml("Thirty", "30")}, at=LONG_AGO)
    where = {
        "after the import of a page": "portal.imports.harvest.pages._save_rows",
        "before the end": "portal.imports.harvest.running._finish",
    }

    def kill(*_args, **_kwargs):
        raise Killed

    report = kill if place == "after a page" else lambda harvest: None
    with monkeypatch.context() as patched:
        if place in where:
            patched.setattr(where[place], kill)
        with pytest.raises(Killed):
            harvest(full=True, report=report)
    assert {":1", ":25"} <= set(in_catalog())
    full = harvest()
    assert (full.state, full.is_full, full.withdrawn) == ("complete", True, 2)
    assert Harvest.objects.count() == 2
    assert in_catalog() == on_server(server)


def test_harvest_is_complete_even_if_the_server_is_killed_and_started_again(
    harvest, proxy, server, tmp_path, waits
):
    with running(tmp_path / "killed.sqlite3") as other:
        other.put(numbered(25), at=LONG_AGO)
        proxy.port = other.port

        def kill_once(n, arguments, ask):
            if n == 1:
                other.kill()
                return None
            if not other.process:
                other.start()
            return ask()

        proxy.fault = only_lists(kill_once)
        assert harvest().state == "complete"
        assert waits == [2]
        assert in_catalog() == on_server(other)


def test_harvest_stops_if_a_slow_server_exceeds_the_time_limit(harvest, server, proxy, monkeypatch, waits):
    server.put(numbered(12), at=LONG_AGO)
    monkeypatch.setattr(requests, "STEP_SECONDS", 0.3)
    monkeypatch.setattr(requests, "MAX_SECONDS", 0.6)

    def slow(n, arguments, ask):
        content = ask()
        time.sleep(1)
        return content

    proxy.fault = only_lists(slow)
    stopped = harvest()
    assert (stopped.state, stopped.problem) == ("unfinished", "it did not answer in time")
    proxy.fault = None
    assert harvest().state == "complete"
    assert in_catalog() == on_server(server)


def test_harvest_refuses_a_huge_page(harvest, server, proxy, monkeypatch):
    server.put(numbered(12), at=LONG_AGO)
    monkeypatch.setattr(requests, "MAX_BYTES", 1500)
    stopped = harvest()
    assert stopped.state == "unfinished"
    assert "a page has more than" in stopped.problem


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/oai", "https://other.example/oai", "//other.example/x"]
)
def test_redirect_to_another_server_is_not_followed(harvest, server, proxy, location):
    proxy.fault = lambda arguments, ask: (302, {"Location": location}, b"")
    stopped = harvest()
    assert (stopped.state, len(proxy.requests)) == ("abandoned", 1)
    assert stopped.problem.startswith("it redirects to ")


def test_redirect_on_the_same_server_is_followed(harvest, server, proxy):
    server.put(numbered(2), at=LONG_AGO)
    redirected = set()

    def redirect_once(arguments, ask):
        if arguments["verb"] in redirected:
            return ask()
        redirected.add(arguments["verb"])
        return 302, {"Location": f"/there?{urlencode(arguments)}"}, b""

    proxy.fault = redirect_once
    assert harvest().added == 2


def test_harvest_that_cannot_start_says_what_is_running_and_since_what_time(harvest, server, proxy):
    with catalog_lock("import_items books.mrc"), pytest.raises(AlreadyRunning) as refused:
        harvest()
    assert "“import_items books.mrc” has been running since 20" in str(refused.value)
    assert not CatalogLock.objects.exists()


@pytest.mark.parametrize(
    ("holder", "age", "is_free"),
    [
        ("elsewhere:1", timedelta(minutes=7), True),
        ("elsewhere:1", timedelta(minutes=5), False),
        ("elsewhere:1", timedelta(days=-1), True),
        # No process can have this id.
        ("{here}:99999999", timedelta(minutes=1), True),
        ("{here}:1", timedelta(minutes=1), False),
    ],
)
def test_lock_of_a_killed_process_is_taken_over(db, holder, age, is_free):
    import socket

    at = datetime.now(UTC)
    holder = holder.format(here=socket.gethostname()[:60])
    CatalogLock.objects.create(work="harvest", holder=holder, since=at, alive_at=at - age)
    try:
        with catalog_lock("harvest") as lock:
            lock.renew()
    except AlreadyRunning:
        assert not is_free
    else:
        assert is_free


def test_harvest_that_was_paused_for_long_saves_nothing_after_another_process_took_over(
    harvest, server, proxy
):
    server.put(numbered(25), at=LONG_AGO)

    def take_over(harvest):
        CatalogLock.objects.update(token="00000000-0000-4000-8000-000000000000")

    with pytest.raises(LockLost):
        harvest(report=take_over)
    assert Harvest.objects.get().read == 10
    assert CatalogLock.objects.exists()


def test_page_of_a_harvest_is_not_saved_if_another_process_took_the_lock_over_meanwhile(
    harvest, server, proxy, monkeypatch
):
    server.put(numbered(5), at=LONG_AGO)
    import_page = pages._import

    def import_and_lose_the_lock(*args):
        CatalogLock.objects.update(token="00000000-0000-4000-8000-000000000000")
        return import_page(*args)

    monkeypatch.setattr(pages, "_import", import_and_lose_the_lock)
    with pytest.raises(LockLost):
        harvest()
    assert (Harvest.objects.get().read, HarvestedRecord.objects.count()) == (0, 0)


def test_import_of_a_long_page_renews_the_lock_after_each_batch(harvest, server, proxy, monkeypatch):
    server.put(numbered(9), at=LONG_AGO)
    monkeypatch.setattr(actions, "BATCH", 2)
    renewed = []
    renew = HeldLock.renew

    def note(lock):
        renewed.append(Item.objects.count())
        renew(lock)

    monkeypatch.setattr(HeldLock, "renew", note)
    harvest()
    assert {2, 4, 6, 8} <= set(renewed)


def test_harvest_from_a_server_without_records_is_complete(harvest, server, proxy):
    assert (harvest().state, Item.objects.count()) == ("complete", 0)


def test_harvest_stops_asking_a_server_that_stays_busy(harvest, server, proxy, waits):
    proxy.fault = only_lists(lambda n, arguments, ask: (503, {"Retry-After": "5"}, b""))
    assert harvest().state == "unfinished"
    assert len(waits) == asking.MAX_BUSY
