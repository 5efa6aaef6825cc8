"""Test which choice about check-ins a person has after two records are merged or unmerged."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Consent
from accounts.patron import check_ins
from portal.privacy import unmerging
from tests.factories import StaffFactory, UserFactory

AT = datetime(2026, 11, 20, 20, tzinfo=UTC)
LATER = AT + timedelta(hours=2)

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(branch, time_machine):
    time_machine.move_to(AT, tick=False)
    return StaffFactory(branch=branch, branch__role="coordinator")


@pytest.fixture
def merge(coordinator):
    def merge(**choices):
        going, into = (UserFactory(check_ins=choices[name]) for name in ("going", "into"))
        merged = unmerging.merge_for_a_day(going, into, by=coordinator, at=AT)
        into.refresh_from_db()
        return going, into, merged

    return merge


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("going", "into", "merged"),
    [
        ("none", "email", "none"),
        ("email", "none", "none"),
        ("pages", "email", "pages"),
        ("email", "", "email"),
        ("", "pages", "pages"),
        ("", "", ""),
    ],
)
def test_merged_record_has_the_more_private_choice_until_the_records_are_unmerged(
    merge, coordinator, going, into, merged
):
    ended, stayed, merge_row = merge(going=going, into=into)
    assert stayed.check_ins == merged
    restored = unmerging.unmerge(merge_row, by=coordinator, at=LATER)
    stayed.refresh_from_db()
    assert (restored.public_id, restored.check_ins) == (ended.public_id, going)
    assert stayed.check_ins == into


def test_unmerging_does_not_restart_check_ins_that_were_stopped_on_the_merged_record(merge, coordinator):
    _going, into, merge_row = merge(going="email", into="email")
    check_ins.stop(into, by=coordinator, at=LATER)
    restored = unmerging.unmerge(merge_row, by=coordinator, at=LATER)
    into.refresh_from_db()
    assert (restored.check_ins, into.check_ins) == ("none", "none")
    subjects = set(Consent.objects.values_list("person", "subject", "read_by"))
    assert subjects == {
        (restored.pk, restored.public_id, coordinator.pk),
        (into.pk, into.public_id, coordinator.pk),
    }


@pytest.mark.parametrize("own", ["none", "pages", ""])
def test_unmerging_withdraws_a_permission_for_emails_that_was_given_on_the_merged_record(
    merge, coordinator, own
):
    """Check that each record has its earlier choice again. Nobody knows which person allowed the emails."""
    _going, into, merge_row = merge(going=own, into=own)
    check_ins.choose(into, "email", wording="Yes", language="en", at=LATER)
    restored = unmerging.unmerge(merge_row, by=coordinator, at=LATER)
    into.refresh_from_db()
    assert (restored.check_ins, into.check_ins) == (own, own)


def test_death_that_staff_note_after_a_merge_is_on_both_records_after_unmerging(merge, coordinator):
    _going, into, merge_row = merge(going="", into="")
    check_ins.note_death(into, by=coordinator, at=LATER)
    restored = unmerging.unmerge(merge_row, by=coordinator, at=LATER)
    restored.refresh_from_db()
    into.refresh_from_db()
    assert restored.died_at == into.died_at == LATER
