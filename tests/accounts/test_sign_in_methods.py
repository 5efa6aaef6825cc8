"""One question, the easiest on this device first."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.ils import fake
from accounts.sign_in.methods import METHOD_COOKIE
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code
from tests.factories import PasskeyFactory

pytestmark = pytest.mark.usefixtures("library")

KNOWN = fake.CARDS[0]


def device(way):
    client = Client()
    client.cookies[METHOD_COOKIE] = way
    return client


def by_card(client, **other):
    return client.post(reverse("card_sign_in"), {"card": KNOWN.card, "pin": KNOWN.pin, **other})


def test_a_device_that_nothing_is_known_of_is_asked_for_an_address(client):
    page = client.get(reverse("sign_in")).content.decode()
    assert 'id="send-code"' in page
    assert [
        name for name in ("use-passkey", "use-sign-on", "use-card", "use-mail") if f'id="{name}"' in page
    ] == ["use-passkey", "use-sign-on", "use-card"]
    assert page.index('id="send-code"') < page.index('id="use-passkey"') < page.index('id="use-card"')


@pytest.mark.parametrize(
    ("way", "page"), [("card", "/sign-in/card/"), ("single_sign_on", "/sign-in/single-sign-on/")]
)
def test_what_has_a_page_of_its_own_is_asked_there(way, page):
    answer = device(way).get(reverse("sign_in"), {"next": "/lists/"})
    assert answer["Location"] == f"{page}?next=%2Flists%2F"
    there = device(way).get(answer["Location"]).content.decode()
    assert re.search(r'id="use-mail"\s+href="/sign-in/\?way=code&amp;next=%2Flists%2F"', there)
    other = device(way).get("/sign-in/?way=code&next=/lists/")
    assert 'id="send-code"' in other.content.decode()


def test_a_passkey_is_first_where_one_was_used_and_the_address_where_the_browser_cannot():
    page = device("passkey").get(reverse("sign_in")).content.decode()
    assert page.index('id="use-passkey"') < page.index('id="send-code"')
    assert re.search(
        r'<form [^>]*action="/sign-in/"[^>]* data-without-passkeys>', page
    )  # which passkeys.js hides
    assert page.count('id="use-passkey"') == 1


@pytest.mark.parametrize("way", ["", "code", "nonsense", "<b>"])
def test_a_cookie_that_says_nothing_asks_for_an_address(way):
    assert 'id="send-code"' in device(way).get(reverse("sign_in")).content.decode()


def test_what_the_library_no_longer_has_is_not_asked_for(settings):
    settings.ILS, settings.SSO = "", settings.SSO | {"issuer": ""}
    for way in ("card", "single_sign_on"):
        assert device(way).get(reverse("sign_in")).status_code == 200


def test_what_was_written_wrongly_is_shown_whatever_the_device_is(library):
    assert 'value="sam@"' in device("card").post(reverse("sign_in"), {"email": "sam@"}).content.decode()


def test_a_device_remembers_how_somebody_came_in_and_not_who(client):
    by_card(client)
    assert (
        client.cookies[METHOD_COOKIE].value,
        client.cookies[METHOD_COOKIE]["httponly"],
        client.cookies[METHOD_COOKIE]["samesite"],
    ) == ("card", True, "Lax")


def test_a_code_takes_its_place(client, patron):
    client.cookies[METHOD_COOKIE] = "card"
    ask_for_code(client, patron.email)
    enter(client, mailed_code(patron.email))
    assert client.cookies[METHOD_COOKIE].value == ""


def test_a_borrowed_device_remembers_nothing(client):
    by_card(client, borrowed="on")
    assert METHOD_COOKIE not in client.cookies


def test_signing_out_takes_it_along(client):
    by_card(client)
    assert '"cookies"' in client.post(reverse("sign_out"))["Clear-Site-Data"]


def test_signing_in_elsewhere_leaves_this_device_as_it_is(patron):
    PasskeyFactory(person=patron)
    assert device("card").get(reverse("sign_in"))["Location"] == "/sign-in/card/"
