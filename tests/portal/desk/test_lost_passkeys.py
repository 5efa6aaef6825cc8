"""Test how a coordinator removes the passkey of a device that a patron lost."""

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Passkey
from tests.factories import HelpSessionFactory, PasskeyFactory, StaffFactory
from tests.portal.pages import text


@pytest.fixture
def visit_here(branch, staff, patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron)


@pytest.fixture
def lost(patron, visit_here):
    return PasskeyFactory(person=patron, name="Lost phone")


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


def remove(desk, passkey, whose=None):
    return desk.post(
        reverse("remove_lost_passkey", args=[(whose or passkey.person).public_id]),
        {"passkey": str(passkey.public_id)},
    )


def test_patron_is_signed_out_and_emailed_when_a_lost_passkey_is_removed(
    desk, lost, patron, coordinator, sign_in, mailoutbox
):
    other = PasskeyFactory(person=patron, name="Laptop")
    phone = sign_in(Client(), patron)
    UserSession.objects.create(
        user=patron, session_key=phone.session.session_key, ip="127.0.0.1", user_agent="A phone"
    )
    assert "Lost phone" in text(desk.get(reverse("patron_record", args=[patron.public_id])))
    assert remove(desk, lost).url == reverse("patron_record", args=[patron.public_id])
    assert list(Passkey.objects.filter(person=patron)) == [other]
    assert not UserSession.objects.filter(user=patron).exists()
    assert not phone.get(reverse("home")).wsgi_request.user.is_authenticated
    [mail] = mailoutbox
    assert (mail.to, "A passkey was removed" in mail.body) == ([patron.email], True)
    event = AuditEvent.objects.get(action="removed_passkey")
    assert (event.by, event.patron) == (coordinator, patron)
    assert "removed one of your passkeys" in text(sign_in(Client(), patron).get(reverse("who_looked")))


def test_passkey_that_is_the_only_sign_in_method_cannot_be_removed(desk, lost, patron):
    EmailAddress.objects.filter(user=patron).delete()
    patron.email = None
    patron.save()
    remove(desk, lost)
    assert Passkey.objects.filter(pk=lost.pk).exists()
    assert "only sign-in method, so it was not removed" in text(
        desk.get(reverse("patron_record", args=[patron.public_id]))
    )


def test_only_coordinators_with_access_to_the_patron_record_can_remove_a_passkey(
    desk, lost, patron, staff, branch, client, sign_in
):
    colleague = StaffFactory(branch=branch)
    HelpSessionFactory(branch=branch, staff=staff, patron=colleague)
    theirs = PasskeyFactory(person=colleague)
    assert remove(desk, theirs).status_code == 404
    assert remove(desk, theirs, whose=patron).status_code == 404
    HelpSessionFactory._meta.model.objects.filter(patron=patron).update(patron=None)
    assert remove(desk, lost).status_code == 404
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    assert remove(sign_in(Client(), staff), lost).status_code == 404
    assert Passkey.objects.count() == 2
