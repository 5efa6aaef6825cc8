"""Test the initial values of the form that records a help session."""

import datetime

import pytest
import time_machine
from django.utils import timezone

from accounts.models import SharedDesk, StaffRole
from portal.desk.record_defaults import defaults
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    TopicFactory,
)

# 11 a.m. in the library's time zone.
NOW = datetime.datetime(2026, 11, 18, 17, tzinfo=datetime.UTC)
TODAY = datetime.date(2026, 11, 18)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def west(staff):
    branch = BranchFactory(name="West")
    StaffRole.objects.create(user=staff, branch=branch, role=StaffRole.Role.STAFF)
    return branch


@pytest.fixture
def recorded(staff, west):
    """Return a function that records a session. All values of this session differ from the defaults."""

    def recorded(day=TODAY, **fields):
        return HelpSessionFactory(
            staff=staff,
            branch=west,
            happened_on=day,
            mode=HelpSession.Mode.PHONE,
            question_type=QuestionType.CONSULTATION,
            topic=TopicFactory(),
            read_level=5,
            minutes=50,
            people=3,
            language="es",
            **fields,
        )

    return recorded


def test_first_record_form_has_the_current_day_and_hour(staff, library, branch):
    initial = defaults(staff, library, timezone.now())
    del initial["token"]
    assert initial == {
        "people": 1,
        "happened_on": TODAY,
        "hour": 11,
        "language": "en",
        "branch": branch.pk,
        "mode": HelpSession.Mode.IN_PERSON,
        "question_type": QuestionType.REFERENCE,
    }


def test_only_mode_and_branch_are_copied_from_the_previous_visit(staff, library, recorded, west):
    recorded()
    initial = defaults(staff, library, timezone.now())
    del initial["token"]
    assert initial == {
        "people": 1,
        "happened_on": TODAY,
        "hour": 11,
        "language": "en",
        "branch": west.pk,
        "mode": HelpSession.Mode.PHONE,
        "question_type": QuestionType.REFERENCE,
    }


def test_visit_of_an_earlier_day_does_not_change_the_defaults(staff, library, recorded, branch):
    recorded(TODAY - datetime.timedelta(days=1))
    initial = defaults(staff, library, timezone.now())
    assert (initial["mode"], initial["branch"]) == (HelpSession.Mode.IN_PERSON, branch.pk)


def test_counting_a_conversation_as_a_contact_does_not_change_the_defaults(staff, library, recorded, branch):
    ConversationFactory(logged_as=recorded())
    initial = defaults(staff, library, timezone.now())
    assert (initial["mode"], initial["branch"]) == (HelpSession.Mode.IN_PERSON, branch.pk)


def test_default_branch_is_never_a_branch_where_the_role_has_ended(staff, library, recorded, west, branch):
    recorded()
    staff.staff_roles.filter(branch=west).delete()
    staff = type(staff).objects.get(pk=staff.pk)
    assert defaults(staff, library, timezone.now())["branch"] == branch.pk


def test_default_branch_on_a_shared_desk_computer_is_the_computers_branch(staff, library, recorded, branch):
    recorded()
    computer = SharedDesk(branch=branch)
    assert defaults(staff, library, timezone.now(), shared_desk=computer)["branch"] == branch.pk


def test_branch_of_a_shared_desk_computer_is_not_the_default_if_staff_have_no_role_there(
    staff, library, branch
):
    computer = SharedDesk(branch=BranchFactory())
    assert defaults(staff, library, timezone.now(), shared_desk=computer)["branch"] == branch.pk
