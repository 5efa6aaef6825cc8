"""Test that two hard failures a day apart turn off notices to an address, until its owner allows them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from portal.notifications import actions, bounces, writing
from portal.notifications.delivery import _refuses_address
from portal.notifications.models import FailingAddress, Notification
from portal.worker import Worker

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)


def fail(person, *hours):
    for hour in hours:
        bounces.note_hard_failure(person.pk, person.email, at=AT + hour * HOURS)


@pytest.mark.few_cases
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hours", "off"),
    [
        ([0], False),
        ([0, 23], False),
        ([0, 24], True),
        ([0, 12, 24], True),
        ([0, 24 * 31], False),
        ([0, 24 * 31, 24 * 32], True),
    ],
)
def test_notices_to_an_address_are_turned_off_after_two_hard_failures_a_day_apart(hours, off, patron):
    fail(patron, *hours)
    assert bounces.is_off(patron) is off


@pytest.mark.django_db
def test_failures_of_other_addresses_do_not_turn_off_notices(patron):
    bounces.note_hard_failure(patron.pk, "old@example.org", at=AT)
    bounces.note_hard_failure(None, patron.email, at=AT)
    assert not FailingAddress.objects.exists()
    fail(patron, 0)
    patron.email = "new@example.org"
    patron.save()
    fail(patron, 24)
    assert not bounces.is_off(patron)
    fail(patron, 48)
    assert bounces.is_off(patron)


def write(person, kind="conversations/answer"):
    return writing.write(
        kind=kind, to="sam@example.org", at=AT, recipient=person, language="en", subject="x", text="x"
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["conversations/mention", "notifications/digest", "notifications/desk_digest"]
)
def test_notice_is_not_sent_to_an_address_with_notices_turned_off(kind, patron):
    fail(patron, 0, 24)
    notice = write(patron, kind)
    assert actions.take_next(at=AT) is None
    notice.refresh_from_db()
    assert (notice.state, notice.last_error) == ("dead", actions.ADDRESS_OFF)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["account/mail", "privacy/export_ready", "desk/test_email"])
def test_email_that_is_not_a_notice_is_sent_even_if_notices_to_the_address_are_off(kind, patron):
    fail(patron, 0, 24)
    assert actions.take_next(at=AT) is None
    row = write(patron, kind)
    assert actions.take_next(at=AT) == row


@pytest.mark.django_db
def test_notice_is_sent_to_a_new_address_even_if_notices_to_the_old_address_are_off(patron):
    fail(patron, 0, 24)
    row = write(patron)
    patron.email = "new@example.org"
    patron.save()
    assert actions.take_next(at=AT) == row


@pytest.mark.django_db
def test_failed_emails_to_another_person_do_not_stop_a_notice(patron, staff):
    fail(staff, 0, 24)
    row = write(patron)
    assert actions.take_next(at=AT) == row


@pytest.mark.parametrize(
    ("code", "reply", "hard"),
    [
        (550, "5.1.1 no such user", True),
        (550, "no such mailbox", True),
        (552, "5.2.1 mailbox disabled", True),
        (550, "5.7.1 relaying denied", False),
        (450, "4.2.2 mailbox full", False),
        (552, "5.2.2 mailbox full", False),
        (550, "5.7.606 access denied, banned sending IP", False),
        (550, "5.3.0 other mail system error", True),
    ],
)
def test_only_a_permanent_error_about_the_address_is_a_hard_failure(code, reply, hard):
    assert _refuses_address(code, reply) is hard


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_refused_recipient_is_a_hard_failure_but_a_deferred_email_is_not(smtp, patron, staff):
    for person, name in ((patron, "unknown.sam"), (staff, "busy.rosa")):
        person.email = f"{name}@example.org"
        person.save()
        writing.write(
            kind="x", to=person.email, at=AT, recipient=person, language="en", subject="x", text="x"
        )
    worker = Worker()
    worker.deliver_due()
    worker.outgoing.close()
    assert list(FailingAddress.objects.values_list("person", "off_at")) == [(patron.pk, None)]


@pytest.mark.django_db
def test_failures_that_did_not_turn_off_notices_are_deleted_after_30_days(patron, staff):
    fail(patron, 0)
    fail(staff, 0, 24)
    bounces.forget_failing_addresses(at=AT + timedelta(days=40))
    assert list(FailingAddress.objects.values_list("person", flat=True)) == [staff.pk]
    staff.email = "new@example.org"
    staff.save()
    bounces.forget_failing_addresses(at=AT + timedelta(days=40))
    assert not FailingAddress.objects.exists()


@pytest.mark.django_db
def test_person_is_asked_whether_to_turn_on_notices_again(client, patron):
    fail(patron, 0, 24)
    client.force_login(patron)
    button = 'id="try-address"'
    page = client.get(reverse("home")).content.decode()
    assert page.count(button) == 1
    assert 'name="at_desk"' not in page
    page = client.post(reverse("try_address"), follow=True).content.decode()
    assert button not in page
    assert "send notices to your email address again" in page
    assert not bounces.is_off(patron)


@pytest.mark.django_db
def test_person_with_a_new_address_is_not_asked_about_notices_to_the_old_address(client, patron):
    fail(patron, 0, 24)
    client.force_login(patron)
    patron.email = "new@example.org"
    patron.save()
    assert 'id="try-address"' not in client.get(reverse("home")).content.decode()


@pytest.mark.django_db
def test_desk_asks_staff_about_their_address_after_notices_to_the_address_were_turned_off(
    client, staff, sign_in
):
    fail(staff, 0, 24)
    sign_in(client, staff)
    page = client.get(reverse("desk")).content.decode()
    assert page.count('id="try-address"') == 1
    assert page.count('name="at_desk"') == 1
    assert client.post(reverse("try_address"), {"at_desk": "1"}).url == reverse("desk")


@pytest.mark.django_db
def test_page_of_an_undelivered_email_says_that_notices_to_the_address_are_turned_off(
    client, coordinator, staff, sign_in
):
    fail(staff, 0, 24)
    row = writing.write(
        kind="conversations/mention",
        to=staff.email,
        at=AT,
        recipient=staff,
        language="en",
        subject="x",
        text="x",
    )
    assert actions.take_next(at=AT) is None
    sign_in(client, coordinator)
    assert "no more notices to this address" in client.get(reverse("undelivered_emails")).content.decode()
    page = client.get(reverse("undelivered_email", args=[row.public_id])).content.decode()
    assert "the person sees this and can try the address again" in page
    assert Notification.objects.get(pk=row.pk).state == "dead"
