"""Create the databases for the bench, and read the CPU time of processes."""

import ctypes
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


def cpu_seconds(pid):
    """Return the CPU seconds that a process has used in user mode and system mode.

    /proc/<pid>/stat is too coarse, because it counts in steps of 10 ms and a request is shorter than that.
    """
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(pid)
    return time.clock_gettime(clock.value)


def backend_cpu_seconds(pid):
    """Return the CPU seconds of a PostgreSQL process, or 0 if PostgreSQL runs on another machine."""
    command = Path(f"/proc/{pid}/cmdline")
    return cpu_seconds(pid) if command.exists() and b"postgres" in command.read_bytes() else 0


class Sqlite:
    """SQLite, with each database in a file. SQLite has no server process."""

    title = "SQLite"

    def __init__(self, folder):
        self.folder = folder

    def new(self, name):
        """Return the URL of a new database."""
        return f"sqlite:///{self.folder}/{name}.sqlite3"

    def kept(self, name):
        """Return (URL of a database that the next run can use too, shell command that deletes it)."""
        folder = Path("var/bench-large").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder}/{name}.sqlite3", f"rm -r {folder}"

    def cpu(self, url):
        """Return {pid: CPU seconds} for the database server's processes that serve this database."""
        return {}

    def close(self):
        """Do nothing, because the caller removes the folder with the new databases."""


class Postgres:
    """PostgreSQL, with the bench's databases on one server. Their names contain _bench_."""

    title = "PostgreSQL"

    def __init__(self, url):
        """Connect to the database at `url`. The bench's databases are created on the same server."""
        self.url, self.created = url, []
        self.connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
        if not backend_cpu_seconds(self.connection.info.backend_pid):
            print("PostgreSQL runs on another machine, so the CPU time of its processes is not counted.")

    def new(self, name):
        url = self._url(name)
        self._drop(url)
        self.created.append(url)
        return self._create(url)

    def kept(self, name):
        url = self._url(name)
        rows = self.connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_name(url)])
        return url if rows.fetchone() else self._create(url), f"dropdb {_name(url)}"

    def cpu(self, url):
        rows = self.connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [_name(url)])
        return {pid: backend_cpu_seconds(pid) for (pid,) in rows}

    def close(self):
        for url in self.created:
            self._drop(url)
        self.connection.close()

    def _url(self, name):
        parts = urlsplit(self.url)
        return parts._replace(path=f"{parts.path}_bench_{name}").geturl()

    def _create(self, url):
        self._execute("CREATE DATABASE {}", url)
        # Turn off parallel workers, because a worker process ends before the bench can read its CPU time.
        self._execute("ALTER DATABASE {} SET max_parallel_workers_per_gather = 0", url)
        return url

    def _drop(self, url):
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", url)

    def _execute(self, statement, url):
        self.connection.execute(sql.SQL(statement).format(sql.Identifier(_name(url))))


def databases(folder):
    """Return the databases to measure: SQLite, and also PostgreSQL if TEST_DATABASE_URL can be reached."""
    url = os.environ.get("TEST_DATABASE_URL") or "postgres://postgres@127.0.0.1/test"
    try:
        return [Sqlite(folder), Postgres(url)]
    except psycopg.Error:
        print("PostgreSQL does not answer at TEST_DATABASE_URL, so only SQLite is measured.")
        return [Sqlite(folder)]


def _name(url):
    return urlsplit(url).path.lstrip("/")
