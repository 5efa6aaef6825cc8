"""Test the coordinators' list of emails that did not reach their recipient."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.desk.undelivered import TITLES
from portal.notifications.actions import TOO_LATE
from portal.notifications.kinds import DIGESTS, KINDS
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


def test_coordinator_sees_undelivered_emails_to_people_of_their_branches(desk, patron, branch, staff):
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


def test_email_that_still_fails_after_15_minutes_is_listed_as_undelivered(desk, patron):
    long_ago = timezone.now() - timedelta(minutes=15)
    failing = NotificationFactory(recipient=patron, created_at=long_ago, last_error="450 busy", attempts=3)
    NotificationFactory(recipient=patron, created_at=long_ago)
    NotificationFactory(recipient=patron, last_error="450 busy", attempts=1)
    NotificationFactory(recipient=patron, state="delivered", delivered_at=long_ago)
    assert listed(desk) == [failing.pk]


def test_list_of_undelivered_emails_shows_the_reason_and_the_masked_address_but_no_text(desk, patron):
    NotificationFactory(recipient=patron, dead=True, subject="Zqxsubject", text="Zqxtext")
    page = desk.get(LIST).content.decode()
    for words in ("Answer", "550 no such mailbox", "s•••<wbr>@example<wbr>.org", "no more tries"):
        assert words in page
    for words in ("Zqxsubject", "Zqxtext", patron.email, patron.name):
        assert words not in page


@pytest.mark.parametrize("rows", [1, 30])
def test_list_of_undelivered_emails_runs_the_same_number_of_queries_for_1_and_30_emails(
    desk, patron, rows, django_assert_num_queries
):
    NotificationFactory.create_batch(rows, recipient=patron, dead=True)
    desk.get(LIST)
    with django_assert_num_queries(5):
        desk.get(LIST)


def test_empty_list_of_undelivered_emails_says_that_no_email_is_undelivered(desk):
    assert "No undelivered email" in desk.get(LIST).content.decode()


def test_access_log_records_that_staff_opened_an_undelivered_email(
    client, coordinator, desk, patron, sign_in
):
    email = NotificationFactory(recipient=patron, dead=True)
    assert desk.get(detail(email)).status_code == 200
    event = AuditEvent.objects.get(subject=str(email.public_id))
    assert (event.action, event.by, event.patron) == ("opened", coordinator, patron)
    page = sign_in(client, patron).get(reverse("who_looked")).content.decode()
    assert "looked up why an email didn't reach you" in page


def test_page_of_an_undelivered_email_links_to_the_conversation_and_the_record(desk, patron, staff, branch):
    conversation = ConversationFactory(patron=patron, branch=branch, help_session=None)
    answer = MessageFactory(
        conversation=conversation, side="staff", author=staff, mail_id="<answer@library.example>"
    )
    email = NotificationFactory(recipient=patron, dead=True, message_id=answer.mail_id)
    page = desk.get(detail(email)).content.decode()
    assert reverse("desk_conversation", args=[conversation.public_id]) in page
    assert reverse("patron_record", args=[patron.public_id]) in page


def test_page_of_an_undelivered_email_does_not_link_to_a_conversation_of_another_branch(desk, patron, staff):
    conversation = ConversationFactory(patron=patron, branch=BranchFactory(), help_session=None)
    answer = MessageFactory(
        conversation=conversation, side="staff", author=staff, mail_id="<answer@library.example>"
    )
    email = NotificationFactory(recipient=patron, dead=True, message_id=answer.mail_id)
    assert str(conversation.public_id) not in desk.get(detail(email)).content.decode()


def test_coordinator_can_send_an_undelivered_email_again_only_once(desk, patron):
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
def test_email_with_an_expired_code_or_without_an_address_cannot_be_sent_again(desk, patron, fields):
    email = NotificationFactory(**{"recipient": patron, "dead": True} | fields)
    page = desk.get(detail(email)).content.decode()
    assert "can't be sent again" in page
    assert 'id="send-again"' not in page
    assert "can&#x27;t be sent again" in desk.post(again(email), follow=True).content.decode()
    assert Notification.objects.get(pk=email.pk).state == "dead"


def test_settings_page_says_how_many_emails_are_undelivered(desk, patron):
    NotificationFactory.create_batch(2, recipient=patron, dead=True)
    assert (
        "2 emails to people at your branches didn't arrive." in desk.get(reverse("settings")).content.decode()
    )


def test_staff_who_are_not_coordinators_cannot_open_the_list_of_undelivered_emails(
    client, staff, patron, sign_in
):
    email = NotificationFactory(recipient=patron, dead=True)
    colleague = sign_in(client, staff)
    for url in (LIST, detail(email)):
        assert colleague.get(url).status_code == 404
    assert colleague.post(again(email)).status_code == 404


def test_undelivered_push_message_is_listed_without_an_email_address(desk, patron):
    email = NotificationFactory(
        kind="checkins/check_in",
        recipient=patron,
        to_address=patron.email,
        dead=True,
        way="push",
        blanked=True,
    )
    for page in (LIST, detail(email)):
        words = desk.get(page).content.decode()
        assert "on the patron&#x27;s phone" in words
        assert "@" not in words.partition("<main")[2].partition("</main>")[0]


def test_list_of_undelivered_emails_has_a_name_for_every_kind_of_email():
    sent = set(KINDS) | set(DIGESTS.values())
    assert [kind for kind in sorted(sent) if kind not in TITLES] == []
