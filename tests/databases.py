"""Make migrated template databases. Each test process copies a template, because migrating takes seconds.

The name of a template contains a hash of everything it is made from, so a changed migration makes a new
template.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg
from django.apps import apps
from django.conf import settings
from psycopg import sql

PREFIX = "afterword_template_"
# Keep several templates, because git branches with different migrations need different templates.
MAX_TEMPLATES = 5
# The key of PostgreSQL's advisory lock. It can be any number that no other lock uses.
LOCK = 20261127


def fingerprint():
    """Return a hash of all migrations and of the settings that decide which tables are created."""
    made_of = hashlib.sha256(f"{django.__version__} {settings.INSTALLED_APPS} {settings.CACHES}".encode())
    for config in apps.get_app_configs():
        for file in sorted(Path(config.path).glob("migrations/*.py")):
            made_of.update(f"{config.label}/{file.name}".encode())
            made_of.update(file.read_bytes())
    return made_of.hexdigest()[:16]


def sqlite_template(folder):
    """Return the path of a migrated SQLite file in `folder`. Build it first if it is missing."""
    template = folder / f"{PREFIX}{fingerprint()}.sqlite3"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                migrate(DATA_DIR=scratch)
                os.replace(Path(scratch) / "afterword.sqlite3", template)
            newest_first = sorted(folder.glob(f"{PREFIX}*"), key=os.path.getmtime, reverse=True)
            for old in newest_first[MAX_TEMPLATES:]:
                old.unlink()
    return template


def postgres_template(url):
    """Return the name of a migrated database on the server of `url`. Build it first if it is missing."""
    template = f"{PREFIX}{fingerprint()}"
    with locked_server(url) as server:
        newest_first = [
            name
            for (name,) in server.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY oid DESC", [PREFIX]
            )
        ]
        if template not in newest_first:
            building = f"{PREFIX}building"
            # A run that was killed may have left this database behind.
            drop(server, building)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
            with tempfile.TemporaryDirectory() as scratch:
                migrate(DATA_DIR=scratch, DATABASE_URL=another_database(url, building))
            server.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(building), sql.Identifier(template)
                )
            )
            for old in newest_first[MAX_TEMPLATES - 1 :]:
                drop(server, old)
    return template


@contextmanager
def locked_server(url):
    """Connect to the server of `url`.

    Other test runs can't build or remove template databases until the connection closes. All runs connect to the
    same database, because PostgreSQL's advisory locks hold only within one database.
    """
    with psycopg.connect(another_database(url, "postgres"), autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield server


def drop(server, name):
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def another_database(url, name):
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def migrate(**variables):
    """Create all tables in the database that the environment variables in `variables` name."""
    ours = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"AFTERWORD_MODE": "test", **variables}
    for command in (["migrate", "--verbosity=0"], ["createcachetable"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=settings.BASE_DIR, env=environment, check=True
        )


def copy_sqlite(template, target):
    """Copy a migrated file over the database `target`, and delete the journal files of an earlier run."""
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, target)
