"""Test the table that maps the codes of the library's own system to our branches."""

import datetime
from collections import Counter

import pytest
from django.utils import timezone

from accounts.branch_codes import (
    MAX_UNKNOWN,
    BranchFinder,
    CodeTaken,
    add_code,
    branch_called,
    record_unknown,
    remove_code,
)
from accounts.models import AuditEvent, BranchCode
from tests.factories import BranchFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("EAST", "Eastside"),
        (" east ", "Eastside"),
        ("Eastside", "Eastside"),
        ("the-east", "Eastside"),
        # A code in the table takes precedence over the name of a branch.
        ("Harbor", "Eastside"),
        ("NORTH", None),
        ("", None),
    ],
)
def test_branch_is_found_by_its_code_or_name_or_slug(code, expected):
    east = BranchFactory(name="Eastside", slug="the-east")
    BranchFactory(name="Harbor", slug="harbor")
    for each in ("East", "harbor"):
        BranchCode.objects.create(code=each, branch=east)
    BranchCode.objects.create(code="NORTH", met=3)
    assert branch_called(code) == (east.pk if expected else None)


def test_finding_branches_for_an_import_takes_two_queries(django_assert_num_queries):
    branch = BranchFactory()
    BranchCode.objects.create(code="A", branch=branch)
    with django_assert_num_queries(2):
        finder = BranchFinder()
        assert [finder.find(code) for code in ("A", "B", "a")] == [branch.pk, None, branch.pk]


def test_import_counts_unknown_codes_and_keeps_assigned_codes(branch):
    BranchCode.objects.create(code="KNOWN", branch=branch)
    record_unknown(Counter(EAST=2, East=1, KNOWN=5), at=NOW)
    record_unknown(Counter(EAST=4), at=NOW)
    assert sorted(BranchCode.objects.values_list("code", "met", "branch")) == [
        ("EAST", 7, None),
        ("KNOWN", 0, branch.pk),
    ]
    later = NOW + datetime.timedelta(hours=1)
    record_unknown(Counter(EAST=1), at=later)
    assert list(BranchCode.objects.filter(code="EAST").values_list("met", "met_at")) == [(1, later)]


def test_import_stores_only_the_most_frequent_unknown_codes():
    record_unknown(Counter({f"C{number}": number for number in range(1, 2 * MAX_UNKNOWN + 1)}), at=NOW)
    assert BranchCode.objects.count() == MAX_UNKNOWN
    assert not BranchCode.objects.filter(code="C1").exists()


def test_limit_of_unknown_branch_codes_applies_to_all_pages_of_a_harvest_together():
    for page in range(3):
        record_unknown(Counter({f"{page}-{number}": 1 for number in range(MAX_UNKNOWN - 50)}), at=NOW)
    record_unknown(Counter({"0-0": 1, "3-0": 1}), at=NOW)
    assert BranchCode.objects.count() == MAX_UNKNOWN
    assert BranchCode.objects.get(code="0-0").met == 2


def test_coordinator_assigns_a_code_that_an_import_found(coordinator, branch):
    met = BranchCode.objects.create(code="EAST", met=3, met_at=NOW)
    assert add_code("east", branch=branch, by=coordinator, at=NOW) == met
    assert list(BranchCode.objects.values_list("code", "branch", "met")) == [("EAST", branch.pk, 3)]
    [event] = AuditEvent.objects.filter(action="added_branch_code")
    assert (event.by, event.subject) == (coordinator, str(met.public_id))


def test_code_can_belong_to_only_one_branch(coordinator, branch):
    row = add_code("EAST", branch=branch, by=coordinator, at=NOW)
    assert add_code("EAST", branch=branch, by=coordinator, at=NOW) == row
    with pytest.raises(CodeTaken) as taken:
        add_code("east", branch=BranchFactory(), by=coordinator, at=NOW)
    assert taken.value.branch == branch
    remove_code(row, by=coordinator, at=NOW)
    assert not BranchCode.objects.exists()
    assert AuditEvent.objects.filter(action="removed_branch_code", subject=str(row.public_id)).exists()
