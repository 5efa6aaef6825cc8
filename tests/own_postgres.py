"""Run a PostgreSQL server that belongs to one test, so that the test can stop and kill it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.portal.test_run import free_port, tree
from tests.processes import MAX_WAIT

# The name of PostgreSQL's superuser. If the tests run as root, this is also the system account that runs the
# server, because PostgreSQL refuses to run as root.
ACCOUNT = "postgres"


class OwnPostgres:
    """A PostgreSQL server with its files in `folder`. `url` is the address of its database "portal"."""

    def __init__(self, programs, folder):
        self.programs, self.folder, self.port = programs, folder, free_port()
        self.url = self.url_of("portal")
        self.process = None

    def url_of(self, database):
        return f"postgres://{ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def make(self):
        """Make the files of the server and an empty database, and start the server."""
        options = [
            "--auth=trust",
            f"--username={ACCOUNT}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        made = self._start("initdb", f"--pgdata={self.folder}/data", *options)
        assert made.wait(MAX_WAIT) == 0, self.log()
        self.start()
        self.make_database("portal")

    def make_database(self, name):
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")

    def start(self):
        """Start the server, and wait until it answers."""
        # Without fsync, a killed server loses nothing. Only a power failure would lose data.
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-c", "fsync=off"]
        self.process = self._start("postgres", "-D", f"{self.folder}/data", *options)
        deadline = time.monotonic() + MAX_WAIT
        while True:
            try:
                psycopg.connect(self.url_of("postgres")).close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)

    def stop(self):
        """Stop the server as a restart of its service does. The server ends all connections first."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(MAX_WAIT) == 0, self.log()

    def kill(self):
        """Kill all processes of the server at once, as a machine does when it runs out of memory."""
        for pid in tree(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(MAX_WAIT)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def rows(self, query):
        with psycopg.connect(self.url) as server:
            return server.execute(query).fetchall()

    def log(self):
        return (self.folder / "log").read_text()

    def _start(self, program, *options):
        account = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [self.programs / program, *options],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **account,
            )


@contextlib.contextmanager
def own_postgres():
    """Start a server, and delete it at the end. Skip the test if the programs of a server are missing."""
    programs = _programs()
    if programs is None:
        reason = "initdb was not found. Install PostgreSQL's server (Debian: apt-get install postgresql)."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="afterword-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    server = OwnPostgres(programs, folder)
    try:
        server.make()
        yield server
    finally:
        if server.is_running():
            server.kill()
        shutil.rmtree(folder)


def _programs():
    """Return the folder with initdb and postgres of the newest installed server, or None."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if folders:
        return max(folders, key=lambda folder: [int(part) for part in folder.parts[-2].split(".")])
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None
