"""Find out whether the database belongs to this portal, before a command changes anything in it.

The library's row has a mark: a random salt, and its HMAC with SECRET_KEY. Another portal has another key, so
it can't have made this mark. The worker writes the mark, and renews it after the key was changed.
"""

import secrets

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal import keys

KEY_PURPOSE = "portal.right_database"
ANOTHER_KEY = "The database belongs to a portal with another SECRET_KEY. Correct DATABASE_URL or SECRET_KEY"


def problem_with_database():
    """Return a sentence that says whose database this is and what to do. Return "" if it is the portal's."""
    if tables := other_tables():
        return (
            f"The database belongs to another application: it has the table {tables[0]}. "
            "Give the portal a database of its own, and correct DATABASE_URL."
        )
    if has_another_key():
        return f"{ANOTHER_KEY}. If the key was changed on purpose, run: manage.py accept_key"
    return ""


def other_tables():
    """Return the tables of another application. Return [] if the portal already uses this database."""
    tables = set(connection.introspection.table_names())
    if _library()._meta.db_table in tables:
        return []
    own = {*connection.introspection.django_table_names(), MigrationRecorder.Migration._meta.db_table}
    return sorted(tables - own - {settings.CACHES["default"]["LOCATION"]})


def has_another_key():
    """Return whether the mark was made with a key that is neither SECRET_KEY nor one of the fallbacks."""
    mark = _library().objects.values_list("key_mark", flat=True).first() if _has_marks() else ""
    salt, _colon, fingerprint = (mark or "").partition(":")
    return bool(mark) and fingerprint not in keys.fingerprints(KEY_PURPOSE, salt)


def mark_database(*, at):
    """Make sure that the mark was made with the current key. The worker calls this function.

    A mark that was made with a fallback key is replaced. Only a portal in production mode writes a mark,
    because in other modes the key is not secret.
    """
    if settings.LOCAL:
        return
    mark = _library().objects.values_list("key_mark", flat=True).first()
    if mark is None or has_another_key():
        return
    salt, _colon, fingerprint = mark.partition(":")
    if fingerprint != keys.fingerprint(KEY_PURPOSE, salt):
        accept_key()


def accept_key():
    """Write the mark with the current key, even if the earlier mark was made with an unknown key."""
    salt = secrets.token_hex(16)
    _library().objects.update(key_mark=f"{salt}:{keys.fingerprint(KEY_PURPOSE, salt)}")


def remove_mark():
    """Remove the mark, for example after a restore of a backup that was made with another key."""
    if _has_marks():
        _library().objects.update(key_mark="")


def _has_marks():
    """Return whether the database has the column for the mark, which is missing in earlier versions."""
    table = _library()._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        columns = connection.introspection.get_table_description(cursor, table)
    return any(column.name == "key_mark" for column in columns)


def _library():
    return apps.get_model("accounts", "Library")
