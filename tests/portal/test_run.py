"""Check that `manage.py run` starts a web server and a worker and ends both."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.slow

MAX_WAIT_SECONDS = 40


@pytest.fixture(scope="module")
def environment(collected, tmp_path_factory):
    folder = shutil.copytree(collected, tmp_path_factory.mktemp("run"), dirs_exist_ok=True)
    environment = os.environ | {"AFTERWORD_MODE": "demo", "DATA_DIR": str(folder)}
    for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "BASE_URL", "ALLOWED_HOSTS"):
        environment.pop(name, None)
    return environment


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(environment, port, *options):
    command = [sys.executable, "manage.py", "run", f"--port={port}", "--workers=1", *options]
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_until(process, words):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    pytest.fail(f"the output never contained {words!r}: {''.join(lines)}")


def children(process):
    """Return {"worker": pid, "web": pid} of the process's children."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):
            found[
                "worker" if b"manage.py\0worker" in Path(f"/proc/{child}/cmdline").read_bytes() else "web"
            ] = int(child)
    return found


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_run_command_ends_the_web_server_and_the_worker(environment, ending):
    port = free_port()
    with start(environment, port) as process:
        try:
            said = output_until(process, "Ctrl-C")
            assert f"http://localhost:{port}/demo/" in said
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
            pids = children(process)
            assert set(pids) == {"web", "worker"}
        finally:
            process.send_signal(ending)
        assert process.wait(MAX_WAIT_SECONDS) == 0
    assert not any(is_alive(pid) for pid in pids.values())


def test_killed_worker_is_started_again(environment):
    with start(environment, free_port()) as process:
        try:
            output_until(process, "Ctrl-C")
            first = children(process)["worker"]
            os.kill(first, signal.SIGKILL)
            assert "status -9" in output_until(process, "started again")
            deadline = time.monotonic() + MAX_WAIT_SECONDS
            while children(process).get("worker") in {None, first} and time.monotonic() < deadline:
                time.sleep(0.05)
            assert children(process)["worker"] != first
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(MAX_WAIT_SECONDS) == 0


def test_manage_run_ends_if_the_web_server_dies(environment):
    with start(environment, free_port()) as process:
        output_until(process, "Ctrl-C")
        pids = children(process)
        os.kill(pids["web"], signal.SIGKILL)
        assert "The web server stopped unexpectedly" in output_until(process, "stopped too")
        assert process.wait(MAX_WAIT_SECONDS) == 1
    assert not is_alive(pids["worker"])


def test_manage_run_stops_with_an_error_if_its_port_is_in_use(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start(environment, taken.getsockname()[1]) as process:
            assert "choose another port" in process.stdout.read()
            assert process.wait(MAX_WAIT_SECONDS) == 1


@pytest.mark.parametrize(
    ("missing", "command"),
    [("cache", "manage.py createcachetable"), ("static", "manage.py collectstatic --noinput")],
)
def test_run_names_the_step_of_the_installation_that_was_left_out(environment, tmp_path, missing, command):
    folder = shutil.copytree(environment["DATA_DIR"], tmp_path, dirs_exist_ok=True)
    if missing == "cache":
        with contextlib.closing(sqlite3.connect(folder / "afterword.sqlite3")) as database:
            database.execute("drop table cache")
    else:
        shutil.rmtree(folder / "static")
    with start(environment | {"DATA_DIR": str(folder)}, free_port()) as process:
        assert f"Run first: {command}\n" in process.stdout.read()
        assert process.wait(MAX_WAIT_SECONDS) == 1


def test_qr_code_is_shown_if_manage_run_serves_all_network_addresses(environment):
    with start(environment, free_port(), "--host=0.0.0.0", "--no-worker") as process:
        try:
            said = output_until(process, "Ctrl-C")
            address = said.split()[0]
            assert "█" in said or "▀" in said
            request = urllib.request.Request(f"{address}nowhere/")
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(request)
            # Status 400 would mean that the host is not allowed.
            assert answer.value.code == 404
            answer.value.close()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(MAX_WAIT_SECONDS) == 0
