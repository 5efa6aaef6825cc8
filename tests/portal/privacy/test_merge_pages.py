"""Test the pages that merge two accounts after a person confirms the email address of the other account."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffRole, User
from accounts.patron import people
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from portal.privacy import unmerging
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code, signed_in_as
from tests.factories import HelpSessionFactory, UserFactory
from tests.mailers import use_outbox

pytestmark = pytest.mark.django_db
JOIN = "/me/join/"


@pytest.fixture(autouse=True)
def _mail_goes_to_the_outbox(settings):
    use_outbox(settings)


@pytest.fixture
def device(client, library, sign_in):
    """Return the browser of Noor, a patron without an email address who has a visit in her account."""
    client.person = people.person_without_address(at=timezone.now(), name="Noor", language="en")
    client.visit = HelpSessionFactory(patron=client.person)
    return sign_in(client, client.person)


def prove(browser, email):
    """Confirm the email address with a code, and reauthenticate."""
    browser.post(reverse("add_address"), {"email": email})
    browser.post(reverse("add_address"), {"code": mailed_code(email)})
    browser.post("/me/prove/", {"confirm": "1"})


def test_merging_accounts_moves_visits_to_the_account_of_the_confirmed_email(device, patron):
    HelpSessionFactory(patron=patron)
    prove(device, patron.email)
    page = device.get(JOIN).content.decode()
    assert "1 visit" in page
    assert patron.email in page.replace("<wbr>", "")
    # Opening the page doesn't merge the accounts yet.
    assert HelpSession.objects.filter(patron=patron).count() == 1
    before = device.session.session_key
    assert device.post(JOIN)["Location"] == "/"
    assert HelpSession.objects.filter(patron=patron).count() == 2
    assert not User.objects.filter(pk=device.person.pk).exists()
    assert signed_in_as(device) == str(patron.pk)
    assert device.session.session_key != before
    assert "now one" in device.get("/").content.decode()


def test_merging_accounts_requires_reauthentication_and_a_code_for_the_other_account(device, patron):
    assert device.get(JOIN)["Location"].startswith("/me/prove/")
    device.post("/me/prove/", {"confirm": "1"})
    assert device.get(JOIN)["Location"] == "/me/"
    assert device.post(JOIN, {"other": str(patron.public_id)})["Location"] == "/me/"
    device.post(reverse("add_address"), {"email": patron.email})
    device.post(
        reverse("add_address"), {"code": "000000" if mailed_code(patron.email) != "000000" else "000001"}
    )
    assert device.post(JOIN)["Location"] == "/me/"
    assert User.objects.filter(pk=device.person.pk).exists()


def test_confirmation_of_a_second_account_expires_and_is_invalid_for_other_people(
    device, patron, sign_in, time_machine
):
    time_machine.move_to("2026-11-25 09:00:00Z", tick=False)
    prove(device, patron.email)
    noted = dict(device.session.items())
    time_machine.move_to("2026-11-25 09:16:00Z", tick=False)
    device.post("/me/prove/", {"confirm": "1"})
    assert device.post(JOIN)["Location"] == "/me/"
    time_machine.move_to("2026-11-25 09:05:00Z", tick=False)
    stranger = sign_in(Client(), people.person_without_address(at=timezone.now(), language="en"))
    session = stranger.session
    session["other_record"] = noted["other_record"]
    session.save()
    stranger.post("/me/prove/", {"confirm": "1"})
    assert stranger.post(JOIN)["Location"] == "/me/"
    assert User.objects.filter(pk=device.person.pk).exists()


@pytest.mark.slow
def test_merged_account_keeps_the_newly_confirmed_email_address(client, patron):
    other = UserFactory(email="other@example.org")
    ask_for_code(client, other.email)
    enter(client, mailed_code(other.email))
    prove(client, patron.email)
    client.post(JOIN)
    assert not User.objects.filter(pk=other.pk).exists()
    assert signed_in_as(client) == str(patron.pk)


@pytest.mark.slow
def test_merging_a_staff_account_and_a_patron_account_keeps_the_staff_account(client, staff, patron):
    ask_for_code(client, staff.email)
    enter(client, mailed_code(staff.email))
    HelpSessionFactory(patron=patron)
    prove(client, patron.email)
    client.post(JOIN)
    assert HelpSession.objects.get().patron == staff
    assert signed_in_as(client) == str(staff.pk)


def test_merging_two_staff_accounts_is_refused_with_an_explanation(client, staff, coordinator):
    ask_for_code(client, staff.email)
    enter(client, mailed_code(staff.email))
    prove(client, coordinator.email)
    assert client.get(JOIN)["Location"] == "/me/"
    assert "belongs to another library account" in client.get("/me/").content.decode()
    assert StaffRole.objects.count() == 2


def test_desk_requires_the_second_factor_after_merging_into_a_staff_account(device, staff):
    prove(device, staff.email)
    device.post(JOIN)
    assert signed_in_as(device) == str(staff.pk)
    assert device.get("/desk/")["Location"].startswith("/second-factor/")


@pytest.mark.slow
def test_merge_of_accounts_sends_an_email_and_can_be_undone_by_the_desk(client, patron, coordinator):
    """A stranger with the victim's signed-in device merges the victim's account into the stranger's account."""
    victim, stranger = UserFactory(email="victim@example.org"), patron
    visit = HelpSessionFactory(patron=victim)
    ask_for_code(client, victim.email)
    enter(client, mailed_code(victim.email))
    prove(client, stranger.email)
    assert "The library can undo the merge for 24 hours" in client.get(JOIN).content.decode()
    client.post(JOIN)
    [mail] = Notification.objects.filter(to_address=victim.email, kind="privacy/merged")
    assert "within 24 hours" in mail.text
    assert stranger.email not in mail.text + mail.html
    assert mail.removed
    [joined] = unmerging.can_be_unmerged(stranger, at=timezone.now())
    unmerging.unmerge(joined, by=coordinator, at=timezone.now())
    visit.refresh_from_db()
    assert visit.patron == User.objects.get(email="victim@example.org")
    assert signed_in_as(client) is None


def test_merging_an_account_without_an_email_address_sends_no_email(device, patron):
    prove(device, patron.email)
    device.post(JOIN)
    assert not Notification.objects.filter(kind="privacy/merged").exists()
