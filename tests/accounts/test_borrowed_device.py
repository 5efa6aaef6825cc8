"""Check that a sign-in on a borrowed device expires, and that the browser stores nothing about the person."""

import re

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.ils import fake
from accounts.models import RefusedPost
from accounts.sign_in.access import BORROWED, WAS_BORROWED
from accounts.views.sign_in import LAST_PERSON
from portal.notifications.models import Notification
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, UserFactory
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("library")

OURS = {"headers": {"sec-fetch-site": "same-origin"}}


def by_code(client, **borrowed):
    client.post(reverse("sign_in"), {"email": "sam@example.org", **borrowed})
    code = re.search(
        r"^(\d{6})$",
        Notification.objects.filter(to_address="sam@example.org").latest("pk").text,
        re.MULTILINE,
    )[1]
    return client.post(reverse("account_confirm_login_code"), {"code": code})


def by_card(client, **borrowed):
    card = fake.CARDS[0]
    return client.post(reverse("card_sign_in"), {"card": card.card, "pin": card.pin, **borrowed})


WAYS = pytest.mark.parametrize("way", [by_code, by_card], ids=["by code", "by card"])


def cookie(response):
    found = response.cookies[settings.SESSION_COOKIE_NAME]
    return found["max-age"], found["expires"]


def is_signed_in(client):
    return not client.get(reverse("add_address")).headers.get("Location", "").startswith(reverse("sign_in"))


@WAYS
def test_session_cookie_on_a_borrowed_device_expires_when_the_browser_closes(client, way, patron):
    response = way(client, borrowed="on")
    assert response["Location"] == "/"
    assert cookie(response) == ("", "")
    assert is_signed_in(client)


@WAYS
def test_every_page_on_a_borrowed_device_has_a_sign_out_button(client, way, patron):
    pages = [reverse(name) for name in ("home", "help_sessions", "conversations", "saved", "me", "privacy")]
    way(client, borrowed="on")
    assert all('id="header-sign-out"' in client.get(page).content.decode() for page in pages)
    own = Client()
    way(own)
    assert not any('id="header-sign-out"' in own.get(page).content.decode() for page in pages)


def test_account_page_on_a_borrowed_device_says_where_to_add_a_passkey(client, patron):
    by_code(client, borrowed="on")
    assert "You can add a passkey on your own device." in text(client.get(reverse("me")))
    client.post(reverse("sign_out"))
    by_code(client)
    assert "You can add a passkey on your own device." not in text(client.get(reverse("me")))


def test_desk_on_a_borrowed_device_has_a_sign_out_button(client, staff, sign_in):
    sign_in(client, staff)
    assert 'id="header-sign-out"' not in client.get(reverse("desk")).content.decode()
    session = client.session
    session[BORROWED] = True
    session.save()
    assert 'id="header-sign-out"' in client.get(reverse("desk")).content.decode()


@WAYS
def test_sign_in_on_a_borrowed_device_ends_after_two_hours(client, way, patron):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        way(client, borrowed="on")
        clock.shift(3600)
        # A request by the signed-in patron does not extend the session.
        client.post(reverse("me"), {"name": "Sam"})
        clock.shift(3599)
        assert is_signed_in(client)
        clock.shift(2)
        assert not is_signed_in(client)


@WAYS
def test_borrowed_device_gets_no_cookie_that_identifies_the_last_patron(client, way, patron):
    way(client, borrowed="on")
    client.get(reverse("me"))
    assert LAST_PERSON not in client.cookies


@WAYS
def test_refused_form_is_not_saved_if_the_last_sign_in_was_on_a_borrowed_device(
    client, way, patron, staff, sign_in
):
    sign_in(client, staff)
    client.get(reverse("me"))
    client.session.flush()
    way(client, borrowed="on")
    client.get(reverse("me"))
    client.session.flush()
    client.post(reverse("add_address"), {"email": "x@example.org"}, **OURS)
    client.post(reverse("sign_out_elsewhere"), {"body": "what I wrote"}, **OURS)
    assert not RefusedPost.objects.exists()


def sign_in_ended(client, patron, **borrowed):
    """Sign the patron in, and return the browser after the sign-in has ended."""
    by_code(client, **borrowed)
    client.get(reverse("me"))
    client.session.flush()
    return client


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("new_list", {"name": "Books about divorce"}),
        ("me", {"name": "Books about divorce"}),
        ("ask", {"body": "Books about divorce", "client_token": "0" * 32}),
    ],
)
def test_next_person_on_a_borrowed_device_does_not_see_text_sent_after_the_sign_in_ended(
    patron, sign_in, name, fields
):
    device = sign_in_ended(Client(), patron, borrowed="on")
    device.handler.enforce_csrf_checks = True
    answer = device.post(reverse(name), fields, **OURS)
    assert (answer.status_code, "Books about divorce" in text(answer)) == (403, True)
    assert not RefusedPost.objects.exists()
    sign_in(device, UserFactory())
    assert "Books about divorce" not in device.get(reverse(name)).content.decode()


def test_refused_button_is_not_saved_if_the_last_sign_in_was_on_a_borrowed_device(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    address = reverse("session_outcome", args=[session.public_id])
    for borrowed in ({"borrowed": "on"}, {}):
        device = sign_in_ended(Client(), patron, **borrowed)
        assert device.post(address, {"found": "all"}, **OURS).status_code == 302
        assert RefusedPost.objects.exists() == (not borrowed)


def test_next_sign_in_deletes_the_cookie_of_a_borrowed_device(patron):
    device = Client()
    assert WAS_BORROWED not in device.cookies
    sign_in_ended(device, patron, borrowed="on")
    mark = device.cookies[WAS_BORROWED]
    assert (mark.value, mark["max-age"], mark["expires"], mark["httponly"]) == ("1", "", "", True)
    sign_in_ended(device, patron)
    assert not device.cookies[WAS_BORROWED].value
    device.post(reverse("new_list"), {"name": "Winter"}, **OURS)
    assert RefusedPost.objects.get().person == patron


@WAYS
def test_borrowed_device_stores_no_draft_of_a_question(client, way, patron):
    way(client)
    own = client.get(reverse("ask")).content.decode()
    other = Client()
    way(other, borrowed="on")
    borrowed = other.get(reverse("ask")).content.decode()
    assert ("data-draft-local" in own, "data-draft-local" in borrowed) == (True, False)
    assert ('autocomplete="off"' in own, 'autocomplete="off"' in borrowed) == (False, True)
    # A borrowed device saves drafts on the server only.
    assert 'data-draft="' in borrowed


def test_borrowed_device_stores_no_draft_of_a_reply(client, patron):
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=patron))
    MessageFactory(conversation=conversation)
    by_code(client)
    own = client.get(conversation.get_absolute_url()).content.decode()
    other = Client()
    by_code(other, borrowed="on")
    borrowed = other.get(conversation.get_absolute_url()).content.decode()
    for words in ["data-draft-local", "Your draft is saved on this device."]:
        assert (words in own, words in borrowed) == (True, False)
    assert ('autocomplete="off"' in own, 'autocomplete="off"' in borrowed) == (False, True)


@WAYS
def test_sign_in_on_the_patrons_own_device_is_still_valid_after_300_days(client, way, patron):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        response = way(client)
        assert cookie(response)[0] == settings.SESSION_COOKIE_AGE
        clock.shift(300 * 24 * 3600)
        assert is_signed_in(client)
    assert client.cookies[LAST_PERSON].value


@WAYS
def test_abandoned_sign_in_on_a_borrowed_device_does_not_shorten_a_later_sign_in(client, way, patron):
    client.post(reverse("sign_in"), {"email": "other@example.org", "borrowed": "on"})
    assert cookie(way(client))[0] == settings.SESSION_COOKIE_AGE


@WAYS
def test_email_and_card_sign_in_pages_offer_the_borrowed_device_option(client, way, patron):
    page = client.get(reverse("sign_in" if way is by_code else "card_sign_in")).content.decode()
    assert re.search(r'<input type="checkbox" name="borrowed"[^>]*>', page)
