"""Check adding passkeys and signing in with them."""

import copy
import json
import re
from contextlib import suppress

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEvent, Passkey, User
from accounts.patron import people
from accounts.sign_in import passkeys
from accounts.staff import roles
from accounts.views.passkeys import NO_OFFER
from portal.limit_table import LIMITS, Limit
from portal.privacy.merging import merge_people
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code, signed_in_as
from tests.factories import PasskeyFactory, UserFactory
from tests.passkey_device import Device

pytestmark = pytest.mark.django_db
ORIGIN = "http://testserver"
ADD, ADD_OPTIONS = "/me/passkeys/add/", "/me/passkeys/add/options/"
BY_PASSKEY, OPTIONS = "/sign-in/passkey/", "/sign-in/passkey/options/"


def prove(client):
    session = client.session
    session["proved_at"] = timezone.now().timestamp()
    session.save()


def send(client, address, answer, **more):
    return client.post(address, {"credential": json.dumps(answer), **more})


def make(client, device, name="", **lies):
    """Add a passkey as the page does: request the options and post the device's response."""
    return send(client, ADD, device.make(client.post(ADD_OPTIONS).json(), **lies), name=name)


def show(client, device, address=BY_PASSKEY, *, next="", **lies):
    return send(client, address, device.show(client.post(OPTIONS).json(), **lies), next=next)


@pytest.fixture
def device():
    return Device(ORIGIN)


@pytest.fixture
def own(client, patron, sign_in, device):
    """Add Sam's passkey on `device` in the browser `client`, and return the passkey."""
    prove(sign_in(client, patron))
    make(client, device, "My phone")
    return Passkey.objects.get()


def test_patron_can_add_a_passkey_and_sign_in_with_it(own, device, patron):
    assert (own.person, own.name, own.last_used_on) == (patron, "My phone", None)
    phone = Client()
    assert show(phone, device, next="/lists/")["Location"] == "/lists/"
    assert signed_in_as(phone) == str(patron.pk)
    own.refresh_from_db()
    assert own.last_used_on == own.added_on
    # Signing in with the passkey also counts as reauthentication.
    assert phone.get(ADD).status_code == 200
    assert list(AuditEvent.objects.filter(patron=patron).values_list("action", "subject")) == [
        ("added_passkey", str(own.public_id))
    ]


def test_passkey_without_a_name_is_named_after_its_device(client, patron, sign_in, device):
    browser = Client(HTTP_USER_AGENT="Mozilla/5.0 (Linux; Android 13) Chrome/156.0 Safari/537.36")
    prove(sign_in(browser, patron))
    make(browser, device)
    assert Passkey.objects.get().name == "Chrome on Android"


def test_passkey_options_require_user_verification_and_contain_the_persons_public_id(client, patron, sign_in):
    prove(sign_in(client, patron))
    asked = client.post(ADD_OPTIONS).json()["publicKey"]
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["rp"]["id"] == "testserver"
    assert passkeys.PublicKeyCredentialUserEntity.from_dict(asked["user"]).id == patron.public_id.bytes
    shown = Client().post(OPTIONS).json()["publicKey"]
    assert (shown["userVerification"], shown.get("allowCredentials")) == ("required", None)


def test_passkey_options_list_only_the_patrons_own_passkeys(client, own, patron, sign_in):
    PasskeyFactory()
    assert [known["id"] for known in client.post(OPTIONS).json()["publicKey"]["allowCredentials"]] == [
        passkeys_id(own)
    ]
    assert [known["id"] for known in client.post(ADD_OPTIONS).json()["publicKey"]["excludeCredentials"]] == [
        passkeys_id(own)
    ]


def passkeys_id(passkey):
    return websafe_encode(bytes(passkey.credential_id))


LIES = {
    "without user verification": {"verified": False},
    "for another site": {"origin": "https://evil.example"},
    "for another port": {"origin": "http://testserver:8001"},
    "for another host": {"host": "evil.example"},
    "another challenge": {"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.few_cases
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_passkey_registration_with_a_wrong_field_creates_no_passkey(client, patron, sign_in, device, lie):
    prove(sign_in(client, patron))
    assert "That passkey didn&#x27;t work" in make(client, device, **lie).content.decode()
    assert not Passkey.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "lie",
    [
        *LIES.values(),
        {"kind": "webauthn.create"},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"handle": b"1"},
    ],
    ids=[*LIES, "type of a registration", "signed by another key", "handle of another user"],
)
def test_passkey_response_with_a_wrong_field_or_signature_is_refused_at_sign_in(own, device, lie):
    stranger = Client()
    assert show(stranger, device, **lie)["Location"] == "/sign-in/"
    assert "That passkey didn&#x27;t work" in stranger.get("/sign-in/").content.decode()
    assert not signed_in_as(stranger)


def test_passkey_challenge_works_once_within_five_minutes_and_only_in_the_same_browser(own, device):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        asked, other = Client(), Client()
        answer = device.show(asked.post(OPTIONS).json())
        other.post(OPTIONS)
        send(other, BY_PASSKEY, answer)
        assert not signed_in_as(other)
        kept = dict(asked.session.items())
        clock.shift(301)
        send(asked, BY_PASSKEY, answer)
        assert not signed_in_as(asked)
        clock.shift(-301)
        session = asked.session
        session.update(kept)
        session.save()
        send(asked, BY_PASSKEY, answer)
        assert signed_in_as(asked)
        asked.post(reverse("sign_out"))
        send(asked, BY_PASSKEY, answer)
        assert not signed_in_as(asked)


def test_sign_in_challenge_cannot_create_a_passkey(client, patron, sign_in, device):
    prove(sign_in(client, patron))
    asked = client.post(ADD_OPTIONS).json()
    client.post(OPTIONS)
    assert "That passkey didn&#x27;t work" in send(client, ADD, device.make(asked)).content.decode()
    assert not Passkey.objects.exists()


def test_copied_passkey_with_an_old_counter_is_refused(client, patron, sign_in):
    device = Device(ORIGIN, counts=True)
    prove(sign_in(client, patron))
    make(client, device)
    copied = copy.copy(device)
    assert show(Client(), device)["Location"] == "/"
    browser = Client()
    # The copied device sends a signature counter that the first device has already sent.
    show(browser, copied)
    assert not signed_in_as(browser)


def test_patron_with_a_deactivated_account_cannot_sign_in_with_a_passkey(own, device, patron):
    User.objects.filter(pk=patron.pk).update(is_active=False)
    browser = Client()
    assert show(browser, device)["Location"] == "/sign-in/"
    assert not signed_in_as(browser)


def test_existing_passkey_cannot_be_registered_by_another_person(own, device, sign_in, monkeypatch):
    """Make a hostile device claim the credential id of another person's passkey."""
    browser = Client()
    prove(sign_in(browser, UserFactory()))
    asked = browser.post(ADD_OPTIONS).json()
    monkeypatch.setattr("tests.passkey_device.os.urandom", lambda size: bytes(own.credential_id))
    assert "That passkey didn&#x27;t work" in send(browser, ADD, Device(ORIGIN).make(asked)).content.decode()
    assert Passkey.objects.get().person == own.person


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)


@pytest.mark.only_long
@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    part=st.sampled_from(
        [
            "",
            "id",
            "rawId",
            "type",
            "response",
            "clientDataJSON",
            "authenticatorData",
            "signature",
            "userHandle",
        ]
    ),
    value=json_values,
)
def test_malformed_passkey_response_at_sign_in_raises_no_unexpected_error(own, device, part, value):
    session = SessionStore()
    answer = device.show(
        json.loads(json.dumps(passkeys.authentication_options(session, origin=ORIGIN), default=dict))
    )
    if not part:
        answer = value
    elif part in answer:
        answer[part] = value
    else:
        answer["response"][part] = value
    # The test fails if verify_authentication raises an exception other than NotAccepted.
    with suppress(passkeys.NotAccepted):
        passkeys.verify_authentication(session, answer, among=Passkey.objects.all(), origin=ORIGIN)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cut=st.integers(0, 200),
    noise=st.binary(max_size=40),
    part=st.sampled_from(["clientDataJSON", "attestationObject"]),
)
def test_damaged_passkey_registration_raises_no_unexpected_error(patron, device, cut, noise, part):
    session = SessionStore()
    answer = device.make(
        json.loads(json.dumps(passkeys.registration_options(session, patron, origin=ORIGIN), default=dict))
    )
    whole = websafe_decode(answer["response"][part])
    answer["response"][part] = websafe_encode(whole[:cut] + noise)
    with suppress(passkeys.NotAccepted):
        passkeys.verify_registration(session, answer, person=patron, origin=ORIGIN)


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
def test_huge_number_in_a_passkey_response_is_refused_without_allocating_memory(own, device, part):
    session = SessionStore()
    asked = passkeys.authentication_options(session, origin=ORIGIN)
    answer = device.show(json.loads(json.dumps(asked, default=dict)))
    answer["response"][part] = 10**15
    with pytest.raises(passkeys.NotAccepted):
        passkeys.verify_authentication(session, answer, among=Passkey.objects.all(), origin=ORIGIN)


MALFORMED = ["", "no json", "[]", '"x"', "{", "1e999", "null", "[" * 100_000, '{"a":' * 100_000, "9" * 5000]


@pytest.mark.few_cases
@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_passkey_response_at_sign_in_redirects_to_the_sign_in_page(client, library, body):
    client.post(OPTIONS)
    assert client.post(BY_PASSKEY, {"credential": body})["Location"] == "/sign-in/"


@pytest.mark.few_cases
@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_passkey_response_from_an_account_page_shows_that_page_again(client, sign_in, body):
    prove(sign_in(client, UserFactory()))
    for name in ("add_passkey", "reauthenticate"):
        assert client.post(reverse(name), {"credential": body, "name": "x"}).status_code == 200


def test_requests_for_passkey_options_are_limited_per_network(client, library, monkeypatch):
    monkeypatch.setitem(LIMITS, "passkey", Limit("passkeys", network="2/m"))
    assert [Client().post(OPTIONS).status_code for _number in range(3)] == [200, 200, 429]


def test_number_of_passkeys_per_person_is_limited(client, patron, sign_in, device):
    PasskeyFactory.create_batch(passkeys.MAX_PASSKEYS_PER_PERSON, person=patron)
    with pytest.raises(passkeys.TooMany):
        passkeys.add(patron, name="", new=None, by=patron, at=timezone.now())


# Tests of the account page.


def test_account_page_lists_only_the_patrons_passkeys_and_their_last_use(client, own, device):
    PasskeyFactory(name="Somebody else's key")
    show(Client(), device)
    page = client.get(reverse("me")).content.decode()
    assert "My phone" in page
    assert "last used" in page
    assert "Somebody else" not in page


@pytest.mark.parametrize("rows", [1, 20])
def test_account_page_runs_the_same_number_of_queries_for_any_number_of_passkeys(
    client, patron, sign_in, rows, django_assert_num_queries
):
    PasskeyFactory.create_batch(rows, person=patron)
    sign_in(client, patron).get(reverse("me"))
    with django_assert_num_queries(10):
        client.get(reverse("me"))


def test_patron_can_rename_and_remove_a_passkey(client, own, device, patron, sign_in):
    address = reverse("passkey", args=[own.public_id])
    client.post(address, {"name": "  Old\u202e phone "})
    own.refresh_from_db()
    assert own.name == "Old phone"
    assert "Error:" in client.post(address, {"name": " "}).content.decode()
    client.post(address, {"remove": "1"})
    assert not Passkey.objects.exists()
    assert AuditEvent.objects.filter(action="removed_passkey", by=patron, patron=patron).count() == 1
    browser = Client()
    assert show(browser, device)["Location"] == "/sign-in/"


def test_adding_and_removing_a_passkey_requires_reauthentication(client, patron, sign_in, device):
    kept = PasskeyFactory(person=patron)
    sign_in(client, patron)
    for address in (ADD, ADD_OPTIONS, reverse("passkey", args=[kept.public_id])):
        for answer in (client.get(address), client.post(address, {"remove": "1"})):
            assert answer["Location"].startswith("/me/prove/?next=")
    assert Passkey.objects.count() == 1


def test_patron_cannot_reauthenticate_with_another_persons_passkey(client, own, device, sign_in):
    other = Client()
    sign_in(other, UserFactory())
    show(other, device, "/me/prove/")
    assert other.get(ADD)["Location"].startswith("/me/prove/")


def test_patron_can_reauthenticate_with_a_passkey(own, device, patron, sign_in):
    browser = Client()
    sign_in(browser, patron)
    assert show(browser, device, "/me/prove/?next=%2Fme%2F")["Location"] == "/me/"
    assert browser.get(ADD).status_code == 200


def test_patron_without_an_address_can_sign_in_with_a_passkey(client, library, sign_in, device):
    person = people.person_without_address(at=timezone.now(), language="en")
    prove(sign_in(client, person))
    make(client, device)
    other = Client()
    show(other, device)
    assert signed_in_as(other) == str(person.pk)


# Tests of the offer of a passkey after a sign-in by code.


def sign_in_by_code(client, email, **extra):
    ask_for_code(client, email, **extra)
    return enter(client, mailed_code(email), next=extra.get("next", ""))["Location"]


def test_sign_in_by_code_offers_a_passkey_if_the_device_supports_passkeys(client, patron):
    assert sign_in_by_code(client, patron.email, passkeys_here="1") == "/me/passkeys/offer/"
    assert "Sign in without a code next time" in client.get("/me/passkeys/offer/").content.decode()
    assert client.post("/me/passkeys/offer/", {"answer": "add"})["Location"] == ADD
    # The sign-in code counts as reauthentication.
    assert client.get(ADD).status_code == 200


@pytest.mark.parametrize("extra", [{}, {"passkeys_here": "1", "next": "/lists/"}])
def test_no_passkey_is_offered_on_an_unsupported_device_or_before_a_requested_page(client, patron, extra):
    assert sign_in_by_code(client, patron.email, **extra) == extra.get("next", "/")


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "again"), [("later", "/me/passkeys/offer/"), ("never", "/")])
def test_passkey_is_offered_again_unless_the_patron_answered_never(client, patron, answer, again):
    sign_in_by_code(client, patron.email, passkeys_here="1")
    assert client.post("/me/passkeys/offer/", {"answer": answer})["Location"] == "/"
    no = client.cookies.get(NO_OFFER)
    client.post(reverse("sign_out"))
    if no:
        client.cookies[NO_OFFER] = no.value
    assert sign_in_by_code(client, patron.email, passkeys_here="1") == again
    # The answer counts only in the browser where it was given. Another browser still offers a passkey.
    assert sign_in_by_code(Client(), patron.email, passkeys_here="1") == "/me/passkeys/offer/"


def test_patron_who_has_a_passkey_is_not_offered_another_passkey(client, patron):
    PasskeyFactory(person=patron)
    assert sign_in_by_code(client, patron.email, passkeys_here="1") == "/"
    assert client.get("/me/passkeys/offer/")["Location"] == "/"


# Tests of passkeys as a second factor.


def at_the_desk(client):
    return client.get(reverse("code_cards")).status_code == 200


def test_staff_can_open_the_desk_with_a_passkey_as_second_factor(staff, device, clock):
    browser = Client()
    sign_in_by_code(browser, staff.email)
    page = browser.get("/second-factor/?next=%2Fdesk%2Fcards%2F").content.decode()
    assert "/me/passkeys/add/?next=%2Fdesk%2Fcards%2F" in page
    make(browser, device)
    assert at_the_desk(browser)
    clock.shift(13 * 3600)
    assert not at_the_desk(browser)
    answer = show(browser, device, "/second-factor/", next="/desk/cards/")
    assert answer["Location"] == "/desk/cards/"
    assert at_the_desk(browser)


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        yield clock


def test_signing_in_by_passkey_does_not_count_as_the_second_factor(staff, device):
    make_for(staff, device)
    browser = Client()
    show(browser, device)
    assert signed_in_as(browser) == str(staff.pk)
    assert not at_the_desk(browser)
    assert show(browser, device, "/second-factor/")["Location"] == "/desk/"
    assert at_the_desk(browser)


def make_for(person, device):
    """Sign the person in by email code, add a passkey on `device`, and return the browser."""
    browser = Client()
    sign_in_by_code(browser, person.email)
    make(browser, device)
    return browser


@pytest.mark.slow
@pytest.mark.parametrize("lie", [{"verified": False}, {"origin": "https://evil.example"}])
def test_passkey_response_with_a_wrong_field_does_not_open_the_desk(staff, device, lie):
    make_for(staff, device)
    browser = Client()
    sign_in_by_code(browser, staff.email)
    assert "That passkey didn&#x27;t work" in show(browser, device, "/second-factor/", **lie).content.decode()
    assert not at_the_desk(browser)


@pytest.mark.slow
def test_passkey_of_a_colleague_does_not_open_the_desk(staff, coordinator, device):
    make_for(coordinator, device)
    make_for(staff, Device(ORIGIN))
    browser = Client()
    sign_in_by_code(browser, staff.email)
    show(browser, device, "/second-factor/")
    assert not at_the_desk(browser)


@pytest.mark.parametrize("has", ["an app", "a passkey"])
def test_email_code_alone_cannot_add_or_remove_a_staff_passkey(staff, device, has):
    if has == "an app":
        Authenticator.objects.create(user=staff, type="totp", data={})
    own = PasskeyFactory(person=staff)
    thief = Client()
    sign_in_by_code(thief, staff.email)
    assert thief.post(ADD_OPTIONS)["Location"].startswith("/second-factor/?next=")
    assert thief.get(ADD)["Location"].startswith("/second-factor/?next=")
    assert thief.post(reverse("passkey", args=[own.public_id]), {"remove": "1"})["Location"].startswith(
        "/second-factor/?next="
    )
    assert "Set up your authenticator app" not in thief.get("/second-factor/").content.decode()
    assert list(Passkey.objects.all()) == [own]


def test_staff_with_a_passkey_can_also_set_up_an_authenticator_app(staff, device):
    browser = make_for(staff, device)
    assert "Set up your authenticator app" in browser.get("/second-factor/").content.decode()


def test_merging_a_patron_into_a_staff_record_deletes_the_patrons_passkeys(staff, library):
    """A thief who reads a staff member's email could merge the thief's own record into the staff record.

    The thief's passkey would then open the desk.
    """
    thief = people.person_without_address(at=timezone.now(), language="en")
    PasskeyFactory(person=thief)
    merge_people(thief, staff, by=staff, at=timezone.now())
    assert not Passkey.objects.exists()


def test_passkey_of_a_merged_record_opens_the_remaining_record(own, device, patron):
    other = UserFactory()
    merge_people(patron, other, by=other, at=timezone.now())
    browser = Client()
    show(browser, device)
    assert signed_in_as(browser) == str(other.pk)


def test_coordinator_can_remove_all_passkeys_of_a_staff_member_who_lost_a_phone(staff, coordinator, device):
    browser = make_for(staff, device)
    roles.forget_second_factor(staff, by=coordinator, at=timezone.now())
    assert not Passkey.objects.exists()
    assert not at_the_desk(browser)


def passkeys_on(page):
    """Return the line below each passkey's name on the page Me, such as "Added yesterday"."""
    section = page.partition('id="passkeys-title"')[2].partition("</ul>")[0]
    lines = [re.sub("<[^>]+>", "", line) for line in re.findall('(?s)<p class="meta">(.*?)</p>', section)]
    return [" ".join(line.split()) for line in lines]


def test_each_passkey_is_listed_with_the_day_or_time_it_was_added(client, patron, sign_in):
    with time_machine.travel("2026-05-03 18:00:00Z", tick=False) as clock:
        PasskeyFactory(person=patron, added_on=timezone.localdate(), added_at=timezone.now())
        PasskeyFactory(added_on=timezone.localdate(), added_at=timezone.now())
        clock.shift(24 * 3600)
        sign_in(client, patron)
        assert passkeys_on(client.get("/me/").content.decode()) == ["Added yesterday · not used yet"]
        PasskeyFactory(person=patron, added_on=timezone.localdate(), added_at=timezone.now())
        clock.shift(3600)
        second = PasskeyFactory(person=patron, added_on=timezone.localdate(), added_at=timezone.now())
        PasskeyFactory(person=patron, added_on=timezone.localdate(), added_at=None)
        assert passkeys_on(client.get("/me/").content.decode()) == [
            "Added yesterday · not used yet",
            "Added today 1:00 p.m. · not used yet",
            "Added today 2:00 p.m. · not used yet",
            "Added today · not used yet",
        ]
        prove(client)
        page = client.get(reverse("passkey", args=[second.public_id])).content.decode()
        assert "today 2:00\xa0p.m." in page


@pytest.mark.parametrize(
    ("attachment", "is_here"), [("platform", True), ("cross-platform", False), (None, False)]
)
def test_passkey_list_marks_the_passkey_of_the_current_device(client, patron, sign_in, attachment, is_here):
    PasskeyFactory(person=patron)
    device = Device(ORIGIN, attachment=attachment)
    prove(sign_in(client, patron))
    make(client, device, "My phone")
    assert is_here is ("this device" in passkeys_on(client.get("/me/").content.decode())[1])
    phone = Client()
    show(phone, device)
    lines = passkeys_on(phone.get("/me/").content.decode())
    assert [("this device" in line) for line in lines] == [False, is_here]
    # The passkey was never used in this browser, so the browser doesn't know which device has the passkey.
    other = Client()
    sign_in(other, patron)
    assert "this device" not in "".join(passkeys_on(other.get("/me/").content.decode()))
