"""Another address: proven at the new one, and confirmed by the old one or, where nobody reads that any more, in a week."""

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
from tests.processes import at_once

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
    """Sam's browser, just signed in by a code to the address that is to change."""
    return sign_in_by_code(client, patron.email)


@pytest.fixture
def by_passkey(client, patron, sign_in):
    """Sam's browser, where something else has just shown that it is Sam."""
    prove(sign_in(client, patron))
    return client


def sign_in_by_code(client, email):
    ask_for_code(client, email)
    enter(client, mailed_code(email))
    return client


def give_new(browser, email=NEW):
    """The new address, and the code from there."""
    browser.post(CHANGE, {"email": email})
    return browser.post(CHANGE, {"code": mailed_code(email)})


def ask_old(browser, email=OLD):
    """The code that was sent to the old one."""
    browser.post(CHANGE, {"send": "1"})
    return mailed_code(email)


def begin(browser, email=NEW):
    """A change that waits. Returns the link in the mail to the old address."""
    give_new(browser, email)
    browser.post(CHANGE, {"wait": "1"})
    return link_to(OLD)


def link_to(address):
    return re.search(r"/not-me/\w+/", Notification.objects.filter(to_address=address).latest("pk").text)[0]


def address_of(person):
    return User.objects.get(pk=person.pk).email


def mails_to(address):
    """The subjects, without those of codes."""
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


def wait_is_over():
    email_addresses.change_due_addresses(at=timezone.now())


# Before anything.


def test_changing_it_takes_a_proof(client, patron, sign_in):
    sign_in(client, patron)
    for answer in (
        client.get(CHANGE),
        client.post(CHANGE, {"email": NEW}),
        client.post(CHANGE, {"wait": "1"}),
    ):
        assert answer["Location"].startswith("/me/prove/?next=")
    assert not Notification.objects.exists()


def test_the_old_address_stays_until_the_new_one_is_proven(by_code, patron):
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
def test_whose_the_new_address_is_nobody_learns_who_does_not_read_it(by_passkey, is_known):
    """The page is the same until its code is read, whether it opens an account already or not."""
    if is_known:
        UserFactory(email=NEW)
    by_passkey.post(CHANGE, {"email": NEW})
    page = text(by_passkey.get(CHANGE))
    assert "We sent a six-digit code to new@example.org" in page
    assert "Another library account" not in page


# Both ends.


def test_the_old_address_says_yes_by_a_code_that_is_read_in_the_same_browser(by_passkey, patron):
    give_new(by_passkey)
    page = text(by_passkey.get(CHANGE))
    assert "You confirmed new@example.org" in page
    assert "Can you still read email at your old address, sam@example.org ?" in page
    assert address_of(patron) == OLD
    code = ask_old(by_passkey)
    assert by_passkey.post(CHANGE, {"code": "111111" if code != "111111" else "222222"}).status_code == 200
    assert address_of(patron) == OLD
    assert by_passkey.post(CHANGE, {"code": code})["Location"] == ME
    assert address_of(patron) == NEW
    assert mails_to(OLD) == ["Your library account's email address was changed"]
    assert not AddressChange.objects.exists()


def test_a_code_of_the_old_address_works_in_no_other_browser(by_passkey, patron, sign_in):
    other = Client()
    prove(sign_in(other, patron))
    give_new(by_passkey)
    code = ask_old(by_passkey)
    other.post(CHANGE, {"code": code})
    give_new(other, "thief@example.org")
    other.post(CHANGE, {"code": code})
    assert address_of(patron) == OLD


@pytest.mark.parametrize("when", ["at sign-in", "since", "in between"])
def test_whoever_has_just_read_a_code_at_the_old_address_reads_no_second_one(client, patron, sign_in, when):
    if when == "at sign-in":
        sign_in_by_code(client, OLD)
    elif when == "since":
        sign_in(client, patron)
        show_by_mail(client)
    else:
        prove(sign_in(client, patron))
    give_new(client)
    if when == "in between":
        assert address_of(patron) == OLD
        show_by_mail(client)
        assert "It can now replace sam@example.org" in text(client.get(CHANGE))
        assert address_of(patron) == OLD  # to look changes nothing
        client.post(CHANGE)
    assert address_of(patron) == NEW


def show_by_mail(browser):
    browser.post("/me/prove/", {"send": "1"})
    browser.post("/me/prove/", {"code": mailed_code(OLD)})


def test_a_code_of_the_old_address_counts_for_a_quarter_of_an_hour(by_code, patron, clock, sign_in):
    browser = sign_in_by_code(Client(), OLD)
    clock.shift(900)
    prove(browser)
    give_new(browser)
    assert address_of(patron) == OLD
    assert "Can you still read email" in text(browser.get(CHANGE))


def test_a_code_of_another_address_is_not_the_old_ones_word(by_passkey, patron):
    """Of two new addresses, both proven in this session, neither says yes for the old one."""
    give_new(by_passkey, "thief@example.org")
    by_passkey.post(CHANGE, {"another": "1"})
    give_new(by_passkey)
    by_passkey.post(CHANGE)
    assert address_of(patron) == OLD


def test_what_the_old_address_confirmed_is_asked_of_the_one_that_is_theirs_by_now(by_code, patron, clock):
    """A second tab, a second device: between the question and the answer the address has changed."""
    by_code.post(CHANGE, {"email": NEW})
    code = mailed_code(NEW)
    User.objects.filter(pk=patron.pk).update(email="other@example.org")
    EmailAddress.objects.filter(user=patron).update(email="other@example.org")
    by_code.post(CHANGE, {"code": code})
    assert address_of(patron) == "other@example.org"
    assert "Can you still read email at your old address, other@example.org ?" in text(by_code.get(CHANGE))


def test_the_old_address_is_told_without_the_new_one(by_code, patron):
    give_new(by_code)
    mail = Notification.objects.filter(to_address=OLD).latest("pk")
    assert NEW not in mail.text + mail.html + mail.subject
    assert (
        "/not-me/" not in mail.text + mail.html
    )  # it has said yes: whoever reads it later takes nothing back
    assert (mail.recipient, mail.blanked) == (patron, True)  # whoever is erased leaves no old address behind


def test_the_old_address_is_told_in_the_language_of_the_person(patron):
    User.objects.filter(pk=patron.pk).update(language="es")
    email_addresses.change_in_a_week(patron, email=NEW, at=timezone.now())
    assert Notification.objects.get(to_address=OLD).language == "es"


def test_an_address_that_is_anothers_leads_to_the_joining_only_once_the_old_one_said_yes(by_passkey, patron):
    """Or whoever has a card and its PIN would take the whole record into one of their own, past its mailbox."""
    thief = UserFactory(email=NEW)
    give_new(by_passkey)
    assert by_passkey.get("/join-records/").status_code in (302, 404)
    assert access.OTHER_RECORD not in by_passkey.session
    code = ask_old(by_passkey)
    assert by_passkey.post(CHANGE, {"code": code})["Location"] == reverse("merge_records")
    assert by_passkey.session[access.OTHER_RECORD]["other"] == str(thief.public_id)
    assert address_of(patron) == OLD


# In a week.


def test_who_can_no_longer_read_the_old_one_has_the_new_one_in_a_week(by_passkey, patron, clock):
    prove(by_passkey)
    begin(by_passkey)
    assert "Your new address replaces this one on Wednesday 2 December" in text(by_passkey.get(ME))
    assert address_of(patron) == OLD
    assert mails_to(OLD) == ["Your library account's email address is about to change"]
    assert "Wednesday 2 December" in Notification.objects.filter(to_address=OLD).latest("pk").text
    clock.shift(WEEK - 1)
    wait_is_over()
    assert address_of(patron) == OLD
    assert signed_in_as(sign_in_by_code(Client(), OLD)) == str(patron.pk)  # until then it is theirs
    clock.shift(1)
    for _twice in range(2):
        wait_is_over()
    assert address_of(patron) == NEW
    assert list(EmailAddress.objects.filter(user=patron).values_list("email", "verified", "primary")) == [
        (NEW, True, True)
    ]
    assert mails_to(OLD)[1:] == ["Your library account's email address was changed"]
    assert mails_to(NEW) == ["Your library account's new email address"]
    assert events(patron) == ["began_address_change", "changed_address"]
    assert signed_in_as(sign_in_by_code(Client(), NEW)) == str(patron.pk)
    assert not AddressChange.objects.exists()


def test_until_it_is_theirs_no_page_and_no_mail_names_the_new_address(by_passkey, patron):
    """Whoever reads the old one comes in by it, and may be somebody from whom they went away."""
    begin(by_passkey)
    mail = Notification.objects.filter(to_address=OLD).latest("pk")
    viewer = sign_in_by_code(Client(), OLD)
    pages = [viewer.get(path).content.decode() for path in (ME, CHANGE, link_to_stop(mail))]
    copy = str(list(contents.entries(contents.TABLES["address_changes"], patron, timezone.now())))
    assert [NEW in words for words in (*pages, copy, mail.text, mail.html, mail.subject)] == [False] * 7
    assert "A new address replaces this one" in pages[0]
    assert "happens_on" in copy


def link_to_stop(mail):
    return re.search(r"/not-me/\w+/", mail.text)[0]


def test_the_page_me_shows_it_to_its_person_alone_and_they_can_keep_the_old_one(by_passkey, patron, sign_in):
    link = begin(by_passkey)
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


def test_whoever_reads_the_old_one_stops_it_by_a_button(by_passkey, patron):
    elsewhere = sign_in_by_code(Client(), OLD)
    link, viewer = begin(by_passkey), Client()
    assert "Stop the change" in text(viewer.get(link))
    viewer.head(link)
    assert AddressChange.objects.filter(person=patron).exists()  # a scanner that follows links stops nothing
    assert OLD in text(viewer.post(link))
    assert (address_of(patron), AddressChange.objects.count()) == (OLD, 0)
    assert elsewhere.get(reverse("saved")).wsgi_request.user.is_anonymous
    assert mails_to(NEW) == ["A library account's email address was not changed"]
    assert events(patron) == ["began_address_change", "stopped_address_change"]
    assert (viewer.get(link).status_code, viewer.post(link).status_code) == (404, 404)
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == OLD


def test_whoever_stops_it_where_the_account_is_open_is_out_there_too(clock, by_code, patron):
    """Also with what each page writes into the session: the day on which it was used."""
    clock.shift(DAY)
    prove(by_code)
    link = begin(by_code)
    clock.shift(DAY)
    page = by_code.post(link)
    assert (
        page.status_code,
        "Your address was not changed" in text(page),
        page.wsgi_request.user.is_anonymous,
    ) == (200, True, True)
    assert by_code.get(ME).wsgi_request.user.is_anonymous


def test_the_new_address_hears_that_it_was_given_up_as_somebody_else_may_have_done_it(by_passkey, patron):
    """Whoever reads the old one comes in by it."""
    begin(by_passkey)
    viewer = sign_in_by_code(Client(), OLD)
    viewer.post(reverse("keep_address"))
    told = Notification.objects.get(
        to_address=NEW, subject="This email address was not added to a library account"
    )
    assert [OLD in words or patron.name in words for words in (told.text, told.html)] == [False, False]
    begin(by_passkey, "first@example.org")
    begin(by_passkey, "first@example.org")  # once more the same: nothing to say
    assert mails_to("first@example.org") == []
    begin(by_passkey, "second@example.org")
    give_new(viewer, "theirs@example.org")  # the old one has just said yes to this one
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == "theirs@example.org"
    assert [mails_to(f"{which}@example.org") for which in ("new", "first", "second", "theirs")] == [
        [told.subject]
    ] * 3 + [[]]


def test_it_can_be_stopped_for_as_long_as_it_has_not_happened(by_passkey, patron, clock):
    prove(by_passkey)
    link = begin(by_passkey)
    clock.shift(WEEK + DAY)  # the worker was away
    assert Client().get(link).status_code == 200
    wait_is_over()
    assert (Client().get(link).status_code, Client().post(link).status_code) == (404, 404)
    assert address_of(patron) == NEW


def test_stopping_it_ends_the_passkeys_made_since(by_passkey, patron):
    PasskeyFactory(person=patron, name="Own", added_on="2020-01-01")
    PasskeyFactory(name="Somebody else's")
    link = begin(by_passkey)
    PasskeyFactory(person=patron, name="The thief's")
    Client().post(link)
    assert set(Passkey.objects.values_list("name", flat=True)) == {"Own", "Somebody else's"}


def test_only_a_fingerprint_of_the_link_is_kept(by_passkey):
    token = begin(by_passkey).split("/")[2]
    assert token not in str(AddressChange.objects.values())


def test_of_two_that_were_begun_the_later_one_waits_and_the_week_begins_anew(by_passkey, patron, clock):
    prove(by_passkey)
    first = begin(by_passkey)
    clock.shift(6 * DAY)
    prove(by_passkey)
    second = begin(by_passkey, "newer@example.org")
    assert (Client().get(first).status_code, Client().get(second).status_code) == (404, 200)
    clock.shift(DAY)
    wait_is_over()
    assert address_of(patron) == OLD
    clock.shift(6 * DAY)
    wait_is_over()
    assert address_of(patron) == "newer@example.org"


def test_a_change_that_is_confirmed_ends_the_one_that_waits(by_passkey, patron):
    link = begin(by_passkey, "first@example.org")
    give_new(by_passkey)
    by_passkey.post(CHANGE, {"code": ask_old(by_passkey)})
    assert (address_of(patron), AddressChange.objects.count()) == (NEW, 0)
    assert Client().post(link).status_code == 404
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == NEW


def test_each_one_that_waits_takes_a_code_of_its_own_and_there_are_five_a_day(by_passkey, patron):
    begin(by_passkey)
    by_passkey.post(CHANGE, {"wait": "1"})  # once more: the code is used up
    assert len(mails_to(OLD)) == 1
    for number in range(4):
        begin(by_passkey, f"new{number}@example.org")
    give_new(by_passkey, "sixth@example.org")
    assert by_passkey.post(CHANGE, {"wait": "1"}).status_code == 429
    assert len(mails_to(OLD)) == 5


def test_an_address_that_becomes_anothers_in_that_very_moment_is_asked_for_again(
    by_code, patron, monkeypatch
):
    by_code.post(CHANGE, {"email": NEW})
    code = mailed_code(NEW)
    other = UserFactory(email=NEW)
    with monkeypatch.context() as nobody_has_it_yet:
        nobody_has_it_yet.setattr(email_addresses, "_require_free", lambda email, person: None)
        assert by_code.post(CHANGE, {"code": code})["Location"] == CHANGE
    assert (address_of(patron), address_of(other)) == (OLD, NEW)
    assert by_code.post(CHANGE)["Location"] == reverse("merge_records")


def test_an_address_that_opens_another_account_at_the_end_of_the_week_is_taken_from_nobody(
    by_passkey, patron, clock
):
    prove(by_passkey)
    begin(by_passkey)
    clock.shift(WEEK)
    other = UserFactory(email=NEW)
    EmailAddress.objects.create(user=other, email=NEW, verified=True, primary=True)
    for _twice in range(2):
        wait_is_over()
    assert (address_of(patron), address_of(other)) == (OLD, NEW)
    assert not AddressChange.objects.exists()
    assert (mails_to(OLD)[1:], mails_to(NEW)) == (["A library account's email address was not changed"],) * 2
    assert OLD not in Notification.objects.filter(to_address=NEW).latest("pk").text


def test_an_address_that_opens_another_account_already_waits_for_nothing(by_passkey, patron):
    UserFactory(email=NEW)
    give_new(by_passkey)
    by_passkey.post(CHANGE, {"wait": "1"})
    assert "staff at any desk can merge the two accounts" in text(by_passkey.get(ME))
    assert (AddressChange.objects.count(), mails_to(OLD)) == (0, [])


def test_a_sign_in_that_was_begun_with_the_new_address_and_never_finished_is_nobodys(by_passkey, patron):
    begin(by_passkey)
    ask_for_code(Client(), NEW)  # by its owner, who cannot wait
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == NEW


def test_a_sign_in_that_begins_with_it_at_that_very_moment_puts_it_off_and_nobody_elses(patron, monkeypatch):
    at = timezone.now() - AddressChange.WAITS
    email_addresses.change_in_a_week(patron, email=NEW, at=at)
    other = UserFactory(email="other@example.org")
    email_addresses.change_in_a_week(other, email="newer@example.org", at=at)
    free = email_addresses._require_free

    def freed_and_taken(email, person):
        free(email, person)
        if email == NEW:
            people.person_with_address(NEW, at=timezone.now())

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(email_addresses, "_require_free", freed_and_taken)
        wait_is_over()
    assert (address_of(patron), address_of(other)) == (OLD, "newer@example.org")
    wait_is_over()
    assert address_of(patron) == NEW


# Who has no old address to ask, and who works at a desk.


def test_a_mistyped_address_has_no_word_in_it(client, patron, sign_in):
    """The desk wrote it, nobody ever read a code there: whoever does is a stranger."""
    EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=False)
    sign_in(client, patron)
    client.post("/me/prove/", {"confirm": "1"})
    give_new(client)
    assert address_of(patron) == NEW
    assert not Notification.objects.filter(to_address=OLD).exists()


def test_the_same_address_again_changes_nothing(by_passkey, patron):
    give_new(by_passkey, OLD)
    assert (address_of(patron), mails_to(OLD), AddressChange.objects.count()) == (OLD, [], 0)


def test_a_person_without_address_needs_no_proof_but_the_code(client, library, sign_in):
    person = people.person_without_address(at=timezone.now(), language="en")
    give_new(sign_in(client, person))
    assert (address_of(person), events(person)) == (NEW, ["joined_without_address", "added_address"])


def test_staff_confirm_at_both_ends_or_ask_a_coordinator(client, staff, sign_in):
    prove(sign_in(client, staff))
    give_new(client)
    assert "Ask a coordinator to invite you" in text(client.get(CHANGE))
    client.post(CHANGE, {"wait": "1"})
    assert (AddressChange.objects.count(), address_of(staff)) == (0, staff.email)
    with pytest.raises(email_addresses.NotByWaiting):
        email_addresses.change_in_a_week(staff, email=NEW, at=timezone.now())
    client.post(CHANGE, {"code": ask_old(client, staff.email)})
    assert address_of(staff) == NEW


def test_a_change_that_waits_ends_with_the_first_role(by_passkey, patron, branch, coordinator):
    """It was begun by what is too weak a proof for staff."""
    link = begin(by_passkey)
    roles.give_role(patron, branch=branch, role="staff", by=coordinator, at=timezone.now())
    assert Client().post(link).status_code == 404
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert address_of(patron) == OLD


# Who cannot read the old mailbox shows in another way that it is them.


@pytest.fixture
def with_card(client, patron, sign_in, monkeypatch):
    """Sam's browser, signed in long ago; Sam has a library card as well."""
    monkeypatch.setattr("accounts.views.reauthenticate.library_ils", fake.Fake)
    LibraryCard.objects.create(person=patron, ils_id=KNOWN.ils_id, barcode=KNOWN.card, seen_at=timezone.now())
    return sign_in(client, patron)


def test_the_pin_of_a_card_shows_that_it_is_them_and_the_old_mailbox_keeps_its_word(with_card, patron):
    page = with_card.get("/me/prove/?next=/me/address/").content.decode()
    [way] = re.findall(r'href="(\?by=card&amp;next=[^"]*)"', page)
    prove_page = "/me/prove/" + way.replace("&amp;", "&")
    assert "ending in <bdi>1001</bdi>" in with_card.get(prove_page).content.decode()
    assert with_card.post(prove_page, {"pin": "9999"}).status_code == 200
    assert with_card.post(prove_page, {"pin": KNOWN.pin})["Location"] == CHANGE
    give_new(with_card)
    assert address_of(patron) == OLD
    assert not Notification.objects.filter(to_address=OLD).exists()


@pytest.mark.parametrize("by", ["card", "sign_on", "device", ""])
def test_no_other_way_is_a_weaker_one(client, patron, staff, sign_in, by):
    """Who has no card and no single sign-on is asked for the code, whatever the address says; so are staff who have them."""
    LibraryCard.objects.create(person=staff, ils_id=KNOWN.ils_id, barcode=KNOWN.card, seen_at=timezone.now())
    for person in (patron, staff):
        browser = sign_in(Client(), person, **({"second_factor": False} if person == staff else {}))
        page = f"/me/prove/?by={by}"
        assert f"Send a code to {person.email}" in browser.get(page).content.decode()
        for fields in ({"confirm": "1"}, {"pin": KNOWN.pin}, {"sign_on": "1"}):
            browser.post(page, fields)
        assert browser.get(CHANGE)["Location"].startswith("/me/prove/")


# What else becomes of a change that waits.


def test_a_record_for_which_another_address_waits_is_not_joined_away(by_passkey, patron):
    """Or whoever reads the old one would stop what is nobody's any more."""
    begin(by_passkey)
    other = UserFactory()
    with pytest.raises(CannotMerge):
        merge_people(patron, other, by=other, at=timezone.now())
    assert User.objects.filter(pk=patron.pk).exists()
    by_passkey.post(reverse("keep_address"))
    merge_people(patron, other, by=other, at=timezone.now())
    assert not User.objects.filter(pk=patron.pk).exists()


def test_a_copy_says_that_it_waits(by_passkey, patron, clock):
    prove(by_passkey)
    begin(by_passkey)
    email_addresses.change_in_a_week(
        UserFactory(email="else@example.org"), email="elses@example.org", at=timezone.now()
    )
    rows = list(contents.entries(contents.TABLES["address_changes"], patron, timezone.now()))
    assert [(row["begun_at"], row["happens_on"]) for row in rows] == [
        ("2026-11-25T09:00:00+00:00", "2026-12-02")
    ]


def test_erasing_takes_it_and_the_mails_to_both_addresses(by_passkey, patron):
    begin(by_passkey)
    erasure.erase(patron, language="en", at=timezone.now())
    assert list(Notification.objects.filter(to_address__in=[OLD, NEW]).exclude(kind="privacy/erased")) == []
    assert not AddressChange.objects.exists()
    email_addresses.change_due_addresses(at=timezone.now() + AddressChange.WAITS)
    assert not User.objects.filter(email=NEW).exists()


def test_what_was_sent_to_an_address_that_never_became_theirs_rests_nowhere(by_passkey, patron):
    """No erasure would know it for theirs."""
    by_passkey.post(CHANGE, {"email": "mistyped@example.org"})
    by_passkey.post(CHANGE, {"another": "1"})
    begin(by_passkey)
    by_passkey.post(reverse("keep_address"))
    while mail := outbox.take_next(at=timezone.now()):
        outbox.mark_delivered(mail, at=timezone.now())
    assert set(Notification.objects.values_list("to_address", flat=True)) == {OLD}


# Several at once.


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
class TestAtOnce:
    """It happens or it doesn't, whoever comes first, and once."""

    @pytest.fixture
    def begun(self, patron):
        """begun() begins a change that is due. Returns the token of the mail to the old address."""

        def begun():
            Notification.objects.all().delete()
            EmailAddress.objects.filter(user=patron).delete()
            User.objects.filter(pk=patron.pk).update(email=OLD)
            email_addresses.change_in_a_week(patron, email=NEW, at=timezone.now() - AddressChange.WAITS)
            return link_to(OLD).split("/")[2]

        return begun

    def test_two_workers_and_whoever_stops_it(self, patron, begun):
        for _round in range(times(5, 20)):
            token, at = begun(), timezone.now()
            worker = partial(email_addresses.change_due_addresses, at=at)
            outcomes = at_once(
                worker,
                worker,
                lambda token=token, at=at: email_addresses.stop_change(token, at=at) and "stopped",
            )
            made = address_of(patron) == NEW
            assert outcomes == [None, None, "UnknownChange" if made else "stopped"]
            assert len(mails_to(NEW)) == 1
            assert mails_to(OLD)[1:] == (["Your library account's email address was changed"] if made else [])
            assert not AddressChange.objects.exists()

    def test_the_worker_and_a_person_who_keeps_the_old_one_or_is_erased(self, patron, begun):
        for _round in range(times(4, 10)):
            begun()
            _none, kept = at_once(
                partial(email_addresses.change_due_addresses, at=timezone.now()),
                partial(email_addresses.keep_address, patron, at=timezone.now()),
            )
            assert address_of(patron) == (OLD if kept else NEW)
        begun()
        outcomes = at_once(
            partial(email_addresses.change_due_addresses, at=timezone.now()),
            lambda: bool(erasure.erase(patron, language="en", at=timezone.now())),
        )
        assert outcomes == [None, True]
        assert (User.objects.count(), AddressChange.objects.count()) == (0, 0)

    def test_two_people_who_wait_for_one_address(self, patron, begun):
        """And somebody who begins to sign in with it: one of all has it, and nobody loses what they had."""
        for _round in range(times(4, 10)):
            begun()
            other = UserFactory(email="other@example.org")
            email_addresses.change_in_a_week(other, email=NEW, at=timezone.now() - AddressChange.WAITS)
            worker = partial(email_addresses.change_due_addresses, at=timezone.now())
            assert at_once(
                worker, worker, lambda: bool(people.person_with_address(NEW, at=timezone.now()))
            ) == [None, None, True]
            wait_is_over()
            assert sorted([address_of(patron), address_of(other)]) in ([NEW, "other@example.org"], [NEW, OLD])
            assert User.objects.filter(email=NEW).count() == 1
            other.delete()

    def test_a_role_that_comes_while_one_begins(self, patron, branch, coordinator):
        for _round in range(times(4, 10)):
            StaffRole.objects.filter(user=patron).delete()
            at = timezone.now()
            _began, given = at_once(
                lambda at=at: email_addresses.change_in_a_week(patron, email=NEW, at=at).pk,
                partial(roles.give_role, patron, branch=branch, role="staff", by=coordinator, at=at),
            )
            assert (given, AddressChange.objects.count()) == (None, 0)

    def test_two_tabs(self, patron):
        """The one has the old address's word, the other waits: what is made is what was confirmed."""
        for _round in range(times(4, 10)):
            EmailAddress.objects.filter(user=patron).delete()
            User.objects.filter(pk=patron.pk).update(email=OLD)
            at = timezone.now()
            at_once(
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
