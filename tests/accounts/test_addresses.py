"""Another address: proven at the new one, told to the old one, and taken back from there."""

import re

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import actions, addresses
from accounts.models import AddressChange, AuditEvent, Passkey, User
from portal.notifications.models import Notification
from portal.privacy import erasure
from portal.privacy.joining import CannotJoin, join_people
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code, signed_in_as
from tests.factories import PasskeyFactory, UserFactory
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
NEW = "new@example.org"


def sign_in_by_code(client, email):
    ask_for_code(client, email)
    enter(client, mailed_code(email))
    return client


@pytest.fixture
def signed_in(client, patron):
    """Sam's browser, just signed in."""
    return sign_in_by_code(client, patron.email)


def change(browser, email=NEW):
    browser.post(reverse("add_address"), {"email": email})
    return browser.post(reverse("add_address"), {"code": mailed_code(email)})


def link_to(address):
    """The link of the newest mail there."""
    return re.search(r"/not-me/\w+/", Notification.objects.filter(to_address=address).latest("pk").text)[0]


def test_the_old_address_stays_until_the_new_one_is_proven(signed_in, patron):
    signed_in.post(reverse("add_address"), {"email": NEW})
    code = mailed_code(NEW)
    signed_in.post(reverse("add_address"), {"code": "111111" if code != "111111" else "222222"})
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"
    signed_in.post(reverse("add_address"), {"code": code})
    patron.refresh_from_db()
    assert patron.email == NEW
    assert list(EmailAddress.objects.filter(user=patron).values_list("email", "verified", "primary")) == [(NEW, True, True)]
    assert AuditEvent.objects.filter(action="changed_address", by=patron, patron=patron).count() == 1
    assert signed_in_as(sign_in_by_code(Client(), NEW)) == str(patron.pk)


def test_changing_it_takes_a_proof(client, patron, sign_in):
    sign_in(client, patron)
    for answer in (client.get(reverse("add_address")), client.post(reverse("add_address"), {"email": NEW})):
        assert answer["Location"].startswith("/me/prove/?next=")
    assert not Notification.objects.exists()


def test_the_old_address_is_told_without_the_new_one_and_can_take_it_back(signed_in, patron):
    change(signed_in)
    mail = Notification.objects.filter(to_address="sam@example.org").latest("pk")
    assert NEW not in mail.text + mail.html + mail.subject
    assert mail.recipient == patron  # whoever is erased leaves no old address behind
    assert mail.blanked
    stranger, path = Client(), link_to("sam@example.org")
    assert "take it back" in stranger.get(path).content.decode()
    patron.refresh_from_db()
    assert patron.email == NEW  # opening the link does nothing
    assert "sam@example.org" in stranger.post(path).content.decode()
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"
    assert signed_in.get(reverse("saved")).wsgi_request.user.is_anonymous
    assert signed_in_as(sign_in_by_code(Client(), "sam@example.org")) == str(patron.pk)
    assert (stranger.get(path).status_code, stranger.post(path).status_code) == (404, 404)


def test_only_a_fingerprint_of_the_link_is_kept(signed_in):
    change(signed_in)
    token = link_to("sam@example.org").split("/")[2]
    assert token not in str(AddressChange.objects.values())


def test_the_link_works_for_a_week(patron):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        browser = sign_in_by_code(Client(), patron.email)
        change(browser)
        path = link_to("sam@example.org")
        clock.shift(7 * 86400 - 1)
        assert Client().get(path).status_code == 200
        clock.shift(1)
        assert Client().get(path).status_code == 404
        assert Client().post(path).status_code == 404
        addresses.forget_address_changes(at=timezone.now())
    assert not AddressChange.objects.exists()


def test_whoever_took_the_account_cannot_shut_its_owner_out_by_another_change(signed_in, patron):
    change(signed_in)
    first = link_to("sam@example.org")
    change(signed_in, "newer@example.org")
    second = link_to(NEW)
    Client().post(first)
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"
    assert Client().post(second).status_code == 404


def test_taking_it_back_ends_the_passkeys_made_since(signed_in, patron):
    PasskeyFactory(person=patron, name="Own", added_on="2020-01-01")
    change(signed_in)
    PasskeyFactory(person=patron, name="The thief's")
    Client().post(link_to("sam@example.org"))
    assert list(Passkey.objects.values_list("name", flat=True)) == ["Own"]


def test_who_reads_the_old_mail_of_staff_does_not_end_what_opens_the_desk(client, staff):
    browser = sign_in_by_code(client, staff.email)
    change(browser)
    PasskeyFactory(person=staff)
    Client().post(link_to("rosa@example.org"))
    assert Passkey.objects.filter(person=staff).exists()


def test_an_address_is_taken_from_nobody_who_has_it_meanwhile(signed_in, patron):
    change(signed_in)
    other = UserFactory(name="Anew", email=None)
    link = link_to("sam@example.org")
    User.objects.filter(pk=other.pk).update(email="sam@example.org")
    EmailAddress.objects.create(user=other, email="sam@example.org", verified=True, primary=True)
    answer = Client().post(link)
    assert answer.status_code == 409
    assert "nobody loses an address by a link" in text(answer)
    patron.refresh_from_db()
    other.refresh_from_db()
    assert (patron.email, other.email) == (NEW, "sam@example.org")
    assert EmailAddress.objects.filter(user=other, email="sam@example.org", verified=True).exists()
    assert signed_in_as(signed_in) == str(patron.pk)
    with pytest.raises(addresses.AddressTaken):
        addresses.undo_change(link.split("/")[-2], at=timezone.now())


def test_a_sign_in_that_was_begun_with_the_old_address_and_never_finished_is_nobodys(signed_in, patron):
    change(signed_in)
    link = link_to("sam@example.org")
    ask_for_code(Client(), "sam@example.org")  # by its owner, who wonders why it doesn't work
    assert Client().post(link).status_code == 200
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"


def test_a_mistyped_address_gets_no_mail_and_no_way_in(client, patron, sign_in):
    """The desk wrote it, nobody ever read a code there: whoever does is a stranger."""
    EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=False)
    sign_in(client, patron)
    client.post("/me/prove/", {"confirm": "1"})
    change(client)
    patron.refresh_from_db()
    assert patron.email == NEW
    assert not Notification.objects.filter(to_address="sam@example.org").exists()
    assert not AddressChange.objects.exists()


def test_the_same_address_again_changes_nothing(signed_in, patron):
    change(signed_in, patron.email)
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"
    assert not AddressChange.objects.exists()


def test_what_was_just_taken_over_is_not_joined_away(signed_in, patron):
    """Or the link of the old address would lead to nobody."""
    change(signed_in)
    other = UserFactory()
    with pytest.raises(CannotJoin):
        join_people(patron, other, by=other, at=timezone.now())
    assert User.objects.filter(pk=patron.pk).exists()


def test_a_person_without_address_needs_no_proof_but_the_code(client, library, sign_in):
    person = actions.person_without_address(at=timezone.now(), language="en")
    change(sign_in(client, person))
    person.refresh_from_db()
    assert person.email == NEW
    assert AuditEvent.objects.filter(action="added_address", patron=person).count() == 1
    assert not AddressChange.objects.exists()


def test_the_old_address_is_told_in_the_language_of_the_person(patron):
    User.objects.filter(pk=patron.pk).update(language="es")
    addresses.change_address(patron, email=NEW, at=timezone.now())
    assert Notification.objects.get(to_address="sam@example.org").language == "es"


def test_erasing_takes_the_mail_to_the_old_address_too(signed_in, patron):
    change(signed_in)
    patron.refresh_from_db()
    erasure.erase(patron, language="en", at=timezone.now())
    assert not Notification.objects.filter(to_address="sam@example.org").exists()
    assert not AddressChange.objects.exists()
