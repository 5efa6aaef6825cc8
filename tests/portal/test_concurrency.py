"""Check actions that several processes do at the same time.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races. If an action
doesn't lock rows, and no unique constraint protects the data, the test of the action fails.
"""

import datetime
import ipaddress
import random
import time
import uuid
from functools import partial

import pytest
from django.db import connection
from django.db.models import Max, Min, Sum
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import library
from accounts.hours import Calendar
from accounts.models import Consent, Library
from portal.conversations import (
    actions,
    desk_actions,
    drafts,
    jobs,
    keeping,
    merging,
    moved_promises,
    notes,
    states,
    taking_back,
    verdicts,
)
from portal.conversations.models import (
    BranchQueue,
    Conversation,
    ConversationWords,
    DeskEvent,
    Draft,
    Event,
    Message,
    ReadersForm,
)
from portal.helpsessions import actions as helpsessions
from portal.helpsessions import handover
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.imports.matching import match, undo_match
from portal.lists.actions import remove, restore, save
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import MAX_LINKS, ListLink, SavedItem, SavedList, StaffLink
from portal.lists.ordering import place
from portal.lists.own_lists import NameTaken, make_list
from portal.lists.own_words import add_title
from portal.lists.staff_links import make_staff_link
from portal.notifications.models import Notification
from recommendations.actions import add_item, add_items, change_item, record_verdict
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation, SearchEntry, SearchWord
from recommendations.search.entries import words_of
from tests.extent import times
from tests.factories import (
    BranchFactory,
    ChildFactory,
    HelpSessionFactory,
    ItemFactory,
    LibraryFactory,
    SavedListFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.opening_hours import open_on_weekdays
from tests.processes import rounds

ROUNDS, PROCESSES = times(4, 50), 8
# The tests of actions on a conversation run this many rounds.
CONVERSATION_ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture
def session(transactional_db):
    library = LibraryFactory()
    return HelpSessionFactory(
        branch=library.default_branch,
        staff=StaffFactory(branch=library.default_branch),
        patron=UserFactory(email="sam@example.org"),
    )


def ask(session, *, at=None):
    at = at or timezone.now()
    return actions.ask(
        by=session.patron,
        at=at,
        help_session=session,
        body="Where?",
        language="en",
        client_token=uuid.uuid4(),
    )


def say(conversation, by, side, token=None, **kwargs):
    at = timezone.now()
    return actions.reply(
        conversation,
        by=by,
        side=side,
        at=at,
        body="Hello",
        language="en",
        client_token=token or uuid.uuid4(),
        **kwargs,
    )


# Tests of actions on a conversation.


@pytest.mark.core
def test_message_sent_eight_times_at_once_is_stored_and_emailed_once(session):
    conversation = ask(session)

    def check(token, ids):
        assert len(set(ids)) == 1
        message = Message.objects.get(client_token=token)
        assert Notification.objects.filter(message_id=message.mail_id).count() == 1

    rounds(
        [lambda token: say(conversation, session.staff, "staff", token).pk] * PROCESSES,
        CONVERSATION_ROUNDS,
        before=lambda _: uuid.uuid4(),
        after=check,
    )
    conversation.refresh_from_db()
    assert conversation.messages.count() == CONVERSATION_ROUNDS + 1
    assert conversation.desk_version == CONVERSATION_ROUNDS + 1


def test_question_sent_eight_times_at_once_creates_one_conversation(session):
    def asks(token):
        return actions.ask(
            by=None, at=timezone.now(), help_session=session, body="Hi", language="en", client_token=token
        ).pk

    def check(_token, ids):
        assert len(set(ids)) == 1

    rounds([asks] * PROCESSES, CONVERSATION_ROUNDS, before=lambda _: uuid.uuid4(), after=check)
    assert (Conversation.objects.count(), Message.objects.count()) == (
        CONVERSATION_ROUNDS,
        CONVERSATION_ROUNDS,
    )


def test_reading_form_sent_eight_times_at_once_creates_one_conversation(session):
    form = {"loved": "Piranesi", "for_whom": "me"}

    def asks(token):
        return actions.ask(
            by=session.patron,
            at=timezone.now(),
            body="Hi",
            language="en",
            client_token=token,
            readers_form=form,
        ).pk

    def check(_token, ids):
        assert len(set(ids)) == 1

    rounds([asks] * PROCESSES, CONVERSATION_ROUNDS, before=lambda _: uuid.uuid4(), after=check)
    assert (Conversation.objects.count(), ReadersForm.objects.count(), Message.objects.count()) == (
        CONVERSATION_ROUNDS,
        CONVERSATION_ROUNDS,
        CONVERSATION_ROUNDS,
    )


def test_only_one_of_eight_staff_members_who_take_a_conversation_at_once_succeeds(session):
    people = StaffFactory.create_batch(PROCESSES, branch=session.branch)
    conversation = ask(session)

    def take(person):
        def work(_number):
            try:
                return (
                    desk_actions.take(conversation, by=person, at=timezone.now()).assignee_id == person.pk
                    and f"taken by {person.pk}"
                )
            except desk_actions.AlreadyTaken as taken:
                return f"told {taken.assignee.pk}"

        return work

    def free(_number):
        conversation.refresh_from_db()
        desk_actions.assign(
            conversation, to=None, by=session.staff, at=timezone.now(), was=conversation.assignee
        )

    def check(_data, outcomes):
        conversation.refresh_from_db()
        winner = conversation.assignee_id
        assert sorted(outcomes) == [f"taken by {winner}"] + [f"told {winner}"] * (PROCESSES - 1)

    rounds([take(person) for person in people], CONVERSATION_ROUNDS, before=free, after=check)
    assert DeskEvent.objects.filter(kind="taken").count() == CONVERSATION_ROUNDS


def test_only_one_of_eight_simultaneous_assignments_of_a_conversation_succeeds(session):
    people = StaffFactory.create_batch(PROCESSES, branch=session.branch)
    conversation = ask(session)

    def assign(person):
        return lambda was: (
            desk_actions.assign(
                conversation, to=person, by=session.staff, at=timezone.now(), was=was
            ).assignee_id
        )

    # Unassign the conversation, so that each of the eight assignments is a change.
    def whose(_number):
        conversation.refresh_from_db()
        desk_actions.assign(
            conversation, to=None, by=session.staff, at=timezone.now(), was=conversation.assignee
        )

    def check(_was, outcomes):
        conversation.refresh_from_db()
        assert outcomes.count("AlreadyTaken") == PROCESSES - 1
        assert conversation.assignee_id in outcomes

    rounds(
        [assign(person) for person in people],
        CONVERSATION_ROUNDS,
        before=whose,
        after=check,
        refusals={"AlreadyTaken"},
    )
    assert DeskEvent.objects.filter(kind="assigned").count() == CONVERSATION_ROUNDS


def test_newest_version_of_a_draft_remains_if_eight_devices_save_the_draft_at_once(session):
    conversation, token = ask(session), uuid.uuid4()

    def keep(number):
        def work(base):
            words = {"person": session.staff, "side": "staff", "kind": "reply", "client_token": token}
            drafts.save_draft(
                conversation,
                sequence=base + number,
                body=f"state {base + number}",
                at=timezone.now(),
                **words,
            )
            return "kept"

        return work

    def check(base, outcomes):
        draft = Draft.objects.get()
        assert (draft.sequence, draft.body) == (base + PROCESSES, f"state {base + PROCESSES}")
        assert outcomes[-1] == "kept"
        assert set(outcomes) <= {"kept", "NewerDraft"}

    works = [keep(number) for number in range(1, PROCESSES + 1)]
    rounds(
        works,
        CONVERSATION_ROUNDS,
        before=lambda number: number * PROCESSES,
        after=check,
        refusals={"NewerDraft"},
    )


def test_no_draft_remains_if_devices_save_the_draft_while_the_answer_is_sent(session):
    conversation = ask(session)

    def keep(number):
        def work(token):
            words = {
                "person": session.staff,
                "side": "staff",
                "kind": "reply",
                "client_token": token,
                "body": "Hello",
            }
            drafts.save_draft(conversation, sequence=number, at=timezone.now(), **words)

        return work

    def check(token, outcomes):
        assert Message.objects.filter(client_token=token).count() == 1
        assert not Draft.objects.exists()
        assert set(outcomes[2:]) <= {None, "AlreadySent", "NewerDraft"}

    works = [lambda token: say(conversation, session.staff, "staff", token).pk] * 2 + [
        keep(number) for number in range(1, PROCESSES - 1)
    ]
    rounds(
        works,
        CONVERSATION_ROUNDS,
        before=lambda _: uuid.uuid4(),
        after=check,
        refusals={"AlreadySent", "NewerDraft"},
    )


# After this duration, the undo window of every answer is over.
AFTER_UNDO_WINDOW = datetime.timedelta(minutes=5)


def columns(conversation):
    """Compute the denormalized columns from the conversation's messages and events, and return them."""
    state = states.replay(conversation)
    held = (
        conversation.messages.filter(shown_from__gte=conversation.pending_from)
        if conversation.pending_from
        else conversation.messages.none()
    )
    counted = conversation.messages.exclude(pk__in=held)
    return {
        "status": state.status,
        "waiting_since": state.waiting_since,
        "queued_at": state.turned_at,
        "snoozed_until": state.snoozed_until,
        "reason": state.reason,
        "promised": state.waiting_since is not None,
        "closes": state.status == "waiting_for_patron",
        "last_message_at": counted.aggregate(latest=Max("shown_from"))["latest"],
        "pending_from": conversation.messages.filter(
            side="staff", shown_from__gt=conversation.changed_at
        ).aggregate(first=Min("shown_from"))["first"],
        "words": conversation.messages.count() + 1,
    }


def as_written(conversation):
    """Return the denormalized columns as they are stored in the conversation's row."""
    names = (
        "status",
        "waiting_since",
        "queued_at",
        "snoozed_until",
        "reason",
        "last_message_at",
        "pending_from",
    )
    return {name: getattr(conversation, name) for name in names} | {
        "promised": conversation.promised_at is not None,
        "closes": conversation.closes_at is not None,
        "words": ConversationWords.objects.filter(conversation=conversation).count(),
    }


@pytest.mark.core
def test_conversation_row_matches_its_history_after_simultaneous_actions(session):
    """Make a patron and staff members act at the same time.

    After each round, the row must match the history, and the counters must match the number of actions.
    """
    conversation, elsewhere = ask(session), BranchFactory()
    people = StaffFactory.create_batch(3, branch=session.branch)
    until = timezone.localdate() + datetime.timedelta(days=3)

    def done(action):
        """Return a function that runs the action and then returns "done"."""

        def work(data):
            action(data)
            return "done"

        return work

    works = [
        done(lambda _: say(conversation, session.patron, "patron")),
        done(lambda _: say(conversation, session.patron, "patron")),
        done(lambda _: say(conversation, people[0], "staff", then="turn")),
        done(lambda _: say(conversation, people[1], "staff", then="close")),
        done(
            lambda data: taking_back.take_back(
                Message.objects.get(pk=data[0]), by=people[2], at=timezone.now()
            )
        ),
        done(lambda _: actions.close(conversation, by=session.patron, side="patron", at=timezone.now())),
        done(
            lambda data: desk_actions.snooze(
                conversation, until=until + datetime.timedelta(days=data[1]), by=people[0], at=timezone.now()
            )
        ),
        done(
            lambda data: desk_actions.assign(
                conversation,
                to=people[data[1] % 3],
                by=people[0],
                at=timezone.now(),
                was=people[(data[1] - 1) % 3],
            )
        ),
        done(
            lambda data: desk_actions.transfer(
                conversation,
                branch=[session.branch, elsewhere][data[1] % 2],
                by=people[0],
                at=timezone.now(),
                was=None,
            )
        ),
        done(
            lambda _: notes.write_note(
                conversation, by=people[1], at=timezone.now(), body="n", client_token=uuid.uuid4()
            )
        ),
    ]
    before = {}

    def prepare(number):
        sent = say(conversation, people[2], "staff", then=random.choice(["turn", "ours", "close"]))  # noqa: S311  only a test
        before.update(counters(), number=number)
        return sent.pk, number

    def counters():
        conversation.refresh_from_db()
        return {
            "version": conversation.version_at(timezone.now() + AFTER_UNDO_WINDOW),
            "desk": conversation.desk_version,
            "queues": BranchQueue.objects.aggregate(sum=Sum("version"))["sum"],
            "desk events": conversation.desk_events.count(),
            "closed": Event.objects.filter(message=None, kind="closed").count(),
        }

    def check(_data, outcomes):
        after = counters()
        assert set(outcomes) <= {"done", "NotOpen", "AlreadyTaken"}
        assert outcomes[:6] == ["done"] * 6
        assert as_written(conversation) == columns(conversation)
        raised = {name: after[name] - before[name] for name in after}
        # A round has two messages and two answers, and takes back one older answer. Each message, answer and
        # closing adds 1 to the version. Taking back an answer subtracts 1.
        assert raised["version"] == 2 + 2 - 1 + raised["closed"]
        # Each message, answer, note, closing and desk event adds 1 to the desk version. Taking back an answer
        # also adds 1.
        assert raised["desk"] == 2 + 2 + 1 + 1 + raised["closed"] + raised["desk events"]
        assert raised["queues"] >= raised["desk"]

    rounds(works, CONVERSATION_ROUNDS, before=prepare, after=check, refusals={"NotOpen", "AlreadyTaken"})
    jobs.show_pending_answers(at=timezone.now() + AFTER_UNDO_WINDOW)
    conversation.refresh_from_db()
    assert (conversation.pending_from, conversation.version) == (
        None,
        conversation.version_at(timezone.now()),
    )
    assert conversation.last_message_at == conversation.messages.aggregate(latest=Max("shown_from"))["latest"]


@pytest.mark.core
def test_no_message_is_lost_if_people_reply_while_conversations_are_merged(session):
    """Merge in both directions simultaneously. One direction wins, and every message remains."""

    def reply(which, side):
        return lambda pks: (
            say(
                Conversation.objects.get(pk=pks[which]),
                session.staff if side == "staff" else session.patron,
                side,
            ).pk
        )

    def join(first, second_):
        return lambda pks: (
            merging.merge(
                Conversation.objects.get(pk=pks[first]),
                into=Conversation.objects.get(pk=pks[second_]),
                by=session.staff,
                at=timezone.now(),
            ).pk
        )

    def prepare(_number):
        return ask(session).pk, ask(session).pk

    def check(pks, outcomes):
        [left] = Conversation.objects.filter(pk__in=pks, merged_into=None)
        [gone] = Conversation.objects.filter(pk__in=pks).exclude(pk=left.pk)
        assert (gone.merged_into, gone.status, gone.messages.count()) == (left, "closed", 0)
        assert set(outcomes[:5]) <= set(left.messages.values_list("pk", flat=True))
        assert left.messages.count() == 5 + 2
        assert left.pk in outcomes[5:]
        assert set(outcomes[5:]) <= {left.pk, "CannotMerge"}
        assert as_written(left) == columns(left)

    works = [
        reply(0, "patron"),
        reply(0, "staff"),
        reply(0, "patron"),
        reply(1, "patron"),
        reply(1, "staff"),
        join(0, 1),
        join(1, 0),
        join(0, 1),
    ]
    rounds(works, CONVERSATION_ROUNDS, before=prepare, after=check, refusals={"CannotMerge"})


@pytest.mark.core
def test_simultaneous_conversation_actions_do_not_deadlock(session):
    """Run actions that lock the same rows. A deadlock would raise an OperationalError."""

    def prepare(_number):
        visit = HelpSessionFactory(branch=session.branch, staff=session.staff)
        [shown] = recommend_in(visit)
        conversation = actions.ask(
            by=None,
            at=timezone.now(),
            help_session=visit,
            body="Hi",
            language="en",
            client_token=uuid.uuid4(),
        )
        say(conversation, session.staff, "staff", items=[ChosenItem(item=shown.item)])
        given = Recommendation.objects.get(messagerecommendation__message__conversation=conversation)
        return visit.pk, conversation.pk, shown.pk, given.pk

    def judge(which, verdict):
        return lambda pks: (
            verdicts.take_verdict(
                Recommendation.objects.get(pk=pks[which]),
                verdict=verdict,
                why="",
                comment="",
                by=None,
                at=timezone.now(),
            ).pk
        )

    def of_conversation(action):
        return lambda pks: bool(action(Conversation.objects.get(pk=pks[1])))

    works = [
        judge(2, "did_not_help"),
        judge(3, "did_not_help"),
        judge(3, "could_not_get_it"),
        lambda pks: (
            keeping.keep(
                HelpSession.objects.get(pk=pks[0]),
                by=session.patron,
                at=timezone.now(),
                wording="yes",
                language="en",
            ).pk
        ),
        of_conversation(
            lambda conversation: desk_actions.erase(conversation, by=session.staff, at=timezone.now())
        ),
        of_conversation(
            lambda conversation: say(
                conversation, session.staff, "staff", items=[ChosenItem(item=ItemFactory())]
            )
        ),
        of_conversation(lambda conversation: say(conversation, None, "patron")),
        of_conversation(
            lambda conversation: actions.close(
                conversation, by=session.staff, side="staff", at=timezone.now()
            )
        ),
    ]

    def check(pks, outcomes):
        assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"Erased"}
        conversation = Conversation.objects.get(pk=pks[1])
        assert (conversation.status, conversation.messages.count(), conversation.words.count()) == (
            "erased",
            0,
            0,
        )

    rounds(works, CONVERSATION_ROUNDS, before=prepare, after=check, refusals={"Erased"})


def test_each_promise_moves_once_if_three_coordinators_add_the_same_closed_day_at_once(session):
    """Close a day while staff answer, patrons write and conversations are merged and transferred."""
    branch, staff = session.branch, session.staff
    other = BranchFactory()
    open_on_weekdays(branch, opens=8, closes=20, weekdays=range(7))
    tomorrow = Library.current().today() + datetime.timedelta(days=1)
    seen = Calendar.of(branch).fingerprint()

    def prepare(_number):
        branch.closed_days.all().delete()
        conversations = [
            actions.ask(
                by=session.patron,
                at=timezone.now(),
                help_session=session,
                body="Hi",
                language="en",
                client_token=uuid.uuid4(),
            )
            for _ in range(6)
        ]
        return [(row.pk, row.promised_at) for row in conversations]

    def close_tomorrow(_data):
        moves = moved_promises.change_calendar(
            branch,
            partial(library.add_closed_day, day=tomorrow, reason=""),
            seen=seen,
            email=True,
            by=staff,
            at=timezone.now(),
        )
        return len(moves.moved)

    def of_conversation(number, action):
        return lambda data: bool(action(Conversation.objects.get(pk=data[number][0])))

    def join(first, second):
        return lambda data: bool(
            merging.merge(
                Conversation.objects.get(pk=data[first][0]),
                into=Conversation.objects.get(pk=data[second][0]),
                by=staff,
                at=timezone.now(),
            )
        )

    works = [
        *[close_tomorrow] * 3,
        of_conversation(0, lambda row: say(row, staff, "staff")),
        of_conversation(1, lambda row: say(row, session.patron, "patron")),
        of_conversation(
            2,
            lambda row: desk_actions.transfer(row, branch=other, by=staff, at=timezone.now(), was=None),
        ),
        join(4, 3),
    ]

    def check(data, outcomes):
        assert sorted(map(str, outcomes[:3]))[1:] == ["CalendarChanged"] * 2
        assert outcomes[3:] == [True] * 4
        before = dict(data)
        rows = {row.pk: row for row in Conversation.objects.filter(pk__in=before)}
        keys = list(before)
        assert (rows[keys[0]].promised_at, rows[keys[4]].promised_at) == (None, None)
        calendar = Calendar.of(branch)
        for key in (keys[1], keys[3], keys[5]):
            assert rows[key].promised_at == calendar.promised_at(rows[key].waiting_since)
        assert rows[keys[5]].desk_events.filter(kind="rescheduled").count() == 1
        Conversation.objects.filter(pk__in=before).update(branch=other)

    rounds(works, CONVERSATION_ROUNDS, before=prepare, after=check, refusals={"CalendarChanged"})


# Tests of actions on verdicts, visits, code cards, items and lists.


def test_verdict_given_eight_times_at_once_creates_one_conversation(session):
    recommendations = recommend_in(session, ROUNDS)

    def give(verdict):
        return lambda recommendation: (
            verdicts.take_verdict(
                recommendation, verdict=verdict, why="", comment="", by=None, at=timezone.now()
            ).pk
        )

    def check(recommendation, _outcomes):
        conversation = Conversation.objects.get(recommendation=recommendation)
        assert conversation.reason == Recommendation.objects.get(pk=recommendation.pk).verdict

    works = [give(verdict) for verdict in ["did_not_help", "could_not_get_it"] * (PROCESSES // 2)]
    rounds(works, ROUNDS, before=recommendations.__getitem__, after=check)
    assert Conversation.objects.count() == ROUNDS


def keep_for(person):
    """Return a function that adds a visit to this person's account, and returns the visit's primary key."""
    return lambda visit: (
        keeping.keep(visit, by=person, at=timezone.now(), wording="yes", language="en") and visit.pk
    )


def test_only_one_of_eight_simultaneous_attempts_to_keep_a_visit_succeeds(session):
    people = UserFactory.create_batch(PROCESSES)

    def check(visit, outcomes):
        assert sorted(map(str, outcomes)) == sorted([str(visit.pk)] + ["AlreadyKept"] * (PROCESSES - 1))

    rounds(
        [keep_for(person) for person in people],
        ROUNDS,
        before=lambda _: HelpSessionFactory(branch=session.branch),
        after=check,
        refusals={"AlreadyKept"},
    )
    assert Consent.objects.count() == ROUNDS


def test_only_one_child_and_one_adult_can_keep_a_shared_visit(session):
    children, adults = ChildFactory.create_batch(PROCESSES // 2), UserFactory.create_batch(PROCESSES // 2)

    def prepare(_number):
        shared = SharedSessionFactory(branch=session.branch)
        code_for(shared)
        return shared

    def check(shared, outcomes):
        assert sorted(map(str, outcomes)) == sorted([str(shared.pk)] * 2 + ["AlreadyKept"] * (PROCESSES - 2))
        shared.refresh_from_db()
        assert (shared.patron in children, shared.shared_with in adults, shared.claim_codes.get().state) == (
            True,
            True,
            "kept",
        )

    works = [keep_for(person) for person in [*children, *adults]]
    rounds(works, ROUNDS, before=prepare, after=check, refusals={"AlreadyKept"})


def test_code_card_that_is_attached_to_eight_visits_at_once_belongs_to_only_one_visit(session):
    sessions = HelpSessionFactory.create_batch(PROCESSES, branch=session.branch, staff=session.staff)
    codes = handover.print_code_cards(
        by=session.staff, at=timezone.now(), branch=session.branch, count=ROUNDS
    )

    def attach_to(visit):
        return lambda code: (
            handover.attach_code_card(visit, code=code, by=session.staff, at=timezone.now()) or "attached"
        )

    def check(_code, outcomes):
        assert sorted(outcomes) == ["CodeCardAlreadyAttached"] * (PROCESSES - 1) + ["attached"]

    rounds(
        [attach_to(visit) for visit in sessions],
        ROUNDS,
        before=list(codes).__getitem__,
        after=check,
        refusals={"CodeCardAlreadyAttached"},
    )
    assert ClaimCode.objects.filter(state="live").count() == ROUNDS


@pytest.mark.core
def test_help_session_form_sent_eight_times_at_once_creates_one_help_session(session):
    def record(token):
        help_session, code = helpsessions.record_and_hand_over(
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
            items=[ChosenItem(kind="book", title="Atlas")],
            token=token,
        )
        return help_session.pk, code

    def check(_token, outcomes):
        assert len({key for key, _code in outcomes}) == 1
        assert sum(code is not None for _key, code in outcomes) == 1

    before = HelpSession.objects.count()
    rounds([record] * PROCESSES, ROUNDS, before=lambda _: uuid.uuid4(), after=check)
    assert HelpSession.objects.count() == before + ROUNDS
    assert ClaimCode.objects.count() == Recommendation.objects.count() == ROUNDS


def test_no_title_is_lost_or_doubled_if_eight_tabs_change_the_order_of_a_list_at_once(session):
    saved_list = SavedListFactory(patron=session.patron)
    for title in "ABCDEFGH":
        add_title(saved_list, title=title, at=timezone.now())
    titles = list(saved_list.saved_items.values_list("pk", flat=True))

    def move(number):
        def work(_token):
            moved, other = (
                SavedItem.objects.select_related("saved_list__patron").get(pk=titles[n % PROCESSES])
                for n in (number, number + 3)
            )
            place(moved, before=other)
            remove(moved, at=timezone.now())
            restore(moved, at=timezone.now())
            return number

        return work

    def check(_token, outcomes):
        assert set(outcomes) == set(range(PROCESSES))
        rows = saved_list.saved_items.in_lists().in_order()
        assert set(rows.values_list("pk", flat=True)) == set(titles)
        assert len(set(rows.values_list("position", flat=True))) == PROCESSES

    rounds([move(number) for number in range(PROCESSES)], ROUNDS, before=lambda _: None, after=check)


def test_making_a_list_eight_times_at_once_with_the_same_name_makes_one_list(session):
    def make(name):
        try:
            return make_list(session.patron, name=name, at=timezone.now()).pk
        except NameTaken:
            return None

    def check(name, outcomes):
        assert sum(outcome is not None for outcome in outcomes) == 1
        # Delete the list, so that the last rounds don't reach the limit of lists.
        SavedList.objects.get(name=name).delete()

    rounds([make] * PROCESSES, ROUNDS, before=lambda _: str(uuid.uuid4()), after=check)


def test_making_links_eight_times_at_once_does_not_exceed_the_limit(session):
    saved_list = SavedListFactory(patron=session.patron)
    for _ in range(MAX_LINKS - 1):
        make_link(saved_list, with_notes=False, at=timezone.now())

    def make(_token):
        return make_link(saved_list, with_notes=False, at=timezone.now()).pk

    def check(_token, outcomes):
        made = [outcome for outcome in outcomes if outcome != "TooManyLinks"]
        assert len(made) == 1
        end_link(ListLink.objects.get(pk=made[0]), at=timezone.now())

    rounds([make] * PROCESSES, ROUNDS, before=lambda _: None, after=check, refusals={"TooManyLinks"})


@pytest.mark.parametrize("by_staff", [False, True], ids=["patron", "staff"])
def test_making_a_link_eight_times_at_once_with_the_same_form_makes_one_link(session, by_staff):
    saved_list, item = SavedListFactory(patron=session.patron), ItemFactory()
    model = StaffLink if by_staff else ListLink

    def make(token):
        choices = {"client_token": token, "at": timezone.now()}
        if by_staff:
            return make_staff_link([item], branch=session.branch, by=session.staff, **choices).pk
        return make_link(saved_list, with_notes=False, **choices).pk

    def check(token, outcomes):
        assert {model.objects.get().pk} == set(outcomes)
        model.objects.all().delete()

    rounds([make] * PROCESSES, ROUNDS, before=lambda _: uuid.uuid4(), after=check)


def test_no_visitor_sees_a_list_after_its_link_has_ended(session):
    saved_list = SavedListFactory(patron=session.patron)
    add_title(saved_list, title="Snow country", at=timezone.now())
    patron = Client()
    patron.force_login(session.patron)
    shown = []

    def open_it(link):
        """Open the address until the link has ended.

        Return [(time before the request, whether the response showed the list)].
        """
        visitor, address, seen = Client(), address_of(link), []
        while not seen or seen[-1][1]:
            began = time.monotonic()
            # Each request has a different network address, so that no limit is reached.
            page = visitor.get(address, REMOTE_ADDR=str(ipaddress.IPv4Address(random.getrandbits(32))))
            seen.append((began, b"Snow country" in page.content))
        return seen

    def end_it(link):
        time.sleep(random.random() / 5)
        patron.post(reverse("end_list_link", args=[link.public_id]))
        return time.monotonic()

    def check(_link, outcomes):
        ended, *visitors = outcomes
        late = [began for seen in visitors for began, showed in seen if showed and began >= ended]
        assert late == []
        shown.extend(showed for seen in visitors for _began, showed in seen)

    rounds(
        [end_it, *[open_it] * (PROCESSES - 1)],
        ROUNDS,
        before=lambda _: make_link(saved_list, with_notes=False, at=timezone.now()),
        after=check,
    )
    # A link may end before anybody opens it, but this must not happen in every round.
    assert any(shown)


def test_item_saved_eight_times_at_once_is_saved_once(session):
    def save_it(item):
        return save(item, patron=session.patron, at=timezone.now()).pk

    def check(item, _outcomes):
        assert SavedItem.objects.filter(item=item).count() == 1

    rounds([save_it] * PROCESSES, ROUNDS, before=lambda _: ItemFactory(), after=check)


# Tests of matching an item added by hand with an imported record.


def matching_round(session, number):
    """Return (item added by hand, record, recommendation, a list that has the item added by hand)."""
    item = ItemFactory(title=f"By hand {number}")
    record = ItemFactory(title=f"Imported {number}", source="marc", source_key=str(number))
    [recommendation] = recommend_in(session, item=item, reason="Clear from the first page")
    saved_list = SavedListFactory(patron=UserFactory())
    save(item, patron=saved_list.patron, saved_list=saved_list, at=timezone.now())
    return item, record, recommendation, saved_list


def decide(recommendation, verdict):
    record_verdict(
        Recommendation.objects.get(pk=recommendation.pk), verdict=verdict, comment=verdict, at=timezone.now()
    )
    return verdict


def test_verdict_is_saved_while_the_item_is_matched_and_unmatched(session):
    staff = session.staff

    def matched(data):
        match(data[0], data[1], by=staff, at=timezone.now())
        return "matched"

    def undone(data):
        undo_match(data[0], by=staff, at=timezone.now())
        return "undone"

    def check(data, outcomes):
        item, record, recommendation, saved_list = data
        recommendation.refresh_from_db()
        assert outcomes[0] == "matched"
        assert outcomes[1] in ("undone", "NothingToUndo")
        assert recommendation.item == (item if outcomes[1] == "undone" else record)
        assert recommendation.reason == "Clear from the first page"
        assert recommendation.verdict in ("helped", "did_not_help")
        assert recommendation.comment == recommendation.verdict
        saved = {entry.item for entry in SavedItem.objects.filter(saved_list=saved_list, removed_at=None)}
        assert saved in ({item}, {record}, {item, record})
        assert outcomes[2:4] == ["helped", "did_not_help"]
        assert isinstance(outcomes[4], int)

    works = [
        matched,
        undone,
        lambda data: decide(data[2], "helped"),
        lambda data: decide(data[2], "did_not_help"),
        # The patron saves the imported record in the list that has the item added by hand.
        lambda data: save(data[1], patron=data[3].patron, saved_list=data[3], at=timezone.now()).pk,
    ]
    rounds(
        works,
        CONVERSATION_ROUNDS,
        before=lambda number: matching_round(session, number),
        after=check,
        refusals={"NothingToUndo"},
    )


def test_only_one_of_eight_simultaneous_matches_of_an_item_succeeds(session):
    staff = session.staff

    def check(data, outcomes):
        assert sorted(outcomes) == ["CannotMatch"] * (PROCESSES - 1) + ["matched"]
        assert Recommendation.objects.get(pk=data[2].pk).item == data[1]

    def matched(data):
        match(data[0], data[1], by=staff, at=timezone.now())
        return "matched"

    rounds(
        [matched] * PROCESSES,
        ROUNDS,
        before=lambda number: matching_round(session, number),
        after=check,
        refusals={"CannotMatch"},
    )


def test_search_words_are_counted_correctly_if_eight_processes_change_items_at_once(session):
    def before(number):
        return [
            add_item(at=timezone.now(), kind="book", title=f"The shared garden {number}") for _ in range(2)
        ]

    def change(process):
        def work(items):
            if process % 2:
                title = f"The garden of {'abcdefgh'[process]}"
                imported = {"source": "catalog", "source_key": str(uuid.uuid4())}
                item = {"at": timezone.now(), "kind": "book", "title": title}
                add_items([item, {**item, **imported}])
            else:
                change_item(items[process % 4 // 2], title=f"The changed garden {'abcdefgh'[process]}")
            return process

        return work

    def check(_items, outcomes):
        assert set(outcomes) == set(range(PROCESSES))
        counted = {row.word: (row.items, row.titles, row.imported) for row in SearchWord.objects.all()}
        expected: dict = {}
        for title, names, source in SearchEntry.objects.values_list("title", "names", "item__source"):
            for word, is_in_title in words_of(title, names).items():
                items, titles, imported = expected.get(word, (0, 0, 0))
                expected[word] = (items + 1, titles + is_in_title, imported + bool(source))
        assert counted == expected

    rounds([change(process) for process in range(PROCESSES)], ROUNDS, before=before, after=check)
