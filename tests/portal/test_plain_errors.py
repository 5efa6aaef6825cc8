"""Check that a command explains a full disk or an unusable database in one sentence."""

import errno
import os
from types import SimpleNamespace

import pytest
from django.core.management import CommandError
from django.db import OperationalError, ProgrammingError
from django.db.migrations.exceptions import MigrationSchemaMissing

from portal.management import plain_errors
from portal.management.plain_errors import run_plainly

SQLITE = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/data/afterword.sqlite3"}}
POSTGRES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "afterword"}}


def fail_with(error):
    def execute(arguments):
        raise error

    return execute


def system_error(number, *where):
    return OSError(number, os.strerror(number), *where)


@pytest.mark.parametrize(
    ("databases", "error", "sentence"),
    [
        (SQLITE, system_error(errno.ENOSPC), "The disk is full. Free up space, and run the command again."),
        (
            SQLITE,
            system_error(errno.EACCES, "/data/run.lock"),
            "Permission denied: /data/run.lock. Run the command as the portal's account, or correct the owner.",
        ),
        (
            SQLITE,
            OperationalError("database or disk is full"),
            "The database /data/afterword.sqlite3 can't be used: database or disk is full. Free up space on its "
            "disk, and let the portal's account write to the file and its folder.",
        ),
        (
            SQLITE,
            OperationalError("no such table: accounts_library"),
            "The database is not up to date. Run first: manage.py migrate",
        ),
        (
            SQLITE,
            OperationalError("table accounts_library has no column named note"),
            "The database is not up to date. Run first: manage.py migrate",
        ),
        (
            SQLITE,
            OperationalError("no such column: accounts_library.note"),
            "The database is not up to date. Run first: manage.py migrate",
        ),
        (
            SQLITE,
            OperationalError("database is locked"),
            "The database /data/afterword.sqlite3 is busy: another process has been writing to it for too long. "
            "Run the command again.",
        ),
        (
            POSTGRES,
            OperationalError('connection to server at "db" failed:\n\tConnection refused'),
            'The database can\'t be used: connection to server at "db" failed: Connection refused. Start it, or '
            "correct DATABASE_URL or its permissions.",
        ),
        (
            POSTGRES,
            MigrationSchemaMissing("Unable to create the django_migrations table (permission denied)"),
            "The database can't be used: Unable to create the django_migrations table (permission denied). Start "
            "it, or correct DATABASE_URL or its permissions.",
        ),
    ],
)
def test_disk_or_database_error_in_a_command_prints_one_sentence(monkeypatch, databases, error, sentence):
    monkeypatch.setattr(plain_errors, "settings", SimpleNamespace(DATABASES=databases))
    with pytest.raises(SystemExit) as ended:
        run_plainly(fail_with(error), ["manage.py", "migrate"])
    assert ended.value.code == f"CommandError: {sentence}"


@pytest.mark.parametrize(
    "error", [KeyError("x"), ProgrammingError("x"), CommandError("x"), system_error(errno.EIO)]
)
def test_command_raises_an_unexpected_error_with_its_traceback(error):
    with pytest.raises(type(error)):
        run_plainly(fail_with(error), ["manage.py", "migrate"])


def test_command_with_the_traceback_option_raises_expected_errors_too():
    with pytest.raises(OperationalError):
        run_plainly(fail_with(OperationalError("x")), ["manage.py", "migrate", "--traceback"])
