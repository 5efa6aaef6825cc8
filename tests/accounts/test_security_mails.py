"""Check the security emails about changed sign-in methods."""

import re

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from accounts.models import Passkey, User
from accounts.staff import roles
from portal.notifications.models import Notification
from tests.accounts.test_passkeys import ORIGIN, make, prove
from tests.accounts.test_second_factor import app_code
from tests.factories import PasskeyFactory
from tests.passkey_device import Device

pytestmark = pytest.mark.django_db


def security_emails():
    """Return (address, recipient, first sentence) of each security email."""
    mails = Notification.objects.order_by("pk")
    return [
        (mail.to_address, mail.recipient, mail.text.partition(".")[0])
        for mail in mails
        if "sign-in" in mail.subject
    ]


def test_adding_and_removing_a_passkey_sends_security_emails(client, patron, sign_in):
    prove(sign_in(client, patron))
    make(client, Device(ORIGIN))
    client.post(reverse("passkey", args=[Passkey.objects.get().public_id]), {"remove": "1"})
    assert security_emails() == [
        (patron.email, patron, "A passkey was added to your library account"),
        (patron.email, patron, "A passkey was removed from your library account"),
    ]
    mail = Notification.objects.latest("pk")
    assert "http://localhost:8000/me/" in mail.text
    # The text of the email is deleted after delivery.
    assert mail.blanked


@pytest.mark.parametrize("address", ["none", "unverified"])
def test_unverified_address_gets_no_security_email(client, patron, sign_in, address):
    prove(sign_in(client, patron))
    if address == "none":
        User.objects.filter(pk=patron.pk).update(email=None)
    else:
        EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
    make(client, Device(ORIGIN))
    assert (Passkey.objects.count(), security_emails()) == (1, [])


def test_changes_to_the_authenticator_app_and_recovery_codes_send_security_emails(client, staff, sign_in):
    prove(sign_in(client, staff, second_factor=False))
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        prove(client)
        page = client.get(reverse("second_factor")).content.decode()
        secret = re.search(r"<code[^>]*>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
        client.post(reverse("second_factor"), {"code": app_code(secret)})
        for change in ("codes", "app"):
            clock.shift(300)
            client.post(reverse("change_second_factor"), {"change": change, "code": app_code(secret)})
    assert [sentence for _to, _whom, sentence in security_emails()] == [
        "An authenticator app was set up for your account",
        "New recovery codes were made for your account",
        "The authenticator app was removed from your account",
    ]
    assert {(to, whom) for to, whom, _sentence in security_emails()} == {(staff.email, staff)}


def test_reset_of_a_second_factor_sends_a_security_email(staff, coordinator):
    PasskeyFactory(person=staff)
    roles.forget_second_factor(staff, by=coordinator, at=timezone.now())
    assert security_emails() == [
        (
            staff.email,
            staff,
            "A coordinator removed the authenticator app and passkeys from your account "
            "and signed you out on all devices",
        )
    ]
