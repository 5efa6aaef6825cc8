"""Somebody is invited to work at a desk. The link alone makes nobody staff."""

import datetime
import re

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AddressChange, AuditEvent, Invitation, StaffRole, User
from accounts.sign_in.access import REAUTHENTICATED_AT
from accounts.sign_in.email_addresses import change_due_addresses, change_in_a_week
from accounts.staff import invitations, roles
from portal.conversations import departures
from portal.notifications import actions as outbox
from portal.notifications.models import Notification
from tests.accounts.test_second_factor import app_code
from tests.accounts.test_sign_in import mailed_code
from tests.factories import BranchFactory, InvitationFactory, PasskeyFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

NOOR = {
    "name": "Noor Bakker",
    "email": "Noor@Example.org",
    "language": "es",
    "at_harbour-main": "no",
    "at_hill": "no",
}


@pytest.fixture
def desk(client, coordinator, sign_in):
    """The coordinator's browser; another branch is theirs as well, and a third is not."""
    StaffRole.objects.create(
        user=coordinator, branch=BranchFactory(name="Hill", slug="hill"), role="coordinator"
    )
    StaffFactory(
        name="Far Coordinator",
        branch=BranchFactory(name="Faraway", slug="faraway"),
        branch__role="coordinator",
    )
    return sign_in(client, coordinator)


@pytest.fixture
def link(branch, coordinator):
    """As in the mail to noor@example.org."""
    return path(invite(branch, coordinator))


def invite(branch, by, *, email="noor@example.org", role="staff", at=None):
    at = at or timezone.now()
    return invitations.invite(
        name="Noor Bakker", email=email, language="en", at_branches={branch: role}, by=by, at=at
    )


def path(link):
    return re.sub(r"^https?://[^/]+", "", link)


def mails():
    return [mail for mail in Notification.objects.order_by("pk") if "/invitation/" in mail.text]


def come_in(browser, link, email="noor@example.org"):
    """From the link, by the code that it sends, back to the link."""
    entered = browser.post(link)
    assert entered["Location"] == f"/sign-in/code/?next={link.replace('/', '%2F')}"
    return browser.post(reverse("account_confirm_login_code"), {"code": mailed_code(email), "next": link})


def works_at(email):
    return list(
        StaffRole.objects.filter(user__email=email)
        .order_by("branch__slug")
        .values_list("branch__slug", "role")
    )


# What a coordinator does.


def test_somebody_is_invited_to_several_branches(desk, coordinator, branch):
    page = desk.post(
        reverse("invite"),
        {**NOOR, f"at_{branch.slug}": "staff", "at_hill": "coordinator", "at_faraway": "coordinator"},
    ).content.decode()
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.name, invitation.invited_by) == (
        "noor@example.org",
        "Noor Bakker",
        coordinator,
    )
    assert list(invitation.roles.values_list("branch__slug", "role")) == [
        (branch.slug, "staff"),
        ("hill", "coordinator"),
    ]
    assert works_at("noor@example.org") == []
    assert not User.objects.filter(email="noor@example.org").exists()
    shown = re.search(r'value="(http://localhost:8000/invitation/\w{40}/)"', page)[1]
    (mail,) = mails()
    assert (mail.to_address, mail.language, mail.blanked, shown in mail.text) == (
        "noor@example.org",
        "es",
        True,
        True,
    )
    assert path(shown).split("/")[2] not in str(Invitation.objects.values())
    people = desk.get(reverse("people")).content.decode()
    assert ("Noor Bakker" in people, "Sent by Ines Coordinator" in people, shown in people) == (
        True,
        True,
        False,
    )
    assert shown not in desk.get(reverse("invite")).content.decode()


def test_the_mail_is_in_the_language_that_somebody_known_has_chosen_and_empty_once_delivered(
    branch, coordinator
):
    UserFactory(email="noor@example.org", language="es")
    invite(branch, coordinator)
    (mail,) = mails()
    assert mail.language == "es"
    outbox.mark_delivered(outbox.take_next(at=timezone.now()), at=timezone.now())
    assert Notification.objects.get(pk=mail.pk).text == ""


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Choose at least one branch"),
        ({"at_faraway": "staff"}, "Choose at least one branch"),
        ({"at_hill": "director"}, "Select a valid choice"),
        ({"at_hill": "staff", "email": "noor"}, "Enter the full email address"),
        ({"at_hill": "staff", "name": " "}, "Enter the name that patrons will see"),
        ({"at_hill": "staff", "email": "rosa@example.org"}, "They already work at Hill"),
        ({"at_hill": "staff", "email": "kim@example.org"}, "This address is already invited"),
    ],
)
def test_what_is_wrong_with_an_invitation_is_said_beside_the_field(
    desk, staff, branch, coordinator, typed, words
):
    roles.give_role(
        staff,
        branch=StaffRole.objects.get(branch__slug="hill").branch,
        role="staff",
        by=coordinator,
        at=timezone.now(),
    )
    InvitationFactory(email="kim@example.org", invited_by=coordinator, branch=branch)
    page = desk.post(reverse("invite"), {**NOOR, **typed})
    assert words in page.content.decode()
    assert (Invitation.objects.count(), mails()) == (1, [])


def test_sent_again_the_new_link_works_and_the_old_one_no_longer(desk, client, branch, coordinator):
    old = path(invite(branch, coordinator, at=timezone.now() - datetime.timedelta(days=20)))
    assert "expired" in desk.get(reverse("people")).content.decode()
    page = desk.post(reverse("invite_again", args=[Invitation.objects.get().public_id])).content.decode()
    new = path(re.search(r'value="(http://localhost:8000/invitation/\w{40}/)"', page)[1])
    assert "expired" not in desk.get(reverse("people")).content.decode()
    assert [Client().get(each).status_code for each in (old, new)] == [404, 200]
    assert len(mails()) == 2


def test_withdrawn_it_opens_nothing(desk, link):
    desk.post(reverse("withdraw_invitation", args=[Invitation.objects.get().public_id]))
    assert Client().get(link).status_code == 404
    assert not Invitation.objects.exists()
    assert AuditEvent.objects.filter(action="withdrew_invitation").exists()


def test_one_that_names_a_branch_of_somebody_elses_is_theirs_to_withdraw(desk, branch, coordinator):
    far = StaffRole.objects.get(branch__slug="faraway")
    invitation = InvitationFactory(name="Kim Elsewhere", invited_by=far.user, branch=branch)
    invitation.roles.create(branch=far.branch, role="staff")
    assert "Kim Elsewhere" not in desk.get(reverse("people")).content.decode()
    for name in ("invite_again", "withdraw_invitation"):
        assert desk.post(reverse(name, args=[invitation.public_id])).status_code == 404


@pytest.mark.parametrize("count", [1, 30])
def test_the_list_costs_the_same_however_many_are_invited(
    desk, branch, coordinator, count, django_assert_num_queries
):
    for _number in range(count):
        InvitationFactory(invited_by=coordinator, branch=branch)
    with django_assert_num_queries(12):
        assert desk.get(reverse("people")).content.decode().count("Noor Bakker</strong>") == count


def test_what_ran_out_goes_after_a_month(branch):
    now = timezone.now()
    InvitationFactory(branch=branch, sent_at=now - datetime.timedelta(days=30))
    kept = InvitationFactory(branch=branch, sent_at=now - datetime.timedelta(days=29))
    invitations.forget_old_invitations(at=now)
    assert list(Invitation.objects.all()) == [kept]


# What the link opens.


def test_somebody_new_comes_in_by_the_code_accepts_and_sets_up_what_opens_the_desk(link, branch):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False):
        Invitation.objects.update(sent_at=timezone.now())
        browser = Client()
        page = browser.get(link).content.decode()
        assert "Ines Coordinator" in page
        assert 'id="accept"' not in page
        assert come_in(browser, link)["Location"] == link
        assert 'id="accept"' in browser.get(link).content.decode()
        assert works_at("noor@example.org") == []
        accepted = browser.post(link)
        assert accepted["Location"] == "/desk/"
        assert works_at("noor@example.org") == [(branch.slug, "staff")]
        door = browser.get(reverse("desk"))["Location"]  # nothing works before
        assert door == "/second-factor/?next=%2Fdesk%2F"
        secret = re.search(r"<code dir=\"ltr\">([A-Z2-7 ]+)</code>", browser.get(door).content.decode())[
            1
        ].replace(" ", "")
        browser.post(reverse("second_factor"), {"code": app_code(secret), "next": "/desk/"})
        assert browser.get(reverse("desk")).status_code == 200
    noor = User.objects.get(email="noor@example.org")
    assert (noor.name, Invitation.objects.count()) == ("Noor Bakker", 0)
    assert set(AuditEvent.objects.filter(patron=noor).values_list("action", flat=True)) >= {
        "accepted_invitation",
        "made_staff",
    }
    used = browser.get(link)
    assert (used.status_code, "Go to the desk" in used.content.decode()) == (404, True)


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_writes_nothing_and_sends_nothing(link, method):
    sent = Notification.objects.count()
    getattr(Client(), method)(link)
    assert (
        Notification.objects.count(),
        User.objects.filter(email="noor@example.org").count(),
        Session.objects.count(),
    ) == (sent, 0, 0)


def test_whoever_holds_a_forwarded_link_and_reads_another_mailbox_gets_nowhere(link, patron, sign_in):
    stranger = sign_in(Client(), patron)
    page = stranger.get(link).content.decode()
    assert ('id="accept"' in page, 'id="sign-out-first"' in page) == (False, True)
    answer = stranger.post(link)
    assert answer["Location"] == link
    assert stranger.get(link).wsgi_request.user.is_anonymous
    stranger.post(link)
    assert (
        stranger.post(reverse("account_confirm_login_code"), {"code": "000000", "next": link}).status_code
        == 200
    )
    assert (works_at("sam@example.org"), works_at("noor@example.org")) == ([], [])
    assert Invitation.objects.exists()


def test_an_address_that_the_desk_wrote_down_and_nobody_read_a_code_at_is_no_proof(link, sign_in):
    """Somebody at the desk mistyped Noor's address into the record of a patron who comes in by card."""
    other = UserFactory(email="noor@example.org")
    EmailAddress.objects.create(user=other, email=other.email, verified=False, primary=True)
    browser = sign_in(Client(), other)
    assert 'id="accept"' not in browser.get(link).content.decode()
    browser.post(link)
    assert works_at("noor@example.org") == []
    with pytest.raises(invitations.NotTheirs):
        invitations.accept(link.split("/")[2], person=other, at=timezone.now())


@pytest.mark.parametrize(
    "why", ["run out", "withdrawn", "accepted", "unknown", "its sender left", "its branch is closed"]
)
def test_a_link_that_no_longer_works_says_so_and_nothing_of_anybody(
    link, why, branch, coordinator, staff, sign_in
):
    noor = UserFactory(email="noor@example.org", name="Noor")
    if why == "run out":
        Invitation.objects.update(sent_at=timezone.now() - datetime.timedelta(days=7, seconds=1))
    elif why == "withdrawn":
        invitations.withdraw(Invitation.objects.get(), by=coordinator, at=timezone.now())
    elif why == "accepted":
        invitations.accept(link.split("/")[2], person=noor, at=timezone.now())
        StaffRole.objects.filter(user=noor).delete()
    elif why == "unknown":
        link = reverse("invitation", args=["0" * 40])
    elif why == "its sender left":
        StaffRole.objects.filter(user=staff).update(role="coordinator")
        departures.end_role(coordinator, branch=branch, by=staff, at=timezone.now())
    else:
        branch.closed_at = timezone.now()
        branch.save()
    browser = sign_in(Client(), noor)
    answer = browser.post(link)
    assert answer.status_code == 404
    assert works_at("noor@example.org") == []
    for page in (answer, Client().get(link)):
        assert not {"Bakker", "noor@example.org", "Ines"} & set(
            re.findall(r"[\w@.]+", page.content.decode().replace(noor.name, ""))
        )


def test_a_coordinator_who_is_one_no_longer_at_one_branch_invites_there_no_more(
    desk, branch, coordinator, staff
):
    StaffRole.objects.filter(user=staff).update(role="coordinator")
    invitation = InvitationFactory(invited_by=coordinator, branch=branch)
    invitation.roles.create(
        branch=StaffRole.objects.get(branch__slug="hill", user=coordinator).branch, role="staff"
    )
    roles.give_role(coordinator, branch=branch, role="staff", by=staff, at=timezone.now())
    assert list(invitation.roles.values_list("branch__slug", flat=True)) == ["hill"]


# Whoever was a patron before.


@pytest.fixture
def noor(library):
    """A patron with a passkey, who is signed in on two devices."""
    noor = UserFactory(email="noor@example.org", name="N.")
    PasskeyFactory(person=noor)
    return noor


@pytest.fixture
def devices(noor, sign_in):
    browsers = [sign_in(Client(), noor) for _device in range(2)]
    for browser in browsers:
        UserSession.objects.create(user=noor, session_key=browser.session.session_key, ip="127.0.0.1")
    return browsers


def test_what_let_a_patron_in_opens_no_desk(link, noor, devices):
    """A passkey, a sign-in elsewhere, a proof by the PIN of a card: each of them weaker than what staff need."""
    here, elsewhere = devices
    session = here.session
    session[REAUTHENTICATED_AT] = timezone.now().timestamp()
    session.save()
    assert "your passkeys are removed" in here.get(link).content.decode()
    here.post(link)
    assert works_at("noor@example.org") != []
    assert not noor.passkeys.exists()
    assert elsewhere.get(reverse("me")).wsgi_request.user.is_anonymous
    assert here.get(reverse("second_factor"))["Location"].startswith(
        "/me/prove/"
    )  # a code first, whatever was shown before
    assert here.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")
    told = Notification.objects.filter(
        to_address=noor.email, text__contains="Your earlier passkeys no longer work"
    )
    assert told.count() == 1
    assert User.objects.get(pk=noor.pk).name == "N."


def test_a_change_of_address_that_waits_ends_with_the_first_role(branch, coordinator, noor):
    change_in_a_week(noor, email="noor.new@example.org", at=timezone.now())
    invitations.accept(invite(branch, coordinator).split("/")[-2], person=noor, at=timezone.now())
    change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert (User.objects.get(pk=noor.pk).email, AddressChange.objects.count()) == ("noor@example.org", 0)


def test_whose_address_has_changed_since_the_page_was_opened_accepts_nothing(branch, coordinator, noor):
    token = invite(branch, coordinator).split("/")[-2]
    User.objects.filter(pk=noor.pk).update(email="other@example.org")
    with pytest.raises(invitations.NotTheirs):
        invitations.accept(token, person=noor, at=timezone.now())
    assert works_at("other@example.org") == []


def test_staff_who_are_invited_elsewhere_keep_what_opens_the_desk_and_are_made_nothing_less(
    branch, coordinator, noor, sign_in, devices
):
    hill = BranchFactory(name="Hill", slug="hill")
    StaffRole.objects.create(user=noor, branch=branch, role="coordinator")
    token = invite(branch, coordinator).split("/")[-2]
    Invitation.objects.get().roles.create(branch=hill, role="staff")
    invitations.accept(token, person=noor, at=timezone.now(), here=devices[0].session.session_key)
    assert works_at("noor@example.org") == [(branch.slug, "coordinator"), ("hill", "staff")]
    assert noor.passkeys.exists()
    assert devices[1].get(reverse("me")).wsgi_request.user.is_authenticated


def test_whoever_left_and_comes_back_sets_up_anew(branch, coordinator, noor):
    StaffRole.objects.create(user=noor, branch=branch)
    Authenticator.objects.create(user=noor, type="totp", data={})
    departures.end_role(noor, branch=branch, by=coordinator, at=timezone.now())
    assert (Authenticator.objects.exists(), noor.passkeys.exists()) == (False, True)
    invitations.accept(invite(branch, coordinator).split("/")[-2], person=noor, at=timezone.now())
    assert not noor.passkeys.exists()
