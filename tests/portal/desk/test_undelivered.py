"""Test the coordinators' list of emails that did not reach their recipient."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.notifications.actions import TOO_LATE
from portal.notifications.models import Notification
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    NotificationFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

LIST = reverse("undelivered_emails")


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def patron(patron, branch, staff):
    HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    return patron


def detail(email):
    return reverse("undelivered_email", args=[email.public_id])


def again(email):
    return reverse("send_email_again", args=[email.public_id])


def listed(desk):
    return [email.pk for email in desk.get(LIST).context["emails"]]


def test_list_has_emails_to_people_of_the_coordinators_branches_and_to_nobody(desk, patron, branch, staff):
    far = BranchFactory()
    stranger = HelpSessionFactory(patron=UserFactory(), branch=far).patron
    adult = SharedSessionFactory(branch=branch, staff=staff, shared_with=UserFactory()).shared_with
    asker = ConversationFactory(patron=UserFactory(), help_session=None, branch=branch).patron
    mine = [NotificationFactory(recipient=person, dead=True).pk for person in (patron, adult, asker, staff)]
    mine.append(NotificationFactory(recipient=None, dead=True).pk)
    for person in (stranger, StaffFactory(branch=far)):
        email = NotificationFactory(recipient=person, dead=True)
        assert desk.get(detail(email)).status_code == 404
        assert desk.post(again(email)).status_code == 404
    assert listed(desk) == mine[::-1]


def test_list_has_emails_that_fail_again_and_again_but_none_that_are_only_late(desk, patron):
    long_ago = timezone.now() - timedelta(minutes=15)
    failing = NotificationFactory(recipient=patron, created_at=long_ago, last_error="450 busy", attempts=3)
    NotificationFactory(recipient=patron, created_at=long_ago)
    NotificationFactory(recipient=patron, last_error="450 busy", attempts=1)
    NotificationFactory(recipient=patron, state="delivered", delivered_at=long_ago)
    assert listed(desk) == [failing.pk]


def test_list_shows_kind_reason_and_masked_address_but_no_words(desk, patron):
    NotificationFactory(recipient=patron, dead=True, subject="Zqxsubject", text="Zqxtext")
    page = desk.get(LIST).content.decode()
    for words in ("Answer", "550 no such mailbox", "s•••<wbr>@example<wbr>.org", "given up"):
        assert words in page
    for words in ("Zqxsubject", "Zqxtext", patron.email, patron.name):
        assert words not in page


@pytest.mark.parametrize("rows", [1, 30])
def test_list_needs_the_same_queries_for_one_and_for_thirty_emails(
    desk, patron, rows, django_assert_num_queries
):
    NotificationFactory.create_batch(rows, recipient=patron, dead=True)
    desk.get(LIST)
    with django_assert_num_queries(5):
        desk.get(LIST)


def test_list_without_emails_says_so(desk):
    assert "No undelivered email" in desk.get(LIST).content.decode()


def test_opening_an_email_is_recorded_and_its_patron_sees_that(client, coordinator, desk, patron, sign_in):
    email = NotificationFactory(recipient=patron, dead=True)
    assert desk.get(detail(email)).status_code == 200
    event = AuditEvent.objects.get(subject=str(email.public_id))
    assert (event.action, event.by, event.patron) == ("opened", coordinator, patron)
    page = sign_in(client, patron).get(reverse("who_looked")).content.decode()
    assert "looked up why an email didn't reach you" in page


def test_page_of_an_email_leads_to_the_conversation_and_to_the_record(desk, patron, staff, branch):
    conversation = ConversationFactory(patron=patron, branch=branch, help_session=None)
    answer = MessageFactory(
        conversation=conversation, side="staff", author=staff, mail_id="<answer@library.example>"
    )
    email = NotificationFactory(recipient=patron, dead=True, message_id=answer.mail_id)
    page = desk.get(detail(email)).content.decode()
    assert reverse("desk_conversation", args=[conversation.public_id]) in page
    assert reverse("patron_record", args=[patron.public_id]) in page


def test_page_of_an_email_has_no_link_to_a_conversation_elsewhere(desk, patron, staff):
    conversation = ConversationFactory(patron=patron, branch=BranchFactory(), help_session=None)
    answer = MessageFactory(
        conversation=conversation, side="staff", author=staff, mail_id="<answer@library.example>"
    )
    email = NotificationFactory(recipient=patron, dead=True, message_id=answer.mail_id)
    assert str(conversation.public_id) not in desk.get(detail(email)).content.decode()


def test_coordinator_sends_an_email_again_once(desk, patron):
    email = NotificationFactory(recipient=patron, dead=True, attempts=8)
    assert "is being sent again" in desk.post(again(email), follow=True).content.decode()
    email.refresh_from_db()
    assert (email.state, email.attempts, email.died_at) == ("waiting", 0, None)
    assert desk.post(again(email)).status_code == 404
    assert AuditEvent.objects.filter(action="sent_email_again").count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"blanked": True, "text": "", "last_error": TOO_LATE},
        {"ends_at": timezone.now() - timedelta(seconds=1)},
        {"to_address": "", "recipient": None},
    ],
    ids=["its code is deleted", "it has ended", "its address is deleted"],
)
def test_email_with_an_ended_code_or_without_an_address_cannot_be_sent_again(desk, patron, fields):
    email = NotificationFactory(**{"recipient": patron, "dead": True} | fields)
    page = desk.get(detail(email)).content.decode()
    assert "can't be sent again" in page
    assert 'id="send-again"' not in page
    assert "can&#x27;t be sent again" in desk.post(again(email), follow=True).content.decode()
    assert Notification.objects.get(pk=email.pk).state == "dead"


def test_settings_say_how_many_emails_did_not_arrive(desk, patron):
    NotificationFactory.create_batch(2, recipient=patron, dead=True)
    assert (
        "2 emails to people of your branches didn't arrive." in desk.get(reverse("settings")).content.decode()
    )


def test_staff_who_do_not_coordinate_have_no_list(client, staff, patron, sign_in):
    email = NotificationFactory(recipient=patron, dead=True)
    colleague = sign_in(client, staff)
    for url in (LIST, detail(email)):
        assert colleague.get(url).status_code == 404
    assert colleague.post(again(email)).status_code == 404
