"""Test how people change the email address of their account.

The person enters a code that was sent to the new address. The address then changes after a week. If the
person also enters a code that was sent to the old address, the address changes immediately.
"""

import re
from functools import partial

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.ils import fake
from accounts.models import AddressChange, AuditEvent, LibraryCard, Passkey, StaffRole, User
from accounts.patron import people
from accounts.sign_in import access, email_addresses
from accounts.staff import roles
from portal.notifications import actions as outbox
from portal.notifications.models import Notification
from portal.privacy import contents, erasure
from portal.privacy.merging import CannotMerge, merge_people
from tests.accounts.test_passkeys import prove
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code, signed_in_as
from tests.extent import times
from tests.factories import PasskeyFactory, UserFactory
from tests.portal.pages import text
from tests.processes import run_simultaneously

pytestmark = pytest.mark.django_db
OLD, NEW = "sam@example.org", "new@example.org"
CHANGE, ME = "/me/address/", "/me/"
DAY, WEEK = 86400, 7 * 86400
KNOWN = fake.CARDS[0]


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def by_code(client, patron):
    """Return Sam's browser, which just signed in with a code sent to the old address."""
    return sign_in_by_code(client, patron.email)


@pytest.fixture
def by_passkey(client, patron, sign_in):
    """Return Sam's browser, which just reauthenticated, but not with a code sent to the old address."""
    prove(sign_in(client, patron))
    return client


def sign_in_by_code(client, email):
    ask_for_code(client, email)
    enter(client, mailed_code(email))
    return client


def enter_new_address(browser, email=NEW):
    """Enter the new address and the code sent to it."""
    browser.post(CHANGE, {"email": email})
    return browser.post(CHANGE, {"code": mailed_code(email)})


def code_from_old_address(browser, email=OLD):
    """Request a code for the old address and return it."""
    browser.post(CHANGE, {"send": "1"})
    return mailed_code(email)


def begin_pending_change(browser, email=NEW):
    """Begin a pending change. Return the link in the email to the old address."""
    enter_new_address(browser, email)
    browser.post(CHANGE, {"wait": "1"})
    return link_to(OLD)


def link_to(address):
    return re.search(r"/not-me/\w+/", Notification.objects.filter(to_address=address).latest("pk").text)[0]


def address_of(person):
    return User.objects.get(pk=person.pk).email


def subjects_to(address):
    """Return the subjects of the emails to an address, except emails with codes."""
    mails = (
        Notification.objects.filter(to_address=address)
        .exclude(subject__startswith="Your code")
        .order_by("pk")
    )
    return [mail.subject for mail in mails]


def events(person):
    return list(
        AuditEvent.objects.filter(patron=person, action__contains="address")
        .order_by("pk")
        .values_list("action", flat=True)
    )


def make_due_changes():
    email_addresses.change_due_addresses(at=timezone.now())


# Tests of verifying the new address.


def test_changing_the_address_requires_reauthentication(client, patron, sign_in):
    sign_in(client, patron)
    for answer in (
        client.get(CHANGE),
        client.post(CHANGE, {"email": NEW}),
        client.post(CHANGE, {"wait": "1"}),
    ):
        assert answer["Location"].startswith("/me/prove/?next=")
    assert not Notification.objects.exists()


def test_email_address_changes_only_after_the_new_address_is_verified(by_code, patron):
    by_code.post(CHANGE, {"email": NEW})
    code = mailed_code(NEW)
    by_code.post(CHANGE, {"wait": "1"})
    by_code.post(CHANGE, {"code": "111111" if code != "111111" else "222222"})
    assert (address_of(patron), AddressChange.objects.count()) == (OLD, 0)
    by_code.post(CHANGE, {"code": code})
    assert address_of(patron) == NEW
    assert list(EmailAddress.objects.filter(user=patron).values_list("email", "verified", "primary")) == [
        (NEW, True, True)
    ]
    assert events(patron) == ["changed_address"]
    assert signed_in_as(sign_in_by_code(Client(), NEW)) == str(patron.pk)


@pytest.mark.parametrize("is_known", [True, False])
def test_address_change_page_does_not_reveal_whether_an_address_has_an_account(by_passkey, is_known):
    """Show the same page for used and unused addresses until the code is entered."""
    if is_known:
        UserFactory(email=NEW)
    by_passkey.post(CHANGE, {"email": NEW})
    page = text(by_passkey.get(CHANGE))
    assert "We sent a six-digit code to new@example.org" in page
    assert "Another library account" not in page


def test_long_email_addresses_can_wrap_on_every_page(client, patron, sign_in):
    old, new = (f"{name}<wbr>@example<wbr>.org" for name in ("sam", "new"))

    def missing(address, *wanted, browser=client):
        html = browser.get(address).content.decode()
        return [each for each in wanted if each not in html]

    sign_in(client, patron)
    client.post("/me/prove/", {"send": "1"})
    assert missing("/me/prove/", old) == []
    prove(client)
    assert missing(CHANGE, old) == []
    client.post(CHANGE, {"email": NEW})
    assert missing(CHANGE, new) == []
    client.post(CHANGE, {"code": mailed_code(NEW)})
    assert missing(CHANGE, new, old) == []
    client.post(CHANGE, {"send": "1"})
    assert missing(CHANGE, old) == []
    client.post(CHANGE, {"wait": "1"})
    assert missing(link_to(OLD), old) == []
    signed_out = Client()
    code_page = ask_for_code(signed_out, OLD)["Location"]
    # The address ends a sentence. The "." is in the same element as the address, and the style sheet keeps
    # them together, so that no line begins with the ".".
    assert missing(code_page, f"{old}.</strong>", browser=signed_out) == []
    assert not [mail for mail in Notification.objects.all() if "<wbr>" in mail.text]


# Tests of confirming a change from the old address.


def test_code_sent_to_the_old_address_confirms_an_address_change(by_passkey, patron):
    enter_new_address(by_passkey)
    page = text(by_passkey.get(CHANGE))
    assert "You confirmed new@example.org" in page
    assert "Can you still read email at your old address, sam@example.org?" in page
    assert address_of(patron) == OLD
    code = code_from_old_address(by_passkey)
    assert by_passkey.post(CHANGE, {"code": "111111" if code != "111111" else "222222"}).status_code == 200
    assert address_of(patron) == OLD
    assert by_passkey.post(CHANGE, {"code": code})["Location"] == ME
    assert address_of(patron) == NEW
    assert subjects_to(OLD) == ["Your library account's email address was changed"]
    assert not AddressChange.objects.exists()


def test_code_sent_to_the_old_address_is_refused_in_another_browser(by_passkey, patron, sign_in):
    other = Client()
    prove(sign_in(other, patron))
    enter_new_address(by_passkey)
    code = code_from_old_address(by_passkey)
    other.post(CHANGE, {"code": code})
    enter_new_address(other, "thief@example.org")
    other.post(CHANGE, {"code": code})
    assert address_of(patron) == OLD


@pytest.mark.parametrize("when", ["at sign-in", "since", "in between"])
def test_address_change_needs_no_second_code_if_the_old_address_was_verified_recently(
    client, patron, sign_in, when
):
    if when == "at sign-in":
        sign_in_by_code(client, OLD)
    elif when == "since":
        sign_in(client, patron)
        reauthenticate_by_code(client)
    else:
        prove(sign_in(client, patron))
    enter_new_address(client)
    if when == "in between":
        assert address_of(patron) == OLD
        reauthenticate_by_code(client)
        assert "It can now replace sam@example.org" in text(client.get(CHANGE))
        # Opening the page does not change the address. Only its button does.
        assert address_of(patron) == OLD
        client.post(CHANGE)
    assert address_of(patron) == NEW


def reauthenticate_by_code(browser):
    browser.post("/me/prove/", {"send": "1"})
    browser.post("/me/prove/", {"code": mailed_code(OLD)})


def test_code_sent_to_the_old_address_confirms_no_change_after_15_minutes(by_code, patron, clock, sign_in):
    browser = sign_in_by_code(Client(), OLD)
    clock.shift(900)
    prove(browser)
    enter_new_address(browser)
    assert address_of(patron) == OLD
    assert "Can you still read email" in text(browser.get(CHANGE))


def test_codes_sent_to_two_new_addresses_do_not_confirm_an_address_change(by_passkey, patron):
    """Verify two new addresses in one session. Neither code counts as a code sent to the old address."""
    enter_new_address(by_passkey, "thief@example.org")
    by_passkey.post(CHANGE, {"another": "1"})
    enter_new_address(by_passkey)
    by_passkey.post(CHANGE)
    assert address_of(patron) == OLD


def test_code_sent_to_a_former_address_cannot_confirm_an_address_change(clock, by_code, patron):
    """Change the address in another tab while the browser waits for the code sent to the new address."""
    by_code.post(CHANGE, {"email": NEW})
    code = mailed_code(NEW)
    User.objects.filter(pk=patron.pk).update(email="other@example.org")
    EmailAddress.objects.filter(user=patron).update(email="other@example.org")
    by_code.post(CHANGE, {"code": code})
    assert address_of(patron) == "other@example.org"
    assert "Can you still read email at your old address, other@example.org?" in text(by_code.get(CHANGE))


def test_email_sent_to_the_old_address_does_not_contain_the_new_address(by_code, patron):
    enter_new_address(by_code)
    mail = Notification.objects.filter(to_address=OLD).latest("pk")
    assert NEW not in mail.text + mail.html + mail.subject
    # A code sent to the old address confirmed the change, so this email has no link to stop the change.
    assert "/not-me/" not in mail.text + mail.html
    # The patron is the recipient of this email. If the patron is erased, the email is deleted too.
    assert (mail.recipient, mail.blanked) == (patron, True)


def test_email_to_the_old_address_uses_the_patrons_language(patron):
    User.objects.filter(pk=patron.pk).update(language="es")
    email_addresses.change_in_a_week(patron, email=NEW, at=timezone.now())
    assert Notification.objects.get(to_address=OLD).language == "es"


def test_patron_must_enter_a_code_sent_to_the_old_address_before_merging_records(by_passkey, patron):
    """Require the code, because a thief who has the patron's card and PIN can't read the old mailbox.

    Without the code, the thief could merge the patron's record into the thief's own record.
    """
    thief = UserFactory(email=NEW)
    enter_new_address(by_passkey)
    assert by_passkey.get("/join-records/").status_code in (302, 404)
    assert access.OTHER_RECORD not in by_passkey.session
    code = code_from_old_address(by_passkey)
    assert by_passkey.post(CHANGE, {"code": code})["Location"] == reverse("merge_records")
    assert by_passkey.session[access.OTHER_RECORD]["other"] == str(thief.public_id)
    assert address_of(patron) == OLD


# Tests of changes that wait for a week.


@pytest.mark.slow
def test_unconfirmed_address_change_takes_effect_after_a_week(by_passkey, patron, clock):
    prove(by_passkey)
    begin_pending_change(by_passkey)
    assert "Your new address replaces the old one on Wednesday, December 2" in text(by_passkey.get(ME))
    assert address_of(patron) == OLD
    assert subjects_to(OLD) == ["Your library account's email address is about to change"]
    assert "Wednesday, December 2" in Notification.objects.filter(to_address=OLD).latest("pk").text
    clock.shift(WEEK - 1)
    make_due_changes()
    assert address_of(patron) == OLD
    # The old address works until the change happens.
    assert signed_in_as(sign_in_by_code(Client(), OLD)) == str(patron.pk)
    clock.shift(1)
    for _twice in range(2):
        make_due_changes()
    assert address_of(patron) == NEW
    assert list(EmailAddress.objects.filter(user=patron).values_list("email", "verified", "primary")) == [
        (NEW, True, True)
    ]
    assert subjects_to(OLD)[1:] == ["Your library account's email address was changed"]
    assert subjects_to(NEW) == ["Your library account's new email address"]
    assert events(patron) == ["began_address_change", "changed_address"]
    assert signed_in_as(sign_in_by_code(Client(), NEW)) == str(patron.pk)
    assert not AddressChange.objects.exists()


def test_new_address_of_a_pending_change_is_hidden_on_pages_and_in_emails(by_passkey, patron):
    """An abuser may be able to read the old mailbox, and could use the new address to find the patron."""
    begin_pending_change(by_passkey)
    mail = Notification.objects.filter(to_address=OLD).latest("pk")
    viewer = sign_in_by_code(Client(), OLD)
    pages = [viewer.get(path).content.decode() for path in (ME, CHANGE, link_to_stop(mail))]
    copy = str(list(contents.entries(contents.TABLES["address_changes"], patron, timezone.now())))
    assert [NEW in text for text in (*pages, copy, mail.text, mail.html, mail.subject)] == [False] * 7
    assert "A new address replaces this one" in pages[0]
    assert "happens_on" in copy


def link_to_stop(mail):
    return re.search(r"/not-me/\w+/", mail.text)[0]


def test_patron_can_see_and_cancel_only_their_own_pending_address_change(by_passkey, patron, sign_in):
    link = begin_pending_change(by_passkey)
    other = sign_in(Client(), UserFactory(email="else@example.org"))
    assert [
        reverse("keep_address") in browser.get(ME).content.decode() for browser in (by_passkey, other)
    ] == [True, False]
    other.post(reverse("keep_address"))
    assert AddressChange.objects.filter(person=patron).exists()
    assert by_passkey.get(reverse("keep_address")).status_code == 405
    by_passkey.post(reverse("keep_address"))
    assert reverse("keep_address") not in by_passkey.get(ME).content.decode()
    assert Client().post(link).status_code == 404
    assert (address_of(patron), events(patron)) == (OLD, ["began_address_change", "gave_up_address_change"])
    assert signed_in_as(by_passkey) == str(patron.pk)
    by_passkey.post(reverse("keep_address"))
    assert events(patron)[2:] == []


def test_link_in_the_email_opens_a_page_that_can_stop_the_address_change(by_passkey, patron):
    elsewhere = sign_in_by_code(Client(), OLD)
    link, viewer = begin_pending_change(by_passkey), Client()
    assert "Stop the change" in text(viewer.get(link))
    viewer.head(link)
    # A mail scanner that opens the link does not stop the change.
    assert AddressChange.objects.filter(person=patron).exists()
    assert OLD in text(viewer.post(link))
    assert (address_of(patron), AddressChange.objects.count()) == (OLD, 0)
    assert elsewhere.get(reverse("saved")).wsgi_request.user.is_anonymous
    assert subjects_to(NEW) == ["A library account's email address was not changed"]
    assert events(patron) == ["began_address_change", "stopped_address_change"]
    assert (viewer.get(link).status_code, viewer.post(link).status_code) == (404, 404)
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == OLD


def test_browser_that_stops_an_address_change_is_signed_out(clock, by_code, patron):
    """The first request of a day also updates the session. This update must not undo the sign-out."""
    clock.shift(DAY)
    prove(by_code)
    link = begin_pending_change(by_code)
    clock.shift(DAY)
    page = by_code.post(link)
    assert (
        page.status_code,
        "Your address was not changed" in text(page),
        page.wsgi_request.user.is_anonymous,
    ) == (200, True, True)
    assert by_code.get(ME).wsgi_request.user.is_anonymous


@pytest.mark.slow
def test_canceled_address_change_sends_an_email_to_the_new_address(by_passkey, patron):
    """The person who canceled the change may be a stranger who reads the old mailbox."""
    begin_pending_change(by_passkey)
    viewer = sign_in_by_code(Client(), OLD)
    viewer.post(reverse("keep_address"))
    notice = Notification.objects.get(
        to_address=NEW, subject="This email address was not added to a library account"
    )
    assert [OLD in text or patron.name in text for text in (notice.text, notice.html)] == [False, False]
    begin_pending_change(by_passkey, "first@example.org")
    # If the patron begins a change to the same address again, that address gets no email about a canceled
    # change.
    begin_pending_change(by_passkey, "first@example.org")
    assert subjects_to("first@example.org") == []
    begin_pending_change(by_passkey, "second@example.org")
    # The viewer signed in with a code sent to the old address, so this change happens without another code.
    enter_new_address(viewer, "theirs@example.org")
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == "theirs@example.org"
    assert [subjects_to(f"{which}@example.org") for which in ("new", "first", "second", "theirs")] == [
        [notice.subject]
    ] * 3 + [[]]


def test_overdue_address_change_can_be_stopped_until_the_worker_makes_the_change(by_passkey, patron, clock):
    prove(by_passkey)
    link = begin_pending_change(by_passkey)
    # The worker doesn't run for a day, so the change is overdue.
    clock.shift(WEEK + DAY)
    assert Client().get(link).status_code == 200
    make_due_changes()
    assert (Client().get(link).status_code, Client().post(link).status_code) == (404, 404)
    assert address_of(patron) == NEW


def test_stopping_an_address_change_deletes_passkeys_added_since_the_change_began(by_passkey, patron):
    PasskeyFactory(person=patron, name="Own", added_on="2020-01-01")
    PasskeyFactory(name="Somebody else's")
    link = begin_pending_change(by_passkey)
    PasskeyFactory(person=patron, name="The thief's")
    Client().post(link)
    assert set(Passkey.objects.values_list("name", flat=True)) == {"Own", "Somebody else's"}


def test_token_for_stopping_an_address_change_is_not_stored_in_plain_text(by_passkey):
    token = begin_pending_change(by_passkey).split("/")[2]
    assert token not in str(AddressChange.objects.values())


def test_second_address_change_replaces_the_first_change_and_waits_a_full_week(by_passkey, patron, clock):
    prove(by_passkey)
    first = begin_pending_change(by_passkey)
    clock.shift(6 * DAY)
    prove(by_passkey)
    second = begin_pending_change(by_passkey, "newer@example.org")
    assert (Client().get(first).status_code, Client().get(second).status_code) == (404, 200)
    clock.shift(DAY)
    make_due_changes()
    assert address_of(patron) == OLD
    clock.shift(6 * DAY)
    make_due_changes()
    assert address_of(patron) == "newer@example.org"


def test_confirmed_address_change_cancels_an_earlier_pending_change(by_passkey, patron):
    link = begin_pending_change(by_passkey, "first@example.org")
    enter_new_address(by_passkey)
    by_passkey.post(CHANGE, {"code": code_from_old_address(by_passkey)})
    assert (address_of(patron), AddressChange.objects.count()) == (NEW, 0)
    assert Client().post(link).status_code == 404
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == NEW


@pytest.mark.slow
def test_pending_address_changes_are_limited_to_five_a_day(by_passkey, patron):
    begin_pending_change(by_passkey)
    # Choosing to wait a second time does nothing, because the code is used up.
    by_passkey.post(CHANGE, {"wait": "1"})
    assert len(subjects_to(OLD)) == 1
    for number in range(4):
        begin_pending_change(by_passkey, f"new{number}@example.org")
    enter_new_address(by_passkey, "sixth@example.org")
    assert by_passkey.post(CHANGE, {"wait": "1"}).status_code == 429
    assert len(subjects_to(OLD)) == 5


def test_patron_is_offered_a_merge_if_another_account_just_took_the_new_address(by_code, patron, monkeypatch):
    by_code.post(CHANGE, {"email": NEW})
    code = mailed_code(NEW)
    other = UserFactory(email=NEW)
    with monkeypatch.context() as without_check:
        without_check.setattr(email_addresses, "_require_free", lambda email, person: None)
        assert by_code.post(CHANGE, {"code": code})["Location"] == CHANGE
    assert (address_of(patron), address_of(other)) == (OLD, NEW)
    assert by_code.post(CHANGE)["Location"] == reverse("merge_records")


def test_pending_address_change_is_canceled_if_another_account_took_the_new_address(
    by_passkey, patron, clock
):
    prove(by_passkey)
    begin_pending_change(by_passkey)
    clock.shift(WEEK)
    other = UserFactory(email=NEW)
    EmailAddress.objects.create(user=other, email=NEW, verified=True, primary=True)
    for _twice in range(2):
        make_due_changes()
    assert (address_of(patron), address_of(other)) == (OLD, NEW)
    assert not AddressChange.objects.exists()
    assert (subjects_to(OLD)[1:], subjects_to(NEW)) == (
        ["A library account's email address was not changed"],
    ) * 2
    assert OLD not in Notification.objects.filter(to_address=NEW).latest("pk").text


def test_pending_change_to_the_address_of_another_account_is_refused(by_passkey, patron):
    UserFactory(email=NEW)
    enter_new_address(by_passkey)
    by_passkey.post(CHANGE, {"wait": "1"})
    assert "staff at any desk can merge the two accounts" in text(by_passkey.get(ME))
    assert (AddressChange.objects.count(), subjects_to(OLD)) == (0, [])


def test_unfinished_sign_in_with_the_new_address_does_not_block_an_address_change(by_passkey, patron):
    begin_pending_change(by_passkey)
    # The patron tries to sign in with the new address before the change takes effect.
    ask_for_code(Client(), NEW)
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == NEW


def test_address_change_takes_effect_even_if_another_pending_change_is_delayed(patron, monkeypatch):
    at = timezone.now() - AddressChange.WAITS
    email_addresses.change_in_a_week(patron, email=NEW, at=at)
    other = UserFactory(email="other@example.org")
    email_addresses.change_in_a_week(other, email="newer@example.org", at=at)
    free = email_addresses._require_free

    def check_and_take(email, person):
        free(email, person)
        if email == NEW:
            people.person_with_address(NEW, at=timezone.now())

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(email_addresses, "_require_free", check_and_take)
        make_due_changes()
    assert (address_of(patron), address_of(other)) == (OLD, "newer@example.org")
    make_due_changes()
    assert address_of(patron) == NEW


# Tests of patrons without a verified address, and of staff.


def test_address_change_needs_no_confirmation_from_an_unverified_old_address(client, patron, sign_in):
    """Send nothing to an unverified address that staff typed. Its owner may be a stranger."""
    EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=False)
    sign_in(client, patron)
    client.post("/me/prove/", {"confirm": "1"})
    enter_new_address(client)
    assert address_of(patron) == NEW
    assert not Notification.objects.filter(to_address=OLD).exists()


def test_entering_the_current_address_as_the_new_address_changes_nothing(by_passkey, patron):
    enter_new_address(by_passkey, OLD)
    assert (address_of(patron), subjects_to(OLD), AddressChange.objects.count()) == (OLD, [], 0)


def test_patron_without_an_address_can_add_an_address_with_a_single_code(client, library, sign_in):
    person = people.person_without_address(at=timezone.now(), language="en")
    enter_new_address(sign_in(client, person))
    assert (address_of(person), events(person)) == (NEW, ["joined_without_address", "added_address"])


def test_staff_can_change_their_address_only_with_a_code_sent_to_the_old_address(client, staff, sign_in):
    prove(sign_in(client, staff))
    enter_new_address(client)
    assert "Ask a coordinator to invite you" in text(client.get(CHANGE))
    client.post(CHANGE, {"wait": "1"})
    assert (AddressChange.objects.count(), address_of(staff)) == (0, staff.email)
    with pytest.raises(email_addresses.NotByWaiting):
        email_addresses.change_in_a_week(staff, email=NEW, at=timezone.now())
    client.post(CHANGE, {"code": code_from_old_address(client, staff.email)})
    assert address_of(staff) == NEW


def test_pending_address_change_is_canceled_when_the_patron_gets_a_staff_role(
    by_passkey, patron, branch, coordinator
):
    """Staff can change their address only with a code sent to the old address."""
    link = begin_pending_change(by_passkey)
    roles.give_role(patron, branch=branch, role="staff", by=coordinator, at=timezone.now())
    assert Client().post(link).status_code == 404
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == OLD


# Tests of reauthentication without the old mailbox.


@pytest.fixture
def with_card(client, patron, sign_in, monkeypatch):
    """Return Sam's browser, which signed in long ago. Sam also has a library card."""
    monkeypatch.setattr("accounts.views.reauthenticate.library_ils", fake.Fake)
    LibraryCard.objects.create(person=patron, ils_id=KNOWN.ils_id, barcode=KNOWN.card, seen_at=timezone.now())
    return sign_in(client, patron)


@pytest.mark.slow
def test_card_pin_reauthenticates_a_patron_but_does_not_confirm_an_address_change(with_card, patron):
    page = with_card.get("/me/prove/?next=/me/address/").content.decode()
    [way] = re.findall(r'href="(\?by=card&amp;next=[^"]*)"', page)
    prove_page = "/me/prove/" + way.replace("&amp;", "&")
    assert "ending in <bdi>1001</bdi>" in with_card.get(prove_page).content.decode()
    assert with_card.post(prove_page, {"pin": "9999"}).status_code == 200
    assert with_card.post(prove_page, {"pin": KNOWN.pin})["Location"] == CHANGE
    enter_new_address(with_card)
    assert address_of(patron) == OLD
    assert not Notification.objects.filter(to_address=OLD).exists()


@pytest.mark.parametrize("by", ["card", "sign_on", "device", ""])
def test_person_reauthenticates_by_email_code_if_the_method_in_the_url_is_unavailable(
    client, patron, staff, sign_in, by
):
    """Use a URL that names no method, or a method that neither the patron nor the staff member can use."""
    LibraryCard.objects.create(person=staff, ils_id=KNOWN.ils_id, barcode=KNOWN.card, seen_at=timezone.now())
    for person in (patron, staff):
        browser = sign_in(Client(), person, **({"second_factor": False} if person == staff else {}))
        page = f"/me/prove/?by={by}"
        html = browser.get(page).content.decode()
        assert f"Send a code to {person.email}" in html.replace("<wbr>", "")
        for fields in ({"confirm": "1"}, {"pin": KNOWN.pin}, {"sign_on": "1"}):
            browser.post(page, fields)
        assert browser.get(CHANGE)["Location"].startswith("/me/prove/")


# Tests of merging, copying and erasing a record with a pending address change.


def test_record_with_a_pending_address_change_cannot_be_merged(by_passkey, patron):
    """A merge would break the link that lets the patron stop the address change."""
    begin_pending_change(by_passkey)
    other = UserFactory()
    with pytest.raises(CannotMerge):
        merge_people(patron, other, by=other, at=timezone.now())
    assert User.objects.filter(pk=patron.pk).exists()
    by_passkey.post(reverse("keep_address"))
    merge_people(patron, other, by=other, at=timezone.now())
    assert not User.objects.filter(pk=patron.pk).exists()


def test_copy_of_a_patrons_data_includes_a_pending_address_change(by_passkey, patron, clock):
    prove(by_passkey)
    begin_pending_change(by_passkey)
    email_addresses.change_in_a_week(
        UserFactory(email="else@example.org"), email="elses@example.org", at=timezone.now()
    )
    rows = list(contents.entries(contents.TABLES["address_changes"], patron, timezone.now()))
    assert [(row["begun_at"], row["happens_on"]) for row in rows] == [
        ("2026-11-25T09:00:00+00:00", "2026-12-02")
    ]


def test_erasing_a_patron_deletes_the_pending_address_change_and_related_emails(by_passkey, patron):
    begin_pending_change(by_passkey)
    erasure.erase(patron, language="en", at=timezone.now())
    assert list(Notification.objects.filter(to_address__in=[OLD, NEW]).exclude(kind="privacy/erased")) == []
    assert not AddressChange.objects.exists()
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert not User.objects.filter(email=NEW).exists()


def test_emails_to_an_unconfirmed_new_address_are_deleted_after_delivery(by_passkey, patron):
    """An erasure can't find these emails, because it looks only for emails to the patron's own addresses."""
    by_passkey.post(CHANGE, {"email": "mistyped@example.org"})
    by_passkey.post(CHANGE, {"another": "1"})
    begin_pending_change(by_passkey)
    by_passkey.post(reverse("keep_address"))
    while mail := outbox.take_next(at=timezone.now()):
        outbox.mark_delivered(mail, at=timezone.now())
    assert set(Notification.objects.values_list("to_address", flat=True)) == {OLD}


# Tests of simultaneous changes of one address.


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
class TestAtOnce:
    """Tests of address changes that several processes make at the same time."""

    @pytest.fixture
    def begin_due_change(self, patron):
        """Return begin_due_change(), which creates a pending change that is already due.

        begin_due_change() returns the token from the email to the old address.
        """

        def begin_due_change():
            Notification.objects.all().delete()
            EmailAddress.objects.filter(user=patron).delete()
            User.objects.filter(pk=patron.pk).update(email=OLD)
            email_addresses.change_in_a_week(patron, email=NEW, at=timezone.now() - AddressChange.WAITS)
            return link_to(OLD).split("/")[2]

        return begin_due_change

    def test_address_change_cannot_be_made_and_stopped_at_the_same_time(self, patron, begin_due_change):
        for _round in range(times(5, 50)):
            token, at = begin_due_change(), timezone.now()
            worker = partial(email_addresses.change_due_addresses, at=at)
            outcomes = run_simultaneously(
                worker,
                worker,
                lambda token=token, at=at: email_addresses.stop_change(token, at=at) and "stopped",
            )
            made = address_of(patron) == NEW
            assert outcomes == [None, None, "UnknownChange" if made else "stopped"]
            assert len(subjects_to(NEW)) == 1
            assert subjects_to(OLD)[1:] == (
                ["Your library account's email address was changed"] if made else []
            )
            assert not AddressChange.objects.exists()

    def test_address_change_cannot_be_made_and_canceled_at_the_same_time(self, patron, begin_due_change):
        for _round in range(times(4, 50)):
            begin_due_change()
            _none, kept = run_simultaneously(
                partial(email_addresses.change_due_addresses, at=timezone.now()),
                partial(email_addresses.keep_address, patron, at=timezone.now()),
            )
            assert address_of(patron) == (OLD if kept else NEW)

    def test_erasing_a_person_while_their_address_changes_deletes_the_person_and_the_change(
        self, patron, begin_due_change
    ):
        begin_due_change()
        outcomes = run_simultaneously(
            partial(email_addresses.change_due_addresses, at=timezone.now()),
            lambda: bool(erasure.erase(patron, language="en", at=timezone.now())),
        )
        assert outcomes == [None, True]
        assert (User.objects.count(), AddressChange.objects.count()) == (0, 0)

    @pytest.mark.core
    def test_only_one_of_several_people_can_take_the_same_address(self, patron, begin_due_change):
        """Make two address changes and a sign-in compete for one address, which only one of them gets."""
        for _round in range(times(4, 50)):
            begin_due_change()
            other = UserFactory(email="other@example.org")
            email_addresses.change_in_a_week(other, email=NEW, at=timezone.now() - AddressChange.WAITS)
            worker = partial(email_addresses.change_due_addresses, at=timezone.now())
            assert run_simultaneously(
                worker, worker, lambda: bool(people.person_with_address(NEW, at=timezone.now()))
            ) == [None, None, True]
            make_due_changes()
            assert sorted([address_of(patron), address_of(other)]) in ([NEW, "other@example.org"], [NEW, OLD])
            assert User.objects.filter(email=NEW).count() == 1
            other.delete()

    def test_pending_address_change_is_canceled_if_the_person_becomes_staff_simultaneously(
        self, patron, branch, coordinator
    ):
        for _round in range(times(4, 50)):
            StaffRole.objects.filter(user=patron).delete()
            at = timezone.now()
            _began, given = run_simultaneously(
                lambda at=at: email_addresses.change_in_a_week(patron, email=NEW, at=at).pk,
                partial(roles.give_role, patron, branch=branch, role="staff", by=coordinator, at=at),
            )
            assert (given, AddressChange.objects.count()) == (None, 0)

    def test_confirmed_address_change_takes_effect_despite_a_simultaneous_pending_change(self, patron):
        """Start two confirmed changes and one pending change at the same time. One confirmed change wins."""
        for _round in range(times(4, 50)):
            EmailAddress.objects.filter(user=patron).delete()
            User.objects.filter(pk=patron.pk).update(email=OLD)
            at = timezone.now()
            run_simultaneously(
                partial(email_addresses.change_address, patron, email=NEW, verified={OLD, NEW}, at=at),
                partial(
                    email_addresses.change_address,
                    patron,
                    email="newer@example.org",
                    verified={OLD, "newer@example.org"},
                    at=at,
                ),
                lambda at=at: email_addresses.change_in_a_week(patron, email="waits@example.org", at=at).pk,
            )
            assert address_of(patron) in (NEW, "newer@example.org")
            AddressChange.objects.all().delete()
