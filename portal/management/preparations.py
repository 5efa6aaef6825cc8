"""Refuse to start if a step of the installation is missing, or if the database is not the portal's own."""

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from portal.backups import newer_migrations, unapplied_migrations
from portal.right_database import problem_with_database


def check_database():
    """Raise CommandError if the portal can't use the database as it is. Change nothing."""
    if problem := problem_with_database():
        raise CommandError(problem)
    check_migrations()
    if settings.CACHES["default"]["LOCATION"] not in connection.introspection.table_names():
        raise CommandError("The cache table is missing. Run first: manage.py createcachetable")


def check_migrations():
    """Raise CommandError if the database is of an earlier or a newer version."""
    if unapplied_migrations():
        raise CommandError("The database is not up to date. Run first: manage.py migrate")
    if newer := newer_migrations():
        raise CommandError(
            f"A newer version of the portal has changed the database: this version doesn't know the "
            f"migration {'.'.join(newer[0])}. Install the newer version, or restore a backup of this one."
        )
