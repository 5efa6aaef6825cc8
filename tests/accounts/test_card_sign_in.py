"""Check the pages for signing in with card and PIN. The ILS adapters have tests in tests/accounts/ils/."""

import logging
import uuid
from dataclasses import replace
from urllib.parse import quote

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.forms import library_cards as forms
from accounts.ils import fake
from accounts.ils.base import Misconfigured, Patron, Unavailable
from accounts.ils.koha import Koha
from accounts.models import AuditEvent, BranchCode, LibraryCard, RefusedPost, User
from accounts.sign_in.library_cards import person_with_card
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions.models import HelpSession
from portal.privacy.merging import merge_people
from tests.accounts.ils.servers import LOGIN, PASSWORD, Card, KohaServer
from tests.accounts.test_sign_in import mailed_code
from tests.factories import BranchFactory, HelpSessionFactory, code_for

pytestmark = pytest.mark.django_db

KNOWN, NEW, BLOCKED, EXPIRED, CHILD = fake.CARDS


@pytest.fixture(autouse=True)
def _no_waiting(library, monkeypatch):
    monkeypatch.setattr(forms, "REFUSAL_INTERVAL", 0.001)


@pytest.fixture
def ils(monkeypatch):
    """Return a fake ILS.

    If `ils.error` is set, `ils.check` raises it. `ils.asked` is the list of the cards that were checked.
    """

    class Ils(fake.Fake):
        asked, error = [], None

        def check(self, card, pin, **options):
            self.asked = [*self.asked, card]
            if self.error:
                raise self.error
            return super().check(card, pin, **options)

    ils = Ils()
    monkeypatch.setattr("accounts.views.card_sign_in.library_ils", lambda: ils)
    return ils


def sign_in(client, card=KNOWN, **other):
    return client.post(reverse("card_sign_in"), {"card": card.card, "pin": card.pin, **other})


def person_in(client):
    found = client.session.get("_auth_user_id")
    return User.objects.get(pk=found) if found else None


def html_of(response):
    return response.content.decode()


def test_first_card_sign_in_creates_a_record_that_the_next_sign_in_reuses(client):
    assert sign_in(client)["Location"] == "/"
    person = person_in(client)
    assert (person.name, person.email, person.has_usable_password()) == (KNOWN.name, None, False)
    assert [event.action for event in AuditEvent.objects.filter(patron=person)] == ["joined_by_card"]
    other = Client()
    sign_in(other)
    assert person_in(other) == person
    assert LibraryCard.objects.count() == User.objects.count() == 1


def test_replacement_card_opens_the_record_of_the_old_card(client, ils):
    sign_in(client)
    ils.cards = [fake.Card("20009999", "8888", KNOWN.ils_id, KNOWN.name)]
    other = Client()
    sign_in(other, ils.cards[0])
    assert person_in(other) == person_in(client)
    assert LibraryCard.objects.get().barcode == "20009999"
    assert "card number and PIN don't match" in html_of(sign_in(Client(), KNOWN)).replace("&#x27;", "'")


def test_card_sign_in_updates_patron_group_and_home_branch(client, ils, branch):
    east = BranchFactory(name="Eastside", slug="eastside")
    BranchCode.objects.create(code="EAST", branch=east)
    BranchCode.objects.create(code="XYZ", met=3)
    for code, group, expected in [
        ("Harbour Main", "ADULT", branch),
        ("harbour-main", "CHILD", branch),
        ("EAST", "ADULT", east),
        ("east", "ADULT", east),
        ("XYZ", "", None),
        ("", "", None),
    ]:
        ils.cards = [fake.Card("1", "1", "7", "Sam", home_branch=code, group=group)]
        sign_in(Client(), ils.cards[0])
        card = LibraryCard.objects.get()
        assert (card.home_branch, card.patron_group) == (expected, group)


def test_card_of_a_merged_record_opens_the_remaining_record(client, patron):
    sign_in(client)
    merge_people(person_in(client), patron, by=patron, at=timezone.now())
    other = Client()
    sign_in(other)
    assert person_in(other) == patron


def test_card_sign_in_does_not_replace_the_name_that_the_patron_chose_in_the_portal(client, ils):
    sign_in(client)
    User.objects.update(name="Del")
    sign_in(Client())
    assert User.objects.get().name == "Del"


def test_email_address_from_the_ils_is_suggested_but_does_not_open_an_account(client, ils, patron):
    """The address from the ILS is stored as unverified, so it opens no account.

    In the ILS, a card can have an existing patron's address. The card doesn't open that patron's account. A
    code sent to a card's address doesn't open the account of the person who signed in with the card.
    """
    ils.cards = [
        fake.Card("1", "1", "7", "Sam Again", email=patron.email.upper()),
        fake.Card("2", "2", "8", "Kim", email="kim@example.org"),
    ]
    sign_in(client, ils.cards[0])
    assert person_in(client) != patron
    assert patron.library_cards.count() == 0
    kim = Client()
    sign_in(kim, ils.cards[1])
    assert person_in(kim).email is None
    assert [
        (row.email, row.verified, row.primary) for row in EmailAddress.objects.filter(user=person_in(kim))
    ] == [("kim@example.org", False, False)]
    Client().post(reverse("sign_in"), {"email": "kim@example.org"})
    assert User.objects.get(email="kim@example.org") != person_in(kim)


def test_new_email_address_in_the_ils_replaces_the_suggested_address(client, ils):
    for email, offered in [
        ("kim@example.org", ["kim@example.org"]),
        ("new@example.org", ["new@example.org"]),
        ("no address", []),
        ("", []),
    ]:
        ils.cards = [fake.Card("2", "2", "8", "Kim", email=email)]
        sign_in(Client(), ils.cards[0])
        assert list(EmailAddress.objects.values_list("email", flat=True)) == offered


def test_patron_with_an_email_address_is_not_offered_the_address_from_the_ils(client, ils, patron):
    ils.cards = [fake.Card("2", "2", "8", "Kim", email="kim@example.org")]
    sign_in(client, ils.cards[0])
    merge_people(person_in(client), patron, by=patron, at=timezone.now())
    sign_in(Client(), ils.cards[0])
    assert not EmailAddress.objects.filter(email="kim@example.org").exists()


def test_patron_can_sign_in_by_card_to_send_a_question(client):
    client.post(reverse("ask"), {"body": "And the flies?", "client_token": uuid.uuid4()})
    page = html_of(client.get(reverse("send_question")))
    assert 'href="/sign-in/card/?next=%2Fask%2Fsend%2F"' in page
    assert sign_in(client, next=reverse("send_question"))["Location"] == reverse("send_question")
    assert "And the flies?" in html_of(client.get(reverse("send_question")))


def test_patron_can_sign_in_by_card_to_add_a_visit_to_their_account(
    client, branch, staff, show_code, settings
):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    show_code(client, code_for(visit))
    keep = reverse("keep_session", args=[visit.public_id])
    assert f'href="/sign-in/card/?next={quote(keep, safe="")}"' in html_of(client.get(keep))
    sign_in(client, next=keep)
    client.post(keep)
    visit.refresh_from_db()
    assert visit.patron == person_in(client)
    settings.ILS = ""
    other = show_code(Client(), code_for(HelpSessionFactory(branch=branch, staff=staff)))
    assert "/sign-in/card/" not in html_of(
        other.get(reverse("keep_session", args=[HelpSession.objects.latest("pk").public_id]))
    )


def test_address_form_is_prefilled_with_the_ils_address(client, ils):
    ils.cards = [fake.Card("2", "2", "8", "Kim", email="kim@example.org")]
    sign_in(client, ils.cards[0])
    assert 'value="kim@example.org"' in html_of(client.get(reverse("add_address")))


def test_wrong_pin_and_unknown_card_get_the_same_page(client):
    def refused(card, pin):
        page = html_of(Client().post(reverse("card_sign_in"), {"card": card, "pin": pin}))
        return page.replace(card, "CARD").partition("<main")[2].partition("csrfmiddlewaretoken")[
            0
        ], page.count("field-error")

    assert (
        refused(KNOWN.card, "9999")
        == refused("20009999", "9999")
        == refused(BLOCKED.card, "9999")
        == refused(EXPIRED.card, "9999")
    )
    assert "don&#x27;t match" in refused(KNOWN.card, "9999")[0]


class Clock:
    """A replacement for the `time` module that never waits."""

    def __init__(self):
        self.now = 100.3

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(("wait", "taken"), [(0, 1), (0.1, 1), (0.49, 1), (0.6, 2)])
def test_refusal_of_a_card_does_not_reveal_how_long_the_ils_took_to_respond(
    client, ils, monkeypatch, wait, taken
):
    clock = Clock()
    monkeypatch.setattr(forms, "time", clock)
    monkeypatch.setattr(forms, "REFUSAL_INTERVAL", 0.5)
    ils.check = lambda *args, **options: clock.sleep(wait) or fake.Fake().check(*args, **options)
    client.post(reverse("card_sign_in"), {"card": KNOWN.card, "pin": "9999"})
    assert clock.now - 100.3 == pytest.approx(taken * 0.5)


@pytest.mark.parametrize(("card", "said"), [(BLOCKED, "can&#x27;t use this card"), (EXPIRED, "has expired")])
def test_correct_pin_reveals_that_a_card_is_blocked_or_expired(client, card, said):
    page = sign_in(client, card)
    assert page.status_code == 200
    assert said in html_of(page)
    assert person_in(client) is None
    assert not User.objects.exists()


def test_patron_with_a_deactivated_account_cannot_sign_in_with_a_library_card(client):
    sign_in(client)
    User.objects.update(is_active=False)
    other = Client()
    assert "can&#x27;t use this card right now" in html_of(sign_in(other))
    assert person_in(other) is None


@pytest.mark.parametrize(
    "error", [Unavailable("sip.example does not answer"), Misconfigured("the login is rejected")]
)
def test_sign_in_page_offers_email_codes_while_the_ils_is_unavailable(client, ils, error, caplog):
    ils.error = error
    page = sign_in(client, next="/lists/")
    assert page.status_code == 200
    assert "can&#x27;t check library cards right now" in html_of(page)
    assert 'href="/sign-in/?way=code&amp;next=%2Flists%2F"' in html_of(page)
    assert str(error) not in html_of(page)
    assert str(error) in caplog.text


def test_blank_card_number_or_pin_is_not_sent_to_the_ils(client, ils):
    for card, pin in [("", "1"), ("1", ""), ("1", "   "), ("  ", "1"), ("1", "\t\n")]:
        assert client.post(reverse("card_sign_in"), {"card": card, "pin": pin}).status_code == 200
    assert ils.asked == []


def test_card_number_may_contain_spaces(client, ils):
    client.post(reverse("card_sign_in"), {"card": " 2000 1001 ", "pin": KNOWN.pin})
    assert ils.asked == ["20001001"]
    assert person_in(client)


def test_card_sign_in_is_blocked_after_five_wrong_pins(ils, settings):
    for number in range(8):
        page = Client().post(reverse("card_sign_in"), {"card": KNOWN.card, "pin": f"000{number}"})
    assert len(ils.asked) == 5
    assert "tried too many times" in html_of(page)
    # The correct PIN is refused too. Otherwise somebody who guesses PINs would learn which one is correct.
    assert "tried too many times" in html_of(sign_in(Client()))
    sign_in(client := Client(), NEW)
    assert person_in(client)


def test_all_spellings_of_a_card_number_share_one_limit_of_attempts(ils):
    written = [
        KNOWN.card,
        "２０００１００１",
        "٢٠٠٠١٠٠١",
        "2000-1001",
        "2\u03010001001",
        "२०००१००१",
        "2000.1001",
    ]
    for card in written:
        Client().post(reverse("card_sign_in"), {"card": card, "pin": "0000"})
    assert len(ils.asked) == 5


def test_signing_in_with_a_user_name_counts_toward_the_limit_of_the_card(monkeypatch):
    sam = Card("20001001", "right", "41", "sam")
    with KohaServer([sam]).running() as url:
        koha = Koha(url=url, user=LOGIN, password=PASSWORD)
        monkeypatch.setattr("accounts.views.card_sign_in.library_ils", lambda: koha)
        pages = [
            Client().post(reverse("card_sign_in"), {"card": typed, "pin": f"wrong {number}"})
            for number in range(3)
            for typed in (sam.card, sam.name)
        ]
        assert ["tried too many times" in html_of(page) for page in pages] == [False] * 5 + [True]
        for typed in (sam.card, sam.name):
            assert "tried too many times" in html_of(sign_in(Client(), replace(sam, card=typed)))


@pytest.mark.slow
def test_one_ip_address_can_try_at_most_thirty_different_cards(ils):
    for number in range(40):
        Client().post(reverse("card_sign_in"), {"card": f"3000{number}", "pin": "1234"})
    assert len(ils.asked) == 30


def test_card_pin_is_neither_stored_nor_logged(client, ils, caplog, django_db_blocker):
    caplog.set_level(logging.DEBUG)
    secret = "86421357"
    ils.cards = [fake.Card("20001001", secret, "7", "Sam")]
    page = client.post(reverse("card_sign_in"), {"card": "20001002", "pin": secret})
    assert secret not in html_of(page)
    sign_in(client, ils.cards[0])
    client.post(
        reverse("card_sign_in"),
        {"card": "20001002", "pin": secret},
        headers={"sec-fetch-site": "same-origin"},
    )
    kept = [
        repr(row) for model in (User, LibraryCard, AuditEvent, RefusedPost) for row in model.objects.values()
    ]
    kept += [
        repr(Session.objects.get(pk=client.session.session_key).get_decoded()),
        caplog.text,
        str(client.cookies),
    ]
    assert not [text for text in kept if secret in text]


def test_card_sign_in_page_is_404_without_an_ils(client, settings):
    settings.ILS = ""
    assert client.get(reverse("card_sign_in")).status_code == 404
    assert client.post(reverse("card_sign_in"), {"card": "1", "pin": "1"}).status_code == 404
    assert "card_sign_in" not in html_of(client.get(reverse("sign_in")))
    assert reverse("card_sign_in") not in html_of(client.get(reverse("sign_in")))


def test_card_field_opens_the_number_keyboard_if_card_numbers_contain_only_digits(client, ils):
    page = html_of(client.get(reverse("card_sign_in")))
    assert page.count('inputmode="numeric"') == 2
    assert ('autocomplete="username"' in page, 'autocomplete="current-password"' in page) == (True, True)
    ils.card_has_letters = ils.pin_has_letters = True
    assert 'inputmode="numeric"' not in html_of(client.get(reverse("card_sign_in")))


def test_patron_is_redirected_to_the_requested_page_after_signing_in_by_card(client):
    assert 'href="/sign-in/card/?next=%2Flists%2F"' in html_of(client.get("/sign-in/?next=/lists/"))
    assert sign_in(client, next="/lists/")["Location"] == "/lists/"
    assert client.get("/sign-in/card/?next=/lists/")["Location"] == "/lists/"


def test_card_sign_in_never_redirects_to_another_site(client):
    assert sign_in(client, next="https://evil.example/")["Location"] == "/"


def test_signing_in_by_card_renews_the_session_key_but_closes_no_visit(client):
    session = client.session
    session[OPENED_CODES] = [7]
    session.save()
    before = session.session_key
    sign_in(client)
    assert client.session.session_key != before
    assert client.session[OPENED_CODES] == [7]


# Tests of reauthentication and of the account page.


def test_patron_without_an_address_reauthenticates_with_the_card_pin(client, ils, monkeypatch):
    monkeypatch.setattr("accounts.views.reauthenticate.library_ils", lambda: ils)
    sign_in(client)
    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    page = html_of(client.get("/me/prove/"))
    assert "ending in <bdi>1001</bdi>" in page
    assert KNOWN.card not in page
    assert client.post("/me/prove/?next=/me/address/", {"confirm": "1"}).status_code == 200
    assert "don&#x27;t match" in html_of(client.post("/me/prove/?next=/me/address/", {"pin": NEW.pin}))
    assert client.session.get("proved_at") is None
    assert client.post("/me/prove/?next=/me/address/", {"pin": KNOWN.pin})["Location"] == "/me/address/"
    assert client.session["proved_at"]


def test_adding_an_address_to_a_card_account_requires_the_pin(client, ils, monkeypatch):
    for module in ("views.reauthenticate", "sign_in.single_sign_on"):
        monkeypatch.setattr(f"accounts.{module}.library_ils", lambda: ils)
    sign_in(client)
    # The patron has just signed in with the PIN, so the page for adding an address doesn't ask for the PIN
    # again.
    assert client.get(reverse("add_address")).status_code == 200
    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    for answer in (
        client.get(reverse("add_address")),
        client.post(reverse("add_address"), {"email": "thief@example.org"}),
    ):
        assert answer["Location"].startswith("/me/prove/")


def test_patron_cannot_reauthenticate_with_a_card_that_now_belongs_to_another_person(
    client, ils, monkeypatch
):
    monkeypatch.setattr("accounts.views.reauthenticate.library_ils", lambda: ils)
    sign_in(client)
    ils.cards = [fake.Card(KNOWN.card, KNOWN.pin, "another", "Somebody Else")]
    assert client.post("/me/prove/", {"pin": KNOWN.pin}).status_code == 200
    assert client.session.get("proved_at") is None


@pytest.mark.parametrize("is_proven", [True, False])
def test_staff_cannot_use_a_card_pin_to_set_up_a_second_factor(client, ils, monkeypatch, staff, is_proven):
    monkeypatch.setattr("accounts.views.reauthenticate.library_ils", lambda: ils)
    EmailAddress.objects.create(user=staff, email=staff.email, primary=True, verified=is_proven)
    LibraryCard.objects.create(person=staff, ils_id=KNOWN.ils_id, barcode=KNOWN.card, seen_at=timezone.now())
    sign_in(client)
    assert person_in(client) == staff
    for page in ("/second-factor/", "/me/passkeys/add/"):
        assert client.get(page)["Location"].startswith("/me/prove/")
    client.post("/me/prove/", {"pin": KNOWN.pin})
    client.post("/me/prove/", {"confirm": "1"})
    assert client.session.get("proved_at") is None
    client.post("/me/prove/", {"send": "1"})
    client.post("/me/prove/", {"code": mailed_code(staff.email)})
    assert client.get("/second-factor/").status_code == 200


def test_account_page_shows_only_the_last_digits_of_the_card(client):
    sign_in(client)
    page = html_of(client.get("/me/"))
    assert "<bdi>1001</bdi>" in page
    assert KNOWN.card not in page
    assert "you can't sign in again" not in page
    assert "Only this device" not in page


@pytest.mark.few_cases
@pytest.mark.parametrize("text", ["MAIN\0", "MA\ud800IN", "x" * 100_000])
@pytest.mark.parametrize("field", ["barcode", "name", "email", "group", "home_branch"])
@pytest.mark.django_db
def test_patron_can_sign_in_even_if_the_ils_sends_unusual_text(library, field, text):
    patron = Patron(ils_id="1", barcode="2", name="Sam", email="", group="", home_branch="", expires_on=None)
    person = person_with_card(replace(patron, **{field: text}), at=timezone.now(), language="en")
    assert person.pk
