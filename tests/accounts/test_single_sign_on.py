"""Single sign-on through a provider made by somebody else, which runs as a process of its own: tests/sign_on_provider.py."""

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

pytestmark = pytest.mark.django_db

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
    """later(seconds): from now on."""
    return lambda seconds: time_machine.move_to(timezone.now() + datetime.timedelta(seconds=seconds))


def begin(client, path="/sign-in/single-sign-on/", **form):
    """The address at the provider to which the page leads by itself."""
    response = client.post(path, form)
    address = response.headers["Refresh"].removeprefix("0; url=")
    assert unescape(re.search('id="to-provider" href="([^"]+)"', response.content.decode())[1]) == address
    return address


def come_back(client, provider, address, *, browser=None, **person):
    return client.get(provider.visit(address, browser=browser, **person).removeprefix("http://testserver"))


def sign_in(client, provider, *, browser=None, form=None, **person):
    return come_back(client, provider, begin(client, **form or {}), browser=browser, **person)


def person_in(client):
    found = client.session.get("_auth_user_id")
    return User.objects.get(pk=found) if found else None


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def known(person, provider, sub="4711"):
    return SocialAccount.objects.create(user=person, provider=provider.issuer, uid=sub)


def test_who_is_new_gets_a_record_and_is_found_again(client, provider):
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


def test_what_is_asked_of_the_provider(client, provider):
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
def test_what_is_not_as_it_must_be_lets_nobody_in(lie, reason, client, provider, caplog):
    victim = UserFactory()
    known(victim, provider, sub="victim")
    response = sign_in(client, provider, lie=lie, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert said(response) == [
        "We couldn't verify the answer from Harbour College, so nothing was changed. "
        "Try again, or sign in another way."
    ]
    assert person_in(client) is None
    assert User.objects.get() == victim
    assert reason in caplog.text
    assert "ana@college.example" not in caplog.text


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
        {"aud": ["another"]},
    ],
)
def test_claims_that_are_none_are_refused(claims, client, provider):
    response = sign_in(client, provider, claims=claims, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert User.objects.count() == 0


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    stranger = Client()
    response = stranger.get(address)
    assert (response["Location"], person_in(stranger)) == ("/sign-in/single-sign-on/", None)
    assert said(response) == ["That sign-in has expired or was already used. Start again."]
    assert User.objects.count() == 0
    client.get(address)
    assert person_in(client).email == ANA["email"]
    client.post(reverse("sign_out"))
    assert (client.get(address)["Location"], person_in(client)) == ("/sign-in/single-sign-on/", None)


def test_an_answer_with_another_state_is_refused(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    assert (
        client.get(re.sub("state=[^&]+", "state=another", address))["Location"] == "/sign-in/single-sign-on/"
    )
    assert client.get(re.sub("state=[^&]+", "", address))["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_an_answer_that_takes_longer_than_ten_minutes_is_refused(client, provider, later):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    later(601)
    assert client.get(address)["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_a_code_that_the_provider_did_not_give_is_refused(client, provider):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    assert client.get(re.sub("code=[^&]+", "code=made-up", address))["Location"] == "/sign-in/single-sign-on/"
    assert person_in(client) is None


def test_whoever_stops_at_the_provider_can_begin_again(client, provider):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(reverse("single_sign_on_answer"), {"error": "access_denied", "state": state})
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert said(response) == ["You returned from Harbour College without signing in. Nothing has changed."]
    page = client.get("/sign-in/single-sign-on/").content.decode()
    assert 'id="use-mail"' in page
    assert 'id="go-on"' in page


@pytest.mark.parametrize("error", ["server_error", "<b>", "\0"])
def test_an_error_of_the_provider_is_told(error, client, provider):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(reverse("single_sign_on_answer"), {"error": error, "state": state})
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert "verify the answer" in said(response)[0]


def test_a_provider_that_is_away_is_told_and_the_code_offered(client, provider, settings):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")
    settings.SSO = provider.settings(issuer="http://127.0.0.1:9")
    response = client.post("/sign-in/single-sign-on/")
    assert response["Location"] == "/sign-in/single-sign-on/"
    assert said(response) == [
        "Harbour College isn't responding right now. Try again later, or sign in another way."
    ]
    page = client.get("/sign-in/single-sign-on/").content.decode()
    assert re.search(r'id="use-mail"\s+href="/sign-in/\?way=code"', page)
    assert client.get(address)["Location"] == "/sign-in/single-sign-on/"  # another issuer's answer
    assert person_in(client) is None


def test_a_provider_that_goes_away_on_the_way_back_is_told(client, provider, monkeypatch):
    address = provider.visit(begin(client), **ANA).removeprefix("http://testserver")

    def fail(*args, **kwargs):
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests.Session, "send", fail)
    response = client.get(address)
    assert "responding right now" in said(response)[0]
    assert person_in(client) is None


def test_a_provider_that_calls_itself_by_another_name_is_not_asked(client, provider, settings):
    settings.SSO = provider.settings(issuer=provider.issuer.replace("127.0.0.1", "localhost"))
    response = client.post("/sign-in/single-sign-on/")
    assert "verify the answer" in said(response)[0]
    assert "Refresh" not in response.headers


def test_a_proven_address_that_is_somebodys_here_opens_nothing(client, provider):
    there = UserFactory(name="Sam", email=ANA["email"])
    EmailAddress.objects.create(user=there, email=there.email, verified=True, primary=True)
    response = sign_in(client, provider, **ANA)
    assert response["Location"] == "/sign-in/single-sign-on/first-time/"
    assert person_in(client) is None
    page = client.get(response["Location"])
    assert "You already have an account" in page.content.decode()
    assert ANA["email"] in page.content.decode()
    assert 'href="/sign-in/?way=code&amp;next=%2Fme%2F"' in page.content.decode()
    assert client.post(response["Location"]).status_code == 200  # no way round
    assert User.objects.get() == there
    assert SocialAccount.objects.count() == 0


def test_an_address_that_somebody_once_typed_belongs_to_nobody(client, provider):
    client.post(reverse("sign_in"), {"email": ANA["email"]})
    other = Client()
    sign_in(other, provider, **ANA)
    assert person_in(other) == User.objects.get()
    assert User.objects.get().name == "Ana Ruiz"


@pytest.mark.parametrize("is_known", [True, False])
def test_an_address_that_the_provider_does_not_vouch_for_asks_the_same_of_everybody(
    is_known, client, provider
):
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
    assert f'value="{ANA["email"]}"' in _after_proof(client, "add_address")


def _after_proof(client, name):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()
    return client.get(reverse(name)).content.decode()


def test_a_word_for_one_address_is_none_for_another(client, provider, monkeypatch):
    """The ID token vouches for Ana's; the userinfo names somebody else's, and vouches for nothing."""
    monkeypatch.setattr(
        openid_connect._Adapter,
        "read_userinfo",
        lambda self, token, *, subject: {"sub": subject, "email": "eve@college.example"},
    )
    assert sign_in(client, provider, **ANA)["Location"] == "/sign-in/single-sign-on/first-time/"
    assert User.objects.count() == 0


def test_domains_that_the_library_answers_for_are_vouched_for(client, provider, settings):
    settings.SSO = provider.settings(proven_domains=["college.example"])
    sign_in(client, provider, sub="4711", name="Ana Ruiz", email="Ana@College.Example")
    assert person_in(client).email == "ana@college.example"
    other = Client()
    assert (
        sign_in(other, provider, sub="4712", email="eve@not-college.example")["Location"]
        == "/sign-in/single-sign-on/first-time/"
    )


def test_who_has_no_address_comes_in_without(client, provider):
    sign_in(client, provider, sub="4711")
    assert (person_in(client).name, person_in(client).email) == ("", None)


def test_the_first_time_page_is_for_whoever_was_sent_there_for_ten_minutes(client, provider, later):
    assert client.get("/sign-in/single-sign-on/first-time/")["Location"] == "/sign-in/single-sign-on/"
    sign_in(client, provider, **ANA | {"email_verified": False})
    later(601)
    assert client.post("/sign-in/single-sign-on/first-time/")["Location"] == "/sign-in/single-sign-on/"
    assert User.objects.count() == 0


def test_a_shut_record_is_not_opened(client, provider):
    known(UserFactory(is_active=False), provider)
    response = sign_in(client, provider, **ANA)
    assert said(response) == ["You can't use this account right now. Ask at the desk to find out why."]
    assert person_in(client) is None


def test_on_a_borrowed_device_the_provider_asks_anew_and_the_sign_in_is_short(client, provider):
    browser = requests.Session()
    sign_in(Client(), provider, browser=browser, sub="1", name="The owner")
    sign_in(client, provider, browser=browser, form={"borrowed": "on"}, **ANA)
    assert person_in(client).name == "Ana Ruiz"  # not the owner, whom the provider still knew
    assert client.session.get_expiry_age() <= 2 * 60 * 60
    assert client.cookies["sessionid"]["max-age"] == ""
    assert "last_person" not in client.cookies


def test_a_visit_that_was_opened_by_code_stays_open(client, provider, show_code, branch):
    visit = HelpSessionFactory(branch=branch)
    show_code(client, code_for(visit))
    sign_in(client, provider, **ANA)
    assert client.get(reverse("help_session", args=[visit.public_id])).status_code == 200


def test_single_sign_on_opens_no_desk(client, provider, staff):
    known(staff, provider)
    sign_in(client, provider, **ANA)
    assert person_in(client) == staff
    assert client.get("/desk/")["Location"].startswith("/second-factor/")
    assert client.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")  # no proof of staff either


# Connecting and disconnecting.


def prove(client):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()


def test_somebody_who_is_here_connects_it(client, provider, patron, as_patron):
    assert client.get("/me/single-sign-on/")["Location"].startswith("/me/prove/")
    assert client.post("/me/single-sign-on/")["Location"].startswith("/me/prove/")
    prove(client)
    address = begin(client, "/me/single-sign-on/")
    assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
    response = come_back(client, provider, address, **ANA | {"email": patron.email})
    assert response["Location"] == "/me/"
    assert said(response) == ["You can now sign in with Harbour College."]
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


def test_what_opens_somebody_elses_record_is_not_connected(client, provider, patron, as_patron):
    known(UserFactory(), provider)
    prove(client)
    response = come_back(client, provider, begin(client, "/me/single-sign-on/"), **ANA)
    assert response["Location"] == "/me/single-sign-on/"
    assert "another library account" in said(response)[0]
    assert not SocialAccount.objects.filter(user=patron).exists()


def test_an_answer_is_for_whoever_began_it(client, provider, patron, as_patron, sign_in_as):
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


def test_it_is_disconnected_after_a_proof(client, provider, patron, as_patron):
    known(patron, provider)
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


def with_an_address_that_may_be_a_strangers(patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)


@pytest.mark.parametrize(
    ("make", "left"),
    [(without_address, 1), (with_an_address_that_may_be_a_strangers, 1), (with_passkey, 0), (with_card, 0)],
)
def test_the_only_way_in_stays(make, left, client, provider, patron, as_patron):
    known(patron, provider)
    make(patron)
    prove(client)
    page = client.post("/me/single-sign-on/", {"disconnect": "1"})
    assert SocialAccount.objects.count() == left
    if left:
        assert "You can only sign in with" in page.content.decode()
        assert 'id="disconnect"' not in client.get("/me/single-sign-on/").content.decode()


# That it is still them.


def test_who_has_nothing_else_proves_it_by_showing_it_to_the_provider_anew(client, provider, later):
    browser = requests.Session()
    sign_in(client, provider, browser=browser, sub="4711")
    assert client.get(reverse("export")).status_code == 200  # shown a moment ago
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
    stranger = come_back(client, provider, begin(client, page["Location"], sign_on="1"), sub="4712")
    assert (stranger["Location"], REAUTHENTICATED_AT in client.session) == ("/me/prove/", False)
    old = come_back(
        client,
        provider,
        begin(client, page["Location"], sign_on="1"),
        sub="4711",
        claims={"auth_time": 1_000_000_000},
    )
    assert (old["Location"], REAUTHENTICATED_AT in client.session) == ("/me/prove/", False)
    shown = come_back(
        client, provider, begin(client, page["Location"], sign_on="1"), browser=browser, sub="4711"
    )
    assert (shown["Location"], REAUTHENTICATED_AT in client.session) == ("/me/single-sign-on/", True)


def test_who_can_no_longer_read_their_mail_proves_it_there_too_and_the_old_mailbox_keeps_its_word(
    client, provider, patron, as_patron
):
    known(patron, provider)
    page = client.get("/me/prove/?next=/me/address/").content.decode()
    [way] = re.findall(r'id="to-sign-on" href="([^"]+)"', page)
    address = begin(client, f"/me/prove/{unescape(way)}", sign_on="1")
    assert come_back(client, provider, address, sub="4711")["Location"] == "/me/address/"
    assert (REAUTHENTICATED_AT in client.session, VERIFIED_AT in client.session) == (True, False)


def test_a_sign_in_without_being_asked_at_the_provider_is_no_proof(client, provider):
    sign_in(client, provider, sub="4711", claims={"auth_time": 1_000_000_000})
    assert person_in(client)
    assert REAUTHENTICATED_AT not in client.session
    assert client.get(reverse("add_passkey"))["Location"].startswith("/me/prove/")


# What becomes of it.


def test_of_two_records_that_become_one_it_goes_along(provider, patron):
    other = UserFactory()
    account = known(other, provider)
    merge_people(other, patron, by=patron, at=timezone.now())
    account.refresh_from_db()
    assert account.user == patron


def test_unmerged_records_keep_their_own_accounts_and_lose_those_added_since(provider, patron, coordinator):
    other = UserFactory()
    account, own = known(other, provider), known(patron, provider, sub="1")
    joined = unmerging.merge_for_a_day(other, patron, by=coordinator, at=timezone.now())
    known(patron, provider, sub="2")
    person = unmerging.unmerge(joined, by=coordinator, at=timezone.now())
    account.refresh_from_db()
    own.refresh_from_db()
    assert (account.user, own.user) == (person, patron)
    assert SocialAccount.objects.count() == 2


def test_whoever_stops_a_change_of_address_ends_what_was_connected_since(provider, patron, mailoutbox):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    known(patron, provider, sub="before")
    change_in_a_week(patron, email="new@example.org", at=timezone.now())
    known(patron, provider, sub="since")
    token = re.search(r"/not-me/(\w+)/", Notification.objects.get(recipient=patron).text)[1]
    stop_change(token, at=timezone.now())
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ["before"]


def test_a_copy_holds_it_and_erasing_takes_it(provider, patron):
    known(patron, provider)
    known(UserFactory(), provider, sub="another")
    rows = list(contents.entries(contents.TABLES["sign_ons"], patron, timezone.now()))
    assert [(row["provider"], row["id_there"]) for row in rows] == [(provider.issuer, "4711")]
    erase(patron, language="en", at=timezone.now())
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ["another"]


def test_who_was_known_by_another_provider_is_somebody_else(client, provider, settings):
    SocialAccount.objects.create(user=UserFactory(), provider="https://old.example", uid="4711")
    sign_in(client, provider, **ANA)
    assert person_in(client).email == ANA["email"]
    assert User.objects.count() == 2


def test_without_a_provider_there_is_nothing_to_see(client, library, patron, sign_in_as, settings):
    settings.SSO = settings.SSO | {"issuer": ""}
    for name in ("single_sign_on", "single_sign_on_answer", "single_sign_on_first_time"):
        assert client.get(reverse(name)).status_code == 404
    assert "single-sign-on" not in client.get(reverse("sign_in")).content.decode()
    sign_in_as(client, patron)
    assert "single-sign-on" not in client.get(reverse("me")).content.decode()
    prove(client)
    assert client.get(reverse("connect_sign_on")).status_code == 404


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
def test_no_page_of_the_package_is_served(path, client, provider):
    assert client.get(f"/{path}").status_code == 404
    assert client.get(f"/accounts/{path}").status_code == 404


# What an administrator is told.


def check():
    out = io.StringIO()
    try:
        call_command("sso_check", stdout=out)
    except CommandError as error:
        return f"! {error}"
    return out.getvalue()


def test_what_is_well_is_said(provider, settings):
    settings.BASE_URL = "https://help.library.example"
    assert check().splitlines() == [
        f"ok    {provider.issuer} answers, and is the issuer that it says it is.",
        "ok    Signing keys: 1.",
        "ok    It supports every scope in SSO_SCOPES.",
        "ok    It uses PKCE.",
        "Register this redirect address with the provider: "
        "https://help.library.example/sign-in/single-sign-on/answer/",
        "Only a real sign-in shows whether the provider accepts SSO_CLIENT_ID and SSO_CLIENT_SECRET. "
        "Sign in once to find out.",
        "No problems found.",
    ]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"issuer": ""}, "No single sign-on is set"),
        ({"issuer": "http://127.0.0.1:9"}, "can't be reached"),
        ({"issuer": "{root}"}, "answers with status 404"),
        ({"issuer": "{localhost}"}, "calls itself 'http://127.0.0.1"),
        ({"scopes": ["openid", "phone"]}, "LOOK  It does not support phone. See SSO_SCOPES."),
        ({"ca_file": "/nowhere.pem", "issuer": "https://127.0.0.1:9"}, "Does SSO_CA_FILE exist?"),
    ],
)
def test_what_is_wrong_is_said_with_its_mend(other, words, provider, settings):
    if "issuer" in other:
        places = {
            "root": provider.issuer.removesuffix("/o"),
            "localhost": provider.issuer.replace("127.0.0.1", "localhost"),
        }
        other = other | {"issuer": other["issuer"].format(**places)}
    settings.SSO = provider.settings(**other)
    assert words in check()
