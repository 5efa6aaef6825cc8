"""Say in one sentence why a command failed, if the cause is a disk or the database and not the code."""

import errno

from django.conf import settings
from django.core.management import CommandError
from django.db import OperationalError
from django.db.migrations.exceptions import MigrationSchemaMissing

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


def in_one_sentence(error):
    """Return what is wrong and what to do, or "" if only the traceback can tell."""
    where = f": {error.filename}" if getattr(error, "filename", None) else ""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"The disk is full{where}. Make room, and run the command again."
    if isinstance(error, OSError) and error.errno in NO_PERMISSION:
        return f"Permission denied{where}. Run the command as the portal's account, or correct the owner."
    if isinstance(error, OperationalError | MigrationSchemaMissing):
        return database_problem(error)
    return ""


def database_problem(error):
    """Return why the database can't be used, and what to do."""
    reason, database = " ".join(str(error).split()).rstrip(".?"), settings.DATABASES["default"]
    if "no such table" in reason:
        return "The database is not up to date. Run first: manage.py migrate"
    if database["ENGINE"] == "django.db.backends.sqlite3":
        return (
            f"The database {database['NAME']} can't be used: {reason}. Make room on its disk, and let the "
            "portal's account write to the file and its folder."
        )
    return f"The database can't be used: {reason}. Start it, or correct DATABASE_URL or its permissions."


def run_plainly(execute, arguments):
    """Run a management command. If its error has a sentence, exit with it, unless `--traceback` is given."""
    try:
        execute(arguments)
    except CommandError:
        raise
    except Exception as error:
        sentence = in_one_sentence(error)
        if not sentence or "--traceback" in arguments:
            raise
        raise SystemExit(f"CommandError: {sentence}") from error
