"""Check which sign-in method the sign-in page offers first on a device."""

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


def test_sign_in_page_first_offers_an_email_code_on_a_new_device(client):
    page = client.get(reverse("sign_in")).content.decode()
    assert 'id="send-code"' in page
    assert [
        name for name in ("use-passkey", "use-sign-on", "use-card", "use-mail") if f'id="{name}"' in page
    ] == ["use-passkey", "use-sign-on", "use-card"]
    assert page.index('id="send-code"') < page.index('id="use-passkey"') < page.index('id="use-card"')


@pytest.mark.parametrize(
    ("way", "page"), [("card", "/sign-in/card/"), ("single_sign_on", "/sign-in/single-sign-on/")]
)
def test_sign_in_page_redirects_to_the_method_last_used_on_the_device(way, page):
    answer = device(way).get(reverse("sign_in"), {"next": "/lists/"})
    assert answer["Location"] == f"{page}?next=%2Flists%2F"
    there = device(way).get(answer["Location"]).content.decode()
    assert re.search(r'id="use-mail"\s+href="/sign-in/\?way=code&amp;next=%2Flists%2F"', there)
    other = device(way).get("/sign-in/?way=code&next=/lists/")
    assert 'id="send-code"' in other.content.decode()


def test_sign_in_page_shows_passkeys_first_if_the_device_last_used_a_passkey():
    page = device("passkey").get(reverse("sign_in")).content.decode()
    assert page.index('id="use-passkey"') < page.index('id="send-code"')
    # On a device that supports passkeys, passkeys.js hides the email form.
    assert re.search(r'<form [^>]*action="/sign-in/"[^>]*\sdata-without-passkeys>', page)
    assert page.count('id="use-passkey"') == 1


@pytest.mark.parametrize("way", ["", "code", "nonsense", "<b>"])
def test_sign_in_page_shows_the_email_form_if_the_method_cookie_is_invalid(way):
    assert 'id="send-code"' in device(way).get(reverse("sign_in")).content.decode()


def test_remembered_sign_in_method_that_is_no_longer_offered_is_ignored(settings):
    settings.ILS, settings.SSO = "", settings.SSO | {"issuer": ""}
    for way in ("card", "single_sign_on"):
        assert device(way).get(reverse("sign_in")).status_code == 200


def test_invalid_email_address_is_shown_again_even_if_card_sign_in_is_remembered(library):
    assert 'value="sam@"' in device("card").post(reverse("sign_in"), {"email": "sam@"}).content.decode()


def test_device_remembers_the_sign_in_method_but_not_the_person(client):
    by_card(client)
    assert (
        client.cookies[METHOD_COOKIE].value,
        client.cookies[METHOD_COOKIE]["httponly"],
        client.cookies[METHOD_COOKIE]["samesite"],
    ) == ("card", True, "Lax")


def test_sign_in_by_code_clears_the_remembered_method(client, patron):
    client.cookies[METHOD_COOKIE] = "card"
    ask_for_code(client, patron.email)
    enter(client, mailed_code(patron.email))
    assert client.cookies[METHOD_COOKIE].value == ""


def test_borrowed_device_remembers_no_sign_in_method(client):
    by_card(client, borrowed="on")
    assert METHOD_COOKIE not in client.cookies


def test_signing_out_clears_the_remembered_sign_in_method(client):
    by_card(client)
    assert '"cookies"' in client.post(reverse("sign_out"))["Clear-Site-Data"]


def test_remembered_sign_in_method_is_used_even_if_the_patron_has_a_passkey(patron):
    PasskeyFactory(person=patron)
    assert device("card").get(reverse("sign_in"))["Location"] == "/sign-in/card/"
