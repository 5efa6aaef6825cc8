"""Test that actions on the same check-ins never deadlock.

The tests run several processes, on PostgreSQL only.
"""

from contextlib import suppress
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from portal.checkins import answering, planning, reviewing, sending
from portal.checkins.ending import end_check_ins
from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure
from tests.extent import times
from tests.factories import CheckInFactory, HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.opening_hours import open_on_weekdays
from tests.processes import rounds

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database"),
]


@pytest.fixture
def begin(transactional_db):
    """Return a function that creates 40 due check-ins of a patron, stored in descending order of keys."""
    library = LibraryFactory(check_ins=True)
    branch = library.default_branch
    open_on_weekdays(branch, opens=0, closes=24, weekdays=range(7))
    staff, at = StaffFactory(branch=branch), timezone.now()

    def create(_number):
        HelpSession.objects.all().delete()
        patron, today = UserFactory(check_ins="email"), library.today(at)
        visits = [
            HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=at, created_at=at)
            for _ in range(40)
        ]
        check_ins = [CheckInFactory(help_session=visit, due_on=today, created_at=at) for visit in visits]
        # A bulk statement locks rows in the order in which they are stored. PostgreSQL usually stores a
        # changed row behind all other rows, so changing the rows from the last to the first reverses this
        # order.
        for check_in in reversed(check_ins):
            CheckIn.objects.filter(pk=check_in.pk).update(reason="moved")
        HelpSession.objects.filter(pk__in=[visit.pk for visit in visits]).update(
            found="all", found_at=at, satisfaction="good", satisfaction_at=at, answered_at=at
        )
        seen = {check_in: reviewing.version_of(check_in) for check_in in check_ins}
        return SimpleNamespace(patron=patron, staff=staff, visits=visits, seen=seen, at=at)

    return create


def approve(data):
    reviewing.approve(data.seen, by=data.staff, at=data.at)


def end(data):
    end_check_ins(at=data.at)


def note(data):
    answering.note_answers(HelpSession, visits=data.visits, at=data.at)


def send(data):
    sending.send_due_check_ins(at=data.at)


def replan(data):
    planning.replan_by_rules(question_type="reference")


def erase(data):
    with suppress(erasure.AlreadyErased):
        erasure.erase(data.patron, language="en", at=data.at)


@pytest.mark.parametrize("change", [end, note, send, replan, erase])
def test_approving_many_check_ins_does_not_deadlock_with_other_changes(begin, change):
    def check(_data, outcomes):
        assert outcomes == [None] * 4

    rounds([approve, change, approve, change], ROUNDS, before=begin, after=check)
