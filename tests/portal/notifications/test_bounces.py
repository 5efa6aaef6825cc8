"""Check that two hard failures, a day apart, turn an address off, and that its owner can try it again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from portal.notifications import actions, bounces
from portal.notifications.delivery import _refuses_address
from portal.notifications.models import FailingAddress, Notification
from portal.worker import Worker

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)


def fail(person, *hours):
    for hour in hours:
        bounces.note_hard_failure(person.pk, person.email, at=AT + hour * HOURS)


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
def test_address_is_off_after_two_hard_failures_a_day_apart(hours, off, patron):
    fail(patron, *hours)
    assert bounces.is_off(patron) is off


@pytest.mark.django_db
def test_failures_of_another_address_do_not_count(patron):
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
    return actions.write(
        kind=kind, to="sam@example.org", at=AT, recipient=person, language="en", subject="x", text="x"
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["conversations/mention", "notifications/digest", "notifications/desk_digest"]
)
def test_address_that_is_off_gets_no_notices(kind, patron):
    fail(patron, 0, 24)
    notice = write(patron, kind)
    assert actions.take_next(at=AT) is None
    notice.refresh_from_db()
    assert (notice.state, notice.last_error) == ("dead", actions.ADDRESS_OFF)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["account/mail", "privacy/export_ready", "desk/test_email"])
def test_address_that_is_off_gets_codes_security_notices_and_what_the_person_asked_for(kind, patron):
    fail(patron, 0, 24)
    assert actions.take_next(at=AT) is None
    row = write(patron, kind)
    assert actions.take_next(at=AT) == row


@pytest.mark.django_db
def test_notice_to_an_address_that_is_off_goes_to_the_new_address(patron):
    fail(patron, 0, 24)
    row = write(patron)
    patron.email = "new@example.org"
    patron.save()
    assert actions.take_next(at=AT) == row


@pytest.mark.django_db
def test_strangers_failures_stop_no_notice(patron, staff):
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
    ],
)
def test_only_class_5_about_the_address_is_a_hard_failure(code, reply, hard):
    assert _refuses_address(code, reply) is hard


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_refusal_of_the_recipient_is_counted_and_a_deferral_is_not(smtp, patron, staff):
    for person, name in ((patron, "unknown.sam"), (staff, "busy.rosa")):
        person.email = f"{name}@example.org"
        person.save()
        actions.write(
            kind="x", to=person.email, at=AT, recipient=person, language="en", subject="x", text="x"
        )
    worker = Worker()
    worker.deliver_due()
    worker.outgoing.close()
    assert list(FailingAddress.objects.values_list("person", "off_at")) == [(patron.pk, None)]


@pytest.mark.django_db
def test_failures_are_forgotten_after_30_days_but_an_address_stays_off(patron, staff):
    fail(patron, 0)
    fail(staff, 0, 24)
    bounces.forget_failing_addresses(at=AT + timedelta(days=40))
    assert list(FailingAddress.objects.values_list("person", flat=True)) == [staff.pk]
    staff.email = "new@example.org"
    staff.save()
    bounces.forget_failing_addresses(at=AT + timedelta(days=40))
    assert not FailingAddress.objects.exists()


@pytest.mark.django_db
def test_person_sees_after_sign_in_that_the_address_is_off_and_tries_it_again(client, patron):
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
def test_person_who_has_another_address_now_is_not_asked_to_try_the_old_one(client, patron):
    fail(patron, 0, 24)
    client.force_login(patron)
    patron.email = "new@example.org"
    patron.save()
    assert 'id="try-address"' not in client.get(reverse("home")).content.decode()


@pytest.mark.django_db
def test_staff_see_it_at_the_desk_and_stay_there(client, staff, sign_in):
    fail(staff, 0, 24)
    sign_in(client, staff)
    page = client.get(reverse("desk")).content.decode()
    assert page.count('id="try-address"') == 1
    assert page.count('name="at_desk"') == 1
    assert client.post(reverse("try_address"), {"at_desk": "1"}).url == reverse("desk")


@pytest.mark.django_db
def test_desk_reads_on_the_page_of_undelivered_email_that_the_address_is_off(
    client, coordinator, staff, sign_in
):
    fail(staff, 0, 24)
    row = actions.write(
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
    assert "address off" in client.get(reverse("undelivered_emails")).content.decode()
    page = client.get(reverse("undelivered_email", args=[row.public_id])).content.decode()
    assert "They see this when they sign in" in page
    assert Notification.objects.get(pk=row.pk).state == "dead"
