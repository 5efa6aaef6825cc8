"""Check single sign-on against the provider in tests/sign_on_provider.py."""

import datetime
import io
import re
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, LibraryCard, User
from accounts.sign_in import openid_connect
from accounts.sign_in.access import REAUTHENTICATED_AT, VERIFIED_AT
from accounts.sign_in.email_addresses import change_in_a_week, stop_change
from portal.notifications.models import Notification
from portal.privacy import contents, unmerging
from portal.privacy.erasure import erase
from portal.privacy.merging import merge_people
from tests.factories import HelpSessionFactory, PasskeyFactory, UserFactory, code_for
from tests.sign_on_provider import CLIENT_ID, running

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ANA = {"sub": "4711", "name": "Ana Ruiz", "email": "ana@college.example", "email_verified": True}


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(process, settings, library):
    settings.SSO = process.settings()
    return process


@pytest.fixture
def later(time_machine):
    """Return later(seconds), which moves the clock ahead."""
    return lambda seconds: time_machine.move_to(timezone.now() + datetime.timedelta(seconds=seconds))


def begin(client, path="/sign-in/single-sign-on/", **form):
    """Start the sign-on and return the provider's address that the page redirects to."""
    response = client.post(path, form)
    address = response.headers["Refresh"].removeprefix("0; url=")
    assert unescape(re.search('id="to-provider" href="([^"]+)"', response.content.decode())[1]) == address
    return address


def return_from_provider(client, provider, address, *, browser=None, **person):
    return client.get(provider.visit(address, browser=browser, **person).removeprefix("http://testserver"))


def sign_in(client, provider, *, browser=None, form=None, **person):
    return return_from_provider(client, provider, begin(client, **form or {}), browser=browser, **person)


def person_in(client):
    found = client.session.get("_auth_user_id")
    return User.objects.get(pk=found) if found else None


def messages_in(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def connect_account(person, provider, sub="4711"):
    return SocialAccount.objects.create(user=person, provider=provider.issuer, uid=sub)


def test_first_single_sign_on_creates_a_record_that_the_next_sign_on_reuses(client, provider):
    response = sign_in(client, provider, form={"next": "/lists/"}, **ANA)
    assert response["Location"] == "/lists/"
    person = person_in(client)
    assert (person.name, person.email, person.has_usable_password()) == (
        "Ana Ruiz",
        "ana@college.example",
        False,
    )
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [
        ("ana@college.example", True, True)
    ]
    assert list(SocialAccount.objects.values_list("user", "provider", "uid", "extra_data")) == [
        (person.pk, provider.issuer, "4711", {})
    ]
    assert SocialToken.objects.count() == 0
    assert list(AuditEvent.objects.filter(patron=person).values_list("action", flat=True)) == [
        "joined_by_single_sign_on"
    ]
    other = Client()
    sign_in(
        other, provider, sub="4711", name="Another Name", email="another@college.example", email_verified=True
    )
    assert person_in(other) == person
    assert User.objects.get() == person
    assert (person_in(other).name, person_in(other).email) == ("Ana Ruiz", "ana@college.example")


def test_sign_on_request_has_a_fresh_state_nonce_and_pkce_challenge(client, provider):
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begin(client)).query).items()}
    assert asked.keys() == {
        "client_id",
        "redirect_uri",
        "scope",
        "response_type",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
        CLIENT_ID,
        "code",
        "S256",
    )
    assert asked["redirect_uri"] == "http://testserver/sign-in/single-sign-on/answer/"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    again = parse_qs(urlsplit(begin(client)).query)
    assert all(again[name][0] != asked[name] for name in ("state", "nonce", "code_challenge"))


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("nonce", "made for another request"),
        ("made for another", "made for another request"),
        ("audience", "InvalidAudienceError"),
        ("issuer", "InvalidIssuerError"),
        ("expired", "ExpiredSignatureError"),
        ("no subject", "the ID token has no valid subject"),
        ("userinfo", "are about two people"),
        ("changed", "InvalidSignatureError"),
        ("unsigned", "InvalidAlgorithmError"),
        ("signed with the secret", "InvalidAlgorithmError"),
        ("signed with another key", "InvalidSignatureError"),
    ],
)
def test_forged_or_expired_id_token_is_refused(lie, reason, client, provider, caplog):
    victim = UserFactory()
    connect_account(victim, provider, sub="victim")
    response = sign_in(client, provider, lie=lie, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert messages_in(response) == [
        "We couldn't verify the answer from Harbour College, so nothing was changed. "
        "Try again, or sign in another way."
    ]
    assert person_in(client) is None
    assert User.objects.get() == victim
    assert reason in caplog.text
    assert "ana@college.example" not in caplog.text


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "x" * 192},
        {"sub": "a\0b"},
        {"sub": "ñ"},
        {"sub": 4711},
        {"nonce": None},
        {"exp": "soon"},
        {"auth_time": "then"},
        {"auth_time": 10**400},
        {"aud": ["another"]},
    ],
)
def test_id_token_with_malformed_claims_is_refused(claims, client, provider):
    response = sign_in(client, provider, claims=claims, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert User.objects.count() == 0


@pytest.mark.parametrize(
    ("made_for", "signs_in"),
    [({"azp": "afterword"}, True), ({"azp": "another"}, False), ({"azp": ""}, False), ({}, False)],
)
def test_id_token_for_several_audiences_must_name_the_portal(client, provider, made_for, signs_in):
    claims = {"aud": ["afterword", "another"], **made_for}
    sign_in(client, provider, claims=claims, **ANA)
    assert (person_in(client) is not None) is signs_in


def test_sign_on_response_works_only_once_and_only_in_the_requesting_browser(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    stranger = Client()
    response = stranger.get(address)
    assert (response["Location"], person_in(stranger)) == ("/sign-in/single-sign-on/", None)
    assert messages_in(response) == ["That sign-in has expired or was already used. Start again."]
    assert User.objects.count() == 0
    client.get(address)
    assert person_in(client).email == ANA["email"]
    client.post(reverse("sign_out"))
    assert (client.get(address)["Location"], person_in(client)) == ("/sign-in/single-sign-on/", None)


def test_sign_on_response_with_a_wrong_state_is_refused(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    assert (
        client.get(re.sub("state=[^&]+", "state=another", address))["Location"] == "/sign-in/single-sign-on/"
    )
    assert client.get(re.sub("state=[^&]+", "", address))["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_sign_on_response_after_ten_minutes_is_refused(client, provider, later):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    later(601)
    assert client.get(address)["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_forged_authorization_code_is_refused(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    assert client.get(re.sub("code=[^&]+", "code=made-up", address))["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_patron_who_cancels_at_the_provider_can_start_again(client, provider):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(reverse("single_sign_on_answer"), {"error": "access_denied", "state": state})
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert messages_in(response) == [
        "You returned from Harbour College without signing in. Nothing has changed."
    ]
    page = client.get("/sign-in/single-sign-on/").content.decode()
    assert 'id="use-mail"' in page
    assert 'id="go-on"' in page


@pytest.mark.parametrize("error", ["server_error", "<b>", "\0"])
def test_patron_sees_a_message_after_an_error_from_the_sign_on_provider(error, client, provider):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(reverse("single_sign_on_answer"), {"error": error, "state": state})
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert "verify the answer" in messages_in(response)[0]


def test_sign_in_page_offers_email_codes_while_the_provider_is_down(client, provider, settings):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    settings.SSO = provider.settings(issuer="http://127.0.0.1:9")
    response = client.post("/sign-in/single-sign-on/")
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert messages_in(response) == [
        "Harbour College isn't responding right now. Try again later, or sign in another way."
    ]
    page = client.get("/sign-in/single-sign-on/").content.decode()
    assert re.search(r'id="use-mail"\s+href="/sign-in/\?way=code"', page)
    # The response comes from another issuer than the one in the settings.
    assert client.get(address)["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_patron_reads_that_the_provider_is_down_if_it_fails_after_the_redirect(client, provider, monkeypatch):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")

    def fail(*args, **kwargs):
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests.Session, "send", fail)
    response = client.get(address)
    assert "responding right now" in messages_in(response)[0]
    assert person_in(client) is None


def test_provider_whose_issuer_name_differs_from_the_settings_is_refused(client, provider, settings):
    settings.SSO = provider.settings(issuer=provider.issuer.replace("127.0.0.1", "localhost"))
    response = client.post("/sign-in/single-sign-on/")
    assert "verify the answer" in messages_in(response)[0]
    assert "Refresh" not in response.headers


def test_single_sign_on_does_not_open_an_existing_account_with_the_same_address(client, provider):
    there = UserFactory(name="Sam", email=ANA["email"])
    EmailAddress.objects.create(user=there, email=there.email, verified=True, primary=True)
    response = sign_in(client, provider, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/first-time/"
    assert person_in(client) is None
    page = client.get(response["Location"])
    assert "You already have an account" in page.content.decode()
    assert ANA["email"] in page.content.decode().replace("<wbr>", "")
    assert 'href="/sign-in/?way=code&amp;next=%2Fme%2F"' in page.content.decode()
    # A POST to the page for the first single sign-on creates no second account with this address.
    assert client.post(response["Location"]).status_code == 200
    assert User.objects.get() == there
    assert SocialAccount.objects.count() == 0


def test_unfinished_sign_in_by_code_does_not_block_single_sign_on_with_the_same_address(client, provider):
    client.post(reverse("sign_in"), {"email": ANA["email"]})
    other = Client()
    sign_in(other, provider, **ANA)
    assert person_in(other) == User.objects.get()
    assert User.objects.get().name == "Ana Ruiz"


@pytest.mark.parametrize("is_known", [True, False])
def test_single_sign_on_does_not_reveal_that_an_unverified_address_has_an_account(is_known, client, provider):
    there = UserFactory(email=ANA["email"] if is_known else "sam@example.org")
    response = sign_in(client, provider, **ANA | {"email_verified": False})
    assert response["Location"] == "/sign-in/single-sign-on/first-time/"
    page = client.get(response["Location"]).content.decode()
    assert "Do you already have an account?" in page
    assert ANA["email"] not in page
    assert User.objects.get() == there
    assert client.post(response["Location"])["Location"] == "/"
    new = person_in(client)
    assert (new.name, new.email) == ("Ana Ruiz", None)
    assert list(EmailAddress.objects.filter(user=new).values_list("email", "verified")) == [
        (ANA["email"], False)
    ]
    assert f'value="{ANA["email"]}"' in page_after_reauthentication(client, "add_address")


def page_after_reauthentication(client, name):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()
    return client.get(reverse(name)).content.decode()


def test_address_verified_in_the_id_token_does_not_verify_the_userinfo_address(client, provider, monkeypatch):
    """The ID token has a verified address. The userinfo has another address, which is unverified."""
    monkeypatch.setattr(
        openid_connect._Adapter,
        "read_userinfo",
        lambda self, token, *, subject: {"sub": subject, "email": "eve@college.example"},
    )
    assert sign_in(client, provider, **ANA)["Location"] == "/sign-in/single-sign-on/first-time/"
    assert User.objects.count() == 0


def test_address_in_a_trusted_domain_counts_as_verified(client, provider, settings):
    settings.SSO = provider.settings(proven_domains=["college.example"])
    sign_in(client, provider, sub="4711", name="Ana Ruiz", email="Ana@College.Example")
    assert person_in(client).email == "ana@college.example"
    other = Client()
    assert (
        sign_in(other, provider, sub="4712", email="eve@not-college.example")["Location"]
        == "/sign-in/single-sign-on/first-time/"
    )


def test_patron_without_an_address_can_use_single_sign_on(client, provider):
    sign_in(client, provider, sub="4711")
    assert (person_in(client).name, person_in(client).email) == ("", None)


def test_welcome_page_of_a_first_single_sign_on_expires_after_ten_minutes(client, provider, later):
    assert client.get("/sign-in/single-sign-on/first-time/")["Location"] == "/sign-in/single-sign-on/"
    sign_in(client, provider, **ANA | {"email_verified": False})
    later(601)
    assert client.post("/sign-in/single-sign-on/first-time/")["Location"] == "/sign-in/single-sign-on/"
    assert User.objects.count() == 0


def test_single_sign_on_does_not_open_a_deactivated_account(client, provider):
    connect_account(UserFactory(is_active=False), provider)
    response = sign_in(client, provider, **ANA)
    assert messages_in(response) == ["You can't use this account right now. Ask at the desk to find out why."]
    assert person_in(client) is None


def test_borrowed_device_asks_for_the_provider_password_and_signs_out_after_two_hours(client, provider):
    browser = requests.Session()
    sign_in(Client(), provider, browser=browser, sub="1", name="The owner")
    sign_in(client, provider, browser=browser, form={"borrowed": "on"}, **ANA)
    # The device's owner still had a session at the provider, but the provider asked Ana for her password.
    assert person_in(client).name == "Ana Ruiz"
    assert client.session.get_expiry_age() <= 2 * 60 * 60
    assert client.cookies["sessionid"]["max-age"] == ""
    assert "last_person" not in client.cookies


def test_visit_opened_by_code_remains_open_after_single_sign_on(client, provider, show_code, branch):
    visit = HelpSessionFactory(branch=branch)
    show_code(client, code_for(visit))
    sign_in(client, provider, **ANA)
    assert client.get(reverse("help_session", args=[visit.public_id])).status_code == 200


def test_single_sign_on_does_not_open_the_desk(client, provider, staff):
    connect_account(staff, provider)
    sign_in(client, provider, **ANA)
    assert person_in(client) == staff
    assert client.get("/desk/")["Location"].startswith("/second-factor/")
    # For staff, single sign-on doesn't count as reauthentication.
    assert client.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")


# Tests of connecting and disconnecting single sign-on.


def prove(client):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()


def test_patron_can_connect_single_sign_on_after_reauthentication(client, provider, patron, as_patron):
    assert client.get("/me/single-sign-on/")["Location"].startswith("/me/prove/")
    assert client.post("/me/single-sign-on/")["Location"].startswith("/me/prove/")
    prove(client)
    address = begin(client, "/me/single-sign-on/")
    assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
    response = return_from_provider(client, provider, address, **ANA | {"email": patron.email})
    assert response["Location"] == "/me/"
    assert messages_in(response) == ["You can now sign in with Harbour College."]
    assert list(SocialAccount.objects.values_list("user", "uid")) == [(patron.pk, "4711")]
    assert User.objects.get() == patron
    other = Client()
    sign_in(other, provider, **ANA)
    assert person_in(other) == patron


@pytest.fixture
def as_patron(sign_in_as, client, patron):
    return sign_in_as(client, patron)


@pytest.fixture
def sign_in_as(request):
    return request.getfixturevalue("sign_in")


def test_sign_on_account_of_another_patron_cannot_be_connected(client, provider, patron, as_patron):
    connect_account(UserFactory(), provider)
    prove(client)
    response = return_from_provider(client, provider, begin(client, "/me/single-sign-on/"), **ANA)
    assert response["Location"] == "/me/single-sign-on/"
    assert "another library account" in messages_in(response)[0]
    assert not SocialAccount.objects.filter(user=patron).exists()


def test_sign_on_response_is_refused_if_another_person_has_signed_in_meanwhile(
    client, provider, patron, as_patron, sign_in_as
):
    prove(client)
    address = provider.visit(begin(client, "/me/single-sign-on/"), **ANA).removeprefix("http://testserver")
    other = UserFactory()
    states = client.session["socialaccount_states"]
    sign_in_as(client, other)
    session = client.session
    session["socialaccount_states"] = states
    session.save()
    assert client.get(address)["Location"] == "/me/single-sign-on/"
    assert SocialAccount.objects.count() == 0


def test_disconnecting_single_sign_on_requires_reauthentication(client, provider, patron, as_patron):
    connect_account(patron, provider)
    assert client.post("/me/single-sign-on/", {"disconnect": "1"})["Location"].startswith("/me/prove/")
    assert SocialAccount.objects.count() == 1
    prove(client)
    assert client.get("/me/single-sign-on/").status_code == 200
    assert SocialAccount.objects.count() == 1
    assert client.post("/me/single-sign-on/", {"disconnect": "1"})["Location"] == "/me/"
    assert SocialAccount.objects.count() == 0


def without_address(patron):
    User.objects.filter(pk=patron.pk).update(email=None)


def with_passkey(patron):
    without_address(patron)
    PasskeyFactory(person=patron)


def with_card(patron):
    without_address(patron)
    LibraryCard.objects.create(person=patron, ils_id="41", barcode="20001001", seen_at=timezone.now())


def with_unverified_address(patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)


@pytest.mark.parametrize(
    ("make", "left"),
    [(without_address, 1), (with_unverified_address, 1), (with_passkey, 0), (with_card, 0)],
)
def test_patron_cannot_disconnect_their_only_sign_in_method(make, left, client, provider, patron, as_patron):
    connect_account(patron, provider)
    make(patron)
    prove(client)
    page = client.post("/me/single-sign-on/", {"disconnect": "1"})
    assert SocialAccount.objects.count() == left
    if left:
        assert "You can only sign in with" in page.content.decode()
        assert 'id="disconnect"' not in client.get("/me/single-sign-on/").content.decode()


# Tests of reauthentication.


def test_patron_who_has_only_single_sign_on_reauthenticates_at_the_provider(client, provider, later):
    browser = requests.Session()
    sign_in(client, provider, browser=browser, sub="4711")
    # The sign-in counts as reauthentication.
    assert client.get(reverse("export")).status_code == 200
    session = client.session
    del session[REAUTHENTICATED_AT]
    session.save()
    page = client.get(reverse("connect_sign_on"))
    assert page["Location"] == "/me/prove/?next=%2Fme%2Fsingle-sign-on%2F"
    words = client.get(page["Location"]).content.decode()
    assert 'id="prove-by-sign-on"' in words
    assert 'id="confirm"' not in words
    client.post(page["Location"], {"confirm": "1"})
    assert REAUTHENTICATED_AT not in client.session
    stranger = return_from_provider(
        client, provider, begin(client, page["Location"], sign_on="1"), sub="4712"
    )
    assert (stranger["Location"], REAUTHENTICATED_AT in client.session) == ("/me/prove/", False)
    old = return_from_provider(
        client,
        provider,
        begin(client, page["Location"], sign_on="1"),
        sub="4711",
        claims={"auth_time": 1_000_000_000},
    )
    assert (old["Location"], REAUTHENTICATED_AT in client.session) == ("/me/prove/", False)
    shown = return_from_provider(
        client, provider, begin(client, page["Location"], sign_on="1"), browser=browser, sub="4711"
    )
    assert (shown["Location"], REAUTHENTICATED_AT in client.session) == ("/me/single-sign-on/", True)


def test_single_sign_on_reauthenticates_a_patron_but_does_not_verify_their_address(
    client, provider, patron, as_patron
):
    connect_account(patron, provider)
    page = client.get("/me/prove/?next=/me/address/").content.decode()
    [way] = re.findall(r'id="to-sign-on" href="([^"]+)"', page)
    address = begin(client, f"/me/prove/{unescape(way)}", sign_on="1")
    assert return_from_provider(client, provider, address, sub="4711")["Location"] == "/me/address/"
    assert (REAUTHENTICATED_AT in client.session, VERIFIED_AT in client.session) == (True, False)


def test_patron_with_an_old_session_at_the_provider_is_not_reauthenticated(client, provider):
    sign_in(client, provider, sub="4711", claims={"auth_time": 1_000_000_000})
    assert person_in(client)
    assert REAUTHENTICATED_AT not in client.session
    assert client.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")


# Tests of merging, erasing and other changes.


def test_merging_records_moves_the_sign_on_account_to_the_remaining_record(provider, patron):
    other = UserFactory()
    account = connect_account(other, provider)
    merge_people(other, patron, by=patron, at=timezone.now())
    account.refresh_from_db()
    assert account.user == patron


def test_each_record_has_only_its_own_sign_on_accounts_after_a_merge_is_undone(provider, patron, coordinator):
    other = UserFactory()
    account, own = connect_account(other, provider), connect_account(patron, provider, sub="1")
    joined = unmerging.merge_for_a_day(other, patron, by=coordinator, at=timezone.now())
    connect_account(patron, provider, sub="2")
    person = unmerging.unmerge(joined, by=coordinator, at=timezone.now())
    account.refresh_from_db()
    own.refresh_from_db()
    assert (account.user, own.user) == (person, patron)
    assert SocialAccount.objects.count() == 2


def test_stopping_an_address_change_disconnects_accounts_added_since_the_change_began(
    provider, patron, mailoutbox
):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    connect_account(patron, provider, sub="before")
    change_in_a_week(patron, email="new@example.org", at=timezone.now())
    connect_account(patron, provider, sub="since")
    token = re.search(r"/not-me/(\w+)/", Notification.objects.get(recipient=patron).text)[1]
    stop_change(token, at=timezone.now())
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ["before"]


def test_sign_on_account_is_in_the_copy_of_a_patrons_data_and_is_erased_with_the_patron(provider, patron):
    connect_account(patron, provider)
    connect_account(UserFactory(), provider, sub="another")
    rows = list(contents.entries(contents.TABLES["sign_ons"], patron, timezone.now()))
    assert [(row["provider"], row["id_there"]) for row in rows] == [(provider.issuer, "4711")]
    erase(patron, language="en", at=timezone.now())
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ["another"]


def test_equal_account_ids_at_two_providers_belong_to_different_people(client, provider, settings):
    SocialAccount.objects.create(user=UserFactory(), provider="https://old.example", uid="4711")
    sign_in(client, provider, **ANA)
    assert person_in(client).email == ANA["email"]
    assert User.objects.count() == 2


def test_single_sign_on_pages_are_404_without_a_provider(client, library, patron, sign_in_as, settings):
    settings.SSO = settings.SSO | {"issuer": ""}
    for name in ("single_sign_on", "single_sign_on_answer", "single_sign_on_first_time"):
        assert client.get(reverse(name)).status_code == 404
    assert "single-sign-on" not in client.get(reverse("sign_in")).content.decode()
    sign_in_as(client, patron)
    assert "single-sign-on" not in client.get(reverse("me")).content.decode()
    prove(client)
    assert client.get(reverse("connect_sign_on")).status_code == 404


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "path",
    [
        "social/login/cancelled/",
        "social/login/error/",
        "social/signup/",
        "social/connections/",
        "oidc/x/login/",
        "3rdparty/",
    ],
)
def test_allauth_social_pages_are_404(path, client, provider):
    assert client.get(f"/{path}").status_code == 404
    assert client.get(f"/accounts/{path}").status_code == 404


# Tests of the command sso_check.


def check():
    out = io.StringIO()
    try:
        call_command("sso_check", stdout=out)
    except CommandError as error:
        return f"! {error}"
    return out.getvalue()


def test_sso_check_reports_a_working_provider(provider, settings):
    settings.BASE_URL = "https://help.library.example"
    assert check().splitlines() == [
        f"ok    {provider.issuer} responds, and its issuer matches SSO_ISSUER.",
        "ok    Signing keys: 1.",
        "ok    It supports every scope in SSO_SCOPES.",
        "ok    It uses PKCE.",
        "Register this redirect address with the provider: "
        "https://help.library.example/sign-in/single-sign-on/answer/",
        "Only a real sign-in shows whether the provider accepts SSO_CLIENT_ID and SSO_CLIENT_SECRET. "
        "Sign in once to find out.",
        "No problems found.",
    ]


@pytest.mark.only_long
@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"issuer": ""}, "No single sign-on is set"),
        ({"issuer": "http://127.0.0.1:9"}, "can't be reached"),
        ({"issuer": "{root}"}, "responds with status 404"),
        ({"issuer": "{localhost}"}, "calls itself 'http://127.0.0.1"),
        ({"scopes": ["openid", "phone"]}, "LOOK  It does not support phone. See SSO_SCOPES."),
        ({"ca_file": "/nowhere.pem", "issuer": "https://127.0.0.1:9"}, "Does SSO_CA_FILE exist?"),
    ],
)
def test_sso_check_explains_each_problem_and_its_fix(other, words, provider, settings):
    if "issuer" in other:
        places = {
            "root": provider.issuer.removesuffix("/o"),
            "localhost": provider.issuer.replace("127.0.0.1", "localhost"),
        }
        other = other | {"issuer": other["issuer"].format(**places)}
    settings.SSO = provider.settings(**other)
    assert words in check()
