"""Queries that Django puts together once in a process, and that are then only given other values; and so with saving a row.

Naming the columns of a query and joining its tables takes Django longer than the database takes to answer it; a page that asks for a
dozen such things does little else. What is asked stays an ordinary queryset.
"""

from collections import namedtuple
from functools import cache, lru_cache, wraps
from operator import itemgetter

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, prefetch_related_objects
from django.db.models.query import FlatValuesListIterable, ValuesListIterable, get_related_populators

NOTHING, ONE = -2, -1  # in place of the length of a list
Place = namedtuple("Place", "name number")  # stands among the parameters of the SQL where a value goes


class Slot(Expression):
    """What a function is called with while its query is put together: a value, or as many as a list holds."""

    def __init__(self, name, field, length):
        super().__init__(output_field=field)
        self.name, self.length = name, length

    @property
    def place(self):
        return Place(self.name, 0)

    def as_sql(self, compiler, connection):
        if self.length == ONE:
            return "%s", [self.place]
        return f"({', '.join(['%s'] * self.length) or 'NULL'})", [
            Place(self.name, number) for number in range(self.length)
        ]


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
            return Statement(
                make(
                    **{
                        name: None if length is NOTHING else Slot(name, fields[name], length)
                        for name, length in lengths
                    }
                )
            )

        @wraps(make)
        def run(**values):
            statement = put_together(tuple((name, _length(value)) for name, value in values.items()))
            given = {
                Place(name, number): fields[name].get_db_prep_value(one, connection)
                for name, value in values.items()
                for number, one in enumerate(value if isinstance(value, list) else [value])
            }
            return statement.run(given)

        return run

    return decorate


class Statement:
    """A queryset's SQL, and how a row of its answer is read: what Django finds out anew each time that a queryset is evaluated."""

    def __init__(self, queryset):
        compiler = queryset.query.get_compiler(connection=connection)
        try:
            self.sql, params = compiler.as_sql()
        except EmptyResultSet:  # whatever is asked for, nothing meets a condition of it
            self.sql = None
            return
        self.params = [
            param.place if isinstance(param, Slot) else param for param in params
        ]  # as RawSQL has them
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        self.conversions = [
            (place, convert, column) for place, (several, column) in converters.items() for convert in several
        ]
        self.read = _reader(queryset, compiler)
        self.prefetched = queryset._prefetch_related_lookups

    def run(self, given):
        """The rows, as a list. `given`: {Place: value}."""
        if self.sql is None:
            return []
        own = connections[DEFAULT_DB_ALIAS]  # a thread's own
        with own.cursor() as cursor:
            cursor.execute(
                self.sql, [given[param] if isinstance(param, Place) else param for param in self.params]
            )
            rows = [list(row) for row in cursor.fetchall()]
        for row in rows:
            for place, convert, column in self.conversions:
                row[place] = convert(row[place], column, own)
        found = [self.read(row) for row in rows]
        if self.prefetched:
            prefetch_related_objects(found, *self.prefetched)
        return found


def _reader(queryset, compiler):
    """Makes of a row what the queryset yields: one value, a tuple, or an object with what was selected and annotated along with it."""
    if queryset._iterable_class is FlatValuesListIterable:
        return itemgetter(0)
    if queryset._iterable_class is ValuesListIterable:
        return tuple
    kind, places = compiler.klass_info["model"], compiler.klass_info["select_fields"]
    start, end = places[0], places[-1] + 1
    names = [column.target.attname for column, *_ in compiler.select[start:end]]
    related = get_related_populators(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)
    annotated = compiler.annotation_col_map or {}

    def read(row):
        found = kind.from_db(DEFAULT_DB_ALIAS, names, row[start:end])
        for populator in related:
            populator.populate(row, found)
        for name, place in annotated.items():
            setattr(found, name, row[place])
        return found

    return read


def insert(row):
    """Saves a row that is new, as `row.save()` does where nobody waits for a signal, and gives it its primary key."""
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
    return fields, f"INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}"  # noqa: S608  names of columns
