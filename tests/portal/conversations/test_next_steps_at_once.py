"""Test staff and a patron who change the next step of an item at the same moment.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import next_steps, states, step_history, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from recommendations.models import NextStep, Recommendation
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory, recommend_in
from tests.processes import rounds

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def branch(transactional_db):
    return LibraryFactory().default_branch


def missed_at(branch):
    visit = HelpSessionFactory(branch=branch, staff=StaffFactory(branch=branch), patron=UserFactory())
    [missed] = recommend_in(visit)
    return say(missed, "could_not_get_it")


def say(missed, verdict):
    given = Recommendation.objects.get(pk=missed.pk)
    answer = {"verdict": verdict, "why": None, "comment": None, "by": given.patron}
    return verdicts.take_verdict(given, at=timezone.now(), **answer)


def record(missed, kind):
    step = Step(kind, timezone.localdate() + datetime.timedelta(days=3))
    row = Conversation.objects.get(recommendation=missed)
    by = missed.recommended_by
    next_steps.record(row, missed, step, by=by, at=timezone.now(), seen=0)
    return kind


@pytest.mark.core
def test_at_most_one_of_three_concurrent_next_steps_is_saved_and_a_verdict_ends_the_step(branch):
    def check(missed, outcomes):
        recorded = [kind for kind in outcomes[:3] if kind in NextStep.Kind.values]
        assert len(recorded) <= 1
        row = Conversation.objects.get(recommendation=missed)
        replayed = states.replay(row)
        assert (replayed.status, replayed.waiting_since) == (row.status, row.waiting_since)
        assert (row.status, NextStep.objects.filter(recommendation=missed).exists()) == ("closed", False)
        assert step_history.restore(missed) is None

    rounds(
        [
            *[lambda missed, kind=kind: record(missed, kind) for kind in ("ordered", "reserved", "on_loan")],
            lambda missed: say(missed, "helped").pk,
        ],
        ROUNDS,
        before=lambda _: missed_at(branch),
        after=check,
        refusals={"StepChanged", "NothingToDo"},
    )
