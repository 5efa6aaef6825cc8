import datetime
import uuid
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Absence, AuditEvent, OpeningHours
from accounts.viewer import Viewer
from portal.conversations import (
    actions,
    desk_actions,
    drafts,
    jobs,
    merging,
    notes,
    states,
    taking_back,
    verdicts,
)
from portal.conversations.models import (
    BranchQueue,
    Conversation,
    ConversationNote,
    DeskEvent,
    Draft,
    Event,
    Message,
    Participation,
    ReadersForm,
)
from portal.helpsessions.models import HelpSession, UnfinishedForm
from portal.helpsessions.unfinished import start_unfinished
from portal.notifications.models import Notification
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)

# A Tuesday, 2:30 p.m. in the library's time zone.
NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
PATRON, STAFF = Message.Side.PATRON, Message.Side.STAFF
second, minute, hour, day = (
    datetime.timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days")
)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def conversation(session, patron):
    return ask(session, patron)


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


def ask(session, by, *, at=NOW, body="It is checked out", **kwargs):
    return actions.ask(
        by=by, at=at, help_session=session, body=body, language="en", client_token=uuid.uuid4(), **kwargs
    )


def say(conversation, by, side, *, at, body="Try this", **kwargs):
    return actions.reply(
        conversation, by=by, side=side, at=at, body=body, language="en", client_token=uuid.uuid4(), **kwargs
    )


def now_of(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def matches_its_history(conversation):
    row, told = now_of(conversation), states.replay(now_of(conversation))
    return (row.status, row.waiting_since, row.snoozed_until) == (
        told.status,
        told.waiting_since,
        told.snoozed_until,
    )


def event_kinds(conversation):
    return list(conversation.desk_events.order_by("at", "pk").values_list("kind", flat=True))


class TestTakingAndAssigning:
    def test_staff_who_take_a_conversation_too_late_learn_which_colleague_has_taken_it(
        self, conversation, staff, branch
    ):
        desk_actions.take(conversation, by=staff, at=NOW)
        for number in range(8):
            with pytest.raises(desk_actions.AlreadyTaken) as taken:
                desk_actions.take(conversation, by=StaffFactory(branch=branch), at=NOW + number * second)
            assert taken.value.assignee == staff
        assert (now_of(conversation).assignee, event_kinds(conversation)) == (staff, ["taken"])

    def test_staff_cannot_take_or_assign_a_conversation_just_transferred_to_another_branch(
        self, conversation, staff, omar
    ):
        desk_actions.transfer(now_of(conversation), branch=BranchFactory(), by=staff, at=NOW, was=None)
        with pytest.raises(desk_actions.AlreadyTaken):
            desk_actions.take(conversation, by=staff, at=NOW + second)
        with pytest.raises(desk_actions.AlreadyTaken):
            desk_actions.assign(conversation, to=omar, by=staff, at=NOW + second, was=None)
        assert now_of(conversation).assignee is None

    def test_assignee_who_takes_the_conversation_again_changes_nothing(self, conversation, staff):
        desk_actions.take(conversation, by=staff, at=NOW)
        desk_actions.take(conversation, by=staff, at=NOW + hour)
        assert now_of(conversation).assigned_at < NOW + second
        assert event_kinds(conversation) == ["taken"]

    @pytest.mark.parametrize(("first_day", "free"), [("2026-03-03", True), ("2026-03-04", False)])
    def test_conversation_of_a_colleague_who_is_away_today_can_be_taken(
        self, conversation, staff, omar, first_day, free
    ):
        desk_actions.take(conversation, by=omar, at=NOW)
        Absence.objects.create(person=omar, first_day=first_day, last_day="2026-03-10")
        if free:
            desk_actions.take(conversation, by=staff, at=NOW + minute)
        else:
            with pytest.raises(desk_actions.AlreadyTaken):
                desk_actions.take(conversation, by=staff, at=NOW + minute)
        assert now_of(conversation).assignee == (staff if free else omar)

    def test_absence_begins_at_midnight_in_the_librarys_time_zone(self, conversation, staff, omar):
        """Take the conversation at 1:30 a.m. UTC. In Chicago, this is the evening of the previous day."""
        desk_actions.take(conversation, by=omar, at=NOW)
        Absence.objects.create(person=omar, first_day="2026-03-04", last_day="2026-03-04")
        with pytest.raises(desk_actions.AlreadyTaken):
            desk_actions.take(
                conversation, by=staff, at=datetime.datetime(2026, 3, 4, 1, 30, tzinfo=datetime.UTC)
            )

    def test_outdated_page_cannot_assign_or_transfer_a_conversation_that_a_colleague_took(
        self, conversation, staff, omar, coordinator
    ):
        desk_actions.take(conversation, by=omar, at=NOW)
        with pytest.raises(desk_actions.AlreadyTaken) as taken:
            desk_actions.assign(conversation, to=coordinator, by=staff, at=NOW + minute, was=None)
        assert (taken.value.assignee, now_of(conversation).assignee) == (omar, omar)
        with pytest.raises(desk_actions.AlreadyTaken):
            desk_actions.transfer(conversation, branch=BranchFactory(), by=staff, at=NOW + minute, was=None)
        assert (now_of(conversation).branch, event_kinds(conversation)) == (conversation.branch, ["taken"])

    def test_assigning_and_unassigning_are_recorded_with_the_actor_and_the_assignee(
        self, conversation, staff, omar
    ):
        desk_actions.assign(conversation, to=omar, by=staff, at=NOW + minute, was=None)
        desk_actions.assign(conversation, to=None, by=omar, at=NOW + 2 * minute, was=omar)
        assert (now_of(conversation).assignee, now_of(conversation).assigned_at) == (None, None)
        assert [(e.kind, e.by, e.to, e.was) for e in conversation.desk_events.order_by("at")] == [
            ("assigned", staff, omar, None),
            ("unassigned", omar, None, omar),
        ]

    def test_answer_by_a_colleague_does_not_change_the_assignee(self, conversation, staff, omar):
        desk_actions.take(conversation, by=omar, at=NOW)
        say(conversation, staff, STAFF, at=NOW + minute)
        assert now_of(conversation).assignee == omar

    def test_transfer_keeps_the_promised_time_and_ends_the_assignment(self, conversation, staff, branch):
        slow = BranchFactory(promise_hours=400)
        OpeningHours.objects.create(branch=slow, weekday=0, opens="10:00", closes="11:00")
        desk_actions.take(conversation, by=staff, at=NOW)
        promised = now_of(conversation).promised_at
        desk_actions.transfer(conversation, branch=slow, by=staff, at=NOW + minute, was=staff)
        say(conversation, conversation.patron, PATRON, at=NOW + hour)
        row = now_of(conversation)
        assert (row.branch, row.assignee, row.promised_at, row.waiting_since) == (slow, None, promised, NOW)
        assert promised is not None
        assert event_kinds(conversation) == ["taken", "handed_over"]

    def test_transfer_refreshes_the_queues_of_both_branches(self, conversation, staff, branch):
        other = BranchFactory()
        desk_actions.transfer(conversation, branch=other, by=staff, at=NOW + minute, was=None)
        assert set(BranchQueue.objects.values_list("branch", "version")) == {
            (branch.pk, 2),
            (other.pk, 1),
        }


class TestSnoozing:
    UNTIL = datetime.date(2026, 3, 9)

    def test_conversation_has_its_old_place_in_the_queue_after_a_snooze(self, conversation, staff):
        desk_actions.snooze(conversation, until=self.UNTIL, by=staff, at=NOW + minute)
        assert (now_of(conversation).status, now_of(conversation).waiting_since) == ("snoozed", NOW)
        jobs.wake_snoozed(at=NOW + 5 * day)
        assert now_of(conversation).status == "snoozed"
        jobs.wake_snoozed(at=NOW + 6 * day)
        assert (
            now_of(conversation).status,
            now_of(conversation).waiting_since,
            now_of(conversation).reason,
        ) == (
            "waiting_for_staff",
            NOW,
            "asked",
        )
        assert event_kinds(conversation) == ["snoozed", "woken"]
        assert matches_its_history(conversation)

    @pytest.mark.parametrize(
        ("zone", "until", "asleep", "awake"),
        [
            # This snooze ends on the night when the clocks go forward.
            (
                "America/Chicago",
                "2026-03-08",
                "2026-03-08T05:59:59+00:00",
                "2026-03-08T06:00:00+00:00",
            ),
            # This snooze ends one night after the clocks went forward.
            (
                "America/Chicago",
                "2026-03-09",
                "2026-03-09T04:59:59+00:00",
                "2026-03-09T05:00:00+00:00",
            ),
            # This snooze ends one night after the clocks went back.
            (
                "America/Chicago",
                "2026-11-02",
                "2026-11-02T05:59:59+00:00",
                "2026-11-02T06:00:00+00:00",
            ),
            ("Pacific/Auckland", "2026-04-05", "2026-04-04T10:59:59+00:00", "2026-04-04T11:00:00+00:00"),
        ],
    )
    def test_snooze_ends_at_midnight_in_the_librarys_time_zone(
        self, conversation, staff, library, zone, until, asleep, awake
    ):
        library.time_zone = zone
        library.save()
        until = datetime.date.fromisoformat(until)
        desk_actions.snooze(conversation, until=until, by=staff, at=NOW + minute)
        jobs.wake_snoozed(at=datetime.datetime.fromisoformat(asleep))
        assert now_of(conversation).status == "snoozed"
        jobs.wake_snoozed(at=datetime.datetime.fromisoformat(awake))
        assert now_of(conversation).status == "waiting_for_staff"
        assert datetime.datetime.fromisoformat(awake).astimezone(ZoneInfo(zone)).time() == datetime.time(0)

    def test_snoozing_a_conversation_twice_until_the_same_day_is_recorded_once(self, conversation, staff):
        for number in range(2):
            desk_actions.snooze(conversation, until=self.UNTIL, by=staff, at=NOW + number * hour)
        assert event_kinds(conversation) == ["snoozed"]

    def test_answered_conversation_waits_for_staff_after_its_snooze_ends(self, conversation, staff):
        say(conversation, staff, STAFF, at=NOW + minute)
        desk_actions.snooze(conversation, until=self.UNTIL, by=staff, at=NOW + hour)
        jobs.wake_snoozed(at=NOW + 6 * day)
        assert (now_of(conversation).reason, now_of(conversation).waiting_since) == (
            "came_back",
            NOW + 6 * day,
        )

    def test_message_from_the_patron_ends_the_snooze(self, conversation, staff, patron):
        desk_actions.snooze(conversation, until=self.UNTIL, by=staff, at=NOW + minute)
        say(conversation, patron, PATRON, at=NOW + hour)
        assert (
            now_of(conversation).status,
            now_of(conversation).snoozed_until,
            now_of(conversation).waiting_since,
        ) == (
            "waiting_for_staff",
            None,
            NOW,
        )

    def test_snoozed_conversation_does_not_close_automatically(self, conversation, staff):
        say(conversation, staff, STAFF, at=NOW + minute)
        desk_actions.snooze(conversation, until=datetime.date(2026, 8, 1), by=staff, at=NOW + hour)
        jobs.close_after_silence(at=NOW + 60 * day)
        assert now_of(conversation).status == "snoozed"

    def test_closed_conversation_cannot_be_snoozed(self, conversation, staff):
        actions.close(conversation, by=staff, side=STAFF, at=NOW + minute)
        with pytest.raises(desk_actions.NotOpen):
            desk_actions.snooze(conversation, until=self.UNTIL, by=staff, at=NOW + hour)


class TestScheduledJobs:
    @pytest.mark.parametrize(
        ("days", "after", "closed"),
        [(14, 14 * day - second, False), (14, 14 * day, True), (3, 3 * day, True), (0, 400 * day, False)],
    )
    def test_conversation_that_waits_for_the_patron_closes_automatically_without_an_email(
        self, conversation, staff, library, days, after, closed
    ):
        library.closes_after_days = days
        library.save()
        say(conversation, staff, STAFF, at=NOW + minute)
        mails = Notification.objects.count()
        jobs.close_after_silence(at=NOW + minute + after)
        assert (now_of(conversation).status == "closed") is closed
        assert conversation.events.filter(kind="closed_by_itself").exists() is closed
        assert Notification.objects.count() == mails
        assert matches_its_history(conversation)

    def test_changed_number_of_days_until_closing_applies_only_to_later_answers(
        self, conversation, staff, library
    ):
        say(conversation, staff, STAFF, at=NOW)
        library.closes_after_days = 2
        library.save()
        jobs.close_after_silence(at=NOW + 3 * day)
        assert now_of(conversation).status == "waiting_for_patron"

    @pytest.mark.parametrize(
        ("taken", "written", "released"),
        [(0 * day, None, True), (1 * day, None, False), (0 * day, 2 * day, False)],
        ids=["no answer for three days", "taken only two days ago", "announced another answer"],
    )
    def test_job_unassigns_a_conversation_that_its_assignee_has_not_answered(
        self, conversation, staff, omar, taken, written, released
    ):
        desk_actions.take(conversation, by=omar, at=NOW + taken + minute)
        if written:
            say(conversation, omar, STAFF, at=NOW + written, then="ours")
        jobs.release_untouched(at=NOW + 3 * day + 2 * minute)
        assert (now_of(conversation).assignee is None) is released
        assert ("released" in event_kinds(conversation)) is released
        assert now_of(conversation).status == "waiting_for_staff"

    def test_job_does_not_unassign_a_conversation_that_waits_for_the_patron(self, conversation, omar):
        desk_actions.take(conversation, by=omar, at=NOW)
        say(conversation, omar, STAFF, at=NOW + minute)
        jobs.release_untouched(at=NOW + 30 * day)
        assert now_of(conversation).assignee == omar

    def test_job_unassigns_a_conversation_only_three_days_after_its_snooze_ended(self, conversation, omar):
        desk_actions.take(conversation, by=omar, at=NOW)
        desk_actions.snooze(now_of(conversation), until=(NOW + 9 * day).date(), by=omar, at=NOW + minute)
        back = NOW + 9 * day
        jobs.wake_snoozed(at=back)
        assert now_of(conversation).status == "waiting_for_staff"
        jobs.release_untouched(at=back)
        assert now_of(conversation).assignee == omar
        jobs.release_untouched(at=back + 3 * day)
        assert now_of(conversation).assignee is None

    def test_snooze_job_skips_a_conversation_that_is_erased_during_the_job(
        self, conversation, staff, patron, session, monkeypatch
    ):
        other = ask(session, patron, at=NOW + minute)
        for one in (conversation, other):
            desk_actions.snooze(one, until=datetime.date(2026, 3, 4), by=staff, at=NOW + hour)
        lock = jobs.lock_conversation

        def erased_first(found, at):
            if found.pk == conversation.pk:
                raise actions.Erased
            return lock(found, at)

        monkeypatch.setattr(jobs, "lock_conversation", erased_first)
        jobs.wake_snoozed(at=NOW + 2 * day)
        assert (now_of(conversation).status, now_of(other).status) == ("snoozed", "waiting_for_staff")


class TestUndoing:
    def test_undoing_a_snooze_restores_the_previous_state_of_the_conversation(self, conversation, staff):
        say(conversation, staff, STAFF, at=NOW + minute)
        before = {
            name: getattr(now_of(conversation), name)
            for name in ("status", "queued_at", "closes_at", "waiting_since", "reason")
        }
        done = desk_actions.snooze(conversation, until=datetime.date(2026, 3, 9), by=staff, at=NOW + hour)
        desk_actions.undo(conversation, done_at=done.changed_at, by=staff, at=NOW + hour + minute)
        assert {name: getattr(now_of(conversation), name) for name in before} == before
        assert event_kinds(conversation) == []

    def test_conversation_reopened_with_undo_has_its_old_place_in_the_queue(self, conversation, staff):
        promised = now_of(conversation).promised_at
        actions.close(conversation, by=staff, side=STAFF, at=NOW + hour)
        desk_actions.undo(
            conversation, done_at=now_of(conversation).changed_at, by=staff, at=NOW + hour + minute
        )
        row = now_of(conversation)
        assert (row.status, row.waiting_since, row.promised_at, row.queued_at) == (
            "waiting_for_staff",
            NOW,
            promised,
            NOW,
        )
        assert not conversation.events.exists()
        assert matches_its_history(conversation)

    def test_undoing_an_assignment_restores_the_assignee(self, conversation, staff, omar):
        desk_actions.take(conversation, by=omar, at=NOW)
        done = desk_actions.assign(conversation, to=staff, by=staff, at=NOW + minute, was=omar)
        desk_actions.undo(conversation, done_at=done.changed_at, by=staff, at=NOW + 2 * minute)
        assert now_of(conversation).assignee == omar
        with pytest.raises(desk_actions.CannotUndo):
            desk_actions.undo(conversation, done_at=done.changed_at, by=staff, at=NOW + 3 * minute)
        assert now_of(conversation).assignee == omar

    @pytest.mark.parametrize(
        "since", ["the patron wrote", "a colleague changed it", "too long ago", "a colleague did it"]
    )
    def test_undo_of_a_snooze_is_refused_to_colleagues_or_after_ten_minutes_or_a_later_change(
        self, conversation, staff, omar, patron, since
    ):
        done = desk_actions.snooze(conversation, until=datetime.date(2026, 3, 9), by=staff, at=NOW + hour)
        at, by = NOW + hour + minute, staff
        if since == "the patron wrote":
            say(conversation, patron, PATRON, at=at)
        elif since == "a colleague changed it":
            desk_actions.wake(conversation, by=omar, at=at)
        elif since == "too long ago":
            at += desk_actions.UNDO_WITHIN
        else:
            by = omar
        before = Conversation.objects.filter(pk=conversation.pk).values().get()
        with pytest.raises(desk_actions.CannotUndo):
            desk_actions.undo(conversation, done_at=done.changed_at, by=by, at=at + minute)
        assert Conversation.objects.filter(pk=conversation.pk).values().get() == before


class TestMerging:
    @pytest.fixture
    def other(self, patron, staff, branch):
        """Return a second conversation of the patron. It began a day before NOW, and has an answer."""
        other = ask(
            HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Older"),
            patron,
            at=NOW - day,
            body="Older question",
        )
        say(other, staff, STAFF, at=NOW - day + hour, body="Older answer")
        jobs.show_pending_answers(at=NOW)
        return now_of(other)

    def test_merge_moves_messages_and_notes_to_the_remaining_conversation(
        self, conversation, other, staff, patron
    ):
        notes.write_note(conversation, by=staff, at=NOW + minute, body="A note", client_token=uuid.uuid4())
        joined = merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        assert [m.body for m in joined.messages.in_order()] == [
            "Older question",
            "Older answer",
            "It is checked out",
        ]
        assert (joined.notes.get().body, list(joined.events.values_list("kind", flat=True))) == (
            "A note",
            ["joined"],
        )
        gone = now_of(conversation)
        assert (gone.merged_into, gone.status, gone.messages.count(), gone.waiting_since) == (
            joined,
            "closed",
            0,
            None,
        )
        mine = Conversation.objects.belonging_to(Viewer(patron))
        assert (gone in mine, gone in mine.not_merged(), gone in mine.unread_by(patron)) == (
            True,
            False,
            False,
        )

    def test_unanswered_question_still_waits_after_a_merge_with_an_answered_conversation(
        self, conversation, other, staff
    ):
        say(other, staff, STAFF, at=NOW + minute, body="About the older")
        promised = now_of(conversation).promised_at
        joined = now_of(merging.merge(conversation, into=other, by=staff, at=NOW + hour))
        assert (joined.status, joined.waiting_since, joined.promised_at) == (
            "waiting_for_staff",
            NOW,
            promised,
        )
        assert matches_its_history(joined)

    def test_merge_keeps_the_earlier_of_the_two_promised_times(self, conversation, other, staff, patron):
        slow = BranchFactory(promise_hours=400)
        say(other, patron, PATRON, at=NOW - minute)
        promised = now_of(other).promised_at
        desk_actions.transfer(conversation, branch=slow, by=staff, at=NOW + minute, was=None)
        joined = now_of(merging.merge(other, into=conversation, by=staff, at=NOW + hour))
        assert (joined.branch, joined.waiting_since, joined.promised_at) == (
            slow,
            NOW - minute,
            min(promised, now_of(conversation).promised_at),
        )

    def test_each_conversation_points_to_the_remaining_conversation_after_several_merges(
        self, conversation, other, staff, patron, session
    ):
        third = ask(session, patron, at=NOW + minute, body="Third")
        merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        assert merging.merge(now_of(conversation), into=now_of(other), by=staff, at=NOW + 2 * hour) == other
        merging.merge(now_of(other), into=third, by=staff, at=NOW + 3 * hour)
        assert {now_of(conversation).merged_into, now_of(other).merged_into} == {third}
        say(now_of(conversation), patron, PATRON, at=NOW + 4 * hour, body="to the first address")
        assert now_of(third).messages.count() == 5

    def test_conversation_cannot_be_merged_into_itself(self, conversation, staff):
        with pytest.raises(merging.CannotMerge):
            merging.merge(conversation, into=conversation, by=staff, at=NOW + hour)

    def test_merged_conversation_cannot_be_merged_again(self, conversation, other, staff, patron, session):
        third = ask(session, patron, at=NOW + minute)
        merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        with pytest.raises(merging.CannotMerge):
            merging.merge(now_of(conversation), into=third, by=staff, at=NOW + 2 * hour)
        assert now_of(third).merged_into is None

    @pytest.mark.parametrize("whose", ["another patron's", "one by code", "a quiet one"])
    def test_conversations_of_two_people_cannot_be_merged(self, conversation, staff, branch, whose, patron):
        session = {
            "another patron's": lambda: HelpSessionFactory(patron=UserFactory(), branch=branch),
            "one by code": lambda: HelpSessionFactory(branch=branch),
            "a quiet one": lambda: QuietSessionFactory(branch=branch),
        }[whose]()
        other = ask(session, session.patron)
        assert not merging.may_merge(conversation, other)
        assert not merging.mergeable(conversation).exists()
        with pytest.raises(merging.CannotMerge):
            merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        assert now_of(conversation).messages.count() == 1

    def test_quiet_conversation_cannot_be_merged_even_if_its_row_has_a_patron(
        self, conversation, staff, branch, patron
    ):
        other = ask(QuietSessionFactory(branch=branch), None)
        Conversation.objects.filter(pk=other.pk).update(patron=patron)
        assert not merging.mergeable(conversation).exists()
        assert not merging.mergeable(now_of(other)).exists()
        with pytest.raises(merging.CannotMerge):
            merging.merge(now_of(other), into=conversation, by=staff, at=NOW + hour)

    def test_two_conversations_about_one_visit_opened_by_code_can_be_merged(self, staff, branch):
        session = QuietSessionFactory(branch=branch)
        first, second_ = ask(session, None), ask(session, None, at=NOW + minute)
        assert list(merging.mergeable(first)) == [second_]
        assert merging.merge(second_, into=first, by=staff, at=NOW + hour).messages.count() == 2

    def test_pending_answer_is_still_pending_after_a_merge(self, conversation, other, staff, patron):
        said = say(conversation, staff, STAFF, at=NOW + hour, body="held")
        joined = now_of(merging.merge(conversation, into=other, by=staff, at=NOW + hour + second))
        at = NOW + hour + 2 * second
        assert "held" not in [m.body for m in joined.messages.shown(at)]
        assert joined.status_at(at) == "waiting_for_staff"
        assert (joined.status, joined.pending_from) == ("waiting_for_patron", said.shown_from)
        assert not joined.events.filter(kind="joined", shown_from__lte=at).exists()
        taking_back.take_back(said, by=staff, at=at)
        assert (now_of(joined).status, now_of(joined).waiting_since) == ("waiting_for_staff", NOW)
        assert Draft.objects.get(person=staff).conversation == joined

    def test_merge_keeps_two_messages_with_the_same_token(self, conversation, other, staff):
        token = uuid.uuid4()
        for one in (conversation, other):
            actions.reply(
                one,
                by=staff,
                side=STAFF,
                at=NOW + minute,
                body=f"in {one.pk}",
                language="en",
                client_token=token,
            )
        joined = merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        assert joined.messages.filter(side="staff").count() == 3
        assert joined.messages.get(client_token=token).body == f"in {other.pk}"

    def test_merge_combines_two_drafts_into_one(self, conversation, other, staff):
        for one, words, number in ((conversation, "newer words", 7), (other, "older words", 2)):
            drafts.save_draft(
                one,
                person=staff,
                side=STAFF,
                kind="reply",
                client_token=uuid.uuid4(),
                sequence=number,
                body=words,
                at=NOW + minute,
            )
        joined = merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        draft = Draft.objects.get()
        assert (draft.conversation, draft.body, draft.sequence) == (joined, "older words\n\nnewer words", 8)

    @pytest.mark.parametrize(
        ("read_conversation", "read_other", "unread"),
        [
            (True, True, []),
            (True, False, ["Older answer"]),
            (False, True, ["Answer"]),
            (False, False, ["Older answer", "Answer"]),
        ],
    )
    def test_merged_conversation_is_unread_if_either_conversation_was_unread(
        self, conversation, other, staff, patron, read_conversation, read_other, unread
    ):
        say(conversation, staff, STAFF, at=NOW + minute, body="Answer")
        jobs.show_pending_answers(at=NOW + hour)
        for one, read in ((conversation, read_conversation), (other, read_other)):
            if read:
                actions.mark_read(now_of(one), person=patron, at=NOW + hour)
        joined = merging.merge(now_of(conversation), into=now_of(other), by=staff, at=NOW + 2 * hour)
        until = Participation.objects.get(conversation=joined, person=patron, side="patron").read_until
        # A conversation that was merged into another one is never unread.
        assert list(Conversation.objects.unread_by(patron)) == ([joined] if unread else [])
        new = joined.messages.filter(shown_from__gt=until) if until else joined.messages.all()
        assert set(unread) <= set(new.values_list("body", flat=True))

    def test_bad_verdict_after_a_merge_makes_the_conversation_wait_for_staff(
        self, patron, staff, branch, other
    ):
        recommendation = recommend_in(HelpSessionFactory(patron=patron, staff=staff, branch=branch))[0]
        judge = {"why": "", "comment": "", "by": patron}
        verdicts.take_verdict(recommendation, verdict="did_not_help", at=NOW, **judge)
        about_the_item = Conversation.objects.get(recommendation=recommendation)
        joined = merging.merge(about_the_item, into=other, by=staff, at=NOW + hour)
        assert (now_of(joined).status, now_of(joined).reason, now_of(joined).waiting_since) == (
            "waiting_for_staff",
            "did_not_help",
            NOW,
        )
        say(joined, staff, STAFF, at=NOW + 2 * hour)
        verdicts.take_verdict(recommendation, verdict="could_not_get_it", at=NOW + 3 * hour, **judge)
        verdicts.take_verdict(recommendation, verdict="helped", at=NOW + 4 * hour, **judge)
        verdicts.take_verdict(recommendation, verdict="did_not_help", at=NOW + 5 * hour, **judge)
        assert (now_of(joined).status, now_of(joined).waiting_since) == ("waiting_for_staff", NOW + 5 * hour)
        assert now_of(about_the_item).status == "closed"
        assert matches_its_history(joined)

    def test_merge_moves_the_assignee_and_the_logged_contact_to_the_remaining_conversation(
        self, conversation, other, staff, omar
    ):
        desk_actions.take(conversation, by=omar, at=NOW)
        contact = HelpSessionFactory()
        Conversation.objects.filter(pk=conversation.pk).update(logged_as=contact)
        joined = now_of(merging.merge(now_of(conversation), into=other, by=staff, at=NOW + hour))
        assert (joined.assignee, joined.logged_as, now_of(conversation).assignee) == (omar, contact, None)

    def test_merge_combines_two_reading_requests(self, conversation, other, staff):
        ReadersForm.objects.create(conversation=conversation, loved="Emma", mood="calm")
        ReadersForm.objects.create(conversation=other, loved="Dune", mood="calm", avoid="gore")
        joined = merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        form = ReadersForm.objects.get()
        assert (form.conversation, form.loved, form.mood, form.avoid) == (
            joined,
            "Dune; Emma",
            "calm",
            "gore",
        )

    def test_merge_refreshes_open_pages_of_both_conversations(self, conversation, other, staff):
        before = {one.pk: (now_of(one).version, now_of(one).desk_version) for one in (conversation, other)}
        merging.merge(conversation, into=other, by=staff, at=NOW + hour)
        for one in (conversation, other):
            assert now_of(one).version > before[one.pk][0]
            assert now_of(one).desk_version > before[one.pk][1]


class TestErasing:
    def test_erasing_a_conversation_deletes_all_its_text_and_keeps_an_empty_row(
        self, conversation, staff, patron, coordinator
    ):
        item = ItemFactory()
        say(
            conversation,
            staff,
            STAFF,
            at=NOW + minute,
            body="SECRET",
            items=[ChosenItem(item=item, reason="SECRET")],
        )
        notes.write_note(conversation, by=staff, at=NOW + minute, body="SECRET", client_token=uuid.uuid4())
        drafts.save_draft(
            conversation,
            person=patron,
            side=PATRON,
            kind="reply",
            client_token=uuid.uuid4(),
            sequence=1,
            body="SECRET",
            at=NOW + minute,
        )
        ReadersForm.objects.create(conversation=conversation, loved="SECRET")
        desk_actions.erase(conversation, by=coordinator, at=NOW + 2 * minute)
        row = now_of(conversation)
        assert (row.status, row.subject, row.patron, row.help_session, row.assignee, row.closed_at) == (
            "erased",
            "",
            None,
            None,
            None,
            NOW + 2 * minute,
        )
        left = [Message, ConversationNote, Draft, Event, Participation, ReadersForm]
        assert [rows.objects.filter(**{"conversation": conversation}).count() for rows in left] == [0] * len(
            left
        )
        assert [(e.kind, e.by) for e in DeskEvent.objects.filter(conversation=conversation)] == [
            ("erased", coordinator)
        ]
        assert list(Recommendation.objects.values_list("patron", "reason")) == [(None, "")]
        assert not Notification.objects.filter(kind="conversations/answer").exists()
        assert AuditEvent.objects.filter(action="erased", patron=patron, by=coordinator).exists()
        assert not Conversation.objects.belonging_to(Viewer(patron)).filter(pk=conversation.pk).exists()

    def test_erasing_a_conversation_also_deletes_its_merged_conversations(
        self, conversation, session, patron, staff, coordinator
    ):
        other = ask(session, patron, at=NOW + minute)
        merging.merge(other, into=conversation, by=staff, at=NOW + hour)
        desk_actions.erase(now_of(other), by=coordinator, at=NOW + 2 * hour)
        assert list(Conversation.objects.values_list("pk", "status")) == [(conversation.pk, "erased")]

    def test_erasing_a_conversation_deletes_the_text_of_its_logged_contact_but_not_the_contact(
        self, conversation, staff, coordinator, branch
    ):
        contact = desk_actions.log_as_contact(
            conversation, by=staff, at=NOW + hour, token=uuid.uuid4(), **contact_fields(branch)
        )
        desk_actions.erase(conversation, by=coordinator, at=NOW + 2 * hour)
        contact.refresh_from_db()
        assert (contact.status, contact.question, contact.summary, hasattr(contact, "note")) == (
            "recorded",
            "",
            "",
            False,
        )

    def test_erasing_a_conversation_empties_the_logged_contacts_of_merged_conversations(
        self, conversation, session, patron, staff, coordinator, branch
    ):
        other = ask(session, patron, at=NOW + minute)
        why = [ChosenItem(item=ItemFactory(), reason="SECRET")]
        contacts = [
            desk_actions.log_as_contact(
                each,
                by=staff,
                at=NOW + hour,
                token=uuid.uuid4(),
                **contact_fields(branch, summary="SECRET", items=why),
            )
            for each in (conversation, other)
        ]
        merging.merge(other, into=conversation, by=staff, at=NOW + 2 * hour)
        desk_actions.erase(now_of(conversation), by=coordinator, at=NOW + 3 * hour)
        for contact in contacts:
            contact.refresh_from_db()
            assert (contact.status, contact.question, contact.summary) == ("recorded", "", "")
        assert set(Recommendation.objects.values_list("reason", flat=True)) == {""}

    def test_erasing_a_conversation_empties_its_unfinished_contact_form(
        self, conversation, staff, coordinator, branch
    ):
        fields = {"conversation": str(conversation.public_id), "question": "SECRET"}
        begun = start_unfinished(by=staff, at=NOW, branch=branch, fields=fields)
        desk_actions.erase(conversation, by=coordinator, at=NOW + hour)
        assert UnfinishedForm.objects.get(help_session=begun).fields == {}

    @pytest.mark.parametrize(
        "change",
        [
            lambda conversation, by: say(conversation, by, STAFF, at=NOW + hour),
            lambda conversation, by: desk_actions.take(conversation, by=by, at=NOW + hour),
            lambda conversation, by: notes.write_note(
                conversation, by=by, at=NOW + hour, body="x", client_token=uuid.uuid4()
            ),
            lambda conversation, by: desk_actions.erase(conversation, by=by, at=NOW + hour),
        ],
    )
    def test_erased_conversation_refuses_staff_actions(self, conversation, staff, change):
        desk_actions.erase(conversation, by=staff, at=NOW + minute)
        with pytest.raises(actions.Erased):
            change(conversation, staff)


def contact_fields(branch, **changes):
    return {
        "branch": branch,
        "happened_on": NOW.date(),
        "hour": 14,
        "mode": "web_form",
        "question_type": "reference",
        "topic": None,
        "read_level": 4,
        "minutes": 25,
        "people": 1,
        "language": "en",
        "question": "It is checked out",
        "summary": "Found another",
        "quiet": False,
        "note": "For us",
        "items": [],
        **changes,
    }


class TestLoggingAsAContact:
    def test_logged_contact_stores_the_minutes_but_no_patron(self, conversation, staff, branch):
        contact = desk_actions.log_as_contact(
            conversation, by=staff, at=NOW + hour, token=uuid.uuid4(), **contact_fields(branch)
        )
        assert (contact.patron, contact.minutes, contact.status, contact.claim_codes.count()) == (
            None,
            25,
            "recorded",
            0,
        )
        assert (now_of(conversation).logged_as, event_kinds(conversation)) == (contact, ["logged"])

    def test_conversation_is_logged_as_a_contact_only_once(self, conversation, staff, omar, branch):
        token = uuid.uuid4()
        contact = desk_actions.log_as_contact(
            conversation, by=staff, at=NOW + hour, token=token, **contact_fields(branch)
        )
        assert (
            desk_actions.log_as_contact(
                conversation, by=staff, at=NOW + hour, token=token, **contact_fields(branch)
            )
            == contact
        )
        with pytest.raises(desk_actions.AlreadyLogged):
            desk_actions.log_as_contact(
                conversation, by=omar, at=NOW + hour, token=uuid.uuid4(), **contact_fields(branch)
            )
        assert HelpSession.objects.filter(minutes=25).count() == 1
