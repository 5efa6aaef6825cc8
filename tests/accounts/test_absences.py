"""Check staff absences, covering colleagues, and the release of conversations to the queue."""

import datetime
import uuid

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import Absence, AuditEvent, StaffRole
from accounts.staff import absences, roles
from portal.conversations import actions, desk_actions, jobs
from portal.conversations.models import Conversation, DeskEvent
from tests.factories import BranchFactory, ConversationFactory, StaffFactory

pytestmark = pytest.mark.django_db
MARCH = datetime.date(2026, 3, 2)
# Noon in the library's time zone.
NOW = datetime.datetime(2026, 3, 4, 18, tzinfo=datetime.UTC)


def days(first, last):
    return {"first_day": MARCH.replace(day=first), "last_day": MARCH.replace(day=last)}


@pytest.fixture
def colleague(branch):
    return StaffFactory(name="Maribel Santos", branch=branch)


def add_absence(person, first, last, cover=None):
    return absences.add_absence(person=person, **days(first, last), cover=cover, by=person, at=NOW)


@pytest.mark.few_cases
@pytest.mark.parametrize(("first", "last"), [(2, 2), (2, 5), (4, 4), (5, 9), (6, 6), (6, 20), (1, 30)])
def test_absences_of_one_person_cannot_overlap(staff, first, last):
    absence = add_absence(staff, 2, 6)
    with pytest.raises(absences.Overlaps) as refused:
        add_absence(staff, first, last)
    assert refused.value.absence == absence
    assert Absence.objects.count() == 1


def test_absences_of_one_person_may_be_adjacent_and_absences_of_two_people_may_overlap(staff, colleague):
    add_absence(staff, 3, 6)
    add_absence(staff, 2, 2)
    add_absence(staff, 7, 7)
    add_absence(colleague, 2, 7)
    assert Absence.objects.count() == 4


def test_changed_absence_may_overlap_its_old_days_but_not_another_absence(staff, colleague):
    absence, later = add_absence(staff, 2, 6), add_absence(staff, 10, 12)
    absences.change_absence(absence, **days(3, 9), cover=colleague, by=staff, at=NOW)
    with pytest.raises(absences.Overlaps):
        absences.change_absence(absence, **days(3, 10), cover=None, by=staff, at=NOW)
    absence.refresh_from_db()
    assert (absence.last_day.day, absence.cover) == (9, colleague)
    absences.remove_absence(later, by=staff, at=NOW)
    assert list(Absence.objects.all()) == [absence]
    assert list(AuditEvent.objects.values_list("action", flat=True)) == [
        "added_absence",
        "added_absence",
        "changed_absence",
        "removed_absence",
    ]


@pytest.mark.few_cases
@pytest.mark.parametrize(("day", "is_away"), [(1, False), (2, True), (4, True), (6, True), (7, False)])
def test_absence_includes_its_first_and_last_day(staff, colleague, day, is_away, django_assert_num_queries):
    absence = add_absence(staff, 2, 6, cover=colleague)
    with django_assert_num_queries(1):
        found = absences.away_on(MARCH.replace(day=day))
        names = {person: (absence.person.name, absence.cover.name) for person, absence in found.items()}
    assert found == ({staff.pk: absence} if is_away else {})
    assert names == ({staff.pk: ("Rosa Lindqvist", "Maribel Santos")} if is_away else {})


def test_overlap_with_an_absence_of_the_covering_colleague_is_found(staff, colleague):
    first = add_absence(staff, 2, 6, cover=colleague)
    assert absences.clashes_of(first) == ([], [])
    second = add_absence(colleague, 6, 9)
    assert absences.clashes_of(first) == ([second], [])
    assert absences.clashes_of(second) == ([], [first])


def test_staff_member_cannot_cover_their_own_absence(staff):
    with pytest.raises(IntegrityError):
        add_absence(staff, 2, 6, cover=staff)


def test_staff_member_who_leaves_a_branch_no_longer_covers_colleagues_there(
    staff, coordinator, branch, colleague
):
    elsewhere = BranchFactory()
    StaffRole.objects.create(user=colleague, branch=elsewhere)
    at_both, there = StaffFactory(branch=branch), StaffFactory(branch=elsewhere)
    StaffRole.objects.create(user=at_both, branch=elsewhere)
    past = add_absence(staff, 2, 3, cover=colleague)
    coming = [add_absence(person, 4, 6, cover=colleague) for person in (staff, at_both, there)]
    add_absence(colleague, 9, 12)

    def covers():
        return [Absence.objects.get(pk=absence.pk).cover for absence in (past, *coming)]

    roles.end_role(colleague, branch=branch, by=coordinator, at=NOW)
    assert covers() == [colleague, None, colleague, colleague]
    assert Absence.objects.filter(person=colleague).exists()
    roles.end_role(colleague, branch=elsewhere, by=coordinator, at=NOW)
    assert covers() == [colleague, None, None, None]
    assert not Absence.objects.filter(person=colleague).exists()


# Tests of the conversations of absent staff.


@pytest.fixture
def conversation(branch, staff):
    return ConversationFactory(branch=branch, assignee=staff, opened_at=NOW - datetime.timedelta(hours=5))


@pytest.mark.parametrize(
    ("first", "last", "free"),
    [(4, 4, True), (3, 5, True), (1, 3, False), (5, 9, False)],
)
def test_colleague_can_take_a_conversation_while_its_assignee_is_away(
    conversation, staff, colleague, first, last, free
):
    add_absence(staff, first, last)
    if free:
        assert desk_actions.take(conversation, by=colleague, at=NOW).assignee == colleague
    else:
        with pytest.raises(desk_actions.AlreadyTaken):
            desk_actions.take(conversation, by=colleague, at=NOW)


@pytest.mark.parametrize(
    ("utc", "free"),
    [
        ("2026-03-05T05:59:00", True),
        ("2026-03-05T06:00:00", False),
        ("2026-03-04T06:00:00", True),
        ("2026-03-04T05:59:00", False),
    ],
)
def test_absence_begins_and_ends_at_midnight_in_the_librarys_time_zone(
    conversation, staff, colleague, utc, free
):
    """The library is in Chicago, where March 4 begins and ends six hours later than in UTC."""
    add_absence(staff, 4, 4)
    assert (
        desk_actions.is_away(staff, datetime.datetime.fromisoformat(utc).replace(tzinfo=datetime.UTC)) == free
    )


def test_covering_colleague_sees_the_conversations_only_during_the_absence(
    conversation, staff, library, time_machine
):
    time_machine.move_to(NOW)
    colleague = StaffFactory(name="From Elsewhere", branch=BranchFactory())
    absence = add_absence(staff, 4, 5, cover=colleague)
    assert list(Conversation.objects.at_desk_of(colleague)) == [conversation]
    absences.change_absence(absence, **days(5, 6), cover=colleague, by=staff, at=NOW)
    assert not Conversation.objects.at_desk_of(colleague).exists()


# Tests of conversations that their assignee does not answer.


def hours(number):
    return datetime.timedelta(hours=number)


@pytest.mark.parametrize(
    ("taken", "waiting", "released"),
    [
        (hours(72), hours(72), True),
        (hours(72), hours(71), False),
        (hours(71), hours(100), False),
        (hours(100), hours(90), True),
    ],
)
def test_conversation_without_an_answer_is_released_to_the_queue_after_three_days(
    library, branch, staff, taken, waiting, released
):
    conversation = ConversationFactory(
        branch=branch, assignee=staff, assigned_at=NOW - taken, opened_at=NOW - waiting
    )
    jobs.release_untouched(at=NOW)
    conversation.refresh_from_db()
    assert conversation.assignee == (None if released else staff)
    assert list(DeskEvent.objects.values_list("kind", "was")) == (
        [("released", staff.pk)] if released else []
    )


def test_library_can_turn_off_the_release_of_conversations_to_the_queue(library, branch, staff):
    library.released_after_days = 0
    library.save()
    conversation = ConversationFactory(branch=branch, assignee=staff, opened_at=NOW - hours(900))
    jobs.release_untouched(at=NOW)
    conversation.refresh_from_db()
    assert conversation.assignee == staff


@pytest.mark.parametrize(
    ("who", "ago", "released"),
    [("assignee", hours(50), False), ("assignee", hours(80), True), ("colleague", hours(50), True)],
)
def test_release_to_the_queue_is_delayed_if_the_assignee_writes_an_interim_answer(
    library, branch, staff, colleague, who, ago, released
):
    conversation = ConversationFactory(branch=branch, assignee=staff, opened_at=NOW - hours(100))
    writer = staff if who == "assignee" else colleague
    actions.reply(
        conversation,
        by=writer,
        side="staff",
        at=NOW - ago,
        body="I ask the archive.",
        language="en",
        client_token=uuid.uuid4(),
        then="ours",
    )
    jobs.release_untouched(at=NOW)
    conversation.refresh_from_db()
    assert conversation.assignee == (None if released else staff)


def test_conversation_that_waits_for_the_patron_is_not_released_to_the_queue(library, branch, staff):
    conversation = ConversationFactory(
        branch=branch, assignee=staff, status="waiting_for_patron", opened_at=timezone.now() - hours(900)
    )
    jobs.release_untouched(at=timezone.now())
    conversation.refresh_from_db()
    assert conversation.assignee == staff
