"""Compile the SQL of a query once per process, instead of at each call.

Django takes longer to compile a queryset with a few joins than the database takes to run its SQL. A page with
a dozen such querysets would spend most of its time compiling. See docs/decisions/0009.
"""

import threading
from collections import namedtuple
from functools import cache, lru_cache, wraps

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.models import Expression, prefetch_related_objects
from django.db.models.sql.compiler import SQLCompiler

# The "lengths" of arguments that are not lists: NONE for the value None, and ONE for any other value. The SQL
# is cached by the lengths of its arguments.
ONE, NONE = -1, -2
# A parameter of the cached SQL. `name` is the name of an argument. If the argument is a list, `number` is an
# index in the list. Otherwise `number` is 0.
Place = namedtuple("Place", "name number")


def prepared(**fields):
    """Decorate a function that returns a queryset. Each call then runs cached SQL and returns a list of rows.

    `fields` maps each argument to a model field, which converts the values of the argument for the database.
    All arguments are passed by name. An argument for an `__in` lookup is a list.

    The decorated function runs only if the SQL isn't cached yet. The SQL depends on the lengths of the lists
    and on which arguments are None. The decorated function gets a `Slot` in place of each value that isn't
    None. So its code must not branch on a value, and it must take the current time as an argument.
    """

    def decorate(make):
        # The SQL has a placeholder for each value of a list, so each length of a list needs its own SQL.
        @lru_cache(maxsize=100)
        def compiled(lengths):
            slots = {
                name: None if length == NONE else Slot(name, fields[name], length) for name, length in lengths
            }
            queryset = make(**slots)
            return queryset, CachedCompiler(queryset.query, _places(lengths))

        @wraps(make)
        def run(**values):
            queryset, compiler = compiled(tuple([(name, _length(value)) for name, value in values.items()]))
            # The compiler is shared by all threads, but each thread has its own connection.
            connection = connections[DEFAULT_DB_ALIAS]
            arguments = []
            for name, value in values.items():
                convert = fields[name].get_db_prep_value
                parts = value if isinstance(value, list) else [value]
                arguments += [convert(part, connection) for part in parts]
            compiler.set_call(connection, arguments)
            # Run the SQL without making a copy of the queryset. Making a copy takes longer than running most
            # SQL.
            rows = list(queryset._iterable_class(queryset))
            if queryset._prefetch_related_lookups:
                prefetch_related_objects(rows, *queryset._prefetch_related_lookups)
            return rows

        return run

    return decorate


def _length(value):
    if value is None:
        return NONE
    return len(value) if isinstance(value, list) else ONE


def _places(lengths):
    """Return the Place of each converted argument of a call, in the order in which `run` converts them."""
    return [Place(name, number) for name, length in lengths for number in range(length if length >= 0 else 1)]


class Slot(Expression):
    """A stand-in for a value, or for a list of `length` values, while a query is compiled."""

    def __init__(self, name, field, length):
        super().__init__(output_field=field)
        self.name, self.length = name, length

    def as_sql(self, compiler, connection):
        if self.length == ONE:
            return "%s", [Place(self.name, 0)]
        places = [Place(self.name, number) for number in range(self.length)]
        return f"({', '.join(['%s'] * self.length) or 'NULL'})", places


class CachedCompiler(SQLCompiler):
    """A compiler that compiles its query once and then returns the same SQL with the values of each call.

    Django's iterables execute the SQL and build the objects. They ask the query for a compiler, call its
    methods `as_sql`, `get_converters` and `has_composite_fields`, and read the attributes that `as_sql` has
    set. No other class of ours depends on these details of Django.
    """

    def __init__(self, query, places):
        """Compile the query. `places` has the Place of each argument that `set_call` gets."""
        # All threads share the compiler. Each thread has its own connection and parameters.
        self.call = threading.local()
        super().__init__(query, connection, DEFAULT_DB_ALIAS)
        try:
            sql, params = super().as_sql()
        except EmptyResultSet:
            # The query can't match anything, for example because a list is empty.
            sql, params = "", ()
        # Django doesn't compile the parameters of a RawSQL, so a Slot can still be among them.
        params = [Place(param.name, 0) if isinstance(param, Slot) else param for param in params]
        self.sql, self.params = _with_constants(sql, params)
        number_of = {place: number for number, place in enumerate(places)}
        # Each entry is (index in `self.params`, index in `places` of the argument whose value goes there).
        self.filled = [
            (index, number_of[param]) for index, param in enumerate(self.params) if isinstance(param, Place)
        ]
        columns = [column for column, *_ in self.select[: self.col_count]]
        self.converters = super().get_converters(columns)
        self.has_composite = super().has_composite_fields(columns)
        # Don't copy the query for the new queryset of each call. Copying takes longer than running most SQL.
        query.chain = lambda *args, **kwargs: query
        query.get_compiler = lambda *args, **kwargs: self

    @property
    def connection(self):
        return self.call.connection

    @connection.setter
    def connection(self, connection):
        self.call.connection = connection

    def set_call(self, connection, arguments):
        """Set the connection and the converted arguments for the next run of the SQL in this thread."""
        params = self.params.copy()
        for index, number in self.filled:
            params[index] = arguments[number]
        self.call.connection, self.call.params = connection, tuple(params)

    def as_sql(self, with_limits=True, with_col_aliases=False):
        return self.sql, self.call.params

    def get_converters(self, expressions):
        return self.converters

    def has_composite_fields(self, expressions):
        return self.has_composite


def _with_constants(sql, params):
    """Write each parameter that is a text or a whole number into the SQL. Return (SQL, other parameters).

    PostgreSQL keeps one plan for all values of the parameters. It can't know from a parameter that the query
    needs only the rows of an index with a condition, such as the planned check-ins.
    """
    is_constant = [isinstance(param, str | int) and not isinstance(param, bool) for param in params]
    parts = [
        _literal(param) if constant else "%s" for param, constant in zip(params, is_constant, strict=True)
    ]
    left = [param for param, constant in zip(params, is_constant, strict=True) if not constant]
    # In the SQL, each percent sign is doubled. Double it again, because formatting makes two signs one.
    return sql.replace("%%", "%%%%") % tuple(parts), left


def _literal(constant):
    if isinstance(constant, int):
        return str(int(constant))
    return "'" + str(constant).replace("'", "''").replace("%", "%%") + "'"


def insert(row):
    """Save a new row as `row.save()` does, but without signals, and set its primary key."""
    fields, _sql, sql = _insertion(type(row))
    _insert(row, fields, sql)


def insert_if_new(row):
    """Do what `insert` does, unless the table already has a unique value of this row.

    Return whether the row was inserted. If another transaction has inserted the same value, wait until that
    other transaction has ended.
    """
    fields, sql, _returning = _insertion(type(row))
    key = connection.ops.quote_name(row._meta.pk.column)
    return _insert(row, fields, f"{sql} ON CONFLICT DO NOTHING RETURNING {key}")


def _insert(row, fields, sql):
    """Run the SQL with the values of this row, and set its primary key. Return whether a row was inserted."""
    with connection.cursor() as cursor:
        cursor.execute(
            sql, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
        )
        inserted = cursor.fetchone()
    if inserted:
        [row.pk] = inserted
        row._state.adding, row._state.db = False, connection.alias
    return inserted is not None


@cache
def _insertion(model):
    """Return (fields of the parameters, SQL, SQL that also returns the primary key) for an INSERT."""
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    quoted = connection.ops.quote_name
    columns, values = ", ".join(quoted(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    table, key = quoted(model._meta.db_table), quoted(model._meta.pk.column)
    sql = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608  names only
    return fields, sql, f"{sql} RETURNING {key}"


def update(row):
    """Save all columns of a row that exists, as `row.save()` does, but without signals."""
    fields = [field for field in row._meta.local_concrete_fields if not field.primary_key]
    changes = {field.name: field.pre_save(row, add=False) for field in fields}
    if not update_rows(type(row), changes, pk=row.pk):
        raise DatabaseError("The row does not exist.")


def update_rows(model, changes, **where):
    """Do what `model.objects.filter(**where).update(**changes)` does, and return how many rows changed.

    `changes` and `where` map names of fields to values. Other lookups and expressions are not possible.
    """
    conditions = tuple([(name, value is None) for name, value in where.items()])
    fields, sql = _change(model, tuple(changes), conditions)
    values = [*changes.values(), *[value for value in where.values() if value is not None]]
    pairs = zip(fields, values, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(sql, [field.get_db_prep_save(value, connection) for field, value in pairs])
        return cursor.rowcount


def update_all(rows, names):
    """Save the columns `names` of rows that exist, with one UPDATE per row.

    `bulk_update` makes one long statement for all rows, which takes several times as long.
    """
    if not rows:
        return
    fields, sql = _change(type(rows[0]), tuple(names), (("pk", False),))
    with connection.cursor() as cursor:
        cursor.executemany(
            sql,
            [
                [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
                for row in rows
            ],
        )


def insert_all(common, rows):
    """Insert a row for each dict {attribute: value} in `rows`. All dicts have the same attributes.

    `common` is an unsaved object of the model, from which each row gets its other values. `bulk_create` needs
    an object for each row and compiles long statements, which takes longer.
    """
    if not rows:
        return
    fields, sql, _returning = _insertion(type(common))
    places = {field.attname: place for place, field in enumerate(fields)}
    values = [field.get_db_prep_save(getattr(common, field.attname), connection) for field in fields]
    changing = [places[name] for name in rows[0]]
    columns = [
        [fields[place].get_db_prep_save(row[name], connection) for row in rows]
        for place, name in zip(changing, rows[0], strict=True)
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Pass each column as an array to one statement. A statement per row would take the server longer.
            same = [value for place, value in enumerate(values) if place not in changing]
            cursor.execute(_insertion_of_arrays(type(common), tuple(changing)), [*same, *columns])
        else:
            cursor.executemany(sql, _with_changes(values, changing, columns))


def _with_changes(values, changing, columns):
    for changes in zip(*columns, strict=True):
        row = values.copy()
        for place, value in zip(changing, changes, strict=True):
            row[place] = value
        yield row


@cache
def _insertion_of_arrays(model, changing):
    """Return the SQL of an INSERT of many rows. `changing` has the indexes of the fields that differ by row.

    The parameters are the values of the other fields, and then an array for each field in `changing`.
    """
    fields, _sql, _returning = _insertion(model)
    arrays = [fields[place] for place in changing]
    same = [field for place, field in enumerate(fields) if place not in changing]
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(field.column) for field in [*arrays, *same])
    unnest = ", ".join(f"%s::{field.cast_db_type(connection)}[]" for field in arrays)
    others = "".join(f", %s::{field.cast_db_type(connection)}" for field in same)
    return (
        f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) "  # noqa: S608  names only
        f"SELECT arrays.*{others} FROM unnest({unnest}) AS arrays"
    )


@lru_cache(maxsize=200)
def _change(model, changed, conditions):
    """Return (fields of the parameters, SQL) for an UPDATE.

    `conditions` are pairs of (name of a field, whether the field must be NULL).
    """
    fields, quoted = [], connection.ops.quote_name

    def column(name, *, has_value=True):
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        if has_value:
            fields.append(field)
        return quoted(field.column)

    changes = ", ".join([f"{column(name)} = %s" for name in changed])
    where = " AND ".join(
        [
            f"{column(name, has_value=False)} IS NULL" if is_null else f"{column(name)} = %s"
            for name, is_null in conditions
        ]
    )
    return fields, f"UPDATE {quoted(model._meta.db_table)} SET {changes} WHERE {where}"  # noqa: S608  names only
