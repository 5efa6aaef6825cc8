"""Test which patrons get a notice about a next step, and when the notice is dropped."""

import datetime

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from portal.conversations import desk_actions, next_steps, outcomes, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from portal.notifications.models import Notification
from portal.worker import Worker
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    recommend_in,
)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
NOW = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
FRIDAY = datetime.date(2026, 3, 6)
ORDERED, RESERVED = Step("ordered", FRIDAY), Step("reserved", FRIDAY)


@pytest.fixture
def now(time_machine, library):
    """Return now(minutes), which sets the clock to this many minutes after NOW and returns the time."""

    def now(minutes):
        time_machine.move_to(NOW + minutes * MINUTE, tick=False)
        return timezone.now()

    now(0)
    return now


@pytest.fixture
def visit(now, patron, staff, branch):
    confirm(patron)
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


def confirm(person):
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)


def miss(visit):
    [missed] = recommend_in(visit)
    verdicts.take_verdict(
        missed, verdict="could_not_get_it", why="", comment="", by=visit.patron, at=timezone.now()
    )
    return missed


def row_of(missed):
    return Conversation.objects.get(recommendation=missed)


def do(action, missed, *step, staff, at):
    return action(row_of(missed), missed, *step, by=staff, at=at)


def emails_at(now, minutes):
    """Let the worker run this many minutes after NOW, and return the subjects of the emails that it sends."""
    now(minutes)
    mail.outbox.clear()
    Worker().deliver_due()
    return [email.subject for email in mail.outbox]


def test_email_about_a_next_step_is_sent_after_ten_minutes_and_does_not_name_the_item(now, visit, staff):
    missed = miss(visit)
    do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    assert emails_at(now, 10.5) == []
    assert emails_at(now, 12) == ["What happens next with an item"]
    [email] = mail.outbox
    everything = email.body + email.alternatives[0].content
    assert "You can expect it by Friday, March 6." in " ".join(email.body.split())
    assert f"/items/{missed.item.public_id}/" in email.body
    assert missed.item.title not in everything
    assert staff.name not in everything
    do(next_steps.mark_arrived, missed, staff=staff, at=now(15))
    assert emails_at(now, 27) == ["An item is ready for you"]
    do(next_steps.mark_given, missed, staff=staff, at=now(28))
    assert emails_at(now, 50) == []


def test_patron_gets_a_notice_only_about_the_latest_next_step(now, visit, staff):
    missed = miss(visit)
    do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    do(next_steps.record, missed, RESERVED, staff=staff, at=now(1.2))
    assert len(emails_at(now, 15)) == 1


def test_patron_gets_no_notice_about_an_undone_next_step(now, visit, staff):
    missed = miss(visit)
    row = do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    desk_actions.undo(row, done_at=row.changed_at, by=staff, at=now(1.2))
    assert emails_at(now, 15) == []


def test_patron_who_already_has_the_item_gets_no_notice_about_a_next_step(now, visit, staff, patron):
    missed = miss(visit)
    do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    verdicts.take_verdict(missed, verdict="helped", why="", comment="", by=patron, at=now(1.2))
    assert emails_at(now, 15) == []


def test_patron_who_wants_no_answer_gets_no_notice_about_a_next_step(now, visit, staff, patron):
    missed = miss(visit)
    outcomes.wish_for_answer(missed, wanted=False, by=patron, at=now(0.5), language="en")
    do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    assert emails_at(now, 15) == []


def test_next_step_sends_no_notice_if_the_visit_is_quiet_or_has_no_patron(now, staff, branch):
    for visit in (
        QuietSessionFactory(staff=staff, branch=branch),
        HelpSessionFactory(staff=staff, branch=branch),
    ):
        do(next_steps.record, miss(visit), ORDERED, staff=staff, at=now(1))
    assert not Notification.objects.filter(kind="conversations/next_step").exists()


def test_adult_of_a_shared_visit_gets_notices_about_next_steps_until_the_sharing_ends(now, staff, branch):
    adult = UserFactory()
    confirm(adult)
    visit = SharedSessionFactory(
        patron=UserFactory(email=None), shared_with=adult, staff=staff, branch=branch, kept_at=NOW
    )
    missed = miss(visit)
    do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    assert [row.recipient for row in Notification.objects.filter(kind="conversations/next_step")] == [adult]
    type(visit).objects.filter(pk=visit.pk).update(shared_with=None, shared_at=None)
    assert emails_at(now, 15) == []


def test_patron_reads_a_next_step_only_when_staff_can_no_longer_undo_it(now, visit, staff):
    missed = miss(visit)
    row = do(next_steps.record, missed, ORDERED, staff=staff, at=now(1))
    assert emails_at(now, 9) == []
    desk_actions.undo(row, done_at=row.changed_at, by=staff, at=now(10))
    assert emails_at(now, 30) == []


def test_notice_about_a_replacement_item_does_not_say_that_the_missing_item_arrived(now, visit, staff):
    missed = miss(visit)
    do(next_steps.record, missed, Step("other_item", FRIDAY, ItemFactory()), staff=staff, at=now(1))
    do(next_steps.mark_arrived, missed, staff=staff, at=now(2))
    emails_at(now, 30)
    [email] = mail.outbox
    assert "You couldn't get an item, so we found another one for you. It has arrived." in " ".join(
        email.body.split()
    )
