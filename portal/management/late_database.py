"""Wait for a database server that starts later than the portal, for example after a power failure."""

import time

from django.core.management.base import CommandError
from django.db import OperationalError, connection

from portal.management.plain_errors import database_problem

WAIT_SECONDS = 60
PAUSE_SECONDS = 5


def wait_for_database(write):
    """Wait until the database answers. Call `write` with one line for each failed attempt.

    Raises CommandError after WAIT_SECONDS.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.ensure_connection()
            connection.close()
            return
        except OperationalError as error:
            if connection.vendor == "sqlite":
                # Waiting doesn't help if the database is a file.
                raise CommandError(database_problem(error)) from error
            reason = " ".join(str(error).split()).rstrip(".?")
        if time.monotonic() + PAUSE_SECONDS > deadline:
            raise CommandError(
                f"The database did not answer for {WAIT_SECONDS} seconds: {reason}. "
                "Start it, or correct DATABASE_URL."
            )
        write(f"The database does not answer yet: {reason}. Trying again in {PAUSE_SECONDS} seconds.")
        time.sleep(PAUSE_SECONDS)
