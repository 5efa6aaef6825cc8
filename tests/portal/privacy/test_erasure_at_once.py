"""Test erasing a person while other processes save answers and verdicts, and act on the person's devices.

The tests check that the database has no data about the person afterward, and that no deadlock occurs.
"""

import uuid
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from portal.conversations import actions, attachments, desk_actions, drafts, keeping, verdicts
from portal.conversations.models import Conversation, Message
from portal.helpsessions.actions import record_and_keep
from portal.helpsessions.models import HelpSession
from portal.lists.actions import save
from portal.notifications.models import Notification
from portal.privacy import erasure, exports
from portal.privacy.merging import merge_people
from portal.privacy.models import Erasure, Export
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, QuestionType, Recommendation
from tests.extent import times
from tests.factories import (
    HelpSessionFactory,
    LibraryFactory,
    StaffFactory,
    UserFactory,
    picture_file,
    recommend_in,
)
from tests.processes import rounds

from . import everything

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def begin(_number):
    """Create a person with a visit and two conversations, and a visit that nobody has kept.

    An answer in one of the conversations recommends an item.
    """
    branch = LibraryFactory(
        default_branch__slug=f"main-{uuid.uuid4()}", default_branch__name=f"Main {uuid.uuid4()}"
    ).default_branch
    person = UserFactory(name=f"Going {uuid.uuid4()}")
    staff = StaffFactory(branch=branch)
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=person)
    unkept = HelpSessionFactory(branch=branch, staff=staff)
    shown = recommend_in(visit)[0]
    conversation = actions.ask(
        by=person,
        at=timezone.now(),
        help_session=visit,
        body="MINE",
        language="en",
        client_token=uuid.uuid4(),
    )
    elsewhere = actions.ask(
        by=person,
        at=timezone.now(),
        body="MINE",
        language="en",
        client_token=uuid.uuid4(),
        branch=HelpSessionFactory().branch,
    )
    items = [ChosenItem(item=shown.item, reason="THEIRS")]
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="THEIRS",
        language="en",
        client_token=uuid.uuid4(),
        items=items,
    )
    given = Recommendation.objects.get(messagerecommendation__message__conversation=conversation)
    into = UserFactory()
    return SimpleNamespace(
        person=person,
        into=into,
        staff=staff,
        visit=visit,
        unkept=unkept,
        shown=shown,
        given=given,
        conversation=conversation,
        elsewhere=elsewhere,
    )


def erase(data):
    return str(erasure.erase(data.person, language="en", at=timezone.now()).pk)


def staff_reply(data):
    items = [ChosenItem(item=data.shown.item, reason="THEIRS")]
    say = {"at": timezone.now(), "body": "THEIRS", "language": "en", "client_token": uuid.uuid4()}
    return actions.reply(data.conversation, by=data.staff, side="staff", items=items, **say).pk


def patron_reply(data):
    return actions.reply(
        data.elsewhere,
        by=data.person,
        side="patron",
        at=timezone.now(),
        body="MINE",
        language="en",
        client_token=uuid.uuid4(),
    ).pk


def verdict(which):
    def work(data):
        return verdicts.take_verdict(
            getattr(data, which),
            verdict="did_not_help",
            why="",
            comment="MINE",
            by=data.person,
            at=timezone.now(),
        ).pk

    return work


def ask(**about):
    def work(data):
        known = {name: getattr(data, which) for name, which in about.items()}
        return actions.ask(
            by=data.person, at=timezone.now(), body="MINE", language="en", client_token=uuid.uuid4(), **known
        ).pk

    return work


def keep(data):
    return keeping.keep(data.unkept, by=data.person, at=timezone.now(), wording="yes", language="en").pk


def save_item(data):
    return save(
        Item.objects.get(pk=data.shown.item_id),
        patron=data.person,
        at=timezone.now(),
        recommendation=data.shown,
    ).pk


def attach(data):
    added, _refused = attachments.add_each(
        data.conversation,
        uploads=[("a.jpg", picture_file(), "")],
        by=data.person,
        side="patron",
        client_token=uuid.uuid4(),
        at=timezone.now(),
    )
    return added[0].pk


def draft(data):
    words = {
        "body": "MINE",
        "language": "en",
        "client_token": uuid.uuid4(),
        "sequence": 1,
        "at": timezone.now(),
    }
    return (
        drafts.save_draft(data.conversation, person=data.person, side="patron", kind="reply", **words) and 1
    )


def read(data):
    actions.mark_read(data.conversation, person=data.person, at=timezone.now())


def copy(data):
    export = exports.ask_for(data.person, language="en", at=timezone.now())
    exports.build_exports(at=timezone.now())
    return export.pk


def desk_erase(data):
    return desk_actions.erase(data.conversation, by=data.staff, at=timezone.now()).pk


def record(data):
    at = timezone.now()
    visit, _code = record_and_keep(
        by=data.staff,
        at=at,
        person=data.person,
        wording="They agreed",
        wording_language="en",
        branch=data.visit.branch,
        happened_on=at.date(),
        hour=9,
        mode=HelpSession.Mode.IN_PERSON,
        question_type=QuestionType.REFERENCE,
        topic=None,
        read_level=None,
        minutes=None,
        people=1,
        language="en",
        question="MINE",
        summary="MINE",
        quiet=False,
        note="",
        items=[ChosenItem(item=data.shown.item, reason="THEIRS")],
    )
    return visit.pk


def merge(data):
    return merge_people(data.person, data.into, by=data.staff, at=timezone.now()).pk


REFUSALS = {
    "Erased",
    "DoesNotExist",
    "IntegrityError",
    "AlreadyErased",
    "AlreadyKept",
    "AlreadySent",
    "PatronGone",
}


def check(data, outcomes):
    """Check that the database has no data about the person, and that actions raised only REFUSALS."""
    refused = {outcome for outcome in outcomes if isinstance(outcome, str) and not outcome.isdigit()}
    assert refused <= REFUSALS, refused
    assert not User.objects.filter(pk=data.person.pk).exists()
    assert everything.pointing_at(data.person) == []
    for rows in (Message, Export):
        assert not rows.objects.exists()
    assert set(Conversation.objects.values_list("patron", flat=True)) == {None}
    assert set(Recommendation.objects.values_list("patron", "reason", "comment")) == {(None, "", "")}
    assert not HelpSession.objects.filter(patron__isnull=False).exists()
    assert HelpSession.objects.get(pk=data.visit.pk).question == ""
    assert set(Notification.objects.values_list("kind", flat=True)) <= {"privacy/erased"}
    assert everything.occurrences_of(["MINE", "THEIRS", data.person.name]) == set()
    Notification.objects.all().delete()
    Conversation.objects.all().delete()
    Recommendation.objects.all().delete()


def test_erasure_leaves_no_patron_data_if_answers_and_verdicts_arrive_meanwhile(transactional_db):
    works = [
        erase,
        erase,
        staff_reply,
        staff_reply,
        patron_reply,
        verdict("shown"),
        verdict("given"),
        desk_erase,
    ]
    rounds(works, ROUNDS, before=begin, after=check, refusals=REFUSALS)
    assert Erasure.objects.count() == ROUNDS


def test_erasure_leaves_no_data_if_the_person_writes_on_another_device_meanwhile(transactional_db):
    works = [
        erase,
        ask(),
        ask(help_session="visit"),
        ask(recommendation="given"),
        keep,
        record,
        save_item,
        attach,
        draft,
        read,
        copy,
    ]
    rounds(works, ROUNDS, before=begin, after=check, refusals=REFUSALS)
    assert Erasure.objects.count() == ROUNDS


@pytest.mark.core
def test_erasure_and_simultaneous_merge_of_a_person_cannot_both_succeed(transactional_db):
    def either(data, outcomes):
        assert set(outcomes) & {"Merged", "CannotMerge"}
        assert not User.objects.filter(pk=data.person.pk).exists()
        assert everything.pointing_at(data.person) == []

    rounds([erase, merge], ROUNDS, before=begin, after=either, refusals={"Merged", "CannotMerge"})
