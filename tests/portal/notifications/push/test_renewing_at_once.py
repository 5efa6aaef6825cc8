"""Test that a browser can't renew a push subscription that ends at the same moment.

The tests run several processes on PostgreSQL.
"""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from portal.helpsessions import keeping, push
from portal.notifications.models import PushSubscription
from portal.notifications.push import repairing
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, PushSubscriptionFactory, UserFactory
from tests.processes import rounds
from tests.push_device import PushDevice

ROUNDS = times(10, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database"),
]


def renew(data):
    repairing.renew(data.rows, language="en", at=data.at, **PushDevice().keys)


def keep(data):
    keeping.keep(data.visit, by=data.person, at=data.at, wording="Keep it", language="en")


def test_viewer_with_only_a_code_cannot_renew_a_subscription_after_an_account_gets_the_visit(
    transactional_db,
):
    branch, at = LibraryFactory().default_branch, timezone.now()

    def begin(_number):
        visit = HelpSessionFactory(branch=branch)
        row = PushSubscriptionFactory(about=push.about(visit), ends_at=at + timedelta(days=30))
        return SimpleNamespace(visit=visit, rows=[row], person=UserFactory(), at=at)

    def check(_data, outcomes):
        assert "IntegrityError" not in outcomes
        assert "OperationalError" not in outcomes
        assert not PushSubscription.objects.exists()

    rounds([renew, renew, keep], ROUNDS, before=begin, after=check)
