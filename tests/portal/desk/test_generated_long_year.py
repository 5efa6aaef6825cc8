"""Compare the figures of a longer generated year with plain SQL.

This test has a module of its own, because the year of test_generated_year.py stays in the database until all
tests of its module have run.
"""

import datetime

import pytest

from portal.counts.actions import rebuild
from portal.privacy import retention

from .test_generated_year import CHECKS, check_answers, check_contacts, check_months
from .year.history import Year

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow, pytest.mark.only_long]


def test_every_figure_of_a_long_generated_year_has_the_numbers_of_plain_sql(tmp_path):
    year = Year(2, steps=1500, nights=40, folder=tmp_path)
    for check in CHECKS:
        check(year)
    assert check_months(year) > 50
    rebuild()
    retention.forget(at=year.ended_at + datetime.timedelta(days=800))
    for check in (check_contacts, check_months, check_answers):
        check(year)
