"""Test leaving a child's visit while a legal hold is set or lifted, or while two records are merged."""

import datetime
import multiprocessing
import uuid
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from portal.conversations import actions as conversations
from portal.conversations import verdicts
from portal.helpsessions.models import HelpSession
from portal.privacy import holds, retention, sharing
from portal.privacy.merging import merge_people
from portal.privacy.models import LegalHold
from tests.extent import times
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    LibraryFactory,
    MessageFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)
from tests.processes import MAX_WAIT, rounds

# The number of rounds. Each of the four ways of leaving gets a fourth of the rounds.
ROUNDS = times(4, 50)
# This event is set as soon as one process has set the legal hold. The process that leaves can wait for it.
is_held = multiprocessing.get_context("fork").Event()

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(number):
    """Create a visit in the accounts of a child and an adult, and choose who leaves the visit and how."""
    is_held.clear()
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    child, adult, coordinator = (
        ChildFactory(),
        UserFactory(),
        StaffFactory(branch=branch, branch__role="coordinator"),
    )
    long_ago = timezone.now() - datetime.timedelta(days=91)
    visit = SharedSessionFactory(
        branch=branch, staff=coordinator, patron=child, shared_with=adult, shared_at=long_ago
    )
    recommend_in(visit)
    conversation = ConversationFactory(help_session=visit)
    MessageFactory(conversation=conversation)
    ways = [(adult, "leaves"), (child, "leaves"), (adult, "is sent away"), (adult, "time is over")]
    who, how = ways[number % 4]
    return SimpleNamespace(
        number=number,
        child=child,
        adult=adult,
        who=who,
        how=how,
        visit=visit,
        conversation=conversation,
        coordinator=coordinator,
    )


def leave_visit(data):
    at = timezone.now()
    if data.how == "leaves":
        sharing.stop_keeping(data.visit, by=data.who, at=at)
    elif data.how == "is sent away":
        sharing.keep_alone(data.visit, by=data.child, at=at)
    else:
        retention.forget(at=at)


def keeps_visit(data):
    return HelpSession.objects.filter(Q(patron=data.who) | Q(shared_with=data.who), pk=data.visit.pk).exists()


def hold(data):
    """Put the person under a legal hold. Return whether the visit is in their account after that."""
    with transaction.atomic():
        holds.hold(data.who, reason="Case 7", by=data.coordinator, at=timezone.now())
        is_held.set()
        with connection.cursor() as cursor:
            # Give the other process time to interfere.
            cursor.execute("SELECT pg_sleep(0.02)")
        return keeps_visit(data)


def check_hold(data, outcomes):
    kept_visit, _let_go = outcomes
    assert kept_visit in (True, False), outcomes
    assert holds.held(data.visit) is kept_visit, (data.how, outcomes)
    # During a hold, the worker doesn't end the sharing when the retention period is over. A person can leave
    # despite a hold, and the child can remove the adult.
    assert keeps_visit(data) is (kept_visit and data.how == "time is over")
    seen.add(kept_visit)


def leave_late_every_fifth_time(data):
    """Leave the visit. In every fifth round, wait until the hold is set, so that the hold comes first."""
    if data.number % 5 == 3:
        is_held.wait(MAX_WAIT)
    leave_visit(data)


seen = set()


def test_visit_stays_under_legal_hold_when_a_person_leaves():
    seen.clear()
    rounds([hold, leave_late_every_fifth_time], ROUNDS, before=begin, after=check_hold)
    # At least one hold must be set before the person leaves. Otherwise this test proves nothing.
    assert True in seen


def begin_held(number):
    data = begin(number)
    data.hold = holds.hold(data.who, reason="Case 7", by=data.coordinator, at=timezone.now())
    return data


def lift(data):
    holds.lift(data.hold, by=data.coordinator, at=timezone.now())


def check_nothing_held(data, outcomes):
    assert set(outcomes) == {None}
    assert not LegalHold.objects.filter(lifted_at=None).exists(), data.how
    assert not holds.held(data.visit)


def test_visit_is_not_under_legal_hold_if_the_hold_is_lifted_while_a_person_leaves():
    rounds([lift, leave_visit], ROUNDS, before=begin_held, after=check_nothing_held)


# The actions below run at the same moment, and lock the same rows.


def adult_leaves(data):
    sharing.stop_keeping(data.visit, by=data.adult, at=timezone.now())


def child_leaves(data):
    sharing.stop_keeping(data.visit, by=data.child, at=timezone.now())


def desk_removes_child(data):
    sharing.take_out(data.visit, data.child, by=data.coordinator, at=timezone.now())


def merge(data):
    merge_people(data.adult, UserFactory(), by=data.coordinator, at=timezone.now())


def answer(data):
    conversations.reply(
        data.conversation,
        by=data.coordinator,
        side="staff",
        at=timezone.now(),
        body="Yes.",
        language="en",
        client_token=uuid.uuid4(),
    )


def write(data):
    conversations.reply(
        data.conversation,
        by=data.adult,
        side="patron",
        at=timezone.now(),
        body="Thanks.",
        language="en",
        client_token=uuid.uuid4(),
    )


def verdict(data):
    [item] = HelpSession.objects.get(pk=data.visit.pk).recommendation_links.select_related("recommendation")
    verdicts.take_verdict(
        item.recommendation, verdict="did_not_help", why="", comment="", by=data.adult, at=timezone.now()
    )


def check_no_deadlock(data, outcomes):
    *outcomes, said = outcomes
    # The verdict is refused if the child left the visit just before the verdict was sent.
    assert (set(outcomes), said in (None, "Erased")) == ({None}, True), (
        outcomes,
        said,
    )
    visit = HelpSession.objects.get(pk=data.visit.pk)
    assert visit.patron is None
    assert not User.objects.filter(pk=data.adult.pk).exists()
    assert visit.conversations.exclude(patron=None).count() == 0
    assert set(data.conversation.messages.values_list("body", flat=True)) >= {"Yes.", "Thanks."}


@pytest.mark.core
def test_leaving_a_shared_visit_does_not_deadlock_with_messages_or_record_merges():
    works = [adult_leaves, child_leaves, desk_removes_child, merge, answer, write, verdict]
    rounds(works, 2 * ROUNDS, before=begin, after=check_no_deadlock, refusals={"Erased"})
