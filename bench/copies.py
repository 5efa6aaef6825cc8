"""Multiply rows with SQL. Python takes much longer to invent a row than a database takes to copy it."""

from django.db import connection

# The first number of an invented row. It is so high that other rows never have the same numbers.
FIRST = 10**9
# In block n, a copy takes its mixed columns from another row: n * STEP rows after the row that it copies.
STEP = 7919


def copy_rows(model, *, number, block, size, changes=None, mixed=()):
    """Copy each invented row of `model` once.

    The rows are in blocks of `size` rows: block 0 has the invented rows, and the copies go to block `block`.
    `number` is the column with the number of a row. The invented rows have the numbers from FIRST to FIRST +
    `size` - 1. In a copy, the number is higher by `block` * `size`. The columns in `mixed` come from another
    row, so that the copies differ. `changes` is {column: SQL for its new value}. All other columns are
    copied, except an automatic primary key.
    """
    columns = [field.column for field in model._meta.concrete_fields]
    if model._meta.pk.column != number:
        columns.remove(model._meta.pk.column)
    values = {column: f"kept.{column}" for column in columns}
    values |= {column: f"other.{column}" for column in mixed}
    values |= {number: f"kept.{number} + {block * size}"} | (changes or {})
    table = connection.ops.quote_name(model._meta.db_table)
    source = f"{table} AS kept"
    if mixed:
        far = f"{FIRST} + (kept.{number} - {FIRST} + {block * STEP}) % {size}"
        source += f" JOIN {table} AS other ON other.{number} = {far}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {source} "
            f"WHERE kept.{number} BETWEEN {FIRST} AND {FIRST + size - 1}"
        )


def new_uuid():
    """Return SQL for a random value of a UUIDField."""
    return "lower(hex(randomblob(16)))" if connection.vendor == "sqlite" else "gen_random_uuid()"
