"""Test manage.py harvest and import_items, and the harvest that the worker runs at night."""

import io
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from portal.imports.harvest import client as asking
from portal.imports.harvest import nightly, running
from portal.imports.lock import catalog_lock
from portal.imports.models import Harvest
from portal.notifications import actions as outbox
from portal.worker import Worker
from recommendations.models import Item
from tests.certificates import make_certificate
from tests.factories import ItemFactory
from tests.portal.imports.test_readers import titled

from .conftest import LONG_AGO, NOW, numbered, xml

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def run(capsys, monkeypatch):
    """Return run(*options), which runs `manage.py harvest` and returns (exit status, stdout, stderr)."""
    monkeypatch.setattr(asking, "PAUSES", ())

    def run(*options):
        status, why = 0, ""
        try:
            call_command("harvest", *options)
        except SystemExit as ended:
            status = ended.code
        except CommandError as error:
            status, why = error.returncode, str(error)
        said = capsys.readouterr()
        return status, said.out, said.err + why

    return run


def test_harvest_command_prints_what_it_did(run, server, proxy):
    server.put(numbered(12), at=LONG_AGO)
    assert run() == (0, "12 records read: 12 added, 0 changed, 0 withdrawn.\n", "")
    server.delete("oai:town:1", at=NOW)
    assert run() == (0, "1 records read: 0 added, 0 changed, 1 withdrawn.\n", "")
    server.put({"oai:town:1": xml("Back", "1"), "oai:town:2": xml(" ", "2")}, at=NOW)
    status, said, faults = run()
    assert (status, said) == (1, "2 records read: 0 added, 1 changed, 0 withdrawn, 1 came back.\n")
    assert faults == "Records with a fault: 1.\n  oai:town:2: it has no title\n"


def test_harvest_command_says_which_setting_is_missing_if_no_server_is_set(run, settings):
    settings.OAI_URL = ""
    assert run()[2].startswith("OAI_URL is not set")


def test_harvest_command_says_why_a_harvest_is_incomplete_and_later_continues_the_harvest(run, server, proxy):
    server.put(numbered(25), at=LONG_AGO)
    proxy.fault = lambda arguments, ask: (
        (500, {}, b"") if arguments["verb"] == "ListRecords" and len(proxy.lists) > 1 else ask()
    )
    status, said, why = run()
    assert (status, said) == (2, "10 of 25 records read: 10 added, 0 changed, 0 withdrawn.\n")
    assert "could not read from the server: it answers with the HTTP status 500." in why
    proxy.fault = None
    assert run()[:2] == (0, "25 records read: 25 added, 0 changed, 0 withdrawn.\n")


def test_harvest_command_can_be_stopped_while_it_asks_about_missing_records(run, server, proxy):
    server.put(numbered(5), at=LONG_AGO)
    run()
    server.lose("oai:town:1", "oai:town:2")

    def terminate_at_a_single_record(arguments, ask):
        if arguments["verb"] == "GetRecord":
            os.kill(os.getpid(), signal.SIGTERM)
        return ask()

    proxy.fault = terminate_at_a_single_record
    assert run("--full")[0] == 130
    assert sum(each["verb"] == "GetRecord" for each in proxy.requests) == 1
    proxy.fault = None
    assert run()[:2] == (0, "3 records read: 0 added, 0 changed, 2 withdrawn.\n")


def test_harvest_and_import_never_run_at_the_same_time(run, server, proxy, tmp_path):
    file = tmp_path / "books.mrc"
    file.write_bytes(titled("Book").as_marc())
    with catalog_lock("harvest"):
        assert run()[0] == 2
        with pytest.raises(CommandError, match="“harvest” has been running since"):
            call_command("import_items", str(file))
        call_command("import_items", str(file), "--dry-run")
    assert Item.objects.count() == 0
    call_command("import_items", str(file))
    assert Item.objects.count() == 1


@pytest.mark.parametrize("is_harvested", [False, True])
def test_imported_file_brings_back_a_withdrawn_item_only_if_the_catalog_is_not_harvested(
    db, settings, tmp_path, is_harvested
):
    settings.OAI_URL = "https://catalog.library.example/oai" if is_harvested else ""
    item = ItemFactory(source="catalogue", source_key=":1", title="Old", retired_at=NOW)
    other = ItemFactory(source="catalogue", source_key=":2", title="Other", retired_at=NOW)
    file = tmp_path / "books.mrc"
    file.write_bytes(titled("New", number="1").as_marc())
    call_command("import_items", str(file))
    item.refresh_from_db()
    other.refresh_from_db()
    assert item.title == "New"
    assert (item.retired_at is not None, other.retired_at is not None) == (is_harvested, True)


def test_harvest_check_finds_no_problem_with_a_working_server_and_changes_nothing(
    run, server, proxy, settings
):
    server.put(numbered(12), at=LONG_AGO, sets="books")
    settings.OAI_SETS = ["books"]
    status, said, _ = run("--check")
    assert (status, said.splitlines()[-1]) == (0, "No problems found.")
    assert "answers as “Town library”, with OAI-PMH 2.0." in said
    assert "The first page of the set books has 10 of 12 records: 10 can be imported, 0 are deleted." in said
    assert (Item.objects.count(), Harvest.objects.count()) == (0, 0)


def test_harvest_check_says_which_prefixes_and_sets_the_server_has(run, server, proxy, settings):
    server.put(numbered(1), at=LONG_AGO, sets="books")
    settings.OAI_PREFIX, settings.OAI_SETS = "marcxml", ["maps"]
    status, said, _ = run("--check")
    assert status == 1
    assert "It doesn't offer the prefix marcxml, but marc21. Set OAI_PREFIX to marc21." in said
    assert "It doesn't have the set maps. Its sets are: books." in said


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((404, {}, b""), "it answers with the HTTP status 404"),
        ((403, {}, b""), "it refuses the portal (HTTP status 403)"),
        (b"<!DOCTYPE html><html></html>", "it answers with a web page, not with OAI-PMH"),
        (b"{}", "its answer is not OAI-PMH"),
        (b"<OAI-PMH><x></OAI-PMH>", "its answer is not well-formed XML"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><OAI-PMH></OAI-PMH>", "its answer has a doctype"),
        ((302, {"Location": "https://elsewhere.example/oai"}, b""), "it redirects to elsewhere.example"),
        (None, "RemoteDisconnected"),
    ],
)
def test_harvest_check_says_what_is_wrong_with_the_server(run, server, proxy, fault, words):
    proxy.fault = lambda arguments, ask: fault
    status, said, _ = run("--check")
    assert status == 1
    assert words in said


def test_harvest_check_says_that_the_host_or_the_port_is_wrong(run, settings):
    settings.OAI_URL = "http://127.0.0.1:9/oai"
    assert "nothing answers at 127.0.0.1:9" in run("--check")[1]
    settings.OAI_URL = "https://no-such-host.invalid/oai"
    assert "the host no-such-host.invalid is not known" in run("--check")[1]


def test_harvest_check_says_that_the_certificate_is_not_valid(run, settings, tmp_path):
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    folder = make_certificate(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    settings.OAI_URL = f"https://localhost:{server.server_port}/oai"
    try:
        assert "its certificate is not valid: self-signed certificate" in run("--check")[1]
        # The certificate is trusted now, so the check complains only about the server's answer.
        settings.OAI_CA_FILE = str(folder / "certificate.pem")
        assert "it answers with the HTTP status 501" in run("--check")[1]
        settings.OAI_CA_FILE = str(folder / "missing.pem")
        assert "missing.pem, can't be read" in run("--check")[1]
    finally:
        server.shutdown()
        server.server_close()


def night(hour):
    """Return a time in the night of the test library, whose time zone is UTC or close to it."""
    return datetime(2026, 5, 4, hour, 30, tzinfo=UTC)


def test_harvest_is_due_once_a_night_in_the_librarys_time_zone(library, settings):
    library.time_zone = "Asia/Tokyo"
    library.save()
    settings.OAI_URL, settings.OAI_PREFIX, settings.OAI_SETS = "https://a.example/oai", "marc21", []
    # 16:30 UTC is 1:30 in Tokyo.
    assert [nightly.is_due(night(hour)) for hour in (15, 16, 19, 20)] == [False, True, True, False]
    same = {
        "server": settings.OAI_URL,
        "prefix": "marc21",
        "sets": [],
        "source": "catalogue",
        "is_full": True,
    }
    times = {"started_at": night(16), "run_at": night(16), "ended_at": night(17)}
    harvest = Harvest.objects.create(state="complete", **same, **times)
    assert not nightly.is_due(night(18))
    assert nightly.is_due(night(16) + timedelta(days=1))
    Harvest.objects.filter(pk=harvest.pk).update(state="unfinished")
    assert nightly.is_due(night(18))
    settings.OAI_URL = ""
    assert not nightly.is_due(night(18))


def test_worker_runs_the_harvest_in_a_process_of_its_own(library, settings, monkeypatch):
    settings.OAI_URL = "https://a.example/oai"
    monkeypatch.setattr(nightly, "is_due", lambda at: True)
    started, popen = [], subprocess.Popen

    def start(arguments):
        started.append([str(each) for each in arguments])
        return popen([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(subprocess, "Popen", start)
    worker = Worker()
    worker.stopping = True
    worker.harvest_catalog()
    assert started == [[sys.executable, str(settings.BASE_DIR / "manage.py"), "harvest"]]
    worker.next_harvest_at = 0
    worker.harvest_catalog()
    assert len(started) == 1, "the next try is half an hour later"
    assert outbox.RepeatedJob.objects.filter(name="harvest_catalog").count() == 1


def test_old_harvests_are_deleted_except_those_that_the_next_harvest_needs(db):
    at = datetime(2026, 5, 4, tzinfo=UTC)

    def make(days, **fields):
        began = at - timedelta(days=days)
        common = {"server": "x", "prefix": "p", "started_at": began, "run_at": began, "state": "complete"}
        return Harvest.objects.create(**{**common, "is_full": True, **fields}).pk

    make(300, found_missing=True)
    full = make(200, found_missing=True)
    make(150, is_full=False)
    last = make(100, is_full=False)
    make(95, state="abandoned")
    recent = make(89, state="abandoned")
    running.forget_old_harvests(at=at)
    assert set(Harvest.objects.values_list("pk", flat=True)) == {full, last, recent}


def test_harvest_command_shows_its_progress_on_a_terminal(server, proxy, monkeypatch):
    server.put(numbered(12), at=LONG_AGO)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    call_command("harvest", stdout=out)
    assert "\r10 of 12 records read: 10 added" in out.getvalue()
