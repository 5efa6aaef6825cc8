"""Check invitations to work at a desk."""

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
    """Return the browser of a coordinator of two branches. A third branch has another coordinator."""
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
    """Return the path of the link in the email to noor@example.org."""
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


def sign_in_and_return(browser, link, email="noor@example.org"):
    """Sign in with the code that the invitation page sends, and return the last response."""
    entered = browser.post(link)
    assert entered["Location"] == f"/sign-in/code/?next={link.replace('/', '%2F')}"
    return browser.post(reverse("account_confirm_login_code"), {"code": mailed_code(email), "next": link})


def works_at(email):
    return list(
        StaffRole.objects.filter(user__email=email)
        .order_by("branch__slug")
        .values_list("branch__slug", "role")
    )


# Tests of inviting a person.


def test_coordinator_invites_a_person_to_several_branches(desk, coordinator, branch):
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


def test_invitation_email_uses_the_recipients_language_and_is_emptied_after_delivery(branch, coordinator):
    UserFactory(email="noor@example.org", language="es")
    invite(branch, coordinator)
    (mail,) = mails()
    assert mail.language == "es"
    outbox.mark_delivered(outbox.take_next(at=timezone.now()), at=timezone.now())
    assert Notification.objects.get(pk=mail.pk).text == ""


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Choose at least one branch"),
        ({"at_faraway": "staff"}, "Choose at least one branch"),
        ({"at_hill": "director"}, "Select a valid choice"),
        ({"at_hill": "staff", "email": "noor"}, "Enter the full email address"),
        ({"at_hill": "staff", "name": " "}, "Enter the name that patrons will see"),
        ({"at_hill": "staff", "email": "rosa@example.org"}, "This person already works at Hill"),
        ({"at_hill": "staff", "email": "kim@example.org"}, "This address already has an invitation"),
    ],
)
def test_error_in_a_new_invitation_appears_beside_its_field(desk, staff, branch, coordinator, typed, words):
    roles.give_role(
        staff,
        branch=StaffRole.objects.get(branch__slug="hill").branch,
        role="staff",
        by=coordinator,
        at=timezone.now(),
    )
    InvitationFactory(email="kim@example.org", invited_by=coordinator, branch=branch)
    page = desk.post(reverse("invite"), {**NOOR, **typed}).content.decode()
    assert words in page[page.index('class="field-error"') :]
    assert (Invitation.objects.count(), mails()) == (1, [])


def test_resending_an_invitation_replaces_its_link(desk, client, branch, coordinator):
    old = path(invite(branch, coordinator, at=timezone.now() - datetime.timedelta(days=20)))
    assert "expired" in desk.get(reverse("people")).content.decode()
    page = desk.post(reverse("invite_again", args=[Invitation.objects.get().public_id])).content.decode()
    new = path(re.search(r'value="(http://localhost:8000/invitation/\w{40}/)"', page)[1])
    assert "expired" not in desk.get(reverse("people")).content.decode()
    assert [Client().get(each).status_code for each in (old, new)] == [404, 200]
    assert len(mails()) == 2


def test_withdrawn_invitation_cannot_be_opened(desk, link):
    desk.post(reverse("withdraw_invitation", args=[Invitation.objects.get().public_id]))
    assert Client().get(link).status_code == 404
    assert not Invitation.objects.exists()
    assert AuditEvent.objects.filter(action="withdrew_invitation").exists()


def test_coordinator_cannot_withdraw_an_invitation_to_a_branch_that_they_do_not_manage(
    desk, branch, coordinator
):
    far = StaffRole.objects.get(branch__slug="faraway")
    invitation = InvitationFactory(name="Kim Elsewhere", invited_by=far.user, branch=branch)
    invitation.roles.create(branch=far.branch, role="staff")
    assert "Kim Elsewhere" not in desk.get(reverse("people")).content.decode()
    for name in ("invite_again", "withdraw_invitation"):
        assert desk.post(reverse(name, args=[invitation.public_id])).status_code == 404


@pytest.mark.parametrize("count", [1, 30])
def test_page_of_staff_runs_the_same_number_of_queries_for_any_number_of_invitations(
    desk, branch, coordinator, count, django_assert_num_queries
):
    for _number in range(count):
        InvitationFactory(invited_by=coordinator, branch=branch)
    with django_assert_num_queries(12):
        assert desk.get(reverse("people")).content.decode().count("Noor Bakker</strong>") == count


def test_expired_invitations_are_deleted_after_a_month(branch):
    now = timezone.now()
    InvitationFactory(branch=branch, sent_at=now - datetime.timedelta(days=30))
    kept = InvitationFactory(branch=branch, sent_at=now - datetime.timedelta(days=29))
    invitations.forget_old_invitations(at=now)
    assert list(Invitation.objects.all()) == [kept]


# Tests of accepting an invitation.


@pytest.mark.slow
def test_invited_person_can_accept_and_then_open_the_desk_with_a_second_factor(link, branch):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False):
        Invitation.objects.update(sent_at=timezone.now())
        browser = Client()
        page = browser.get(link).content.decode()
        assert "Ines Coordinator" in page
        assert 'id="accept"' not in page
        assert sign_in_and_return(browser, link)["Location"] == link
        assert 'id="accept"' in browser.get(link).content.decode()
        assert works_at("noor@example.org") == []
        accepted = browser.post(link)
        assert accepted["Location"] == "/desk/"
        assert works_at("noor@example.org") == [(branch.slug, "staff")]
        # The desk doesn't open until the second factor is set up.
        door = browser.get(reverse("desk"))["Location"]
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
def test_opening_an_invitation_link_saves_nothing_and_sends_no_email(link, method):
    sent = Notification.objects.count()
    getattr(Client(), method)(link)
    assert (
        Notification.objects.count(),
        User.objects.filter(email="noor@example.org").count(),
        Session.objects.count(),
    ) == (sent, 0, 0)


def test_person_with_another_address_cannot_accept_an_invitation(link, patron, sign_in):
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


def test_person_with_an_unverified_address_cannot_accept_an_invitation(link, sign_in):
    """Store Noor's address in another patron's record, as a typo at the desk would."""
    other = UserFactory(email="noor@example.org")
    EmailAddress.objects.create(user=other, email=other.email, verified=False, primary=True)
    browser = sign_in(Client(), other)
    assert 'id="accept"' not in browser.get(link).content.decode()
    browser.post(link)
    assert works_at("noor@example.org") == []
    with pytest.raises(invitations.NotTheirs):
        invitations.accept(link.split("/")[2], person=other, at=timezone.now())


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "why", ["run out", "withdrawn", "accepted", "unknown", "its sender left", "its branch is closed"]
)
def test_unusable_invitation_link_shows_no_names_or_addresses(link, why, branch, coordinator, staff, sign_in):
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


def test_invitation_gives_no_role_at_branches_that_the_sender_no_longer_coordinates(
    desk, branch, coordinator, staff
):
    StaffRole.objects.filter(user=staff).update(role="coordinator")
    invitation = InvitationFactory(invited_by=coordinator, branch=branch)
    invitation.roles.create(
        branch=StaffRole.objects.get(branch__slug="hill", user=coordinator).branch, role="staff"
    )
    roles.give_role(coordinator, branch=branch, role="staff", by=staff, at=timezone.now())
    assert list(invitation.roles.values_list("branch__slug", flat=True)) == ["hill"]


# Tests of invited people who already have a record.


@pytest.fixture
def noor(library):
    """Return a patron with a passkey."""
    noor = UserFactory(email="noor@example.org", name="N.")
    PasskeyFactory(person=noor)
    return noor


@pytest.fixture
def devices(noor, sign_in):
    browsers = [sign_in(Client(), noor) for _device in range(2)]
    for browser in browsers:
        UserSession.objects.create(user=noor, session_key=browser.session.session_key, ip="127.0.0.1")
    return browsers


def test_accepting_an_invitation_deletes_earlier_passkeys_and_ends_other_sign_ins(link, noor, devices):
    """The passkeys and sign-ins of a patron may be too weak for a staff member."""
    here, elsewhere = devices
    session = here.session
    session[REAUTHENTICATED_AT] = timezone.now().timestamp()
    session.save()
    assert "your passkeys are removed" in here.get(link).content.decode()
    here.post(link)
    assert works_at("noor@example.org") != []
    assert not noor.passkeys.exists()
    assert elsewhere.get(reverse("me")).wsgi_request.user.is_anonymous
    # The person reauthenticated as a patron. As staff, they must reauthenticate again, by email code.
    assert here.get(reverse("second_factor"))["Location"].startswith("/me/prove/")
    assert here.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")
    told = Notification.objects.filter(
        to_address=noor.email, text__contains="Your earlier passkeys no longer work"
    )
    assert told.count() == 1
    assert User.objects.get(pk=noor.pk).name == "N."


def test_accepting_an_invitation_cancels_a_pending_address_change(branch, coordinator, noor):
    change_in_a_week(noor, email="noor.new@example.org", at=timezone.now())
    invitations.accept(invite(branch, coordinator).split("/")[-2], person=noor, at=timezone.now())
    change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert (User.objects.get(pk=noor.pk).email, AddressChange.objects.count()) == ("noor@example.org", 0)


def test_person_whose_address_changed_cannot_accept_an_invitation_to_the_old_address(
    branch, coordinator, noor
):
    token = invite(branch, coordinator).split("/")[-2]
    User.objects.filter(pk=noor.pk).update(email="other@example.org")
    with pytest.raises(invitations.NotTheirs):
        invitations.accept(token, person=noor, at=timezone.now())
    assert works_at("other@example.org") == []


def test_staff_member_who_joins_another_branch_keeps_passkeys_and_roles_and_sign_ins(
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


def test_returning_staff_member_must_set_up_a_new_second_factor(branch, coordinator, noor):
    StaffRole.objects.create(user=noor, branch=branch)
    Authenticator.objects.create(user=noor, type="totp", data={})
    departures.end_role(noor, branch=branch, by=coordinator, at=timezone.now())
    assert (Authenticator.objects.exists(), noor.passkeys.exists()) == (False, True)
    invitations.accept(invite(branch, coordinator).split("/")[-2], person=noor, at=timezone.now())
    assert not noor.passkeys.exists()
