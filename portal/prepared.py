"""Queries that Django puts together once in a process, and that are then only given other values; and so with saving a row.

Naming the columns of a query and joining its tables takes Django longer than the database takes to answer it; a page that asks for a
dozen such things does little else. What is asked stays an ordinary queryset.
"""

from collections import namedtuple
from copy import copy
from functools import cache, lru_cache, wraps

from django.db import connection
from django.db.models import Expression, QuerySet

NOTHING, ONE = -2, -1  # in place of the length of a list
Place = namedtuple("Place", "name number")  # stands among the parameters of the SQL where a value goes


class Slot(Expression):
    """What a function is called with while its query is put together: a value, or as many as a list holds."""

    def __init__(self, name, field, length):
        super().__init__(output_field=field)
        self.name, self.length = name, length

    def as_sql(self, compiler, connection):
        if self.length == ONE:
            return "%s", [Place(self.name, 0)]
        return f"({', '.join(['%s'] * self.length) or 'NULL'})", [Place(self.name, number) for number in range(self.length)]


def _length(value):
    return NOTHING if value is None else len(value) if isinstance(value, list) else ONE


def prepared(**fields):
    """Decorates a function that makes a queryset of its parameters. `fields` says of each like which field it is compared.

    Called by name with their values, or with a list for what stands behind `__in`, the function then returns a list of rows. Only
    values change: what another value would leave out of the query must be a condition in it. None is no value: it is what the
    function is called with, and makes a query of its own.
    """

    def decorate(make):
        @lru_cache(maxsize=100)  # a list of another length is another query
        def put_together(lengths):
            queryset = make(**{name: None if length is NOTHING else Slot(name, fields[name], length) for name, length in lengths})
            compiler = queryset.query.get_compiler(connection=connection)
            sql, params = compiler.as_sql()
            return queryset, compiler, sql, params, compiler.get_converters([column for column, *_ in compiler.select])

        @wraps(make)
        def run(**values):
            queryset, compiler, sql, params, converters = put_together(tuple((name, _length(value)) for name, value in values.items()))
            given = {
                Place(name, number): fields[name].get_db_prep_value(one, connection)
                for name, value in values.items()
                for number, one in enumerate(value if isinstance(value, list) else [value])
            }
            bound = tuple(given[param] if isinstance(param, Place) else param for param in params)
            compiler, query = copy(compiler), copy(queryset.query)
            compiler.connection = connection  # a thread's own
            compiler.as_sql = lambda *args, **kwargs: (sql, bound)
            compiler.get_converters = lambda _columns: converters  # finding them takes a tenth of the time of asking
            query.get_compiler = lambda *args, **kwargs: compiler
            rows = QuerySet(queryset.model, query)
            rows._iterable_class, rows._prefetch_related_lookups = queryset._iterable_class, queryset._prefetch_related_lookups
            return list(rows)

        return run

    return decorate


def insert(row):
    """Saves a row that is new, as `row.save()` does where nobody waits for a signal, and gives it its primary key."""
    fields, sql = _insertion(type(row))
    with connection.cursor() as cursor:
        cursor.execute(sql, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields])
        [row.pk] = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


@cache
def _insertion(model):
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    quoted = connection.ops.quote_name
    columns, values = ", ".join(quoted(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    return fields, f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES ({values}) RETURNING {quoted(model._meta.pk.column)}"  # noqa: S608  names of columns
