"""Who is here: shown to colleagues within seconds, gone half a minute after they left, written at most every ten seconds."""

import datetime
import uuid

import pytest

from portal.conversations import actions, presence
from portal.conversations.models import Participation
from tests.factories import HelpSessionFactory

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
second = datetime.timedelta(seconds=1)


@pytest.fixture
def thread(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return actions.ask(
        by=patron, at=NOW, help_session=session, body="Where?", language="en", client_token=uuid.uuid4()
    )


def others(thread, person, at):
    return presence.look(thread, person=person, at=at).others


def test_a_colleague_is_here_from_their_first_poll_until_half_a_minute_after_the_last(
    thread, staff, coordinator
):
    assert others(thread, staff, NOW) == []
    presence.come(thread, person=coordinator, at=NOW)
    assert others(thread, staff, NOW) == [(coordinator, False)]
    assert others(thread, coordinator, NOW) == []  # oneself is no news
    assert others(thread, staff, NOW + presence.HERE - second) == [(coordinator, False)]
    assert others(thread, staff, NOW + 30 * second) == []


def test_whoever_stays_is_here_however_long(thread, staff, coordinator):
    for poll in range(20):
        at = NOW + poll * 8 * second
        presence.come(thread, person=coordinator, at=at)
        assert others(thread, staff, at + 7 * second) == [(coordinator, False)]


def test_writing_is_seen_at_once_and_so_is_its_end(thread, staff, coordinator):
    presence.come(thread, person=coordinator, at=NOW)
    presence.come(thread, person=coordinator, at=NOW + second, writing=True)
    assert others(thread, staff, NOW + second) == [(coordinator, True)]
    presence.come(thread, person=coordinator, at=NOW + 2 * second)
    assert others(thread, staff, NOW + 2 * second) == [(coordinator, False)]


def test_leaving_is_seen_at_once(thread, staff, coordinator):
    presence.come(thread, person=coordinator, at=NOW, writing=True)
    presence.leave(thread, person=coordinator)
    assert others(thread, staff, NOW) == []


@pytest.mark.parametrize("writing", [False, True])
def test_polls_write_at_most_once_in_ten_seconds(thread, coordinator, writing, django_assert_num_queries):
    presence.come(thread, person=coordinator, at=NOW, writing=writing)
    for seconds in (2, 5, 9):
        with django_assert_num_queries(1):  # it looks, and doesn't write
            presence.come(thread, person=coordinator, at=NOW + seconds * second, writing=writing)
    with django_assert_num_queries(2):
        presence.come(thread, person=coordinator, at=NOW + 10 * second, writing=writing)


def test_there_is_one_row_a_person_and_thread_and_it_keeps_how_far_they_have_read(
    thread, coordinator, patron
):
    presence.come(thread, person=coordinator, at=NOW, read_until=NOW)
    presence.come(thread, person=coordinator, at=NOW + 60 * second)
    [row] = Participation.objects.filter(person=coordinator)
    assert (row.side, row.read_until, row.seen_at) == ("staff", NOW, NOW + 60 * second)


def test_a_patron_is_never_seen(thread, staff, patron):
    actions.mark_read(thread, person=patron, at=NOW)
    assert others(thread, staff, NOW) == []
    assert list(Participation.objects.filter(person=patron).values_list("side", "seen_at", "writing_at")) == [
        ("patron", None, None)
    ]
