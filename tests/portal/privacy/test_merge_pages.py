"""Two accounts of one person, found by proving an address that has another: offered, and made one by a button."""

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
    """The browser of Noor, whom it alone knows, with a visit kept there."""
    client.person = people.person_without_address(at=timezone.now(), name="Noor", language="en")
    client.visit = HelpSessionFactory(patron=client.person)
    return sign_in(client, client.person)


def prove(browser, email):
    """The address, and then that it is still them."""
    browser.post(reverse("add_address"), {"email": email})
    browser.post(reverse("add_address"), {"code": mailed_code(email)})
    browser.post("/me/prove/", {"confirm": "1"})


def test_what_is_on_the_device_comes_into_the_account_of_the_address(device, patron):
    HelpSessionFactory(patron=patron)
    prove(device, patron.email)
    page = device.get(JOIN).content.decode()
    assert "1 visit" in page
    assert patron.email in page
    assert HelpSession.objects.filter(patron=patron).count() == 1  # looking moves nothing
    before = device.session.session_key
    assert device.post(JOIN)["Location"] == "/"
    assert HelpSession.objects.filter(patron=patron).count() == 2
    assert not User.objects.filter(pk=device.person.pk).exists()
    assert signed_in_as(device) == str(patron.pk)
    assert device.session.session_key != before
    assert "now one" in device.get("/").content.decode()


def test_nothing_is_joined_without_a_proof_from_both_sides(device, patron):
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


def test_the_proof_of_the_other_side_is_this_persons_and_does_not_last(device, patron, sign_in, time_machine):
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


def test_two_addresses_leave_the_one_just_proven(client, patron):
    other = UserFactory(email="other@example.org")
    ask_for_code(client, other.email)
    enter(client, mailed_code(other.email))
    prove(client, patron.email)
    client.post(JOIN)
    assert not User.objects.filter(pk=other.pk).exists()
    assert signed_in_as(client) == str(patron.pk)


def test_somebody_who_works_at_a_desk_takes_the_other_account_in(client, staff, patron):
    ask_for_code(client, staff.email)
    enter(client, mailed_code(staff.email))
    HelpSessionFactory(patron=patron)
    prove(client, patron.email)
    client.post(JOIN)
    assert HelpSession.objects.get().patron == staff
    assert signed_in_as(client) == str(staff.pk)


def test_two_who_work_at_desks_are_told_that_it_cannot_be_done_here(client, staff, coordinator):
    ask_for_code(client, staff.email)
    enter(client, mailed_code(staff.email))
    prove(client, coordinator.email)
    assert client.get(JOIN)["Location"] == "/me/"
    assert "opens another library account" in client.get("/me/").content.decode()
    assert StaffRole.objects.count() == 2


def test_joining_into_an_account_of_staff_opens_no_desk(device, staff):
    prove(device, staff.email)
    device.post(JOIN)
    assert signed_in_as(device) == str(staff.pk)
    assert device.get("/desk/")["Location"].startswith("/second-factor/")


def test_the_address_that_ends_is_told_and_for_a_day_the_desk_can_part_them(client, patron, coordinator):
    """Whoever holds somebody's device for a moment may have an account of their own to take all of it into."""
    other = UserFactory(email="other@example.org")
    visit = HelpSessionFactory(patron=other)
    ask_for_code(client, other.email)
    enter(client, mailed_code(other.email))
    prove(client, patron.email)
    assert "The library can undo this for 24 hours" in client.get(JOIN).content.decode()
    client.post(JOIN)
    [mail] = Notification.objects.filter(to_address=other.email, kind="privacy/merged")
    assert "within 24 hours" in mail.text
    assert patron.email not in mail.text + mail.html
    assert mail.removed
    [joined] = unmerging.can_be_unmerged(patron, at=timezone.now())
    unmerging.unmerge(joined, by=coordinator, at=timezone.now())
    visit.refresh_from_db()
    assert visit.patron == User.objects.get(email="other@example.org")
    assert signed_in_as(client) is None


def test_what_was_on_a_device_alone_has_nobody_to_tell(device, patron):
    prove(device, patron.email)
    device.post(JOIN)
    assert not Notification.objects.filter(kind="privacy/merged").exists()
