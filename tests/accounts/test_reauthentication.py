"""Check reauthentication before risky changes."""

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import LibraryCard, User
from accounts.patron import people
from accounts.sign_in import access
from tests.accounts.test_sign_in import ask_for_code, mailed_code
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
REAUTHENTICATE = "/me/prove/?next=%2Fme%2F"


@access.reauthentication_required
def guarded(request):
    return HttpResponse("open")


def opens(client):
    """Open a page that requires reauthentication. Return the page's text, or the URL of the redirect."""
    request = RequestFactory().get("/me/export/?all=1")
    request.session = SessionStore(client.session.session_key)
    request.user = client.get(reverse("me")).wsgi_request.user
    answer = guarded(request)
    return answer.content.decode() or answer["Location"]


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        yield clock


def test_sign_in_code_counts_as_reauthentication_for_15_minutes(client, patron, clock):
    ask_for_code(client, patron.email)
    client.post(reverse("account_confirm_login_code"), {"code": mailed_code(patron.email)})
    clock.shift(899)
    assert opens(client) == "open"
    clock.shift(1)
    assert opens(client) == "/me/prove/?next=%2Fme%2Fexport%2F%3Fall%3D1"


def test_reauthentication_dated_in_the_future_by_a_fast_clock_does_not_count(client, patron, clock):
    ask_for_code(client, patron.email)
    client.post(reverse("account_confirm_login_code"), {"code": mailed_code(patron.email)})
    clock.shift(-24 * 60 * 60)
    assert opens(client) == "/me/prove/?next=%2Fme%2Fexport%2F%3Fall%3D1"


def test_patron_is_redirected_to_the_requested_page_after_reauthenticating_by_code(
    client, patron, sign_in, clock
):
    sign_in(client, patron)
    key = client.session.session_key
    page = client.get(REAUTHENTICATE).content.decode()
    assert "15 minutes" in page
    assert "this is my device" not in page
    # Only patrons without an address can reauthenticate with this button, and this patron has an address.
    client.post(REAUTHENTICATE, {"confirm": "1"})
    assert opens(client).startswith("/me/prove/")
    client.post(REAUTHENTICATE, {"send": "1"})
    assert client.post(REAUTHENTICATE, {"code": mailed_code(patron.email)})["Location"] == "/me/"
    assert opens(client) == "open"
    assert client.session.session_key != key
    clock.shift(900)
    assert opens(client).startswith("/me/prove/")


def test_reauthentication_in_one_browser_does_not_count_in_another_browser(client, patron, sign_in):
    other = Client()
    for browser in (client, other):
        sign_in(browser, patron)
    client.post(REAUTHENTICATE, {"send": "1"})
    client.post(REAUTHENTICATE, {"code": mailed_code(patron.email)})
    assert (opens(client), opens(other)[:10]) == ("open", "/me/prove/")


def test_patron_without_an_address_reauthenticates_with_a_button(client, library, sign_in, clock):
    person = people.person_without_address(at=timezone.now(), language="en")
    sign_in(client, person)
    assert "this is my device" in client.get(REAUTHENTICATE).content.decode()
    # Only pressing the button reauthenticates the person. Opening its page doesn't.
    assert opens(client).startswith("/me/prove/")
    assert client.post(REAUTHENTICATE, {"confirm": "1"})["Location"] == "/me/"
    assert opens(client) == "open"


def test_patron_with_an_unverified_address_reauthenticates_with_a_button(client, patron, sign_in):
    """Send no code to an address that staff typed, because the address may belong to a stranger."""
    EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=False)
    sign_in(client, patron)
    assert "this is my device" in client.get(REAUTHENTICATE).content.decode()
    assert client.post(REAUTHENTICATE, {"confirm": "1"})["Location"] == "/me/"


@pytest.mark.parametrize("has", ["a card", "a device alone"])
def test_staff_without_an_address_cannot_reauthenticate_by_pin_or_button(client, staff, sign_in, has):
    User.objects.filter(pk=staff.pk).update(email=None)
    if has == "a card":
        LibraryCard.objects.create(person=staff, ils_id="1001", barcode="20001001", seen_at=timezone.now())
    sign_in(client, staff, second_factor=False)
    page = client.get(REAUTHENTICATE).content.decode()
    assert "Ask a coordinator" in page
    assert not [button for button in ("confirm", "check-pin", "send-code") if f'id="{button}"' in page]
    for fields in ({"confirm": "1"}, {"pin": "1234"}, {"send": "1"}):
        client.post(REAUTHENTICATE, fields)
    assert opens(client).startswith("/me/prove/")
    assert client.get(reverse("second_factor"))["Location"].startswith("/me/prove/")


def test_patron_cannot_reauthenticate_with_a_code_sent_to_another_person(client, patron, sign_in):
    sign_in(client, UserFactory(email="else@example.org"))
    client.post(REAUTHENTICATE, {"send": "1"})
    code = mailed_code("else@example.org")
    sign_in(client, patron)
    client.post(REAUTHENTICATE, {"code": code})
    assert opens(client).startswith("/me/prove/")


def test_signed_out_person_is_redirected_to_sign_in_instead_of_reauthentication(library):
    request = RequestFactory().get("/me/export/")
    request.user, request.session = AnonymousUser(), SessionStore()
    assert guarded(request)["Location"] == "/sign-in/?next=/me/export/"
