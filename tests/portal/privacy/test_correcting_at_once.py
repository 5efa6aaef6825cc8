"""Test correcting or deleting a visit while a patron adds the visit to an account or writes about it."""

import uuid
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from portal.conversations import keeping, verdicts
from portal.conversations.models import Conversation
from portal.helpsessions import handover
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.privacy import holds
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.deleting import delete_session
from portal.privacy.models import Correction
from portal.privacy.wrong_patron import remove_wrong_patron
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests import conversations
from tests.extent import times
from tests.factories import (
    HelpSessionFactory,
    LibraryFactory,
    StaffFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.processes import rounds

ROUNDS = times(6, 50)
REFUSALS = {
    *("AlreadyKept", "CorrectedMeanwhile", "Erased", "Forgotten", "Gone", "HeldByLaw", "MustStay"),
    *("NotThePatron", "QuietSession"),
}

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(_number, **visit):
    """Create a visit with one item and a code, and the people who act simultaneously."""
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    boss = StaffFactory(branch=branch, branch__role="coordinator")
    staff = StaffFactory(branch=branch)
    visit = HelpSessionFactory(branch=branch, staff=staff, handed_over_at=timezone.now(), **visit)
    [given] = recommend_in(visit)
    code_for(visit)
    return SimpleNamespace(visit=visit, given=given, staff=staff, boss=boss, patron=UserFactory())


def begin_kept(number):
    data = begin(number)
    keep(data)
    data.visit.refresh_from_db()
    return data


def keep(data):
    keeping.keep(data.visit, by=data.patron, at=timezone.now(), wording="x", language="en")
    return "kept"


def say_it_failed(data):
    verdicts.take_verdict(
        data.given, verdict="did_not_help", why=None, comment=None, by=None, at=timezone.now()
    )
    return "said"


def ask(data):
    conversations.ask(None, help_session=data.visit)
    return "asked"


def ask_about_item(data):
    conversations.ask(None, recommendation=data.given)
    return "asked"


def ask_as_patron(data):
    conversations.ask(data.patron, help_session=data.visit)
    return "asked"


def delete(data):
    delete_session(data.visit, by=data.staff, at=timezone.now())
    return "deleted"


def change(data, *, by=None, items=None, **changes):
    columns = {name: getattr(data.visit, name) for name in COLUMNS} | changes
    same = [ChosenItem(item=data.given.item, reason=data.given.reason)]
    items = same if items is None else items
    fields = {"version": 0, "items": items, "note": "", **columns}
    correct(data.visit, by=by or data.staff, at=timezone.now(), **fields)
    return "corrected"


def make_quiet(data):
    return change(data, quiet=True)


def remove_item(data):
    return change(data, items=[])


def run(works, check, *, before=begin, count=ROUNDS):
    seen = []

    def after(data, outcomes):
        assert set(outcomes) <= {"kept", "said", "asked", "deleted", "corrected", *REFUSALS}, outcomes
        check(data, outcomes)
        seen.append(tuple(outcomes))

    rounds(works, count, before=before, after=after, refusals=REFUSALS)
    return seen


@pytest.mark.parametrize("act", [keep, say_it_failed, ask, ask_about_item])
def test_deleting_a_visit_and_a_simultaneous_action_of_the_patron_cannot_both_succeed(act):
    def check(data, outcomes):
        acted, deleted = outcomes
        exists = HelpSession.objects.filter(pk=data.visit.pk).exists()
        assert (deleted == "deleted") is not exists
        assert (acted in REFUSALS) is not exists, outcomes
        assert Recommendation.objects.filter(pk=data.given.pk).exists() is exists
        assert Conversation.objects.filter(recommendation=None, help_session=None).count() == 0

    run([act, delete], check)


def test_visit_made_quiet_while_a_patron_adds_it_to_an_account_is_not_in_the_account():
    def check(data, outcomes):
        visit = HelpSession.objects.get(pk=data.visit.pk)
        assert outcomes[1] == "corrected", outcomes
        assert (visit.quiet, visit.patron, visit.shared_with) == (True, None, None)
        assert not Recommendation.objects.filter(patron=data.patron).exists()
        assert not data.patron.consents.exists()

    run([keep, make_quiet], check)


def test_question_sent_while_the_visit_becomes_quiet_does_not_name_the_patron():
    def check(data, outcomes):
        assert outcomes[1] == "corrected", outcomes
        theirs = Conversation.objects.filter(help_session=data.visit)
        assert not theirs.filter(patron__isnull=False).exists()
        assert not theirs.filter(messages__side="patron", messages__author__isnull=False).exists()

    run([ask_as_patron, make_quiet], check, before=begin_kept)


def test_item_added_while_a_patron_keeps_the_visit_belongs_to_the_patron():
    def add(data):
        new = ChosenItem(title=f"New {uuid.uuid4()}", kind="book")
        return change(data, items=[ChosenItem(item=data.given.item), new])

    def check(data, outcomes):
        assert outcomes == ["kept", "corrected"]
        rows = Recommendation.objects.filter(sessionrecommendation__help_session=data.visit)
        assert [row.patron for row in rows] == [data.patron] * 2

    run([keep, add], check)


def test_removing_an_item_does_not_delete_a_verdict_that_was_saved_first():
    def check(data, outcomes):
        said, corrected = outcomes
        assert corrected == "corrected"
        row = Recommendation.objects.filter(pk=data.given.pk).first()
        assert (row is not None) is (said == "said"), outcomes
        if row is not None:
            # If the verdict was saved before the item was removed, the patron keeps the recommendation.
            assert row.verdict == "did_not_help"

    run([say_it_failed, remove_item], check)


@pytest.mark.core
def test_only_one_of_two_simultaneous_corrections_is_saved():
    def by_boss(data):
        return change(data, by=data.boss, summary="By the coordinator")

    def by_staff(data):
        return change(data, question="By the recorder")

    def check(data, outcomes):
        assert sorted(outcomes) == ["CorrectedMeanwhile", "corrected"]
        assert Correction.objects.filter(help_session=data.visit).count() == 1

    run([by_boss, by_staff], check)


def test_wrong_patron_who_writes_during_the_removal_keeps_no_conversation():
    def remove(data):
        remove_wrong_patron(data.visit, data.patron, by=data.staff, at=timezone.now())
        return "corrected"

    def remove_too(data):
        remove_wrong_patron(data.visit, data.patron, by=data.boss, at=timezone.now())
        return "corrected"

    def check(data, outcomes):
        assert outcomes[:2].count("corrected") == 1, outcomes
        assert HelpSession.objects.filter(staff=data.staff, status="recorded").count() == 1
        assert not Conversation.objects.filter(patron=data.patron).exists()
        assert not Conversation.objects.filter(help_session=data.visit, status__in=Conversation.OPEN).exists()

    run([remove, remove_too, ask_as_patron], check, before=begin_kept)


def test_legal_hold_and_simultaneous_deletion_of_a_visit_cannot_both_succeed():
    def hold(data):
        holds.hold(data.visit, reason="Case 7", by=data.boss, at=timezone.now())
        return "corrected"

    def check(data, outcomes):
        held, deleted = outcomes
        assert (held == "corrected") is (deleted == "HeldByLaw"), outcomes
        assert HelpSession.objects.filter(pk=data.visit.pk).exists() is (held == "corrected")

    run([hold, delete], check)


def test_code_made_while_the_visit_is_deleted_does_not_work():
    def make_code(data):
        handover.hand_over(data.visit, by=data.boss, at=timezone.now(), base_url="https://x")
        return "corrected"

    def check(data, outcomes):
        assert outcomes[1] == "deleted", outcomes
        assert not ClaimCode.objects.filter(state="live", branch=data.visit.branch).exists()

    run([make_code, delete], check)
