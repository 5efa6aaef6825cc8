"""Nothing is kept without a line that says how long and why."""

import pytest
from django.apps import apps

from portal import worker
from portal.privacy.policy import POLICY, Group

STAFF_WORDS = ["helpsessions.SessionNote", "helpsessions.UnfinishedForm"]


def test_every_model_has_a_line_and_every_line_a_model():
    assert set(POLICY) == {model._meta.label for model in apps.get_models()}


@pytest.mark.parametrize("label", POLICY)
def test_a_line_says_what_how_long_and_why(label):
    line = POLICY[label]
    assert all([line.keeps, line.until, line.why])


def test_what_is_to_end_by_itself_has_its_job():
    assert {line.ended_by for line in POLICY.values()} - {""} <= {job.__name__ for job, _ in worker.JOBS}


@pytest.mark.parametrize("label", STAFF_WORDS)
def test_words_of_the_staff_are_not_exported(label):
    assert not POLICY[label].exported


@pytest.mark.parametrize("label", POLICY)
def test_a_number_of_days_comes_from_the_job_and_stands_in_no_words(label):
    line = POLICY[label]
    assert not any(sign.isdigit() for sign in line.until.format(*["…"] * len(line.periods)))
    assert len(line.periods) == line.until.count("{")
    assert bool(line.periods) == bool(line.ended_by)


def test_all_of_a_persons_rows_are_said_to_them():
    """What the export would hand out is on the page, or part of what is."""
    unsaid = {label for label, line in POLICY.items() if line.exported and line.group in (Group.STAFF, Group.LIBRARY)}
    assert unsaid == {"accounts.StaffRole"}
