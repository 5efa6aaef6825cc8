"""Create the table of the rate limits, and move the counts from Django's cache table to the new table.

In earlier versions, portal/limits.py stored the counts in the cache.
"""

import datetime

from django.conf import settings
from django.core.cache import cache
from django.db import migrations, models
from django.utils import timezone


def move_from_cache(apps, schema_editor):
    connection, now = schema_editor.connection, timezone.now()
    table = _cache_table(connection)
    if table is None:
        return
    prefix = cache.make_key("limit:")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT cache_key, value, expires FROM {table} WHERE cache_key LIKE %s",  # noqa: S608  our own table name
            [f"{prefix}%"],
        )
        found = [
            (key.removeprefix(prefix), [float(moment) for moment in value.split()], _aware(expires))
            for key, value, expires in cursor.fetchall()
        ]
        cursor.execute(f"DELETE FROM {table} WHERE cache_key LIKE %s", [f"{prefix}%"])  # noqa: S608  our own table name
    model = apps.get_model("portal", "LimitCount")
    model.objects.bulk_create(
        (
            model(key=key, moments=moments, expires_at=expires_at)
            for key, moments, expires_at in found
            if moments and expires_at > now
        ),
        batch_size=500,
    )


def move_to_cache(apps, schema_editor):
    connection = schema_editor.connection
    table = _cache_table(connection)
    if table is None:
        return
    rows = [
        (
            cache.make_key(f"limit:{row.key}"),
            " ".join(map(repr, row.moments)),
            connection.ops.adapt_datetimefield_value(row.expires_at.replace(microsecond=0)),
        )
        for row in apps.get_model("portal", "LimitCount").objects.all()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (cache_key, value, expires) VALUES (%s, %s, %s)",  # noqa: S608  our own table name
            rows,
        )


def _cache_table(connection):
    """Return the quoted name of the cache table, or None where createcachetable has not run yet."""
    name = settings.CACHES["default"].get("LOCATION", "")
    if name not in connection.introspection.table_names():
        return None
    return connection.ops.quote_name(name)


def _aware(moment):
    """Return the time with the time zone UTC. SQLite returns the time without a time zone."""
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=datetime.UTC)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LimitCount",
            fields=[
                ("key", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("moments", models.JSONField(default=list, help_text="Unix times, newest first")),
                (
                    "expires_at",
                    models.DateTimeField(db_index=True, help_text="no limit reads the row from then on"),
                ),
            ],
        ),
        migrations.RunPython(move_from_cache, move_to_cache),
    ]
