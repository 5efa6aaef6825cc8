"""Test that staff see how long the patron can read a closed conversation."""

import datetime

import pytest
from django.urls import reverse

from accounts.models import User
from portal.desk.composer import readable_until
from tests.factories import ConversationFactory, HelpSessionFactory

pytestmark = pytest.mark.django_db

# 12:00 in the library's time zone.
NOON = datetime.datetime(2026, 3, 2, 18, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("kept_days_ago", "more", "until"),
    [
        (28, {}, (3, 16)),
        (31, {}, (3, 16)),
        (10, {}, (3, 22)),
        (80, {"with_child": "shared"}, (3, 16)),
    ],
)
def test_conversation_is_readable_until_its_visit_is_forgotten_but_for_at_least_14_days(
    library, patron, kept_days_ago, more, until
):
    patron.remember = User.Remember.DAYS_30
    session = HelpSessionFactory(patron=patron, kept_at=NOON - kept_days_ago * DAY, **more)
    conversation = ConversationFactory(help_session=session)
    assert readable_until(conversation, library=library, at=NOON) == datetime.date(2026, *until)


def test_conversation_without_a_visit_is_readable_for_the_patrons_retention_time(library, patron, branch):
    patron.remember = User.Remember.DAYS_30
    conversation = ConversationFactory(help_session=None, patron=patron, branch=branch)
    assert readable_until(conversation, library=library, at=NOON) == datetime.date(2026, 4, 1)


def test_conversation_without_a_patron_has_no_last_readable_day(library):
    assert readable_until(ConversationFactory(patron=None), library=library, at=NOON) is None


def test_page_of_a_closed_conversation_says_until_which_day_the_patron_can_read_it(
    client, sign_in, staff, patron, branch, time_machine
):
    time_machine.move_to(NOON, tick=False)
    patron.remember = User.Remember.DAYS_30
    patron.save()
    session = HelpSessionFactory(patron=patron, branch=branch, kept_at=NOON - 29 * DAY)
    conversation = ConversationFactory(help_session=session)
    desk, url = sign_in(client, staff), reverse("desk_conversation", args=[conversation.public_id])
    sentence = "If you close the conversation now, the patron can read it until March 16, 2026."
    assert sentence in " ".join(desk.get(url).content.decode().split())
    conversation = ConversationFactory(help_session=session, status="closed")
    url = reverse("desk_conversation", args=[conversation.public_id])
    assert sentence not in " ".join(desk.get(url).content.decode().split())
