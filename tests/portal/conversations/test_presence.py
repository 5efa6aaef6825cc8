"""Test which colleagues are shown as present in a conversation, and for how long after their last poll."""

import datetime
import uuid

import pytest

from portal.conversations import actions, presence
from portal.conversations.models import Participation
from tests.factories import HelpSessionFactory

pytestmark = pytest.mark.sql

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
second = datetime.timedelta(seconds=1)


@pytest.fixture
def conversation(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return actions.ask(
        by=patron, at=NOW, help_session=session, body="Where?", language="en", client_token=uuid.uuid4()
    )


def others(conversation, person, at):
    return presence.look(conversation, person=person, at=at).others


def test_colleague_is_no_longer_present_thirty_seconds_after_the_last_poll(conversation, staff, coordinator):
    assert others(conversation, staff, NOW) == []
    presence.refresh(conversation, person=coordinator, at=NOW)
    assert others(conversation, staff, NOW) == [(coordinator, False)]
    # The coordinator doesn't see their own name in the list.
    assert others(conversation, coordinator, NOW) == []
    assert others(conversation, staff, NOW + presence.HERE - second) == [(coordinator, False)]
    assert others(conversation, staff, NOW + 30 * second) == []


def test_colleague_whose_page_polls_is_still_present(conversation, staff, coordinator):
    for poll in range(20):
        at = NOW + poll * 8 * second
        presence.refresh(conversation, person=coordinator, at=at)
        assert others(conversation, staff, at + 7 * second) == [(coordinator, False)]


def test_staff_member_sees_immediately_when_a_colleague_starts_or_stops_writing(
    conversation, staff, coordinator
):
    presence.refresh(conversation, person=coordinator, at=NOW)
    presence.refresh(conversation, person=coordinator, at=NOW + second, writing=True)
    assert others(conversation, staff, NOW + second) == [(coordinator, True)]
    presence.refresh(conversation, person=coordinator, at=NOW + 2 * second)
    assert others(conversation, staff, NOW + 2 * second) == [(coordinator, False)]


def test_colleague_who_closes_the_conversation_page_is_no_longer_present(conversation, staff, coordinator):
    presence.refresh(conversation, person=coordinator, at=NOW, writing=True)
    presence.leave(conversation, person=coordinator)
    assert others(conversation, staff, NOW) == []


@pytest.mark.parametrize("writing", [False, True])
def test_polls_write_to_the_database_at_most_every_ten_seconds(
    conversation, coordinator, writing, django_assert_num_queries
):
    presence.refresh(conversation, person=coordinator, at=NOW, writing=writing)
    for seconds in (2, 5, 9):
        # One query reads the colleague's row, and no query changes the row.
        with django_assert_num_queries(1):
            presence.refresh(conversation, person=coordinator, at=NOW + seconds * second, writing=writing)
    with django_assert_num_queries(2):
        presence.refresh(conversation, person=coordinator, at=NOW + 10 * second, writing=writing)


def test_presence_uses_one_row_per_person_and_does_not_change_the_read_position(
    conversation, coordinator, patron
):
    presence.refresh(conversation, person=coordinator, at=NOW, read_until=NOW)
    presence.refresh(conversation, person=coordinator, at=NOW + 60 * second)
    [row] = Participation.objects.filter(person=coordinator)
    assert (row.side, row.read_until, row.seen_at) == ("staff", NOW, NOW + 60 * second)


def test_patron_never_appears_as_present(conversation, staff, patron):
    actions.mark_read(conversation, person=patron, at=NOW)
    assert others(conversation, staff, NOW) == []
    assert list(Participation.objects.filter(person=patron).values_list("side", "seen_at", "writing_at")) == [
        ("patron", None, None)
    ]
