"""Test that names of patron groups and service points become rows when the portal is updated."""

import datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_long]


@pytest.fixture
def old_models(transactional_db):
    """Return the models from before groups and service points had rows. Migrate forward after the test."""
    migrate(("counts", None), ("helpsessions", "0016_by_link_is_about_found"))
    yield migrate(("helpsessions", "0016_by_link_is_about_found"))
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def migrate(*targets):
    return MigrationExecutor(connection).migrate([*targets]).apps


def test_migration_replaces_names_in_help_sessions_with_groups_and_service_points(old_models):
    branch = old_models.get_model("accounts", "Branch").objects.create(name="Main", slug="main")
    session = old_models.get_model("helpsessions", "HelpSession")
    for number, (point, group) in enumerate([("Front desk", "STU"), ("front Desk", "Other"), ("", "")]):
        session.objects.create(
            status="recorded",
            branch_id=branch.pk,
            service_point=point,
            patron_group=group,
            happened_on=datetime.date(2026, 1, 1),
            hour=number,
            created_at=timezone.now(),
        )
    apps = migrate(("helpsessions", "0018_names_became_rows"))
    rows = apps.get_model("helpsessions", "HelpSession").objects.order_by("hour")
    values = rows.values_list("service_point__name", "patron_group__name", "is_group_from_card")
    assert [*values] == [("Front desk", "STU", True), ("Front desk", "Other", True), (None, None, False)]
    groups = apps.get_model("helpsessions", "PatronGroup").objects.order_by("pk")
    shown = [(group.name, group.is_other, group.card_groups, group.retired_at is None) for group in groups]
    assert shown == [("Other", True, [], True), ("STU", False, ["STU"], False)]
