"""Test answers by emailed link that arrive at the same moment, or while the visit is being deleted.

The tests run several processes.
"""

import datetime
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Library
from portal.checkins import answering, planning
from portal.checkins.models import CheckIn
from portal.conversations import states
from portal.conversations.models import Conversation, Message
from portal.conversations.outcomes import take_outcome
from portal.helpsessions.models import HelpSession
from portal.models import LimitCount
from portal.privacy import erasure, merging, retention, sharing
from portal.privacy.deleting import delete_session
from recommendations.models import Recommendation
from tests.extent import times
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    LibraryFactory,
    StaffFactory,
    UserFactory,
    ask_by_email,
    recommend_in,
)
from tests.processes import rounds

ROUNDS = times(5, 50)
WORDS = "It rained all week."

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(_number):
    """Create a visit with two items and a sent check-in, and a coordinator who can delete the visit."""
    LimitCount.objects.all().delete()
    Library.objects.first() or LibraryFactory()
    branch = BranchFactory(name=f"Main {uuid.uuid4()}", slug=f"main-{uuid.uuid4()}")
    patron, staff = UserFactory(check_in_titles=True), StaffFactory(branch=branch)
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=timezone.now())
    items = recommend_in(visit, 2)
    check_in, path = ask_by_email(visit)
    return SimpleNamespace(
        visit=visit,
        patron=patron,
        staff=staff,
        coordinator=StaffFactory(branch=branch, branch__role="coordinator"),
        items=items,
        check_in=check_in,
        path=path,
        other_record=UserFactory(),
        token=str(uuid.uuid4()),
    )


def tap(**fields):
    """Return a function that posts these fields to the check-in's link and returns the HTTP status."""

    def do(data):
        return Client().post(data.path, fields).status_code

    return do


def write(data):
    fields = {"send": "1", "body": WORDS, "client_token": data.token}
    return Client().post(data.path, fields).status_code


def wish(data):
    fields = {"was-found": "no", "wish": "yes", "body": WORDS, "client_token": data.token}
    return Client().post(data.path, fields).status_code


def item_did_not_help(data):
    return Client().post(data.path, {f"verdict-{data.items[0].public_id}": "did_not_help"}).status_code


def all_helped(data):
    return Client().post(data.path, {"all_helped": "1"}).status_code


def check_states(data):
    """Check that every conversation has the state that follows from its history."""
    for conversation in Conversation.objects.filter(help_session=data.visit):
        # Ignore `at_desk_from`. A conversation that closed automatically keeps this time, and `replay`
        # doesn't restore it.
        now, then = states.state_of(conversation), states.replay(conversation)
        assert replace(now, at_desk_from=None) == replace(then, at_desk_from=None)


@pytest.mark.core
def test_answering_no_by_link_in_eight_processes_starts_one_conversation():
    def check(data, outcomes):
        assert outcomes == [200] * 8
        assert HelpSession.objects.get(pk=data.visit.pk).found == "no"
        assert Conversation.objects.filter(help_session=data.visit).count() == 1
        assert CheckIn.objects.get(pk=data.check_in.pk).status == "answered"
        check_states(data)

    rounds([tap(found="no")] * 8, ROUNDS, before=begin, after=check)


@pytest.mark.parametrize("send", [write, wish])
def test_text_sent_by_link_in_eight_processes_becomes_one_message(send):
    def begin_with_no(number):
        data = begin(number)
        if send is wish:
            take_outcome(data.visit, by=None, at=timezone.now(), by_link=True, found="no")
        return data

    def check(data, outcomes):
        assert outcomes == [200] * 8
        assert Message.objects.filter(conversation__help_session=data.visit, body=WORDS).count() == 1
        assert Conversation.objects.filter(help_session=data.visit).count() == 1
        check_states(data)

    rounds([send] * 8, ROUNDS, before=begin_with_no, after=check)


def test_patron_can_answer_by_link_and_on_the_visit_page_simultaneously():
    def on_the_visit(data):
        take_outcome(data.visit, by=data.patron, at=timezone.now(), found="part")
        return 200

    def check(data, outcomes):
        assert outcomes == [200] * 6
        visit = HelpSession.objects.get(pk=data.visit.pk)
        assert visit.found in {"all", "no", "part"}
        assert visit.satisfaction == "good"
        about_it = Conversation.objects.filter(help_session=visit, is_about_outcome=True)
        assert about_it.count() == 1
        check_states(data)

    works = [tap(found="all"), tap(found="no"), tap(satisfaction="good"), on_the_visit, item_did_not_help]
    rounds([*works, all_helped], ROUNDS, before=begin, after=check)


def let_go(data):
    sharing.stop_keeping(data.visit, by=data.patron, at=timezone.now())


def take_out(data):
    sharing.take_out(data.visit, data.patron, by=data.staff, at=timezone.now())


def erase(data):
    erasure.erase(data.patron, language="en", at=timezone.now())


def merge(data):
    merging.merge_people(data.patron, data.other_record, by=data.staff, at=timezone.now())


def forget(data):
    retention.forget(at=timezone.now() + datetime.timedelta(days=366))


def delete(data):
    delete_session(data.visit, by=data.coordinator, at=timezone.now())


def end_check_ins(data):
    planning.end_all(data.visit, at=timezone.now())


@pytest.mark.parametrize("end", [let_go, take_out, erase, merge, forget, delete, end_check_ins])
def test_answer_refused_after_the_end_of_its_check_in_is_not_saved(end):
    def check(data, outcomes):
        *answers, ended = outcomes
        # A visit with an open conversation can't be deleted.
        assert ended in {None, "MustStay"}, outcomes
        assert set(answers) <= {200, 404}, outcomes
        visit = HelpSession.objects.filter(pk=data.visit.pk).first()
        if visit is not None and 200 not in (answers[0], answers[1]):
            assert not visit.found
        if answers[2] == 404:
            assert not Message.objects.filter(conversation__help_session=data.visit, body=WORDS).exists()
        if answers[3] == 404 and visit is not None:
            verdicts = Recommendation.objects.filter(pk=data.items[0].pk).values_list("verdict", flat=True)
            assert set(verdicts) <= {""}
        if end is erase:
            assert not Message.objects.filter(body=WORDS).exclude(conversation=None).exists()
            assert not CheckIn.objects.filter(pk=data.check_in.pk).exists()
        check_states(data)
        stays = visit is not None and end in {merge, forget, delete} and visit.forgotten_on is None
        assert Client().get(data.path).status_code == (200 if stays else 404)
        assert stays <= bool(Conversation.objects.filter(help_session=data.visit))
        Message.objects.all().delete()

    works = [tap(found="no"), tap(found="all"), write, item_did_not_help, end]
    rounds(works, ROUNDS, before=begin, after=check, refusals={"MustStay"})


def test_at_most_one_check_in_is_open_after_simultaneous_answers_and_ask_later_requests():
    def later(data):
        day = timezone.now().date() + datetime.timedelta(days=9)
        return Client().post(data.path, {"later": "1", "day": day.isoformat()}).status_code

    def check(data, outcomes):
        assert outcomes == [200] * 5, outcomes
        assert CheckIn.objects.open().filter(help_session=data.visit).count() <= 1

    works = [later, later, tap(found="no"), tap(leave_out="1"), write]
    rounds(works, ROUNDS, before=begin, after=check)


def test_eight_processes_can_simultaneously_mark_a_check_in_as_answered():
    def note(data):
        answering.note_answer(data.visit, at=timezone.now())

    def check(data, outcomes):
        assert set(outcomes) == {None}
        assert CheckIn.objects.get(pk=data.check_in.pk).status == "answered"

    rounds([note] * 8, ROUNDS, before=begin, after=check)
