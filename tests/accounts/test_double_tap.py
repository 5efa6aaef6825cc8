"""Test a double tap without JavaScript. The browser keeps only the cookies of the second response."""

import datetime
from urllib.parse import urlencode

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.sign_in.access import REAUTHENTICATED_AT
from tests.accounts.test_sign_in import ask_for_code, copy_of, mailed_code, signed_in_as
from tests.factories import HelpSessionFactory, code_for

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
CODE_PAGE = reverse("account_confirm_login_code")


def post(browser, address, fields):
    """Send the form as a browser does. By default, Django's client sends the fields as multipart."""
    return browser.post(address, urlencode(fields), content_type=FORM)


def double_tap(browser, address, fields):
    """Send the form twice. Return (browser, first response, second response).

    The returned browser got only the second response.
    """
    second = copy_of(browser)
    return second, post(browser, address, fields), post(second, address, fields)


def key_of(browser):
    return browser.session.session_key


@pytest.fixture
def fields(client, patron):
    """Return the fields of the code page in `client`, with the correct code."""
    ask_for_code(client, patron.email)
    return {"code": mailed_code(patron.email), "next": "/visits/"}


def test_double_tap_on_sign_in_makes_one_session(client, patron, fields):
    second, *answers = double_tap(client, CODE_PAGE, fields)
    assert [answer["Location"] for answer in answers] == ["/visits/", "/visits/"]
    assert signed_in_as(second) == str(patron.pk)
    assert key_of(second) == key_of(client)
    assert UserSession.objects.count() == Session.objects.count() == 1
    assert "already used" not in second.get("/").content.decode()


def test_both_responses_to_a_double_tap_have_the_same_cookies(client, fields):
    _second, *answers = double_tap(client, CODE_PAGE, fields)
    first, second = ({name: str(cookie) for name, cookie in answer.cookies.items()} for answer in answers)
    assert second == first
    assert "last_person" in first


def test_session_cookie_has_no_expiry_date_after_a_double_tap_on_a_borrowed_device(client, patron):
    ask_for_code(client, patron.email, borrowed="on")
    _second, _first, answer = double_tap(client, CODE_PAGE, {"code": mailed_code(patron.email)})
    assert answer.cookies["sessionid"]["max-age"] == ""


def test_form_sent_again_from_another_browser_signs_nobody_in(client, fields):
    post(client, CODE_PAGE, fields)
    other = Client()
    ask_for_code(other, "other@example.org")
    assert post(other, CODE_PAGE, fields).status_code == 200
    assert not signed_in_as(other)
    assert post(Client(), CODE_PAGE, fields)["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("change", [{"code": "000000"}, {"next": "/"}, {"csrfmiddlewaretoken": "x"}])
def test_code_form_sent_again_with_a_changed_value_signs_nobody_in(client, fields, change):
    old = copy_of(client)
    post(client, CODE_PAGE, fields)
    answer = post(old, CODE_PAGE, fields | change)
    assert answer["Location"].startswith("/sign-in/")
    assert not signed_in_as(old)


def test_second_tap_after_signing_out_signs_nobody_in(client, fields):
    old = copy_of(client)
    post(client, CODE_PAGE, fields)
    client.post(reverse("sign_out"))
    assert post(old, CODE_PAGE, fields)["Location"].startswith("/sign-in/")
    assert not signed_in_as(old)


def test_second_tap_after_more_than_fifteen_seconds_signs_nobody_in(client, patron):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        ask_for_code(client, patron.email)
        old, fields = copy_of(client), {"code": mailed_code(patron.email)}
        post(client, CODE_PAGE, fields)
        clock.shift(datetime.timedelta(seconds=16))
        assert post(old, CODE_PAGE, fields)["Location"].startswith("/sign-in/")


def test_saved_response_contains_no_readable_session_key_or_person_id(client, patron, fields):
    post(client, CODE_PAGE, fields)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM cache")
        rows = "\n".join(map(str, cursor.fetchall()))
    assert "double_tap" in rows
    assert key_of(client) not in rows
    assert str(patron.public_id) not in rows


def test_double_tap_on_a_reauthentication_code_does_not_sign_the_patron_out(client, patron, sign_in):
    sign_in(client, patron)
    address = reverse("reauthenticate")
    client.post(address, {"send": "1"})
    second, *answers = double_tap(client, address, {"code": mailed_code(patron.email)})
    assert [answer["Location"] for answer in answers] == ["/me/", "/me/"]
    assert REAUTHENTICATED_AT in second.session


def test_double_tap_on_a_visit_code_does_not_sign_the_patron_out(client, patron, sign_in):
    code = code_for(HelpSessionFactory())
    sign_in(client, patron)
    second, *answers = double_tap(client, reverse("open_code"), {"code": code})
    assert answers[0]["Location"] == answers[1]["Location"]
    assert signed_in_as(second) == str(patron.pk)
