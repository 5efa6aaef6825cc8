"""Test the query that finds what staff have recorded about items."""

from datetime import date

import pytest
from django.db import connection

from recommendations.recorded import add_recorded
from tests.factories import ItemFactory

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by the number of rows")
def test_query_for_recorded_steps_reads_next_steps_before_recommendations():
    calls = []
    with connection.execute_wrapper(lambda run, *call: calls.append(call[:2]) or run(*call)):
        add_recorded([ItemFactory() for _ in range(2)], date(2026, 11, 30))
    sql, values = calls[-1]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "next_steps_by_day" in plan
    assert plan.index("next_steps_by_day") < plan.index("recommendations_recommendation")
