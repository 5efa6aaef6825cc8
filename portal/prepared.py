"""Compile the SQL of a query once per process, instead of at each call.

Django takes longer to compile a queryset with a few joins than the database takes to run its SQL. A page with
a dozen such querysets would spend most of its time compiling. See docs/decisions/0009.
"""

import copy
from collections import namedtuple
from functools import cache, lru_cache, wraps

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression
from django.db.models.sql.compiler import SQLCompiler

# The SQL is cached by the lengths of the arguments. If an argument is not a list, its length is NONE for the
# value None, and ONE for any other value.
ONE, NONE = -1, -2
# A parameter of the cached SQL. `name` is the name of an argument. If the argument is a list, `number` is an
# index in the list. Otherwise `number` is 0.
Place = namedtuple("Place", "name number")


def prepared(**fields):
    """Decorate a function that returns a queryset. Each call then runs cached SQL and returns a list of rows.

    `fields` maps each argument to a model field. The field converts the values of the argument for the
    database. All arguments are passed by name. An argument for an `__in` lookup is a list.

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
            return queryset, CachedCompiler(queryset.query)

        @wraps(make)
        def run(**values):
            queryset, compiler = compiled(tuple((name, _length(value)) for name, value in values.items()))
            # The compiler is shared by all threads, but each thread has its own connection.
            connection = connections[DEFAULT_DB_ALIAS]
            params = {
                Place(name, number): fields[name].get_db_prep_value(part, connection)
                for name, value in values.items()
                for number, part in enumerate(value if isinstance(value, list) else [value])
            }
            return list(compiler.rows(queryset, connection, params))

        return run

    return decorate


def _length(value):
    if value is None:
        return NONE
    return len(value) if isinstance(value, list) else ONE


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
    methods `as_sql` and `get_converters`, and read the attributes that `as_sql` has set. No other class of
    ours depends on these details of Django.
    """

    def __init__(self, query):
        super().__init__(query, connection, DEFAULT_DB_ALIAS)
        try:
            self.sql, params = super().as_sql()
        except EmptyResultSet:
            # The query can't match anything, for example because a list is empty.
            self.sql, params = "", ()
        # Django doesn't compile the parameters of a RawSQL, so a Slot can still be among them.
        self.places = [Place(param.name, 0) if isinstance(param, Slot) else param for param in params]
        self.converters = super().get_converters([column for column, *_ in self.select[: self.col_count]])
        self.params = ()

    def rows(self, queryset, connection, params):
        """Return a copy of the queryset that runs the cached SQL with `params`, {Place: value}."""
        compiler = copy.copy(self)
        compiler.connection = connection
        compiler.params = tuple([params[p] if isinstance(p, Place) else p for p in self.places])
        queryset = queryset.all()
        queryset.query.get_compiler = lambda *args, **kwargs: compiler
        return queryset

    def as_sql(self, with_limits=True, with_col_aliases=False):
        return self.sql, self.params

    def get_converters(self, expressions):
        return self.converters


def insert(row):
    """Save a new row as `row.save()` does, but without signals, and set its primary key."""
    fields, sql = _insertion(type(row))
    with connection.cursor() as cursor:
        cursor.execute(
            sql, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
        )
        [row.pk] = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


@cache
def _insertion(model):
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    quoted = connection.ops.quote_name
    columns, values = ", ".join(quoted(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    table, key = quoted(model._meta.db_table), quoted(model._meta.pk.column)
    return fields, f"INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}"  # noqa: S608  names only
