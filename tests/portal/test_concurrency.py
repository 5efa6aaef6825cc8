"""What must hold when several people, or one impatient finger, act at the same moment: real processes, a real database.

SQLite lets one writer in at a time and so hides races: these run on PostgreSQL. Without the actions' row locks five of them fail there;
the other three are held by unique constraints.
"""

import uuid

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Consent
from portal.conversations import actions
from portal.conversations.models import Conversation, Message
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.lists.actions import save
from portal.lists.models import SavedItem
from portal.notifications.models import Notification
from recommendations.models import Recommendation
from tests.factories import ConversationFactory, HelpSessionFactory, ItemFactory, LibraryFactory, MessageFactory, StaffFactory, UserFactory, recommend_in
from tests.processes import at_once

ROUNDS, PROCESSES = 10, 8

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def session(transactional_db):
    library = LibraryFactory()
    return HelpSessionFactory(branch=library.default_branch, staff=StaffFactory(branch=library.default_branch), patron=UserFactory(email="sam@example.org"))


def say(thread, by, side, token):
    return lambda: actions.reply(thread, by=by, side=side, at=timezone.now(), body="Hello", language="en", client_token=token).pk


def test_a_reply_posted_eight_times_at_once_is_one_message_and_one_mail(session):
    thread = ConversationFactory(help_session=session)
    MessageFactory(conversation=thread)
    for round_ in range(1, ROUNDS + 1):
        token = uuid.uuid4()
        ids = at_once(*[say(thread, session.staff, "staff", token)] * PROCESSES)
        assert len(set(ids)) == 1
        assert Message.objects.filter(side="staff").count() == round_
        assert Notification.objects.count() == round_


def test_staff_and_patron_writing_at_once_lose_nothing(session):
    thread = ConversationFactory(help_session=session)
    other = StaffFactory(branch=session.branch)
    for round_ in range(1, ROUNDS + 1):
        writers = [(session.staff, "staff"), (other, "staff"), (session.patron, "patron"), (session.patron, "patron")] * 2
        ids = at_once(*[say(thread, by, side, uuid.uuid4()) for by, side in writers])
        thread.refresh_from_db()
        assert len(set(ids)) == PROCESSES
        assert thread.messages.count() == thread.version == PROCESSES * round_
        assert (thread.waiting_since is None) == (thread.status != "waiting_for_staff")


def test_a_question_asked_eight_times_at_once_is_one_thread(session):
    for round_ in range(1, ROUNDS + 1):
        token = uuid.uuid4()
        at_once(
            *[lambda token=token: actions.ask(by=None, at=timezone.now(), help_session=session, body="Hi", language="en", client_token=token).pk] * PROCESSES
        )
        assert (Conversation.objects.count(), Message.objects.count()) == (round_, round_)


def test_a_verdict_tapped_eight_times_at_once_is_one_thread(session):
    for round_, recommendation in enumerate(recommend_in(session, ROUNDS), start=1):
        verdicts = ["did_not_help", "could_not_get_it"] * (PROCESSES // 2)
        at_once(
            *[
                lambda verdict=verdict, recommendation=recommendation: (
                    actions.take_verdict(recommendation, verdict=verdict, why="", comment="", by=None, at=timezone.now()).pk
                )
                for verdict in verdicts
            ]
        )
        assert Conversation.objects.count() == round_
        thread = Conversation.objects.get(recommendation=recommendation)
        assert thread.reason == Recommendation.objects.get(pk=recommendation.pk).verdict


def test_of_eight_who_keep_a_session_at_once_one_does(session):
    people = UserFactory.create_batch(PROCESSES)
    for round_ in range(1, ROUNDS + 1):
        unkept = HelpSessionFactory(branch=session.branch)
        outcomes = at_once(
            *[
                lambda person=person, unkept=unkept: actions.keep(unkept, by=person, at=timezone.now(), wording="yes", language="en").patron_id
                for person in people
            ]
        )
        assert outcomes.count("AlreadyKept") == PROCESSES - 1
        assert Consent.objects.count() == round_


def test_a_card_attached_at_once_goes_to_one_session(session):
    sessions = HelpSessionFactory.create_batch(PROCESSES, branch=session.branch, staff=session.staff)
    for code in helpsessions.print_cards(by=session.staff, at=timezone.now(), branch=session.branch, count=ROUNDS):
        outcomes = at_once(
            *[
                lambda target=target, code=code: helpsessions.attach_card(target, code=code, by=session.staff, at=timezone.now()) or "attached"
                for target in sessions
            ]
        )
        assert sorted(outcomes) == ["CardAlreadyAttached"] * (PROCESSES - 1) + ["attached"]
    assert ClaimCode.objects.filter(state="live").count() == ROUNDS


def test_a_form_sent_eight_times_at_once_records_one_session(session):
    def record(token):
        return helpsessions.record(
            by=session.staff,
            at=timezone.now(),
            branch=session.branch,
            happened_on=session.happened_on,
            hour=10,
            mode="in_person",
            question_type="reference",
            topic=None,
            read_level=2,
            minutes=5,
            people=1,
            language="en",
            question="Where is the atlas?",
            summary="",
            quiet=False,
            note="note",
            items=[helpsessions.ChosenItem(kind="book", title="Atlas")],
            token=token,
        ).pk

    before = HelpSession.objects.count()
    for round_ in range(1, ROUNDS + 1):
        token = uuid.uuid4()
        assert len(set(at_once(*[lambda token=token: record(token)] * PROCESSES))) == 1
        assert HelpSession.objects.count() == before + round_
        assert Recommendation.objects.count() == round_


def test_an_item_saved_eight_times_at_once_is_saved_once(session):
    for round_ in range(1, ROUNDS + 1):
        item = ItemFactory()
        at_once(*[lambda item=item: save(item, patron=session.patron, at=timezone.now()).pk] * PROCESSES)
        assert SavedItem.objects.count() == round_
