"""Test when the portal sends a notice. These tests use no database."""

import datetime
import random
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.hours import Calendar
from portal.notifications.deciding import (
    DROP,
    SEND,
    Decision,
    Facts,
    decide,
    end_of_quiet_hours,
    next_daily_email,
    next_opening,
)
from portal.notifications.kinds import CHOICES
from tests.extent import times

AT = datetime.datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def decided(choice="at_once", **facts):
    return decide(Facts(CHOICES[choice], **{"written_at": AT - MINUTE} | facts), AT)


def until(time):
    return Decision(until=time)


@pytest.mark.parametrize(
    ("choice", "facts", "expected"),
    [
        ("at_once", {}, SEND),
        ("none", {}, DROP),
        ("at_once", {"is_wanted": False}, DROP),
        # A quiet period ends half an hour after the last email, or when the person has read everything.
        ("at_once", {"told_at": AT - 10 * MINUTE, "has_caught_up": False}, until(AT + 20 * MINUTE)),
        ("at_once", {"told_at": AT - 10 * MINUTE}, SEND),
        ("at_once", {"told_at": AT - 30 * MINUTE, "has_caught_up": False}, SEND),
        ("at_once", {"has_caught_up": False}, SEND),
        ("at_once", {"emailed_at": AT - MINUTE}, SEND),
        ("hourly", {}, SEND),
        ("hourly", {"emailed_at": AT - 59 * MINUTE}, until(AT + MINUTE)),
        ("hourly", {"emailed_at": AT - 60 * MINUTE}, SEND),
        ("daily", {"daily_at": AT + HOUR}, until(AT + HOUR)),
        ("daily", {"daily_at": AT}, SEND),
        ("daily", {"daily_at": None}, SEND),
        ("at_once", {"quiet_until": AT + HOUR}, until(AT + HOUR)),
        ("at_once", {"quiet_until": AT + HOUR, "opens_at": AT + 2 * HOUR}, until(AT + 2 * HOUR)),
        ("hourly", {"emailed_at": AT - MINUTE, "quiet_until": AT + MINUTE}, until(AT + 59 * MINUTE)),
        # Staff who use the desk see the queue on the desk's pages, so they get no email.
        ("at_once", {"at_desk_at": AT - MINUTE}, DROP),
        # The portal stores the time of desk use only once a minute, so the stored time can be a minute too
        # early.
        ("at_once", {"at_desk_at": AT - 2 * MINUTE}, until(AT + 9 * MINUTE)),
        ("at_once", {"at_desk_at": AT - 10 * MINUTE}, until(AT + MINUTE)),
        ("at_once", {"at_desk_at": AT - 11 * MINUTE}, SEND),
        ("at_once", {"at_desk_at": AT - 11 * MINUTE, "written_at": AT - 20 * MINUTE}, SEND),
        # The clock was fast when the staff member used the desk, and has been corrected since.
        ("at_once", {"at_desk_at": AT + HOUR}, SEND),
        # A refused email is tried again if there is still a reason for the notice.
        ("hourly", {"is_retry": True, "emailed_at": AT - MINUTE}, SEND),
        ("hourly", {"is_retry": True, "emailed_at": AT - MINUTE, "quiet_until": AT + HOUR}, until(AT + HOUR)),
        ("at_once", {"is_retry": True, "opens_at": AT + HOUR}, until(AT + HOUR)),
        ("at_once", {"is_retry": True, "at_desk_at": AT}, DROP),
        ("hourly", {"is_retry": True, "is_wanted": False}, DROP),
        ("none", {"is_retry": True}, DROP),
    ],
)
def test_notice_is_sent_or_delayed_or_discarded_as_the_table_says(choice, facts, expected):
    assert decided(choice, **facts) == expected


def test_notice_is_delayed_at_most_twice_and_never_sent_too_early():
    chance = random.Random(20260302)
    for _ in range(times(2_000, 50_000)):
        later = [chance.choice([None, AT + timedelta(minutes=chance.randint(-90, 90))]) for _ in range(6)]
        facts = Facts(
            CHOICES[chance.choice([*CHOICES])],
            AT - timedelta(minutes=chance.randint(0, 90)),
            has_caught_up=chance.random() < 0.5,
            told_at=later[0] and min(later[0], AT),
            emailed_at=later[1] and min(later[1], AT),
            daily_at=later[2],
            quiet_until=later[3],
            opens_at=later[4],
            at_desk_at=later[5] and min(later[5], AT),
        )
        at, steps = AT, 0
        while (decision := decide(facts, at)).until:
            assert decision.until > at
            at, steps = decision.until, steps + 1
        assert steps <= 2
        if decision.send:
            assert [time for time in (facts.quiet_until, facts.opens_at) if time and time > at] == []


def local(*parts, fold=0):
    return datetime.datetime(*parts, tzinfo=NEW_YORK, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "begin", "end", "expected"),
    [
        (local(2026, 3, 2, 12), 22, 7, None),
        (local(2026, 3, 2, 22), 22, 7, local(2026, 3, 3, 7)),
        (local(2026, 3, 3, 0), 22, 7, local(2026, 3, 3, 7)),
        (local(2026, 3, 3, 6, 59), 22, 7, local(2026, 3, 3, 7)),
        (local(2026, 3, 3, 7), 22, 7, None),
        (local(2026, 3, 3, 13), 12, 14, local(2026, 3, 3, 14)),
        (local(2026, 3, 3, 14), 12, 14, None),
        (local(2026, 3, 3, 14), 9, 9, None),
        # The clocks go forward on March 8 at 2:00, and back on November 1 at 2:00.
        (local(2026, 3, 7, 23), 22, 7, local(2026, 3, 8, 7)),
        (local(2026, 3, 8, 1, 45), 1, 2, local(2026, 3, 8, 3)),
        (local(2026, 10, 31, 23), 22, 7, local(2026, 11, 1, 7)),
        (local(2026, 11, 1, 0, 30), 0, 1, local(2026, 11, 1, 1)),
    ],
)
def test_end_of_quiet_hours_is_computed_from_the_time_of_day(at, begin, end, expected):
    ends = end_of_quiet_hours(at, begin=datetime.time(begin), end=datetime.time(end), zone=NEW_YORK)
    assert ends == expected


def test_quiet_hours_can_end_in_the_repeated_hour_of_a_clock_change():
    for minute in range(60):
        at = local(2026, 11, 1, 1, minute, fold=1)
        ends = end_of_quiet_hours(at, begin=datetime.time(22), end=datetime.time(1, 30), zone=NEW_YORK)
        assert ends == (local(2026, 11, 1, 1, 30, fold=1) if minute < 30 else None)


def open_from(opens, closes, *more, closed=()):
    hours = [(datetime.time(opens), datetime.time(closes)), *more]
    return Calendar(24, dict.fromkeys(range(5), hours), frozenset(closed), NEW_YORK)


TWICE = open_from(9, 12, (datetime.time(14), datetime.time(18)))


@pytest.mark.parametrize(
    ("written_at", "daily_at", "calendar", "expected"),
    [
        (local(2026, 3, 2, 8), None, TWICE, local(2026, 3, 2, 9)),
        (local(2026, 3, 2, 9), None, TWICE, local(2026, 3, 3, 9)),
        (local(2026, 3, 2, 13), None, TWICE, local(2026, 3, 3, 9)),
        # The notice is written on Friday evening, and the branch is closed on Monday.
        (
            local(2026, 3, 6, 20),
            None,
            open_from(9, 18, closed=[datetime.date(2026, 3, 9)]),
            local(2026, 3, 10, 9),
        ),
        (local(2026, 3, 2, 8), None, None, local(2026, 3, 2, 9)),
        (local(2026, 3, 2, 8), None, Calendar(24, {}, frozenset(), NEW_YORK), local(2026, 3, 2, 9)),
        (local(2026, 3, 2, 8), 7, TWICE, local(2026, 3, 3, 7)),
        (local(2026, 3, 2, 6, 59), 7, TWICE, local(2026, 3, 2, 7)),
        (local(2026, 3, 7, 8), 7, TWICE, local(2026, 3, 8, 7)),
        # 2:00 does not exist on March 8.
        (local(2026, 3, 7, 8), 2, TWICE, local(2026, 3, 8, 3)),
    ],
)
def test_daily_email_is_sent_when_the_branch_opens_or_at_the_chosen_time(
    written_at, daily_at, calendar, expected
):
    time = None if daily_at is None else datetime.time(daily_at)
    assert next_daily_email(written_at, daily_at=time, zone=NEW_YORK, calendar=calendar) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (local(2026, 3, 2, 8), local(2026, 3, 2, 9)),
        (local(2026, 3, 2, 9), None),
        (local(2026, 3, 2, 12), local(2026, 3, 2, 14)),
        (local(2026, 3, 6, 18), local(2026, 3, 9, 9)),
    ],
)
def test_next_opening_time_of_a_closed_branch_is_found(at, expected):
    assert next_opening(at, TWICE) == expected


def test_notices_of_a_branch_without_opening_hours_are_not_delayed():
    assert next_opening(AT, Calendar(24, {}, frozenset(), NEW_YORK)) is None
