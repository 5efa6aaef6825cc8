"""Test that several workers write one monthly email for each coordinator.

The test runs on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import datetime

import pytest
from django.db import connection

from portal.counts import actions
from portal.counts.models import MonthEmail
from portal.desk.figures.month_email import write_month_emails
from portal.notifications.models import Notification
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory
from tests.processes import rounds

WORKERS, ROUNDS = 4, times(4, 50)
AT = datetime.datetime(2026, 4, 3, 14, tzinfo=datetime.UTC)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def test_four_workers_write_one_monthly_email_for_each_coordinator(transactional_db):
    branch = LibraryFactory().default_branch
    StaffFactory.create_batch(3, branch=branch, branch__role="coordinator")
    HelpSessionFactory(branch=branch, happened_on=datetime.date(2026, 3, 4))
    actions.rebuild()

    def prepare(_number):
        Notification.objects.all().delete()
        MonthEmail.objects.all().delete()

    def check(_data, outcomes):
        assert outcomes == [None] * WORKERS
        assert Notification.objects.count() == 3
        assert MonthEmail.objects.get().written_at == AT

    rounds([lambda _data: write_month_emails(at=AT)] * WORKERS, ROUNDS, before=prepare, after=check)
