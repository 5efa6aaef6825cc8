"""Test check-ins that are sent as push messages to the patron's phone, and never by email without consent."""

import datetime
import re

import pytest
from django.utils import timezone

from accounts.models import User
from portal.checkins import planning
from portal.checkins.eligibility import Why
from portal.checkins.models import CheckIn
from portal.checkins.sending import send_due_check_ins
from portal.desk.check_ins.outlook import outlook_of, with_outlook
from portal.notifications.models import Notification, PushMessage, PushSubscription
from portal.notifications.push import delivery
from tests.factories import ChildFactory, PushSubscriptionFactory, StaffFactory, UserFactory
from tests.opening_hours import open_on_weekdays
from tests.portal.checkins.test_sending import (
    DAY,
    LONG_AGO,
    NOW,
    REASONS,
    check_in_about,
    emails,
    settled,
    why,
    with_address_off,
    with_unconfirmed_address,
)
from tests.push_device import PRIVATE_KEY

MINUTE = datetime.timedelta(minutes=1)
# Other tests in this module cover these reasons for not sending a check-in. Three of the reasons are about
# email addresses, which push messages don't need.
TESTED_APART = {Why.NO_ADDRESS, Why.UNCONFIRMED, Why.ADDRESS_OFF, Why.NO_PHONE}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _push_is_set_up(settings, library, branch):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    library.check_ins = True
    library.save()
    open_on_weekdays(branch)


@pytest.fixture
def ana(library):
    """Return a patron without an email address who chose to get check-ins on their phone."""
    return UserFactory(name="Ana", email=None, check_ins="push")


@pytest.fixture
def phone(ana):
    return PushSubscriptionFactory(person=ana)


@pytest.fixture
def due(staff, branch, ana):
    return check_in_about(staff, branch, ana)


def pushed():
    return list(PushMessage.objects.order_by("pk"))


def test_push_message_of_a_check_in_has_a_neutral_text_and_a_link_to_the_check_in_page(
    due, phone, staff, library
):
    send_due_check_ins(at=NOW)
    assert settled(NOW + MINUTE) is None
    send_due_check_ins(at=NOW + 5 * MINUTE)

    [message] = pushed()
    assert message.subscription == phone
    assert message.payload["title"] == library.name
    assert message.payload["body"] == f"{staff.name} asks: how did it turn out?"
    assert "/how/" in message.payload["url"]
    assert "eviction" not in str(message.payload)
    due.refresh_from_db()
    assert (due.status, due.asked_by) == ("asked", staff)


def test_link_in_the_message_opens_the_check_in_page_and_is_deleted_after_delivery(due, phone, client):
    send_due_check_ins(at=NOW)
    settled(NOW + MINUTE)
    [message] = pushed()
    path = message.payload["url"].removeprefix("http://localhost:8000")
    CheckIn.objects.update(link_ends_at=timezone.now() + DAY)
    assert client.get(path).status_code == 200
    delivery._mark_taken(delivery.take_next(at=NOW + MINUTE), at=NOW + MINUTE)
    row = Notification.objects.get()
    assert (row.state, row.text, row.html, row.url) == ("delivered", "", "", "")
    assert not PushMessage.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason not in TESTED_APART])
def test_reasons_against_emailing_a_check_in_also_prevent_its_push_message(reason, staff, branch, ana, phone):
    check_in = check_in_about(staff, branch, ana, **LONG_AGO.get(reason, {}))
    assert why(check_in) == ""
    REASONS[reason](check_in)
    send_due_check_ins(at=NOW)
    assert (emails(), why(check_in)) == ([], reason)


@pytest.mark.parametrize("change", [with_address_off, with_unconfirmed_address])
def test_patron_without_a_working_email_address_can_get_check_ins_by_push_message(staff, branch, change):
    ana = UserFactory(email="ana@example.org", check_ins="push")
    PushSubscriptionFactory(person=ana)
    check_in = check_in_about(staff, branch, ana)
    change(check_in)
    send_due_check_ins(at=NOW)
    assert settled(NOW + MINUTE) is None
    assert len(pushed()) == 1


@pytest.mark.parametrize("email", ["ana@example.org", None])
def test_consent_to_emails_is_not_consent_to_push_messages(staff, branch, email):
    ana = UserFactory(email=email, check_ins="email")
    PushSubscriptionFactory(person=ana)
    check_in_about(staff, branch, ana)
    send_due_check_ins(at=NOW)
    row = settled(NOW + MINUTE)
    assert (row and row.to_address, pushed()) == (email, [])


def test_check_in_by_push_is_never_emailed_even_if_the_push_subscription_was_deleted(staff, branch):
    ana = UserFactory(email="ana@example.org", check_ins="push")
    phone = PushSubscriptionFactory(person=ana)
    check_in = check_in_about(staff, branch, ana)
    send_due_check_ins(at=NOW)
    phone.delete()
    assert settled(NOW + MINUTE) is None
    send_due_check_ins(at=NOW + 5 * MINUTE)
    check_in.refresh_from_db()
    assert (check_in.status, emails(), pushed(), why(check_in)) == ("planned", [], [], Why.NO_PHONE)


def test_check_in_is_planned_again_if_the_subscription_ended_while_the_message_was_sent(staff, branch):
    ana = UserFactory(email="ana@example.org", check_ins="push")
    PushSubscriptionFactory(person=ana)
    check_in = check_in_about(staff, branch, ana)
    send_due_check_ins(at=NOW)
    settled(NOW + MINUTE)
    PushSubscription.objects.all().delete()
    delivery.email_instead(at=NOW + MINUTE)
    assert settled(NOW + 2 * MINUTE) is None
    send_due_check_ins(at=NOW + 5 * MINUTE)
    check_in.refresh_from_db()
    assert (check_in.status, emails()) == ("planned", [])


def test_check_in_by_push_is_never_emailed_even_if_every_push_service_refuses_the_message(staff, branch):
    ana = UserFactory(email="ana@example.org", check_ins="push")
    PushSubscriptionFactory(person=ana)
    check_in = check_in_about(staff, branch, ana)
    send_due_check_ins(at=NOW)
    settled(NOW + MINUTE)
    PushMessage.objects.all().delete()
    delivery.email_instead(at=NOW + MINUTE)
    for minutes in (2, 10, 60):
        assert settled(NOW + minutes * MINUTE) is None
        send_due_check_ins(at=NOW + minutes * MINUTE)
    check_in.refresh_from_db()
    [row] = emails()
    assert (check_in.status, row.state, row.text, row.url, pushed()) == ("asked", "dead", "", "", [])


@pytest.mark.parametrize(("before", "after"), [("push", "email"), ("email", "push")])
def test_check_in_is_sent_in_the_way_that_the_patron_chose_last(staff, branch, before, after):
    ana = UserFactory(email="ana@example.org", check_ins=before)
    PushSubscriptionFactory(person=ana)
    check_in_about(staff, branch, ana)
    send_due_check_ins(at=NOW)
    User.objects.update(check_ins=after)
    row = settled(NOW + MINUTE)
    assert (row and row.to_address, len(pushed())) == (
        ("ana@example.org", 0) if after == "email" else (None, 1)
    )


def test_child_gets_check_ins_by_push_message_only_if_the_library_writes_to_children(staff, branch, library):
    child = ChildFactory(check_ins="push")
    PushSubscriptionFactory(person=child)
    check_in = check_in_about(staff, branch, child, with_child="own")
    assert why(check_in) == Why.CHILD
    library.check_ins_of_children = True
    library.save()
    assert why(check_in) == ""


def test_adult_never_gets_a_push_message_about_a_childs_visit(staff, branch, library, ana, phone):
    library.check_ins_of_children = True
    library.save()
    check_in = check_in_about(staff, branch, ana, with_child="shared")
    assert why(check_in) == Why.CHILD


def test_check_in_page_opened_from_a_push_message_has_a_button_that_stops_all_check_ins(
    due, phone, ana, client
):
    send_due_check_ins(at=NOW)
    CheckIn.objects.update(link_ends_at=timezone.now() + DAY)
    path = Notification.objects.get().url.removeprefix("http://localhost:8000")
    [stop] = re.findall(
        r'id="stop-asking"\s+href="http://localhost:8000([^"]+)"', client.get(path).content.decode()
    )
    assert client.get(stop).status_code == 200
    client.post(stop)
    ana.refresh_from_db()
    assert ana.check_ins == "none"


def test_check_in_page_opened_from_an_email_has_no_button_that_stops_all_check_ins(due, phone, ana, client):
    send_due_check_ins(at=NOW)
    CheckIn.objects.update(link_ends_at=timezone.now() + DAY)
    path = Notification.objects.get().url.removeprefix("http://localhost:8000")
    User.objects.update(check_ins="email")
    page = client.get(path)
    assert page.status_code == 200
    assert "stop-asking" not in page.content.decode()


@pytest.mark.parametrize(
    ("reviewed", "is_own", "words"),
    [
        (True, True, "With a message on the patron's phone, in your name"),
        (True, False, "With a message on the patron's phone, in the name of Rosa Lindqvist"),
        (False, True, "With a message on the patron's phone, in your name, once you approve it"),
        (False, False, "With a message on the patron's phone, once a staff member approves it"),
    ],
)
def test_helper_reads_that_the_check_in_is_sent_to_the_patrons_phone(
    staff, branch, ana, phone, reviewed, is_own, words
):
    check_in_about(staff, branch, ana, reviewed_at=NOW if reviewed else None)
    check_in = with_outlook(CheckIn.objects.all(), at=NOW).get()
    outlook = outlook_of(check_in, asker=staff, user=staff if is_own else StaffFactory(branch=branch))
    assert outlook.text == words
    assert "email" not in outlook.words


def test_helper_reads_that_a_patron_is_asked_only_on_web_pages_and_why(staff, branch, ana):
    check_in_about(staff, branch, ana)
    check_in = with_outlook(CheckIn.objects.all(), at=NOW).get()
    outlook = outlook_of(check_in, asker=staff, user=staff)
    assert (outlook.text, outlook.why) == ("Only on the patron's pages", Why.NO_PHONE.label)


@pytest.mark.parametrize("tried", [False, True])
def test_push_message_counts_for_the_weekly_limit_only_if_its_delivery_was_tried(due, phone, ana, tried):
    send_due_check_ins(at=NOW)
    settled(NOW + MINUTE)
    if tried:
        assert delivery.take_next(at=NOW + MINUTE)
    planning.end_all(due.help_session, at=NOW + MINUTE)
    assert not Notification.objects.exists()
    ana.refresh_from_db()
    assert ana.check_in_sent_at == (NOW if tried else None)
