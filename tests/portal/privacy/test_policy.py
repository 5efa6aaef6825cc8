"""Test that every model has a policy line, which says how long and why its rows are kept."""

import pytest
from django.apps import apps
from django.db import models

from accounts.models import User
from portal import jobs
from portal.privacy.policy import POLICY
from portal.privacy.policy_lines.line import Group

# Models whose texts are not about a person, and unused models of packages.
TEXTS_NOT_ABOUT_PEOPLE = {
    # counts.Outcome has only numbers in its JSON fields.
    "counts.Outcome",
    "counts.MonthEmail",
    "imports.Harvest",
    # An ApiToken has only the scopes of a token.
    "api.ApiToken",
    # A WebhookEvent has only the kind, the branch and the hour of an event.
    "notifications.WebhookEvent",
    # A PatronGroup has the names of groups on library cards.
    "helpsessions.PatronGroup",
    # SavedMapping and LogImport leave out values that look like names or addresses.
    "imports.SavedMapping",
    "counts.LogImport",
    "conversations.ReplyTemplate",
    "recommendations.Item",
    # An ItemMatch has only keys of rows, for undoing a match.
    "recommendations.ItemMatch",
    "recommendations.SearchEntry",
    "recommendations.SearchWord",
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


def test_policy_lines_say_what_is_kept_and_how_long_and_why():
    assert [label for label, line in POLICY.items() if not all([line.keeps, line.until, line.why])] == []


def test_worker_runs_every_job_named_in_the_policy():
    assert {line.ended_by for line in POLICY.values()} - {""} <= {job.__name__ for job, _ in jobs.JOBS}


@pytest.mark.parametrize("label", STAFF_WORDS)
def test_staff_notes_and_unfinished_forms_are_not_exported(label):
    assert not POLICY[label].exported


def test_policy_lines_contain_no_hard_coded_number_of_days():
    def is_right(line):
        has_number = any(sign.isdigit() for sign in line.until.format(*["…"] * len(line.periods)))
        has_all_periods = len(line.periods) == line.until.count("{")
        return not has_number and has_all_periods and bool(line.periods) == bool(line.ended_by)

    assert [label for label, line in POLICY.items() if not is_right(line)] == []


def test_privacy_page_covers_all_exported_models_except_staff_roles_and_invitations():
    unsaid = {
        label
        for label, line in POLICY.items()
        if line.exported and line.group in (Group.STAFF, Group.LIBRARY)
    }
    assert unsaid == {"accounts.StaffRole", "accounts.Invitation", "accounts.InvitedRole"}


def ends(label, seen=()):
    """Return whether a job of the worker deletes the model's rows, directly or together with other rows."""
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


def labels_of_models(*, in_library_group):
    labels = [model._meta.label for model in apps.get_models()]
    return [label for label in labels if (POLICY[label].group == Group.LIBRARY) == in_library_group]


def test_every_row_about_a_person_is_deleted_by_a_job_or_together_with_another_row():
    labels = labels_of_models(in_library_group=False)
    assert {label for label in labels if not ends(label)} == WITHOUT_PEOPLE


def test_models_about_people_are_not_in_the_policy_group_for_the_library():
    labels = labels_of_models(in_library_group=True)
    about_people = {label for label in labels if is_about_people(apps.get_model(label))}
    assert about_people - TEXTS_NOT_ABOUT_PEOPLE == set()


def has_cascading_foreign_key(label):
    model, other = apps.get_model(label), apps.get_model(POLICY[label].ends_with)
    fields = [field for field in model._meta.fields if field.related_model is other]
    return any(field.remote_field.on_delete is models.CASCADE for field in fields)


def test_rows_that_are_deleted_with_another_row_have_a_cascading_foreign_key():
    """Skip recommendations, because retention reduces them to counts instead of deleting them."""
    labels = {label for label, line in POLICY.items() if line.ends_with and not line.ended_by}
    labels -= {"recommendations.Recommendation"}
    assert [label for label in labels if not has_cascading_foreign_key(label)] == []
