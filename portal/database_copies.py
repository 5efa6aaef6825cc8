"""Copy the whole database to a file, and replace the database with such a copy.

The copy of a SQLite database is another SQLite database. For PostgreSQL, pg_dump and pg_restore do the work.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing

from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo


class BackupError(Exception):
    """A backup or a restore that failed. The text of the exception says why, and what to do next."""


def dump(copy):
    """Write a consistent copy of the database to the file `copy`. Raises BackupError."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(_sqlite_file())) as live, closing(sqlite3.connect(copy)) as target:
            # The whole database is copied in one step, so nobody can write to it during the copy.
            live.backup(target)
    else:
        _run_postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}")


def load(copy):
    """Replace the database with the copy. If that fails, put the old database back. Raises BackupError."""
    connection.close()
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(copy)) as source,
            closing(sqlite3.connect(_sqlite_file(), timeout=20)) as live,
        ):
            if not _is_sound(source):
                raise BackupError("The database in the backup is damaged. Nothing was changed.")
            try:
                source.backup(live)
            except sqlite3.Error as error:
                raise BackupError(
                    f"The database could not be written: {error}. Nothing was changed."
                ) from error
    else:
        before = copy.with_name("before")
        dump(before)
        drop_tables()
        try:
            _pg_restore(copy)
        except BaseException as error:
            _put_back(before, error)
            raise


def _put_back(before, error):
    """Load the old database again after a failed restore.

    If that fails too, don't delete the copy of the old database. Raises BackupError with the path of this
    copy and the command that loads it.
    """
    try:
        _pg_restore(before)
    except BackupError as second:
        kept = shutil.move(before, settings.DATA_DIR / f"before-restore-{timezone.now():%Y%m%d-%H%M%S}.dump")
        first = str(error).rstrip(".") or "The restore was stopped"
        raise BackupError(
            f"{first}. Then the old database could not be put back: {str(second).rstrip('.')}. The database "
            f"is empty now. The old one is in {kept}. Keep this file. When the database server works again, "
            f"load it: pg_restore --no-owner --no-privileges --dbname=NAME {kept}"
        ) from second


def drop_tables():
    """Drop all tables, including those that a newer version added.

    pg_restore would drop only the tables that are in the archive.
    """
    with connection.cursor() as cursor:
        names = [connection.ops.quote_name(name) for name in connection.introspection.table_names(cursor)]
        if names:
            cursor.execute(f"DROP TABLE {', '.join(names)} CASCADE")
    connection.close()


def _pg_restore(copy):
    _run_postgres(
        "pg_restore",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
        str(copy),
    )


def _is_sound(database):
    try:
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False


def _sqlite_file():
    return str(connection.settings_dict["NAME"])


def _run_postgres(program, *options):
    if not shutil.which(program):
        raise BackupError(
            f"{program} was not found. Install PostgreSQL's client programs "
            "(Debian and Ubuntu: apt-get install postgresql-client)."
        )
    given = connection.get_connection_params()
    # Everybody on the machine can read a command line, so the password is in the environment.
    environment = os.environ | {"PGPASSWORD": given.get("password", "")}
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} - {"password"}
    database = make_conninfo(**{name: value for name, value in given.items() if name in known})
    command = [program, f"--dbname={database}", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603  no shell
    if done.returncode == -signal.SIGXFSZ:
        raise BackupError(
            f"{program} was stopped, because a file became larger than this account may write. Raise the "
            "limit: `ulimit -f` shows it, and LimitFSIZE= sets it in a systemd unit."
        )
    if done.returncode < 0:
        raise BackupError(f"{program} was stopped by the signal {signal.Signals(-done.returncode).name}.")
    if done.returncode:
        raise BackupError(f"{program} failed: {' '.join(done.stderr.split()) or done.returncode}")
