"""Test that every model has a policy line, which says how long and why its rows are kept."""

import pytest
from django.apps import apps
from django.db import models

from accounts.models import User
from portal import worker
from portal.privacy.policy import POLICY
from portal.privacy.policy_lines.line import Group

# Models whose texts are not about a person, and unused models of packages.
TEXTS_NOT_ABOUT_PEOPLE = {
    "conversations.ReplyTemplate",
    "recommendations.Item",
    # It has only keys of rows, for undoing.
    "recommendations.ItemMatch",
    "recommendations.SearchEntry",
}
TEXTS_NOT_ABOUT_PEOPLE |= {
    "account.EmailConfirmation",
    "socialaccount.SocialApp",
    "socialaccount.SocialToken",
}
# A model without data about people. An erasure's receipt doesn't say whose data was erased.
WITHOUT_PEOPLE = {"privacy.Erasure"}
STAFF_WORDS = ["helpsessions.SessionNote", "helpsessions.UnfinishedForm"]


def test_policy_has_exactly_one_line_per_model():
    assert set(POLICY) == {model._meta.label for model in apps.get_models()}


@pytest.mark.parametrize("label", POLICY)
def test_policy_line_says_what_is_kept_and_how_long_and_why(label):
    line = POLICY[label]
    assert all([line.keeps, line.until, line.why])


def test_worker_runs_every_job_named_in_the_policy():
    assert {line.ended_by for line in POLICY.values()} - {""} <= {job.__name__ for job, _ in worker.JOBS}


@pytest.mark.parametrize("label", STAFF_WORDS)
def test_staff_notes_and_unfinished_forms_are_not_exported(label):
    assert not POLICY[label].exported


@pytest.mark.parametrize("label", POLICY)
def test_policy_line_contains_no_hard_coded_number_of_days(label):
    line = POLICY[label]
    assert not any(sign.isdigit() for sign in line.until.format(*["…"] * len(line.periods)))
    assert len(line.periods) == line.until.count("{")
    assert bool(line.periods) == bool(line.ended_by)


def test_privacy_page_covers_all_exported_models_except_staff_roles_and_invitations():
    unsaid = {
        label
        for label, line in POLICY.items()
        if line.exported and line.group in (Group.STAFF, Group.LIBRARY)
    }
    assert unsaid == {"accounts.StaffRole", "accounts.Invitation", "accounts.InvitedRole"}


def ends(label, seen=()):
    """Return whether a job of the worker deletes these rows, directly or together with other rows."""
    line = POLICY[label]
    return bool(line.ended_by) or (
        line.ends_with not in ("", label, *seen) and ends(line.ends_with, (*seen, label))
    )


def is_about_people(model):
    person = any(field.is_relation and field.related_model is User for field in model._meta.fields)
    return (
        model is User
        or person
        or any(
            isinstance(field, (models.TextField, models.JSONField, models.EmailField))
            for field in model._meta.fields
        )
    )


@pytest.mark.parametrize(
    "model",
    [model for model in apps.get_models() if POLICY[model._meta.label].group != Group.LIBRARY],
    ids=lambda model: model._meta.label,
)
def test_every_row_about_a_person_is_deleted_by_a_job_or_together_with_another_row(model):
    assert model._meta.label in WITHOUT_PEOPLE or ends(model._meta.label)


@pytest.mark.parametrize("model", apps.get_models(), ids=lambda model: model._meta.label)
def test_models_about_people_are_not_in_the_library_group(model):
    if POLICY[model._meta.label].group == Group.LIBRARY:
        assert model._meta.label in TEXTS_NOT_ABOUT_PEOPLE or not is_about_people(model)


@pytest.mark.parametrize(
    "label", [label for label, line in POLICY.items() if line.ends_with and not line.ended_by]
)
def test_rows_deleted_together_with_another_row_have_a_cascading_foreign_key(label):
    """Skip recommendations, because retention reduces them to counts instead of deleting them."""
    if label in ("recommendations.Recommendation",):
        return
    model, other = apps.get_model(label), apps.get_model(POLICY[label].ends_with)
    fields = [field for field in model._meta.fields if field.related_model is other]
    assert any(field.remote_field.on_delete is models.CASCADE for field in fields)
