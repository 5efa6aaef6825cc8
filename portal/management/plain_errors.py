"""If a command fails because of the disk or the database, explain the problem in one sentence."""

import errno

from django.conf import settings
from django.core.management import CommandError
from django.db import OperationalError
from django.db.migrations.exceptions import MigrationSchemaMissing

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
# What SQLite says if migrations are missing.
NOT_UP_TO_DATE = ("no such table", "no such column", "has no column named")


def in_one_sentence(error):
    """Return a sentence that says what is wrong and what to do.

    Return "" if the error has nothing to do with the disk or the database.
    """
    where = f": {error.filename}" if getattr(error, "filename", None) else ""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"The disk is full{where}. Free up space, and run the command again."
    if isinstance(error, OSError) and error.errno in NO_PERMISSION:
        return f"Permission denied{where}. Run the command as the portal's account, or correct the owner."
    if isinstance(error, OperationalError | MigrationSchemaMissing):
        return database_problem(error)
    return ""


def database_problem(error):
    """Return why the database can't be used, and what to do."""
    reason, database = " ".join(str(error).split()).rstrip(".?"), settings.DATABASES["default"]
    if any(words in reason for words in NOT_UP_TO_DATE):
        return "The database is not up to date. Run first: manage.py migrate"
    if reason == "database is locked":
        return (
            f"The database {database['NAME']} is busy: another process has been writing to it for too long. "
            "Run the command again."
        )
    if database["ENGINE"] == "django.db.backends.sqlite3":
        return (
            f"The database {database['NAME']} can't be used: {reason}. Free up space on its disk, and let "
            "the portal's account write to the file and its folder."
        )
    return f"The database can't be used: {reason}. Start it, or correct DATABASE_URL or its permissions."


def run_plainly(execute, arguments):
    """Run a management command. If `in_one_sentence` explains its error, exit with the sentence.

    With `--traceback`, show the traceback instead of the sentence.
    """
    try:
        execute(arguments)
    except CommandError:
        raise
    except Exception as error:
        sentence = in_one_sentence(error)
        if not sentence or "--traceback" in arguments:
            raise
        raise SystemExit(f"CommandError: {sentence}") from error
