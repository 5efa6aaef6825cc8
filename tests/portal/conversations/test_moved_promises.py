"""Test that promises move when the opening hours, closed days or promised hours of a branch change."""

import datetime
import uuid
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import time_machine

from accounts import library as branches
from accounts.hours import Calendar
from accounts.staff_actions import RoleEnded
from accounts.viewer import Viewer
from portal.conversations import (
    actions,
    call_backs,
    desk_actions,
    merging,
    moved_promises,
    promise_emails,
    taking_back,
)
from portal.conversations.call_backs import Caller
from portal.conversations.models import BranchQueue, Conversation, DeskEvent
from portal.conversations.moved_promises import CalendarChanged, change_calendar, moved_promise, preview
from portal.conversations.status_texts import status_sentences
from portal.notifications.models import Notification
from tests import conversations
from tests.conversations import say
from tests.factories import BranchFactory, HelpSessionFactory, QuietSessionFactory, UserFactory
from tests.opening_hours import open_on_weekdays

pytestmark = pytest.mark.django_db
CHICAGO = ZoneInfo("America/Chicago")
DAYS = {f"{day:%a}": day for day in (datetime.date(2026, 3, 2) + datetime.timedelta(n) for n in range(7))}
second, minute, hour, day = (
    datetime.timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days")
)


def chicago(text):
    """Parse a text such as "Tue 10:00" as a time in the week that began on Monday, March 2, 2026."""
    weekday, clock = text.split()
    return datetime.datetime.combine(DAYS[weekday], datetime.time.fromisoformat(clock), CHICAGO)


NOW = chicago("Tue 12:00")


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def branch(branch):
    """Return a branch that is open from 9 to 5 and promises an answer within eight hours."""
    branch.promise_hours = 8
    branch.save()
    open_on_weekdays(branch)
    return branch


def ask(by, branch, *, at):
    return conversations.ask(by, at=at, branch=branch)


def change(branch, save, *, by, at=NOW, email=False, seen=None):
    seen = seen or Calendar.of(branch).fingerprint()
    return change_calendar(branch, save, seen=seen, email=email, by=by, at=at)


def close_on(weekday):
    return partial(branches.add_closed_day, day=DAYS[weekday], reason="Storm")


def promised(conversation):
    conversation.refresh_from_db()
    return conversation.promised_at and conversation.promised_at.astimezone(CHICAGO)


def by_hours(*hours):
    """Return [(weekday, 9:00, closing time)]. `hours` are the closing hours of Monday, Tuesday and so on."""
    return [(weekday, datetime.time(9), datetime.time(closes)) for weekday, closes in enumerate(hours)]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("asked", "save", "before", "after"),
    [
        ("Tue 11:00", close_on("Wed"), "Wed 11:00", "Thu 11:00"),
        # The hours that have passed are counted with the old calendar, all other hours with the new calendar.
        ("Tue 11:00", partial(branches.change_hours, week=by_hours(17, 14, 17)), "Wed 11:00", "Wed 14:00"),
        (
            "Tue 11:00",
            partial(branches.change_hours, week=by_hours(17, 17, 10, 17)),
            "Wed 11:00",
            "Thu 10:00",
        ),
        ("Tue 11:00", partial(branches.change_hours, week=by_hours(17, 19, 17)), "Wed 11:00", "Tue 19:00"),
        ("Tue 11:00", partial(branches.change_hours, week=[]), "Wed 11:00", "Tue 19:00"),
        ("Tue 11:00", partial(branches.change_branch, promise_hours=16), "Wed 11:00", "Thu 11:00"),
        ("Tue 11:00", partial(branches.change_branch, promise_hours=4), "Wed 11:00", "Tue 15:00"),
    ],
)
def test_promise_moves_when_the_branch_changes_its_hours_or_closed_days(
    branch, patron, coordinator, asked, save, before, after
):
    conversation = ask(patron, branch, at=chicago(asked))
    assert promised(conversation) == chicago(before)
    moves = change(branch, save, by=coordinator)
    assert [(move.was, move.to) for move in moves.moved] == [(chicago(before), chicago(after))]
    assert promised(conversation) == chicago(after)


@pytest.mark.parametrize(
    ("save", "counts"),
    [
        (close_on("Mon"), (0, 0, 0)),
        # The promise is for Wednesday, so it doesn't matter that the branch closes on Thursday.
        (close_on("Thu"), (0, 0, 0)),
        (partial(branches.change_branch, promise_hours=1), (0, 0, 1)),
        (partial(branches.change_branch, phone="555 0100"), (0, 0, 0)),
    ],
    ids=["past closed day", "later closed day", "new promised time already over", "phone"],
)
def test_promise_does_not_move_if_its_hours_are_the_same_or_its_new_time_has_passed(
    branch, patron, coordinator, save, counts
):
    conversation = ask(patron, branch, at=chicago("Tue 10:00"))
    versions = conversation.version, conversation.desk_version
    moves = change(branch, save, by=coordinator)
    assert (len(moves.moved), moves.overdue, moves.too_early) == counts
    assert promised(conversation) == chicago("Wed 10:00")
    assert (conversation.version, conversation.desk_version) == versions
    assert not DeskEvent.objects.exists()


def test_overdue_promise_does_not_move(branch, patron, coordinator, staff):
    conversation = ask(patron, branch, at=chicago("Mon 10:00"))
    moves = change(branch, partial(branches.change_branch, promise_hours=16), by=coordinator)
    assert (moves.moved, moves.overdue) == ([], 1)
    assert promised(conversation) == chicago("Tue 10:00")
    actions.close(conversation, by=staff, side="staff", at=NOW + minute)
    conversation.refresh_from_db()
    desk_actions.undo(conversation, done_at=conversation.changed_at, by=staff, at=NOW + 2 * minute)
    assert promised(conversation) == chicago("Tue 10:00")


def test_removing_a_closed_day_restores_the_earlier_promise(branch, patron, coordinator):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    change(branch, close_on("Wed"), by=coordinator)
    moves = change(branch, partial(branches.remove_closed_day, day=DAYS["Wed"]), by=coordinator)
    assert [(move.was, move.to) for move in moves.moved] == [(chicago("Thu 11:00"), chicago("Wed 11:00"))]
    assert promised(conversation) == chicago("Wed 11:00")


def test_calendar_change_does_not_move_promises_at_other_branches(branch, patron, coordinator, staff):
    other = BranchFactory(promise_hours=8)
    open_on_weekdays(other)
    elsewhere = ask(patron, other, at=chicago("Tue 11:00"))
    transferred = ask(patron, branch, at=chicago("Tue 11:00"))
    desk_actions.transfer(transferred, branch=other, by=staff, at=NOW, was=None)
    here = ask(patron, branch, at=chicago("Tue 11:00"))
    moves = change(branch, close_on("Wed"), by=coordinator)
    assert [move.conversation for move in moves.moved] == [here]
    assert (promised(elsewhere), promised(transferred)) == (chicago("Wed 11:00"), chicago("Wed 11:00"))


def test_promise_of_a_transferred_conversation_keeps_its_remaining_hours(branch, patron, coordinator, staff):
    slow = BranchFactory(promise_hours=40)
    open_on_weekdays(slow)
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    desk_actions.transfer(conversation, branch=slow, by=staff, at=NOW, was=None)
    change(slow, close_on("Wed"), by=coordinator)
    assert promised(conversation) == chicago("Thu 11:00")


def test_calendar_change_does_not_affect_answered_and_closed_conversations(
    branch, patron, coordinator, staff
):
    answered, closed = (ask(patron, branch, at=chicago("Tue 11:00")) for _ in range(2))
    say(answered, staff, at=NOW - hour / 2)
    actions.close(closed, by=staff, side="staff", at=NOW - hour / 2)
    rows = Conversation.objects.order_by("pk").values()
    before = list(rows)
    moves = change(branch, close_on("Wed"), by=coordinator)
    assert (moves.moved, list(rows)) == ([], before)


def test_new_calendar_also_changes_the_promised_time_of_a_snoozed_conversation(
    branch, patron, coordinator, staff
):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    desk_actions.snooze(conversation, until=DAYS["Fri"], by=staff, at=NOW)
    moves = change(branch, close_on("Wed"), by=coordinator)
    assert [move.conversation for move in moves.moved] == [conversation]
    assert status_sentences(Conversation.objects.get(), NOW)[1] == (
        "You can expect an answer by Thursday, March 5."
    )


def test_patron_and_staff_see_the_new_promised_day_after_the_calendar_changed(branch, patron, coordinator):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    queue = BranchQueue.objects.get(branch=branch).version
    assert status_sentences(conversation, NOW)[1] == "You can expect an answer by tomorrow."
    change(branch, close_on("Wed"), by=coordinator)
    row = Conversation.objects.belonging_to(Viewer(patron)).get()
    assert status_sentences(row, NOW)[1] == "You can expect an answer by Thursday, March 5."
    assert (row.version, row.desk_version) == (conversation.version + 1, conversation.desk_version + 1)
    assert row.changed_at > conversation.changed_at
    assert BranchQueue.objects.get(branch=branch).version == queue + 1
    event = DeskEvent.objects.get()
    assert (event.kind, event.by, event.moved_from, event.moved_to, event.at) == (
        "rescheduled",
        coordinator,
        DAYS["Wed"],
        DAYS["Thu"],
        row.changed_at,
    )


@pytest.mark.parametrize("how", ["answer taken back", "closing undone"])
@pytest.mark.parametrize("order", ["moved first", "moved meanwhile"])
def test_reopened_conversation_has_the_promised_time_of_the_new_calendar(
    branch, patron, coordinator, staff, how, order
):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    if order == "moved first":
        change(branch, close_on("Wed"), by=coordinator)
    if how == "answer taken back":
        message = say(conversation, staff, at=NOW + second)
    else:
        actions.close(conversation, by=staff, side="staff", at=NOW + second)
    conversation.refresh_from_db()
    done_at = conversation.changed_at
    assert conversation.promised_at is None
    if order == "moved meanwhile":
        moves = change(branch, close_on("Wed"), by=coordinator, at=NOW + 2 * second)
        assert (moves.moved, moves.emails) == ([], 0)
    if how == "answer taken back":
        taking_back.take_back(message, by=staff, at=NOW + 3 * second)
    else:
        desk_actions.undo(conversation, done_at=done_at, by=staff, at=NOW + 3 * second)
    assert promised(conversation) == chicago("Thu 11:00")


def test_patron_sees_the_same_promised_day_while_an_answer_is_pending(branch, patron, coordinator, staff):
    transferred, overdue = (ask(patron, branch, at=chicago(at)) for at in ("Tue 11:00", "Mon 10:00"))
    slow = BranchFactory(promise_hours=400)
    desk_actions.transfer(transferred, branch=slow, by=staff, at=NOW, was=None)
    change(branch, partial(branches.change_branch, promise_hours=16), by=coordinator)
    for conversation in (transferred, overdue):
        conversation.refresh_from_db()
        before = status_sentences(conversation, NOW + 3 * second)
        say(conversation, staff, at=NOW + 2 * second)
        conversation.refresh_from_db()
        assert conversation.promised_at is None
        assert status_sentences(conversation, NOW + 3 * second) == before


def test_new_question_gets_a_new_promised_time_after_an_earlier_time_was_moved(
    branch, patron, coordinator, staff
):
    conversation = ask(patron, branch, at=chicago("Mon 10:00"))
    say(conversation, staff, at=chicago("Tue 10:00"))
    say(conversation, patron, "patron", at=NOW)
    assert promised(conversation) == chicago("Wed 12:00")


def test_merge_keeps_the_promised_day_of_the_new_calendar(branch, patron, coordinator, staff):
    first, second_ = (ask(patron, branch, at=chicago(at)) for at in ("Tue 11:00", "Tue 11:30"))
    change(branch, close_on("Wed"), by=coordinator)
    merging.merge(first, into=second_, by=staff, at=NOW + minute)
    assert promised(second_) == chicago("Thu 11:00")
    message = say(second_, staff, at=NOW + 2 * minute)
    taking_back.take_back(message, by=staff, at=NOW + 2 * minute + second)
    assert promised(second_) == chicago("Thu 11:00")


def test_promises_move_once_if_two_coordinators_make_the_same_change(branch, patron, coordinator):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    seen = Calendar.of(branch).fingerprint()
    assert len(change(branch, close_on("Wed"), by=coordinator, seen=seen).moved) == 1
    with pytest.raises(CalendarChanged):
        change(branch, close_on("Wed"), by=coordinator, seen=seen)
    # The page shows the current calendar to the second coordinator, who confirms the change again.
    assert change(branch, close_on("Wed"), by=coordinator).moved == []
    assert promised(conversation) == chicago("Thu 11:00")
    assert DeskEvent.objects.count() == 1


def test_calendar_is_not_changed_if_promises_cannot_be_moved(branch, patron, coordinator, monkeypatch):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))

    def broken(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(promise_emails, "write", broken)
    with pytest.raises(RuntimeError):
        change(branch, close_on("Wed"), by=coordinator, email=True)
    assert promised(conversation) == chicago("Wed 11:00")
    assert not branch.closed_days.exists()


def test_person_without_a_role_cannot_move_a_promise(branch, patron):
    conversation = ask(patron, branch, at=chicago("Tue 11:00"))
    with pytest.raises(RoleEnded):
        change(branch, close_on("Wed"), by=patron)
    assert promised(conversation) == chicago("Wed 11:00")


def test_preview_of_a_calendar_change_counts_the_promised_times_that_will_change(branch, patron, coordinator):
    for at in ("Tue 11:00", "Tue 11:30", "Mon 16:00", "Mon 10:00"):
        ask(patron, branch, at=chicago(at))
    before = list(Conversation.objects.order_by("pk").values())
    calendar = Calendar.of(branch)
    shown = preview(branch, replace(calendar, closed_days=frozenset([DAYS["Wed"]])), at=NOW)
    assert list(Conversation.objects.order_by("pk").values()) == before
    assert (shown.by_day(), shown.overdue, shown.emails) == ([(DAYS["Wed"], DAYS["Thu"], 2)], 1, 1)
    done = change(branch, close_on("Wed"), by=coordinator)
    assert (done.by_day(), done.overdue) == (shown.by_day(), shown.overdue)


class TestEmails:
    def test_email_about_a_new_promised_day_contains_the_day_and_no_private_text(
        self, branch, patron, coordinator
    ):
        conversation = ask(patron, branch, at=chicago("Tue 11:00"))
        assert change(branch, close_on("Wed"), by=coordinator, email=True).emails == 1
        email = Notification.objects.get()
        assert (email.to_address, email.recipient, email.subject) == (
            patron.email,
            patron,
            "We'll answer you on a different day than promised",
        )
        assert "You can expect our answer by Thursday, March 5." in email.text
        for text in (email.text, email.html):
            assert conversation.get_absolute_url() in text
            assert "Where is it?" not in text
            assert coordinator.name not in text

    def test_email_about_several_new_promised_days_links_to_the_list_of_conversations(
        self, branch, patron, coordinator
    ):
        for at in ("Tue 11:00", "Tue 11:30"):
            ask(patron, branch, at=chicago(at))
        assert change(branch, close_on("Wed"), by=coordinator, email=True).emails == 1
        email = Notification.objects.get()
        assert "/messages/\n" in email.text
        assert "March" not in email.text

    def test_email_about_a_new_promised_time_for_a_call_says_when_the_library_will_call(
        self, branch, patron, coordinator
    ):
        call_backs.add(
            Caller("414-555-0134"),
            by=coordinator,
            at=chicago("Tue 11:00"),
            client_token=uuid.uuid4(),
            patron=patron,
            branch=branch,
        )
        change(branch, close_on("Wed"), by=coordinator, email=True)
        email = Notification.objects.get()
        assert email.subject == "We'll call you on a different day than promised"
        assert "We'll call you by Thursday, March 5." in email.text
        assert "414" not in email.text + email.html

    def test_email_about_a_new_promised_day_is_in_the_patrons_language(self, branch, patron, coordinator):
        patron.language = "es"
        patron.save()
        ask(patron, branch, at=chicago("Tue 11:00"))
        change(branch, close_on("Wed"), by=coordinator, email=True)
        assert Notification.objects.get().language == "es"

    def test_patrons_are_not_emailed_about_new_promised_days_by_default(self, branch, patron, coordinator):
        ask(patron, branch, at=chicago("Tue 11:00"))
        change(branch, close_on("Wed"), by=coordinator)
        assert not Notification.objects.exists()

    def test_only_patrons_with_a_confirmed_address_are_emailed_about_a_new_promised_day(
        self, branch, patron, coordinator, staff
    ):
        unconfirmed, hourly, waiting, overdue, without = UserFactory.create_batch(5)
        adult = UserFactory()
        unconfirmed.emailaddress_set.create(email=unconfirmed.email, verified=False)
        without.email = None
        without.save()
        for person in (unconfirmed, without, patron):
            ask(person, branch, at=chicago("Tue 11:00"))
        # The promise is for today, so it doesn't change.
        ask(hourly, branch, at=chicago("Mon 13:00"))
        ask(overdue, branch, at=chicago("Mon 10:00"))
        say(ask(waiting, branch, at=chicago("Tue 11:00")), staff, at=NOW - second)
        quiet = QuietSessionFactory(staff=staff, branch=branch)
        conversations.ask(None, at=chicago("Tue 11:00"), help_session=quiet)
        shared = HelpSessionFactory(
            staff=staff, branch=branch, patron=None, with_child="shared", shared_with=adult
        )
        conversations.ask(adult, at=chicago("Tue 11:00"), help_session=shared)
        moves = change(branch, close_on("Wed"), by=coordinator, email=True)
        emails = Notification.objects.filter(kind="conversations/promise_moved")
        assert set(emails.values_list("to_address", flat=True)) == {patron.email, adult.email}
        assert moves.emails == 2

    def test_patron_is_not_emailed_about_a_promise_that_moves_within_the_same_day(
        self, branch, patron, coordinator
    ):
        ask(patron, branch, at=chicago("Mon 13:00"))
        week = by_hours(17, 17)
        week[1:] = [(1, datetime.time(9), datetime.time(12, 30)), (1, datetime.time(14), datetime.time(17))]
        moves = change(branch, partial(branches.change_hours, week=week), by=coordinator, email=True)
        assert moves.by_day() == [(DAYS["Tue"], DAYS["Tue"], 1)]
        assert not Notification.objects.exists()
        assert not DeskEvent.objects.exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_moving_promises_runs_the_same_number_of_queries_for_any_number_of_promises(
    branch, coordinator, rows, django_assert_num_queries
):
    for person in UserFactory.create_batch(rows):
        ask(person, branch, at=chicago("Tue 11:00"))
    calendar = Calendar.of(branch)
    with django_assert_num_queries(5):
        preview(branch, replace(calendar, closed_days=frozenset([DAYS["Wed"]])), at=NOW)
    with django_assert_num_queries(37):
        change(branch, close_on("Wed"), by=coordinator, email=True, seen=calendar.fingerprint())
    assert Notification.objects.count() == rows


def test_all_promises_move_even_if_several_batches_are_needed(branch, patron, coordinator, monkeypatch):
    monkeypatch.setattr(moved_promises, "BATCH", 3)
    monkeypatch.setattr(promise_emails, "BATCH", 3)
    for _ in range(7):
        ask(patron, branch, at=chicago("Tue 11:00"))
    assert len(change(branch, close_on("Wed"), by=coordinator, email=True).moved) == 7
    assert {
        promised_at.astimezone(CHICAGO)
        for promised_at in Conversation.objects.values_list("promised_at", flat=True)
    } == {chicago("Thu 11:00")}


def test_promise_moves_to_the_right_hour_if_the_branch_had_no_opening_hours(branch):
    always = replace(Calendar.of(branch), week={}, promise_hours=24)
    office = replace(always, week=Calendar.of(branch).week)
    # At 12:00 on Tuesday, 10 of the 24 promised hours are left.
    assert moved_promise(chicago("Tue 22:00"), always, office, NOW) == chicago("Wed 14:00")
