"""Test the query that decides whether a search offers large print."""

import pytest
from django.db import connection

from portal.desk.narrowing import _has_large_print
from tests.factories import ItemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def test_search_offers_large_print_only_if_an_item_is_in_large_print():
    ItemFactory(form="print")
    assert not _has_large_print()
    ItemFactory(form="large_print")
    assert _has_large_print()


def test_generic_plan_of_postgresql_uses_the_index_of_items_in_large_print():
    """A plan for all calls can use the index only if the SQL contains the value, not a parameter."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no plans that it keeps")
    calls = []
    with connection.execute_wrapper(lambda run, *call: calls.append(call[:2]) or run(*call)):
        assert not _has_large_print()
    [(sql, values)] = calls
    values = values or []
    places = [f"${number}" for number, _value in enumerate(values, 1)]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"PREPARE kept AS {sql % tuple(places)}")
        call = f"kept ({', '.join(map(repr, values))})" if values else "kept"
        cursor.execute(f"EXPLAIN EXECUTE {call}")
        plan = " ".join(line for [line] in cursor.fetchall())
        cursor.execute("DEALLOCATE kept")
    assert "items_in_large_print" in plan
