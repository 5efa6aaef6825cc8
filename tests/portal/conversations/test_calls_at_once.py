"""Test what happens if several processes ask for, make, cancel or expire a call at the same moment.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import call_backs, desk_actions, states
from portal.conversations.call_backs import Caller
from portal.conversations.models import CallBack
from tests.conversations import now_of
from tests.extent import times
from tests.factories import HelpSessionFactory, StaffFactory
from tests.processes import rounds

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
NOW = timezone.now
ROUNDS = times(4, long=50)


@pytest.fixture
def ask_for_call(patron, branch, staff):
    """Return a function that lets the patron ask for a call about a visit, and returns the conversation."""

    def ask_for_call(_number=None, *, at=None):
        visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=NOW())
        return _ask(visit, at or NOW())

    return ask_for_call


def _ask(visit, at):
    return call_backs.ask(
        Caller("414-555-0134"),
        by=visit.patron,
        at=at,
        client_token=uuid.uuid4(),
        language="en",
        help_session=visit,
    )


@pytest.mark.core
def test_only_one_of_two_colleagues_can_take_a_call(ask_for_call, branch):
    colleagues = StaffFactory(branch=branch), StaffFactory(branch=branch)

    def take(person):
        def work(conversation):
            desk_actions.take(conversation, by=person, at=NOW())
            return "taken"

        return work

    def compare(conversation, outcomes):
        assert sorted(outcomes) == ["AlreadyTaken", "taken"]
        assert now_of(conversation).assignee == colleagues[outcomes.index("taken")]

    rounds(
        [take(person) for person in colleagues],
        ROUNDS,
        before=ask_for_call,
        after=compare,
        refusals={"AlreadyTaken"},
    )


def test_call_ends_only_once_if_it_is_canceled_while_staff_record_its_outcome(ask_for_call, patron, staff):
    def build(_number):
        return desk_actions.take(ask_for_call(), by=staff, at=NOW())

    def cancel(conversation):
        call_backs.cancel(conversation, by=patron, at=NOW())
        return "ended"

    def speak(conversation):
        call_backs.record_outcome(conversation, "spoken", by=staff, at=NOW())
        return "ended"

    def compare(conversation, outcomes):
        assert sorted(outcomes) == ["NoCall", "ended"]
        row = now_of(conversation)
        kinds = conversation.events.values_list("kind", flat=True)
        ends = sorted(set(kinds) & {"call_canceled", "call_spoken"})
        assert (len(ends), row.call_since, states.replay(row).status) == (1, None, row.status)
        assert not CallBack.objects.filter(conversation=conversation, done_at=None).exists()

    rounds([cancel, speak], ROUNDS, before=build, after=compare, refusals={"NoCall"})


def test_call_ends_only_once_if_it_expires_while_staff_record_its_outcome(ask_for_call, staff):
    def build(_number):
        conversation = ask_for_call(at=NOW() - timedelta(days=30))
        return desk_actions.take(conversation, by=staff, at=NOW())

    def expire(_conversation):
        call_backs.expire_calls(at=NOW())
        return "expired"

    def speak(conversation):
        call_backs.record_outcome(conversation, "spoken", by=staff, at=NOW())
        return "spoken"

    def compare(conversation, outcomes):
        assert (outcomes[0], outcomes[1] in ("spoken", "NoCall")) == ("expired", True)
        kinds = list(conversation.events.values_list("kind", flat=True))
        assert kinds.count("call_expired") + kinds.count("call_spoken") == 1
        assert now_of(conversation).call_since is None

    rounds([expire, speak], ROUNDS, before=build, after=compare, refusals={"NoCall"})


def test_request_for_a_call_sent_in_three_processes_is_saved_once(patron, branch, staff):
    def build(_number):
        visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=NOW())
        return visit, uuid.uuid4()

    def ask(data):
        visit, token = data
        return call_backs.ask(
            Caller("414-555-0134"),
            by=patron,
            at=NOW(),
            client_token=token,
            language="en",
            body="Please call.",
            help_session=visit,
        ).pk

    def compare(data, outcomes):
        visit, _token = data
        assert len(set(outcomes)) == 1
        conversation = visit.conversations.get()
        assert conversation.events.filter(kind="call_asked").count() == 1
        assert (conversation.messages.count(), conversation.call_backs.count()) == (1, 1)

    rounds([ask] * 3, ROUNDS, before=build, after=compare)
