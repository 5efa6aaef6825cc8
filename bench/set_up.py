"""Fill the database at DATABASE_URL, and print the pages to measure as JSON.

Usage: python -m bench.set_up MODULE COUNT
"""

import importlib
import json
import logging
import sys

import django
from django.core.management import call_command
from django.db import connection

if __name__ == "__main__":
    django.setup()
    # Don't log the requests that the set-up makes.
    logging.disable(logging.INFO)
    _program, module, count = sys.argv
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    pages = importlib.import_module(module).set_up(int(count))
    # Renew the statistics for the query planner. In production, the worker does this for SQLite, and
    # PostgreSQL does it itself.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "postgresql" else "PRAGMA optimize = 0x10002")
    print(json.dumps(pages, default=str))
