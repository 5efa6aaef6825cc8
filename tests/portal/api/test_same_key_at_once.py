"""Test a system that sends the same request several times at the same moment.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import pytest
from django.db import connection
from django.utils import timezone

from portal.api.schemas import SentSession
from portal.api.sessions import Key, record_sent
from portal.helpsessions.models import HelpSession
from tests.extent import times
from tests.factories import ApiTokenFactory, ItemFactory, LibraryFactory
from tests.processes import rounds

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.core,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def test_requests_with_the_same_key_in_four_processes_record_one_session(transactional_db):
    branch = LibraryFactory().default_branch
    token, item = ApiTokenFactory(branches=[branch]), ItemFactory()
    sent = SentSession(
        branch=branch.slug, mode="chat", question_type="reference", items=[{"id": item.public_id}]
    )

    def send(number):
        return record_sent(sent, token=token, key=Key(f"key-{number}", b"{}"), at=timezone.now())

    def before(number):
        HelpSession.objects.all().delete()
        return number

    def after(number, outcomes):
        session = HelpSession.objects.get()
        assert sorted(outcomes) == [(session.public_id, False)] * 3 + [(session.public_id, True)]

    rounds([send] * 4, ROUNDS, before=before, after=after)
