"""Test that conversation rows are correct after any order of actions.

A patron, two staff members and the worker act on two conversations, and time passes. The class Tracked is the
oracle. It doesn't use states.py, but logs what happened to a conversation and replays the log for each check.
`STATE_MACHINE_EXAMPLES=1000` runs a long search.
"""

import datetime
import os
import uuid
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import library
from accounts.hours import Calendar
from accounts.models import Branch
from accounts.viewer import Viewer
from portal.checkins import answering
from portal.checkins.answering import Answerer
from portal.checkins.models import CheckIn
from portal.conversations import (
    actions,
    call_backs,
    desk_actions,
    drafts,
    jobs,
    merging,
    moved_promises,
    next_steps,
    notes,
    outcomes,
    states,
    step_history,
    taking_back,
    verdicts,
)
from portal.conversations.models import BranchQueue, CallBack, Conversation, Draft, Message
from portal.helpsessions.models import HelpSession
from recommendations.chosen_items import ChosenItem
from recommendations.models import NextStep, Recommendation
from tests.extent import times
from tests.factories import BranchFactory, HelpSessionFactory, ItemFactory, StaffFactory, ask_by_email

pytestmark = pytest.mark.one_database

BEGUN = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
second, minute, hour, day = (
    datetime.timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days")
)
EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", times(5, 100)))
MEANWHILE = ["close", "take back", "words", "words, then take back", "transfer", "patron closes"]
OUTCOME = "outcome"
CONVERSATIONS, STAFF = st.integers(0, 1), st.integers(0, 1)


@dataclass
class Entry:
    at: datetime.datetime
    # The kind of entry. Most kinds are "word" (the patron's message or bad verdict), "answer", "close",
    # "snooze", "wake", "join" (a merge) and "transfer". The kinds about a call are "call", "tried", "spoken",
    # "given up", "canceled" and "expired". The kinds about a next step for an item are "step", "step back",
    # "came" and "late".
    what: str
    # What the entry is about: the recommendation of a verdict, OUTCOME for the outcome of the visit, or the
    # primary key of an answer by staff. For entries about a next step, it is ("step", the recommendation).
    key: object = None
    then: str = ""
    since: datetime.datetime | None = None
    # For a merge: the time when the patron asked for the first open call.
    call: datetime.datetime | None = None
    # The person who is assigned when the patron writes next, or None for the branch.
    back: object = None
    # For "step" and "came": whether the conversation waited only for items that have a next step.
    leaves: bool = False


@dataclass
class Change:
    """A change of the assignee. `cause` is the primary key of the answer that made the change, or None."""

    at: datetime.datetime
    cause: int | None
    to: object
    was: object


@dataclass
class Tracked:
    pk: int
    log: list = field(default_factory=list)
    # (primary key of a message, its author, the time from which the patron sees the message)
    messages: list = field(default_factory=list)
    read_until: datetime.datetime | None = None
    assignee: object = None
    changes: list = field(default_factory=list)
    # The primary key of the answer that counted the conversation as a contact.
    counted: int | None = None
    asked_to_count: bool = False
    erased: bool = False
    joined: bool = False
    wants_no_answer: bool = False
    # The last promise: (when the patron began to wait, when the library promised to answer).
    promise: tuple = (None, None)

    def reading(self):
        """Replay the whole log and return (status, waiting_since, queued_at)."""
        return self.replayed()[:3]

    def call(self):
        """Return the time when the patron asked for the open call, or None."""
        return self.replayed()[3]

    def waits_only_for_call(self):
        """Return whether the conversation waits for a call and for nothing else."""
        return self.replayed()[4]

    def replayed(self):
        """Replay the whole log.

        Return (status, waiting_since, queued_at, time of the open call, whether the conversation waits only
        for this call).
        """
        status, turned, call, only_call = "closed", None, None, False
        # The times since which the library has owed something: an answer, a call, or an answer after a call
        # that expired.
        unanswered = []
        # Whether a call has expired and the library owes nothing but the answer to it. If the patron now asks
        # for another call, the conversation waits only for that call.
        only_expired = False
        for entry in self.log:
            only_call = only_call and entry.what != "word"
            if entry.what in {"word", "close", "join"} or (entry.what == "answer" and entry.then != "ours"):
                only_expired = False
            if entry.what == "call":
                if call is None:
                    only_call, only_expired = not unanswered or only_expired, False
                    unanswered, call, status = [*unanswered, entry.at], entry.at, "waiting_for_staff"
            elif entry.what in {"spoken", "given up", "canceled"}:
                if call is not None and (only_call or entry.what == "spoken"):
                    status = "closed" if entry.what == "canceled" else "waiting_for_patron"
                    unanswered, turned = [], entry.at
                call, only_call = None, False
            elif entry.what == "expired":
                call, only_call, only_expired = None, False, only_call
                status = "waiting_for_staff" if status == "snoozed" else status
            elif entry.what == "answer" and entry.then == "turn" and call is not None:
                unanswered, only_call = [call], True
            elif entry.what == "word":
                unanswered.append(entry.at)
                status = "waiting_for_staff"
            elif entry.what == "wake" or (
                entry.what == "answer" and entry.then == "ours" and status in {"closed", "waiting_for_patron"}
            ):
                unanswered = unanswered or [entry.at]
                status = "waiting_for_staff"
            elif entry.what == "close" or (entry.what == "answer" and entry.then in {"turn", "close"}):
                status = "waiting_for_patron" if entry.then == "turn" else "closed"
                unanswered, turned, call, only_call = [], entry.at, None, False
            elif entry.what == "step":
                if entry.leaves and status in {"waiting_for_staff", "snoozed"}:
                    status, turned = "snoozed", entry.at
            elif entry.what == "step back":
                if status == "snoozed":
                    unanswered, status = unanswered or [entry.at], "waiting_for_staff"
            elif entry.what == "came":
                if entry.leaves and status in {"waiting_for_staff", "snoozed"} and call is None:
                    status, turned, unanswered = "waiting_for_patron", entry.at, []
            elif entry.what == "late":
                unanswered, status = unanswered or [entry.at], "waiting_for_staff"
                only_call = only_expired = False
            elif entry.what == "snooze":
                status, turned = "snoozed", entry.at
            elif entry.what == "join" and (entry.since or entry.call):
                unanswered = sorted(filter(None, [entry.since, entry.call, *unanswered]))
                status, call, only_call = "waiting_for_staff", entry.call, entry.since is None
        since = unanswered[0] if unanswered else None
        return status, since, since if status == "waiting_for_staff" else turned, call, only_call

    def comes_back_to(self):
        """Return the person who is assigned when the patron writes next, or None for nobody."""
        back = None
        for entry in self.log:
            if entry.what == "answer":
                back = None if entry.then == "ours" else entry.back
            elif entry.what == "transfer" or (entry.what == "word" and entry.key is None):
                back = None
        return back

    def assign(self, to, at, cause=None):
        self.changes.append(Change(at, cause, to, self.assignee))
        self.assignee = to

    def undo_changes(self, cause):
        """Restore the assignee from before the answer `cause`, if nobody has changed the assignee since."""
        own = [change for change in self.changes if change.cause == cause]
        if own and own[-1] is self.changes[-1] and self.assignee == own[-1].to:
            self.assignee = own[-1].was
        self.changes = [change for change in self.changes if change.cause != cause]

    def waits_for_item_only(self, item, steps):
        """Return whether the conversation waits only for items that have a next step."""
        _status, since, *_rest = self.replayed()
        if self.call() is not None:
            return False
        solved = {item, *(key for key, step in steps.items() if not step["late"])}
        return not any(
            (entry.what in {"word", "answer"} and entry.key not in solved)
            or (entry.what == "late" and entry.key[1] not in solved)
            for entry in self.log
            if since is not None and entry.at >= since
        )

    def without(self, what, key):
        return [entry for entry in self.log if (entry.what, entry.key) != (what, key)]


class TwoConversations(RuleBasedStateMachine):
    world: dict = {}

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.patron, self.staff, self.branches, self.item = (
            self.world[name] for name in ("patron", "staff", "branches", "item")
        )
        self.session = self.world["session"]
        self.now = BEGUN
        self.conversations = []
        for _ in range(2):
            self.now += second
            asked = actions.ask(
                by=self.patron,
                at=self.now,
                help_session=self.session,
                body="Where?",
                language="en",
                client_token=uuid.uuid4(),
            )
            conversation = Tracked(
                asked.pk,
                log=[Entry(self.now, "word")],
                messages=[(asked.messages.get().pk, self.patron, self.now)],
                read_until=self.now,
            )
            self.conversations.append(conversation)
        self.check_in, _path = ask_by_email(self.session, at=self.now)
        # The link in the check-in's email works longer than an example of Hypothesis lasts.
        CheckIn.objects.filter(pk=self.check_in.pk).update(link_ends_at=self.now + 9999 * day)
        # The time when the patron answered the questions about the visit.
        self.satisfaction_at = self.answered_at = None
        self.answered_by_link = False
        # The first conversation is also about the outcome of the visit.
        Conversation.objects.filter(pk=self.conversations[0].pk).update(is_about_outcome=True)
        # {recommendation: its next step}
        self.steps = {}
        # {recommendation: (when the verdict changed, entries removed from the log, the removed next step)}
        self.ended = {}
        self.seen = {}

    def teardown(self):
        if connection.vendor == "postgresql":
            connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # Methods that the rules use.

    def row(self, conversation):
        return Conversation.objects.get(pk=conversation.pk)

    def do(self, conversation, action, *, refuses=(), desk_only=False):
        """Move the clock by one second, run the action, and return its result.

        An action on an erased conversation must raise Erased. With `refuses`, an action on any other
        conversation must raise one of the exceptions in `refuses`. After the expected exception, return None.
        If `desk_only` is true, check that the patron's view doesn't change.
        """
        self.now += second
        before, views = (
            self.row(conversation),
            [self.view(other) for other in self.conversations if desk_only],
        )
        expected = (actions.Erased,) if conversation.erased else refuses
        if expected:
            with pytest.raises(expected):
                action(before, self.now)
            assert (
                Conversation.objects.filter(pk=conversation.pk).values().get()
                == Conversation.objects.filter(pk=before.pk).values().get()
            )
            return None
        done = action(before, self.now)
        if desk_only:
            assert [self.view(other) for other in self.conversations] == views
        return done

    def view(self, conversation):
        """Return everything about the conversation that the patron can see now."""
        row = self.row(conversation)
        told = list(
            row.events.filter(shown_from__lte=self.now).order_by("at", "pk").values_list("kind", "pk")
        )
        status = row.status_at(self.now)
        return (
            list(row.messages.shown(self.now).in_order().values_list("pk", flat=True)),
            told,
            row.version_at(self.now),
            "away" if status == "snoozed" else status,
        )

    def open_conversations(self):
        return [conversation for conversation in self.conversations if not conversation.joined]

    def target(self, number):
        """Return the conversation with this number, or the conversation that it was merged into."""
        conversation = self.conversations[number]
        return self.conversations[1 - number] if conversation.joined else conversation

    def note_promise(self, conversation):
        """Record a new promise of the branch if the start of the patron's wait has changed."""
        since = conversation.reading()[1]
        if since not in (None, conversation.promise[0]):
            conversation.promise = since, since + self.row(conversation).branch.promise_hours * hour

    # Actions of the patron.

    @rule(number=CONVERSATIONS, twice=st.booleans())
    def patron_writes(self, number, twice):
        conversation, token = self.target(number), uuid.uuid4()

        def write(row, at):
            # The patron can write to conversation `number` even after it was merged into another one.
            row = self.row(self.conversations[number])
            return actions.reply(
                row, by=self.patron, side="patron", at=at, body="Hm", language="en", client_token=token
            )

        back = conversation.comes_back_to()
        answers = [entry for entry in conversation.log if entry.back == back and entry.then != "ours"]
        message = self.do(conversation, write)
        if message is None:
            return
        conversation.log.append(Entry(self.now, "word"))
        conversation.wants_no_answer = False
        if back is not None and conversation.assignee is None:
            conversation.assign(back, self.now, cause=answers[-1].key)
        conversation.messages.append((message.pk, self.patron, self.now))
        conversation.read_until = self.now
        # The model stores only the last promise. If staff take back an earlier answer after this message, the
        # branch makes a new promise with its current hours.
        self.note_promise(conversation)
        if twice:
            assert self.do(conversation, write) == message

    @rule(number=CONVERSATIONS)
    def patron_closes(self, number):
        conversation = self.target(number)
        was, seen_as = (
            conversation.reading()[0],
            None if conversation.erased else self.row(conversation).status_at(self.now + second),
        )
        self.do(conversation, lambda row, at: actions.close(row, by=self.patron, side="patron", at=at))
        if not conversation.erased and (was != "closed" or seen_as != "closed"):
            conversation.log.append(Entry(self.now, "close"))

    @rule(number=CONVERSATIONS)
    def patron_looks(self, number):
        conversation = self.target(number)
        if not conversation.erased:
            actions.mark_read(self.row(conversation), person=self.patron, at=self.now)
            conversation.read_until = max(shown for _, _, shown in conversation.messages if shown <= self.now)

    @rule(number=CONVERSATIONS, verdict=st.sampled_from(["did_not_help", "could_not_get_it", "helped", ""]))
    def patron_judges(self, number, verdict):
        conversation = self.target(number)
        given = self.given_in(conversation)
        if given is None or conversation.erased:
            return
        was, key = given.verdict, ("step", given)
        [said] = [entry for entry in conversation.log if entry.key == given] or [None]
        status, since, _ = conversation.reading()
        self.do(
            conversation,
            lambda row, at: verdicts.take_verdict(
                given, verdict=verdict, why="", comment="", by=self.patron, at=at
            ),
        )
        if was == "could_not_get_it" != verdict:
            # The item no longer has a next step. It gets the step back if the patron says again within ten
            # minutes that they couldn't get the item.
            entries = [entry for entry in conversation.log if entry.key == key]
            conversation.log = [entry for entry in conversation.log if entry.key != key]
            if entries:
                self.ended[given] = self.now, entries, self.steps.pop(given, None)
        elif verdict == "could_not_get_it" != was and given in self.ended:
            at, entries, step = self.ended.pop(given)
            if self.now - at <= 10 * minute:
                conversation.log = sorted([*conversation.log, *entries], key=lambda entry: entry.at)
                if step is not None:
                    self.steps[given] = step
        if verdict in {"helped", ""}:
            conversation.log = conversation.without("word", given)
        elif not (said and status == "waiting_for_staff" and said.at >= since):
            conversation.log = [*conversation.without("word", given), Entry(self.now, "word", key=given)]
        conversation.wants_no_answer &= conversation.reading()[0] != "closed"

    def given_in(self, conversation):
        """Return the first item that the patron sees in an answer of the conversation, or None."""
        given = Recommendation.objects.filter(
            messagerecommendation__message__conversation=conversation.pk, recommended_at__lte=self.now
        )
        return given.order_by("pk").first()

    @rule(
        number=CONVERSATIONS,
        what=st.sampled_from(["ordered", "on_loan", "take_back", "mark_arrived", "mark_given"]),
        days=st.integers(0, 5),
        regrets=st.booleans(),
    )
    def staff_do_something_about_a_missed_item(self, number, what, days, regrets):
        conversation = self.target(number)
        given = self.given_in(conversation)
        if given is None or conversation.erased:
            return
        records, now = what in {"ordered", "on_loan"}, self.steps.get(given)
        promised_on = self.today() + days * day
        refused = given.verdict != "could_not_get_it" or not records and now is None
        repeats = now and now["kind"] == what and now["day"] == promised_on and not now["arrived"]
        leaves = conversation.waits_for_item_only(given, self.steps)

        def act(row, at):
            if records:
                step = next_steps.Step(what, promised_on)
                return next_steps.record(row, given, step, by=self.staff[0], at=at)
            return getattr(next_steps, what)(row, given, by=self.staff[0], at=at)

        refused |= what == "mark_arrived" and bool(now and now["arrived"])
        done = self.do(conversation, act, refuses=(next_steps.NothingToDo,) if refused else ())
        if done is None or repeats and records:
            return
        done_at = done.changed_at
        if regrets:
            by = self.staff[0]
            self.do(conversation, lambda row, at: desk_actions.undo(row, done_at=done_at, by=by, at=at))
            return
        kind = {"take_back": "step back", "mark_arrived": "came", "mark_given": "came"}.get(what, "step")
        conversation.log.append(Entry(done_at, kind, key=("step", given), leaves=leaves))
        if records:
            self.steps[given] = {"kind": what, "day": promised_on, "arrived": False, "late": False}
        elif what == "mark_arrived":
            now["arrived"] = True
        else:
            del self.steps[given]

    @rule(
        found=st.sampled_from([None, "no", "part", "all", "still_working"]),
        satisfaction=st.sampled_from([None, None, "very_good", "poor"]),
        by_link=st.booleans(),
    )
    def patron_answers_about_the_visit(self, found, satisfaction, by_link):
        """Answer on the visit's page, or with the link in a check-in's email."""
        given = {"found": found, "satisfaction": satisfaction}
        given = {name: value for name, value in given.items() if value is not None}
        conversation = self.target(0)
        if conversation.erased or not given:
            return
        [said] = [entry for entry in conversation.log if entry.key == OUTCOME] or [None]
        status, since, _ = conversation.reading()

        def answer(row, at):
            if by_link:
                return answering.answer(self.check_in, answerer=Answerer(may_open=False), at=at, **given)
            return outcomes.take_outcome(self.session, by=self.patron, at=at, **given)

        self.do(conversation, answer)
        if satisfaction:
            self.satisfaction_at = self.now
        self.answered_at = self.now
        if found:
            self.answered_by_link = by_link
        if found in {"no", "part"}:
            if not (said and status == "waiting_for_staff" and said.at >= since):
                word = Entry(self.now, "word", key=OUTCOME)
                conversation.log = [*conversation.without("word", OUTCOME), word]
        elif found:
            conversation.log = conversation.without("word", OUTCOME)
        conversation.wants_no_answer &= conversation.reading()[0] != "closed"

    @rule()
    def patron_clears_the_answers_about_the_visit(self):
        conversation = self.target(0)
        if conversation.erased:
            return
        self.do(conversation, lambda row, at: outcomes.clear_outcome(self.session, at=at))
        self.satisfaction_at = self.answered_at = None
        self.answered_by_link = False
        conversation.log = conversation.without("word", OUTCOME)
        conversation.wants_no_answer &= conversation.reading()[0] != "closed"

    @rule(wanted=st.booleans(), by_link=st.booleans())
    def patron_says_whether_they_want_an_answer(self, wanted, by_link):
        conversation = self.target(0)
        if conversation.erased:
            return

        def wish(row, at):
            if by_link:
                answerer = Answerer(may_open=False)
                return answering.wish(
                    self.check_in, self.session, wanted=wanted, answerer=answerer, at=at, language="en"
                )
            return outcomes.wish_for_answer(self.session, wanted=wanted, by=self.patron, at=at, language="en")

        self.do(conversation, wish)
        is_answered = any(author in self.staff for _, author, _ in conversation.messages)
        is_open = conversation.reading()[0] != "closed"
        # The patron has asked for the answer while signed in, so nobody can decline the answer with the link.
        if is_open and not is_answered and (wanted or not by_link):
            conversation.wants_no_answer = not wanted

    @rule()
    def patron_writes_by_link(self):
        """Write on the page that the link in the email opens.

        The portal adds the text to the open conversation about the outcome.
        """
        conversation = self.target(0)
        if conversation.erased or conversation.reading()[0] == "closed":
            return

        def write(row, at):
            answering.write(
                self.check_in,
                body="Hm",
                language="en",
                client_token=uuid.uuid4(),
                answerer=Answerer(may_open=False),
                at=at,
            )
            return Message.objects.latest("pk")

        back = conversation.comes_back_to()
        answers = [entry for entry in conversation.log if entry.back == back and entry.then != "ours"]
        message = self.do(conversation, write)
        assert (message.conversation_id, message.author, message.by_link) == (conversation.pk, None, True)
        conversation.log.append(Entry(self.now, "word"))
        conversation.wants_no_answer = False
        if back is not None and conversation.assignee is None:
            conversation.assign(back, self.now, cause=answers[-1].key)
        conversation.messages.append((message.pk, None, self.now))
        # The message becomes unread for the patron. test_how_it_went.py checks this.
        conversation.read_until = None
        self.note_promise(conversation)

    def caller(self):
        return call_backs.Caller("414-555-0134", "Ada", may_leave_message=False)

    @rule(number=CONVERSATIONS, at_desk=st.booleans())
    def somebody_asks_for_a_call(self, number, at_desk):
        conversation, token = self.target(number), uuid.uuid4()
        asked = {"client_token": token}
        if at_desk:
            refuses = (actions.WantsNoAnswer,) if conversation.wants_no_answer else ()
            self.do(
                conversation,
                lambda row, at: call_backs.add(
                    self.caller(), by=self.staff[0], at=at, conversation=row, **asked
                ),
                refuses=refuses,
            )
            if refuses:
                return
        else:
            self.do(
                conversation,
                lambda row, at: call_backs.ask_in(row, self.caller(), by=self.patron, at=at, **asked),
            )
        if conversation.erased:
            return
        if conversation.call() is None:
            conversation.log.append(Entry(self.now, "call"))
        if not at_desk:
            conversation.wants_no_answer = False

    @rule(number=CONVERSATIONS, regrets=st.booleans())
    def patron_cancels_the_call(self, number, regrets):
        conversation = self.target(number)
        refuses = (call_backs.NoCall,) if conversation.call() is None else ()
        self.do(
            conversation,
            lambda row, at: call_backs.cancel(row, by=self.patron, at=at),
            refuses=refuses,
        )
        if conversation.erased or refuses:
            return
        if regrets:
            self.do(conversation, lambda row, at: call_backs.undo_cancel(row, at=at))
        else:
            conversation.log.append(Entry(self.now, "canceled"))

    # Actions of the staff.

    @rule(
        number=CONVERSATIONS, who=STAFF, outcome=st.sampled_from(call_backs.OUTCOMES), regrets=st.booleans()
    )
    def staff_call(self, number, who, outcome, regrets):
        conversation, by = self.target(number), self.staff[who]
        refuses = ()
        if conversation.call() is None:
            refuses = (call_backs.NoCall,)
        elif conversation.assignee != by:
            refuses = (desk_actions.AlreadyTaken,)
        called = self.do(
            conversation,
            lambda row, at: call_backs.record_outcome(row, outcome, by=by, at=at),
            refuses=refuses,
        )
        if called is None:
            return
        if outcome == "spoken":
            conversation.asked_to_count |= conversation.counted is None
        done_at = called.changed_at
        if regrets:
            self.do(conversation, lambda row, at: desk_actions.undo(row, done_at=done_at, by=by, at=at))
            return
        since = conversation.call()
        tried = [entry for entry in conversation.log if entry.what == "tried" and entry.at >= since]
        if outcome == "spoken":
            conversation.log.append(Entry(done_at, "spoken"))
            return
        if outcome == "no_answer":
            conversation.log.append(Entry(done_at, "tried"))
        if outcome == "give_up" or len(tried) == 2:
            conversation.log.append(Entry(done_at, "given up"))

    @rule(
        number=CONVERSATIONS,
        who=STAFF,
        then=st.sampled_from(["turn", "turn", "ours", "close"]),
        gives=st.booleans(),
        twice=st.booleans(),
        also=st.sampled_from(["", "", "take", "count"]),
    )
    def staff_answer(self, number, who, then, gives, twice, also=""):
        conversation, by, token = self.target(number), self.staff[who], uuid.uuid4()
        items = [ChosenItem(item=self.item)] if gives else []
        taken = also == "take" and conversation.assignee not in (None, by)
        back = None
        if not conversation.erased:
            was_counted, branch = conversation.counted is not None, self.row(conversation).branch
            back = by if branch.back_to_writer else None

        def answer(row, at):
            row = self.row(self.conversations[number])
            return actions.reply(
                row,
                by=by,
                side="staff",
                at=at,
                body="Try",
                language="en",
                client_token=token,
                items=items,
                then=then,
                take=also == "take",
                contact=self.contact() if also == "count" else None,
            )

        refuses = (desk_actions.AlreadyTaken,) if taken else ()
        if conversation.wants_no_answer:
            refuses = (actions.WantsNoAnswer,)
        message = self.do(conversation, answer, refuses=refuses, desk_only=True)
        if message is None:
            return
        conversation.log.append(Entry(self.now, "answer", key=message.pk, then=then, back=back))
        if also == "take" and conversation.assignee != by:
            conversation.assign(by, self.now, cause=message.pk)
        if also == "count" and not was_counted:
            conversation.counted = message.pk
        if then == "close" and conversation.counted is None:
            conversation.asked_to_count = True
        conversation.messages.append((message.pk, by, self.now + Message.UNDO_WINDOW))
        if twice:
            assert self.do(conversation, answer) == message

    def contact(self):
        now = self.now.astimezone(self.world["library"].zone)
        return {
            **dict.fromkeys(["topic", "read_level", "minutes"]),
            **dict.fromkeys(["summary", "note"], ""),
            "token": uuid.uuid4(),
            "branch": self.branches[0],
            "happened_on": now.date(),
            "hour": now.hour,
            "mode": "web_form",
            "question_type": "reference",
            "people": 1,
            "language": "en",
            "question": "Where?",
            "quiet": False,
            "items": [],
        }

    @rule(number=CONVERSATIONS, who=STAFF, which=st.integers(0, 2))
    def staff_take_back(self, number, who, which):
        conversation, by = self.target(number), self.staff[who]
        answers = [found for found in conversation.messages if found[1] in self.staff][-1 - which :][:1]
        if not answers or conversation.erased:
            return
        [(pk, author, shown_from)] = answers
        left = shown_from - Message.UNDO_MARGIN - (self.now + second)
        if 0 * second < left < 3 * second:
            # Skip an answer whose undo window is about to end. `take_back` may wait seconds for its locks,
            # and then it reads the clock again.
            return
        in_time = author == by and left > 0 * second
        message = Message.objects.get(pk=pk)
        self.do(
            conversation,
            lambda row, at: taking_back.take_back(message, by=by, at=at),
            refuses=() if in_time else (taking_back.TooLate,),
        )
        if in_time:
            conversation.log = conversation.without("answer", pk)
            conversation.messages.remove(answers[0])
            conversation.undo_changes(pk)
            if conversation.counted == pk:
                conversation.counted = None
            draft = Draft.objects.get(conversation=conversation.pk, person=by)
            assert draft.body.startswith("Try")
            drafts.forget(self.row(conversation), person=by, side="staff", kind="reply")

    @rule(
        number=CONVERSATIONS,
        who=STAFF,
        then=st.sampled_from(["turn", "ours", "close"]),
        also=st.sampled_from(["", "take", "count"]),
        meanwhile=st.sampled_from(MEANWHILE),
    )
    def event_while_an_answer_is_pending(self, number, who, then, also, meanwhile):
        self.staff_answer(number, who, then, gives=False, twice=False, also=also)
        if meanwhile == "close":
            self.staff_close(number, 1 - who)
        elif meanwhile == "take back":
            self.staff_take_back(number, who, which=0)
        elif meanwhile == "words, then take back":
            self.patron_writes(number, twice=False)
            self.staff_take_back(number, who, which=0)
        elif meanwhile == "transfer":
            self.staff_transfer(number, to=who)
        elif meanwhile == "words":
            self.patron_writes(number, twice=False)
        else:
            self.patron_closes(number)

    @rule(number=CONVERSATIONS, who=STAFF)
    def staff_close(self, number, who):
        conversation = self.target(number)
        was_closed = conversation.reading()[0] == "closed"
        is_held = any(shown > self.now + second for _, _, shown in conversation.messages)
        self.do(
            conversation,
            lambda row, at: actions.close(row, by=self.staff[who], side="staff", at=at),
            desk_only=was_closed or is_held,
        )
        if not conversation.erased and not was_closed:
            conversation.log.append(Entry(self.now, "close"))
            conversation.asked_to_count |= conversation.counted is None

    @rule(number=CONVERSATIONS, who=STAFF, days=st.integers(1, 9))
    def staff_snooze(self, number, who, days):
        conversation = self.target(number)
        until, is_closed = (self.now + days * day).date(), conversation.reading()[0] == "closed"
        if not conversation.erased and self.row(conversation).snoozed_until == until:
            return
        self.do(
            conversation,
            lambda row, at: desk_actions.snooze(row, until=until, by=self.staff[who], at=at),
            refuses=(desk_actions.NotOpen,) if is_closed else (),
        )
        if not conversation.erased and not is_closed:
            conversation.log.append(Entry(self.now, "snooze"))

    @rule(number=CONVERSATIONS, who=STAFF)
    def staff_wake(self, number, who):
        conversation = self.target(number)
        was = conversation.reading()[0]
        self.do(conversation, lambda row, at: desk_actions.wake(row, by=self.staff[who], at=at))
        if not conversation.erased and was == "snoozed":
            conversation.log.append(Entry(self.now, "wake"))

    @rule(number=CONVERSATIONS, who=STAFF)
    def staff_take(self, number, who):
        conversation, by = self.target(number), self.staff[who]
        taken = conversation.assignee not in (None, by)
        self.do(
            conversation,
            lambda row, at: desk_actions.take(row, by=by, at=at),
            refuses=(desk_actions.AlreadyTaken,) if taken else (),
            desk_only=True,
        )
        if not conversation.erased and not taken and conversation.assignee != by:
            conversation.assign(by, self.now)

    @rule(number=CONVERSATIONS, to=st.sampled_from([None, 0, 1]), was=st.sampled_from([None, 0, 1]))
    def staff_assign(self, number, to, was):
        conversation = self.target(number)
        to, was = (None if who is None else self.staff[who] for who in (to, was))
        stale = conversation.assignee not in (was, to)
        self.do(
            conversation,
            lambda row, at: desk_actions.assign(row, to=to, by=self.staff[0], at=at, was=was),
            refuses=(desk_actions.AlreadyTaken,) if stale else (),
            desk_only=True,
        )
        if not conversation.erased and not stale and conversation.assignee != to:
            conversation.assign(to, self.now)

    @rule(number=CONVERSATIONS, to=st.integers(0, 1))
    def staff_transfer(self, number, to):
        conversation = self.target(number)
        branch = self.branches[to]
        stays = not conversation.erased and self.row(conversation).branch == branch
        if not conversation.erased:
            # The earlier branch has made the promise, and a transfer doesn't change the promise.
            self.note_promise(conversation)
        self.do(
            conversation,
            lambda row, at: desk_actions.transfer(
                row, branch=branch, by=self.staff[0], at=at, was=conversation.assignee
            ),
            desk_only=True,
        )
        if not conversation.erased and not stays:
            conversation.assign(None, self.now)
            conversation.log.append(Entry(self.now, "transfer"))

    @rule(number=st.integers(0, 1), back=st.booleans())
    def coordinator_chooses_where_conversations_come_back(self, number, back):
        Branch.objects.filter(pk=self.branches[number].pk).update(back_to_writer=back)

    @rule(number=CONVERSATIONS)
    def staff_note(self, number):
        self.do(
            self.target(number),
            lambda row, at: notes.write_note(
                row, by=self.staff[0], at=at, body="NOTE", client_token=uuid.uuid4()
            ),
            desk_only=True,
        )

    @precondition(
        lambda self: (
            not any(conversation.joined or conversation.erased for conversation in self.conversations)
        )
    )
    @rule(number=CONVERSATIONS, really=st.integers(0, 3))
    def staff_merge(self, number, really):
        # Merge rarely, because a merge leaves only one conversation.
        if really:
            return
        first, second_ = self.conversations[number], self.conversations[1 - number]
        readings = [first.reading(), second_.reading()]
        refuses = (merging.CannotMerge,) if second_.wants_no_answer else ()
        self.do(
            first,
            lambda row, at: merging.merge(row, into=self.row(second_), by=self.staff[0], at=at),
            refuses=refuses,
        )
        if refuses:
            return
        # After the merge, a conversation that was snoozed waits for staff, even if it was answered.
        both, calls = (first, second_), [first.call(), second_.call()]
        unanswered = [
            since or self.now
            for tracked, (status, since, _turned) in zip(both, readings, strict=True)
            if (since or status == "snoozed") and not tracked.waits_only_for_call()
        ]
        second_.log = sorted([*first.log, *second_.log], key=lambda entry: entry.at)
        call = min(filter(None, calls), default=None)
        second_.log.append(Entry(self.now, "join", since=min(unanswered, default=None), call=call))
        second_.messages = sorted([*first.messages, *second_.messages], key=lambda found: found[0])
        second_.assignee = second_.assignee or first.assignee
        second_.changes = sorted([*first.changes, *second_.changes], key=lambda change: change.at)
        second_.counted = second_.counted or first.counted
        second_.asked_to_count |= first.asked_to_count
        first.joined = True
        promises = [
            tracked.promise[1]
            for tracked, (_status, since, _turned) in zip((first, second_), readings, strict=True)
            if since
        ]
        since = second_.reading()[1]
        if since:
            second_.promise = (
                since,
                min(promises, default=since + self.row(second_).branch.promise_hours * hour),
            )
        # Don't check what is unread after a merge, because test_desk_actions.py checks it.
        second_.read_until = None

    @rule(number=CONVERSATIONS, really=st.integers(0, 9))
    def staff_erase(self, number, really):
        if really == 0:
            conversation = self.target(number)
            self.do(conversation, lambda row, at: desk_actions.erase(row, by=self.staff[0], at=at))
            conversation.erased = True
            for other in self.conversations:
                if other.joined:
                    self.conversations = [conversation, conversation]

    @rule(which=st.integers(0, 1), hours=st.sampled_from([1, 24, 48]))
    def promised_hours_change(self, which, hours):
        """Change how many hours a branch promises. Also move its promises that lie in the future."""
        self.now += second
        branch = self.branches[which]
        branch.refresh_from_db()
        longer = (hours - branch.promise_hours) * hour
        for conversation in self.open_conversations():
            row, (since, promised) = self.row(conversation), conversation.promise
            can_be_undone = row.status != "snoozed" and row.queued_at >= self.now - 10 * minute
            counts = row.waiting_since is not None or can_be_undone
            if row.branch == branch and promised and counts and self.now < min(promised, promised + longer):
                conversation.promise = since, promised + longer
        moved_promises.change_calendar(
            branch,
            partial(library.change_branch, promise_hours=hours),
            seen=Calendar.of(branch).fingerprint(),
            email=True,
            by=self.staff[0],
            at=self.now,
        )

    # Rules that let time pass and run the worker.

    @rule(seconds=st.sampled_from([2, 5, 13, 14, 60, 86_400, 8 * 86_400]), works=st.booleans())
    def time_passes(self, seconds, works):
        self.now += seconds * second
        if works:
            self.worker_runs()

    @rule()
    def worker_runs(self):
        views = [
            self.view(conversation) for conversation in self.open_conversations() if not conversation.erased
        ]
        jobs.show_pending_answers(at=self.now)
        # The job must not change what patrons see. A change would mean that an answer was shown too early.
        assert [
            self.view(conversation) for conversation in self.open_conversations() if not conversation.erased
        ] == views
        today = self.today()
        late = [
            (conversation, given)
            for conversation in self.open_conversations()
            for given, step in self.steps.items()
            if not conversation.erased
            and given in set(self.row(conversation).verdicts())
            and not (step["arrived"] or step["late"])
            and step["day"] < today
        ]
        next_steps.return_late_items(at=self.now)
        for conversation, given in sorted(late, key=lambda found: (self.steps[found[1]]["day"], found[1].pk)):
            at = (
                self.row(conversation).events.get(kind="step_late", recommendation=given, at__gte=self.now).at
            )
            conversation.log.append(Entry(at, "late", key=("step", given)))
            self.steps[given]["late"] = True
        asleep = [
            conversation
            for conversation in self.open_conversations()
            if not conversation.erased
            and self.row(conversation).snoozed_until
            and self.row(conversation).snoozed_until <= today
        ]
        jobs.wake_snoozed(at=self.now)
        for conversation in asleep:
            conversation.log.append(Entry(self.now, "wake"))
        quiet = [
            conversation
            for conversation in self.open_conversations()
            if not conversation.erased and conversation.reading()[0] == "waiting_for_patron"
        ]
        quiet = [conversation for conversation in quiet if conversation.reading()[2] + 14 * day <= self.now]
        over = [
            conversation
            for conversation in self.open_conversations()
            if not conversation.erased and conversation.call() and self.call_is_over(conversation)
        ]
        call_backs.expire_calls(at=self.now)
        for conversation in over:
            conversation.log.append(Entry(self.now, "expired"))
        jobs.close_after_silence(at=self.now)
        for conversation in quiet:
            conversation.log.append(Entry(self.now, "close"))

    def today(self):
        return self.now.astimezone(self.world["library"].zone).date()

    def call_is_over(self, conversation):
        """Return whether a week has passed since the promised time of the call."""
        since, call = conversation.reading()[1], conversation.call()
        self.note_promise(conversation)
        hours = self.row(conversation).branch.promise_hours
        promised = conversation.promise[1] if since == call else call + hours * hour
        return promised + 7 * day <= self.now

    # Checks after every action.

    @invariant()
    def row_matches_the_log(self):
        for conversation in self.open_conversations():
            row = self.row(conversation)
            if conversation.erased:
                assert (row.status, row.subject, row.patron, row.messages.count(), row.events.count()) == (
                    "erased",
                    "",
                    None,
                    0,
                    0,
                )
                continue
            status, since, turned = conversation.reading()
            assert (row.status, row.waiting_since, row.queued_at, row.assignee) == (
                status,
                since,
                turned,
                conversation.assignee,
            )
            self.note_promise(conversation)
            assert row.promised_at == (conversation.promise[1] if since else None)
            assert row.closes_at == (turned + 14 * day if status == "waiting_for_patron" else None)
            replayed = states.replay(row)
            assert (replayed.status, replayed.waiting_since, replayed.turned_at, replayed.reason) == (
                status,
                since,
                turned,
                row.reason,
            )
            assert replayed.snoozed_until == row.snoozed_until
            assert (row.call_since, replayed.call_since) == (conversation.call(), conversation.call())
            assert (row.reason == "call" and row.call_since is not None) == conversation.waits_only_for_call()
            numbers = CallBack.objects.filter(conversation=row, done_at=None)
            assert numbers.count() == (1 if row.call_since else 0)
            back = conversation.comes_back_to()
            assert (row.comes_back_to, replayed.comes_back_to) == (back, back and back.pk)
            assert (row.logged_as is None) == (conversation.counted is None)
            assert row.wants_no_answer == conversation.wants_no_answer
            assert row.count_question == ("asked" if conversation.asked_to_count else "")

    @invariant()
    def items_have_what_staff_recorded(self):
        for conversation in self.open_conversations():
            if conversation.erased:
                continue
            for given in self.row(conversation).verdicts():
                row = NextStep.objects.filter(recommendation=given).first()
                step = row and {
                    "kind": row.kind,
                    "day": row.promised_on,
                    "arrived": row.arrived_at is not None,
                    "late": row.overdue_at is not None,
                }
                assert step == self.steps.get(given)
                assert step_history.restore(given) == row

    @invariant()
    def visit_has_the_time_of_each_answer(self):
        visit, conversation = HelpSession.objects.get(pk=self.session.pk), self.target(0)
        words = [entry.at for entry in conversation.log if entry.key == OUTCOME]
        if words and not conversation.erased:
            assert (visit.found in {"no", "part"}, [visit.found_at]) == (True, words)
        times = visit.satisfaction_at, visit.answered_at, visit.answered_by_link
        assert times == (self.satisfaction_at, self.answered_at, self.answered_by_link)

    @invariant()
    def patron_sees_shown_messages_and_a_growing_version(self):
        for conversation in self.open_conversations():
            if conversation.erased:
                continue
            row = self.row(conversation)
            shown, told, version, _status = self.view(conversation)
            assert shown == [
                pk for pk, _, shown_from in sorted(conversation.messages) if shown_from <= self.now
            ]
            seen = self.seen.get(conversation.pk)
            if seen is not None:
                assert version >= seen[2]
                assert version > seen[2] or (shown, told) == seen[:2]
            self.seen[conversation.pk] = shown, told, version
            held = sorted(shown_from for _, _, shown_from in conversation.messages if shown_from > self.now)
            if row.pending_from is None or row.pending_from > self.now:
                assert row.pending_from == (held[0] if held else None)
                assert row.last_message_at == max(
                    shown_from for _, _, shown_from in conversation.messages if shown_from <= self.now
                )
                assert bool(row.patron_status) == bool(held)
                if conversation.read_until:
                    unread = (
                        Conversation.objects.belonging_to(Viewer(self.patron))
                        .unread_by(self.patron)
                        .filter(pk=conversation.pk)
                        .exists()
                    )
                    assert unread == any(
                        shown_from > conversation.read_until
                        for _, _, shown_from in conversation.messages
                        if shown_from <= self.now
                    )

    @invariant()
    def counters_only_grow(self):
        counters = {f"queue of {queue.branch_id}": queue.version for queue in BranchQueue.objects.all()}
        for conversation in self.open_conversations():
            row = self.row(conversation)
            counters[f"desk {conversation.pk}"] = row.desk_version
            was = self.seen.get(f"row {conversation.pk}")
            now = (
                row.status,
                row.waiting_since,
                row.assignee_id,
                row.branch_id,
                row.messages.count(),
                row.events.count(),
                row.notes.count(),
            )
            if was is not None and was != now:
                assert row.desk_version > self.seen["counters"][f"desk {conversation.pk}"]
                assert sum(value for name, value in counters.items() if name.startswith("queue")) > sum(
                    value for name, value in self.seen["counters"].items() if name.startswith("queue")
                )
            self.seen[f"row {conversation.pk}"] = now
        assert all(
            counters.get(name, value) >= value for name, value in self.seen.get("counters", {}).items()
        )
        self.seen["counters"] = counters


@pytest.mark.long
@pytest.mark.django_db
def test_conversation_rows_are_correct_after_actions_in_any_order(library, branch, patron, staff):
    Branch.objects.filter(pk=branch.pk).update(back_to_writer=True)
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    TwoConversations.world = {
        "library": library,
        "patron": patron,
        "staff": [staff, StaffFactory(branch=branch)],
        "branches": [branch, BranchFactory(back_to_writer=True)],
        "item": ItemFactory(),
        "session": session,
    }
    run_state_machine_as_test(
        TwoConversations,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            # `make test-long` tries the same examples each time. To search for new examples, set
            # STATE_MACHINE_EXAMPLES to their number.
            derandomize="STATE_MACHINE_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
