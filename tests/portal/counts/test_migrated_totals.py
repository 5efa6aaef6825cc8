"""Test the migration that computes the totals of each breakdown, such as modes, from the table MonthTotal."""

import datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_long]

MARCH = datetime.date(2026, 3, 1)


@pytest.fixture
def old_models(transactional_db):
    """Return the models from before the tables of totals were added. Migrate forward again after the test."""
    yield migrate("0008_month_emails")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def migrate(name):
    return MigrationExecutor(connection).migrate([("counts", name)]).apps


def test_migration_adds_up_the_totals_of_each_breakdown_and_separates_final_counts(old_models):
    branch = old_models.get_model("accounts", "Branch").objects.create(name="Main", slug="main")
    common = {
        "branch_id": branch.pk,
        "month": MARCH,
        "estimated_minutes": 1,
        "handed_over": 2,
        "check_ins": 3,
    }
    total = old_models.get_model("counts", "MonthTotal").objects.create
    total(**common, mode="phone", question_type="reference", read_level=2, contacts=4, minutes=40)
    total(**common, mode="chat", question_type="reference", read_level=None, contacts=5, minutes=50)
    total(**common, mode="chat", question_type="reference", is_final=True, contacts=6, minutes=60)
    total(**common, mode="phone", question_type="directional", is_tally=True, contacts=7, minutes=0)
    apps = migrate("0010_fill_totals_of_one_column")

    def rows(table, *columns):
        found = apps.get_model("counts", table).objects.filter(month=MARCH, branch=branch.pk, log_import=None)
        numbers = ("contacts", "minutes", "estimated_minutes", "handed_over", "check_ins")
        return {row[:-5]: row[-5:] for row in found.values_list("is_final", *columns, *numbers)}

    assert rows("PointTotal", "service_point", "is_tally", "tally_kind") == {
        (False, None, False, None): (9, 90, 2, 4, 6),
        (True, None, False, None): (6, 60, 1, 2, 3),
        (False, None, True, None): (7, 0, 1, 2, 3),
    }
    assert rows("ModeTotal", "mode") == {
        (False, "phone"): (11, 40, 2, 4, 6),
        (False, "chat"): (5, 50, 1, 2, 3),
        (True, "chat"): (6, 60, 1, 2, 3),
    }
    assert rows("TypeTotal", "is_tally", "question_type") == {
        (False, False, "reference"): (9, 90, 2, 4, 6),
        (True, False, "reference"): (6, 60, 1, 2, 3),
        (False, True, "directional"): (7, 0, 1, 2, 3),
    }
    assert rows("LevelTotal", "is_tally", "read_level") == {
        (False, False, 2): (4, 40, 1, 2, 3),
        (False, False, None): (5, 50, 1, 2, 3),
        (True, False, None): (6, 60, 1, 2, 3),
        (False, True, None): (7, 0, 1, 2, 3),
    }
