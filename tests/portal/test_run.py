"""Check how `manage.py run` starts, watches, reloads and stops the portal's processes."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal.management import processes
from tests.extent import rarely

pytestmark = pytest.mark.slow

MAX_WAIT_SECONDS = 40
# The limit for the memory of all processes, after the portal has answered a few requests. They used 158 MB on
# Python 3.13, and 183 MB on a busy machine. Without shared memory, an earlier version used 247 MB.
MAX_MEGABYTES = 220


@pytest.fixture(scope="module")
def environment(collected, tmp_path_factory):
    return environment_with(shutil.copytree(collected, tmp_path_factory.mktemp("run"), dirs_exist_ok=True))


def environment_with(folder):
    environment = os.environ | {"AFTERWORD_MODE": "demo", "DATA_DIR": str(folder)}
    for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "BASE_URL", "ALLOWED_HOSTS"):
        environment.pop(name, None)
    return environment


@pytest.fixture(scope="module")
def portal(collected, tmp_path_factory):
    """Run a portal for tests that don't change it, and return (process, port, DATA_DIR)."""
    folder = shutil.copytree(collected, tmp_path_factory.mktemp("portal"), dirs_exist_ok=True)
    port = free_port()
    with stopped_at_the_end(start(environment_with(folder), port, "--workers=2")) as process:
        started(process)
        yield process, port, folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(environment, port, *options, folder=settings.BASE_DIR):
    return subprocess.Popen(
        [sys.executable, "manage.py", "run", f"--port={port}", "--workers=1", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def stopped_at_the_end(process):
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(MAX_WAIT_SECONDS) == 0


def output_until(process, words):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    pytest.fail(f"the output never contained {words!r}: {''.join(lines)}")


def ask(port, path="/healthz", headers=None):
    """Return (status, headers, text) of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read().decode()


def tree(pid):
    """Return the ids of the process and of the processes that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in tree(int(child)))]


def named(process, name):
    """Return the ids of the portal's processes with this name."""
    return [pid for pid in tree(process.pid) if Path(f"/proc/{pid}/comm").read_text() == f"portal {name}\n"]


def wait_until(condition):
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            if condition():
                return
        time.sleep(0.05)
    pytest.fail("this never happened")


def started(process):
    """Wait until the portal answers and has its worker, and return what it printed."""
    said = output_until(process, "Ctrl-C")
    wait_until(lambda: named(process, "worker"))
    return said


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


@contextlib.contextmanager
def load(port, path="/sign-in/"):
    """Send requests from eight clients until the block ends.

    Half of the clients open a new connection for each request. Yield a list of errors, to which each failed
    request adds (its start time, its error).
    """
    errors, over, answered = [], threading.Event(), [threading.Event() for _ in range(8)]

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=MAX_WAIT_SECONDS)
        while not over.is_set():
            began = time.monotonic()
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    errors.append((began, response.status))
                answered[number].set()
            except (OSError, http.client.HTTPException) as error:
                errors.append((began, error))
                connection.close()
                time.sleep(0.01)
            if number % 2:
                connection.close()
        connection.close()

    threads = [threading.Thread(target=client, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        assert all(event.wait(MAX_WAIT_SECONDS) for event in answered)
        yield errors
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.only_long
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_stopping_the_run_command_ends_the_web_server_and_the_worker(environment, ending):
    port = free_port()
    with start(environment, port) as process:
        try:
            said = started(process)
            assert f"http://localhost:{port}/demo/" in said
            assert len(named(process, "web")) == 1
            pids = tree(process.pid)
            unused = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            unused.request("GET", "/sign-in/")
            assert unused.getresponse().read().endswith(b"</html>\n")
        finally:
            process.send_signal(ending)
        # The idle connection delays the shutdown by only two seconds. A request in progress could delay it by
        # 25 seconds.
        assert process.wait(20) == 0
        unused.close()
    assert not any(is_alive(pid) for pid in pids)
    # When the last process closes the database, SQLite empties the write-ahead log.
    assert not Path(environment["DATA_DIR"], "afterword.sqlite3-wal").exists()


@pytest.mark.only_long
def test_portal_answers_requests_in_progress_before_it_stops(environment):
    port = free_port()
    with start(environment, port, "--workers=2") as process:
        started(process)
        with load(port) as errors:
            stopped_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(MAX_WAIT_SECONDS) == 0
    assert [error for began, error in errors if began < stopped_at] == []


@pytest.mark.only_long
def test_second_stop_signal_ends_the_portal_immediately(environment):
    port = free_port()
    with start(environment, port) as process:
        started(process)
        pids = tree(process.pid)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
            process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 0
    wait_until(lambda: not any(is_alive(pid) for pid in pids))


@pytest.fixture
def code(tmp_path):
    """Return the folder with a copy of the portal's code. A test may change this copy."""
    parts = ("accounts", "locale", "portal", "recommendations", "static", "templates")
    for part in parts:
        shutil.copytree(settings.BASE_DIR / part, tmp_path / "code" / part)
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(settings.BASE_DIR / name, tmp_path / "code")
    return tmp_path / "code"


def change(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.only_long
def test_reload_starts_the_new_code_and_no_request_fails(environment, code):
    port = free_port()
    with stopped_at_the_end(start(environment, port, folder=code)) as process:
        started(process)
        change(code / "portal/health.py", '{"status": "ok"}', '{"status": "new code"}')
        change(
            code / "portal/settings.py", 'REFERRER_POLICY = "same-origin"', 'REFERRER_POLICY = "no-referrer"'
        )
        change(code / "templates/errors/404.html", "<h1", "<h1 data-new")
        # The portal reads nothing of the new version before the reload.
        assert ask(port)[2] == '{"status": "ok"}'
        assert "<h1 data-new" not in ask(port, "/nowhere/")[2]
        before = tree(process.pid)
        with load(port) as errors:
            process.send_signal(signal.SIGUSR2)
            said = output_until(process, "The reload succeeded")
            assert "Environment variables stay as they were at the start. Restart to change them." in said
            # Only the process that systemd watches is still the same.
            wait_until(lambda: not any(is_alive(pid) for pid in before if pid != process.pid))
            assert ask(port)[2] == '{"status": "new code"}'
            _status, headers, page = ask(port, "/nowhere/")
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "<h1 data-new" in page
        assert errors == []
        wait_until(lambda: named(process, "worker"))
        assert len(named(process, "web")) == len(named(process, "worker")) == 1


@pytest.mark.only_long
def test_failed_reload_keeps_the_old_code_running(environment, code):
    port = free_port()
    with stopped_at_the_end(start(environment, port, folder=code)) as process:
        started(process)
        before = tree(process.pid)
        change(code / "portal/health.py", "class HealthMiddleware:", "class HealthMiddleware")
        process.send_signal(signal.SIGUSR2)
        said = output_until(process, "The reload failed")
        assert "SyntaxError" in said
        wait_until(lambda: tree(process.pid) == before)
        assert ask(port)[2] == '{"status": "ok"}'


@pytest.mark.parametrize(("name", "title"), [("web", "web server"), rarely("worker", "worker")])
def test_manage_run_restarts_a_killed_process(portal, name, title):
    process, port, _folder = portal
    before = named(process, name)
    os.kill(before[0], signal.SIGKILL)
    assert f"The {title} stopped unexpectedly (status -9)" in output_until(process, "started again")
    wait_until(lambda: len(named(process, name)) == len(before))
    assert before[0] not in named(process, name)
    assert ask(port)[0] == 200


@pytest.mark.only_long
def test_manage_run_ends_if_the_parent_of_its_processes_dies(environment):
    with start(environment, free_port()) as process:
        started(process)
        _supervisor, parent, *children = tree(process.pid)
        os.kill(parent, signal.SIGKILL)
        assert "status -9" in output_until(process, "The portal stopped unexpectedly")
        assert process.wait(MAX_WAIT_SECONDS) == 1
    wait_until(lambda: not any(is_alive(pid) for pid in children))


def test_all_processes_end_if_manage_run_is_killed(environment):
    with start(environment, free_port()) as process:
        started(process)
        _supervisor, *pids = tree(process.pid)
        process.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_processes_share_the_memory_of_loaded_modules(portal):
    process, port, _folder = portal
    ask(port, "/sign-in/")
    sizes = {}
    for pid in tree(process.pid):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes[Path(f"/proc/{pid}/comm").read_text().strip(), pid] = int(
            re.search(r"^Pss: +(\d+)", rollup, re.M)[1]
        )
    assert len(sizes) == 5
    assert sum(sizes.values()) < MAX_MEGABYTES * 1024, sizes


def test_processes_share_no_database_connection_and_workers_have_no_listening_socket(portal):
    process, port, folder = portal
    ask(port, "/sign-in/")
    listening = next(
        f"socket:[{row.split()[9]}]"
        for row in Path("/proc/net/tcp").read_text().splitlines()
        if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
    )

    def files(pid):
        return {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()}

    _supervisor, parent, *children = tree(process.pid)
    assert not any(str(folder / "afterword.sqlite3") in file for file in files(parent))
    holders = [pid for pid in children if listening in files(pid)]
    assert holders == named(process, "web")


def test_processes_are_not_forked_while_a_thread_runs():
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="watcher")
    thread.start()
    try:
        with pytest.raises(CommandError, match="watcher"):
            processes.refuse_threads()
    finally:
        done.set()
        thread.join()


def test_incomplete_requests_do_not_delay_other_requests(portal):
    _process, port, _folder = portal
    headers = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    with contextlib.ExitStack() as stack:
        for half in [headers, headers + b"Content-Length: 9\r\n\r\nhalf"] * 50:
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(half)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            assert answer.status == 200


def test_request_headers_cannot_change_the_path_or_the_script_name_or_the_scheme(portal):
    _process, port, _folder = portal
    names = {
        "SCRIPT_NAME": "/desk",
        "Script-Name": "/desk",
        "PATH_INFO": "/demo/",
        "X-Forwarded-Prefix": "/desk",
        "X-Script-Name": "/desk",
        "X-Original-URL": "/demo/",
        "X-Rewrite-URL": "/demo/",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Protocol": "ssl",
        "X-Forwarded-Ssl": "on",
    }

    def comparable(path, headers=None):
        status, received, text = ask(port, path, headers)
        different = {"date", "x-request-id"}
        received = {name: value for name, value in received.items() if name.lower() not in different}
        return status, re.sub(
            r'csrfmiddlewaretoken" value="\w+"|csrftoken=\w+; expires=[^;]+', "", f"{received} {text}"
        )

    for path in ("/", "/sign-in/", "/desk/", "/sign-in", "/nowhere/", "/healthz"):
        expected = comparable(path)
        assert comparable(path, names) == expected
        for name, value in names.items():
            assert comparable(path, {name: value}) == expected, f"{name} changed {path}"


@pytest.mark.parametrize("charset", ["charset=base64", "charset=unicode_escape", "charset*=foo''x"])
def test_charset_in_the_content_type_of_a_request_has_no_effect(portal, charset):
    _process, port, _folder = portal
    path = "/sign-in/?next=%5Cud800&email=%5Cud800"
    status, _headers, text = ask(port, path, {"Content-Type": f"text/plain; {charset}"})
    assert (status, "\ud800" in text) == (200, False)


@pytest.mark.only_long
def test_manage_run_refuses_a_data_folder_that_a_running_portal_uses(portal):
    process, _port, folder = portal
    with start(environment_with(folder), free_port()) as second:
        assert second.stdout.read() == (
            f"CommandError: The portal already runs with the data folder {folder} (process {process.pid}). "
            "Stop it first, or set DATA_DIR to another folder.\n"
        )
        assert second.wait(MAX_WAIT_SECONDS) == 1


@pytest.mark.only_long
@pytest.mark.parametrize("option", ["workers", "threads"])
def test_run_command_refuses_zero_workers_and_zero_threads(environment, option):
    with start(environment, free_port(), f"--{option}=0") as process:
        assert process.stdout.read() == (
            f"CommandError: --{option} 0 is too small. Use 1 or more, such as --{option} 2.\n"
        )
        assert process.wait(MAX_WAIT_SECONDS) == 1


@pytest.mark.only_long
def test_manage_run_stops_with_an_error_if_its_port_is_in_use(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start(environment, taken.getsockname()[1]) as process:
            assert "choose another port" in process.stdout.read()
            assert process.wait(MAX_WAIT_SECONDS) == 1


@pytest.mark.only_long
@pytest.mark.parametrize(
    ("missing", "command"),
    [("cache", "manage.py createcachetable"), ("static", "manage.py collectstatic --noinput")],
)
def test_run_command_says_which_installation_step_is_missing(environment, tmp_path, missing, command):
    folder = shutil.copytree(environment["DATA_DIR"], tmp_path, dirs_exist_ok=True)
    if missing == "cache":
        with contextlib.closing(sqlite3.connect(folder / "afterword.sqlite3")) as database:
            database.execute("drop table cache")
    else:
        shutil.rmtree(folder / "static")
    with start(environment | {"DATA_DIR": str(folder)}, free_port()) as process:
        assert f"Run first: {command}\n" in process.stdout.read()
        assert process.wait(MAX_WAIT_SECONDS) == 1


@pytest.mark.only_long
def test_manage_run_prints_a_qr_code_if_it_serves_all_network_addresses(environment):
    with start(environment, free_port(), "--host=0.0.0.0", "--no-worker", "--access-log") as process:
        try:
            said = output_until(process, "Ctrl-C")
            # The data folder of these tests has no library.
            assert "LOOK  No library is set up yet. Run: manage.py setup_library" in said
            address = re.search(r"^  (http://\S+)$", said, re.MULTILINE)[1]
            assert "█" in said or "▀" in said
            request = urllib.request.Request(f"{address}nowhere/")
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(request)
            # Status 400 would mean that the host is not allowed.
            assert answer.value.code == 404
            answer.value.close()
            assert '"GET /nowhere/" 404' in output_until(process, "/nowhere/")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(MAX_WAIT_SECONDS) == 0


@pytest.mark.django_db
def test_portal_does_not_start_with_the_database_of_a_newer_version():
    MigrationRecorder(connection).record_applied("accounts", "0999_later")
    with pytest.raises(CommandError, match=r"migration accounts\.0999_later\. Install the newer version"):
        processes._check_preparations()
