import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.hours import is_open, promise_in_words, promised_at
from accounts.models import Branch, ClosedDay, Library, OpeningHours

CHICAGO = ZoneInfo("America/Chicago")


def chicago(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


@pytest.fixture
def nine_to_five(branch):
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=day, opens=datetime.time(9), closes=datetime.time(17))
        for day in range(5)
    )
    return branch


@pytest.mark.parametrize(
    ("hours", "since", "until"),
    [
        # The promised time is on the day on which the patron asks.
        (4, "2026-11-25 10:00", "2026-11-25 14:00"),
        # The branch closes at the promised time.
        (8, "2026-11-25 09:00", "2026-11-25 17:00"),
        # The branch closes before the promised time, and opens again the next morning.
        (4, "2026-11-25 15:00", "2026-11-26 11:00"),
        # A weekend comes between the question and the promised time.
        (4, "2026-11-27 15:00", "2026-11-30 11:00"),
        # The patron asks on a Saturday, when the branch is closed.
        (1, "2026-11-28 12:00", "2026-11-30 10:00"),
        # The patron asks at night, when the branch is closed.
        (1, "2026-11-25 23:59", "2026-11-26 10:00"),
        # 24 opening hours are three days of eight hours. A weekend comes between these days.
        (24, "2026-11-25 12:00", "2026-11-30 12:00"),
    ],
)
def test_promised_time_counts_only_opening_hours(nine_to_five, hours, since, until):
    nine_to_five.promise_hours = hours
    assert promised_at(nine_to_five, chicago(since)) == chicago(until)


def test_promised_time_skips_closed_days(nine_to_five):
    ClosedDay.objects.create(branch=nine_to_five, day=datetime.date(2026, 11, 26))
    nine_to_five.promise_hours = 4
    assert promised_at(nine_to_five, chicago("2026-11-25 15:00")) == chicago("2026-11-27 11:00")


def test_promised_time_counts_every_hour_if_the_branch_has_no_opening_hours(branch):
    branch.promise_hours = 24
    assert promised_at(branch, chicago("2026-11-27 15:00")) == chicago("2026-11-28 15:00")


def test_promised_time_respects_daylight_saving_changes(branch):
    OpeningHours.objects.create(branch=branch, weekday=6, opens=datetime.time(0), closes=datetime.time(12))
    branch.promise_hours = 5
    # The clocks are set back on this night, so the night is an hour longer.
    assert promised_at(branch, chicago("2026-11-01 00:00")) == chicago("2026-11-01 04:00")
    # The clocks are set forward on this night, so the night is an hour shorter.
    assert promised_at(branch, chicago("2026-03-08 00:00")) == chicago("2026-03-08 06:00")


def test_branch_is_open_only_during_its_hours(nine_to_five):
    assert is_open(nine_to_five, chicago("2026-11-25 09:00"))
    assert not is_open(nine_to_five, chicago("2026-11-25 17:00"))
    assert not is_open(nine_to_five, chicago("2026-11-28 12:00"))


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1, "We usually answer within a day."),
        (8, "We usually answer within a day."),
        (9, "We usually answer within 2 days, not counting days when we're closed."),
        (24, "We usually answer within 3 days, not counting days when we're closed."),
    ],
)
def test_promise_is_stated_in_opening_days_if_the_branch_has_opening_hours(nine_to_five, hours, words):
    nine_to_five.promise_hours = hours
    assert promise_in_words(nine_to_five) == words


def test_promise_is_stated_in_calendar_days_if_the_branch_has_no_opening_hours(branch):
    branch.promise_hours = 24
    assert promise_in_words(branch) == "We usually answer within a day."


class PromiseProperties(TestCase):
    @pytest.mark.slow
    @settings(max_examples=60, deadline=None)
    @given(
        week=st.lists(
            st.tuples(st.integers(0, 6), st.integers(0, 22), st.integers(1, 23)),
            min_size=1,
            max_size=10,
            unique_by=lambda stretch: stretch[:2],
        ),
        closed=st.sets(st.integers(0, 400), max_size=60),
        hours=st.integers(1, 400),
        minutes=st.integers(0, 400 * 24 * 60),
        zone=st.sampled_from(["America/Chicago", "Europe/Madrid", "Australia/Lord_Howe", "UTC"]),
    )
    def test_opening_hours_until_the_promised_time_add_up_to_the_promised_hours(
        self, week, closed, hours, minutes, zone
    ):
        week = [(day, start, end) for day, start, end in week if end > start]
        if not week:
            return
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        branch = Branch.objects.create(name="B", slug="b", promise_hours=hours)
        Library.objects.create(pk=1, name="L", time_zone=zone, default_branch=branch)
        OpeningHours.objects.bulk_create(
            OpeningHours(branch=branch, weekday=d, opens=datetime.time(o), closes=datetime.time(c))
            for d, o, c in week
        )
        ClosedDay.objects.bulk_create(
            ClosedDay(branch=branch, day=(start + datetime.timedelta(days=n)).date()) for n in closed
        )
        since = start + datetime.timedelta(minutes=minutes)

        until = promised_at(branch, since)

        closed_days = {(start + datetime.timedelta(days=n)).date() for n in closed}
        step, at, counted = (
            datetime.timedelta(minutes=30),
            since - (since - start) % datetime.timedelta(minutes=30),
            datetime.timedelta(),
        )
        while at < until:
            local = at.astimezone(ZoneInfo(zone))
            is_open_now = local.date() not in closed_days and any(
                local.weekday() == d and datetime.time(o) <= local.time() < datetime.time(c)
                for d, o, c in week
            )
            if is_open_now:
                counted += min(at + step, until) - max(at, since)
            at += step
        assert counted == datetime.timedelta(hours=hours)
