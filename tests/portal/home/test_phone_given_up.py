"""Test that a browser gets no push messages after its visits were closed or when another person uses it."""

import json
from html import unescape

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from accounts.sign_in import sign_ins
from portal.notifications.models import PushSubscription
from portal.privacy.erasure import erase
from tests.factories import HelpSessionFactory, UserFactory, code_for
from tests.push_device import PRIVATE_KEY, PushDevice

ANDROID = {"User-Agent": "Mozilla/5.0 (Android 15; Mobile) Firefox/150.0"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _push_is_set_up(settings, library):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


@pytest.fixture
def visits(branch):
    return [HelpSessionFactory(branch=branch) for _ in range(2)]


@pytest.fixture
def by_code(client, show_code, visits):
    """Return a client that opened two visits by code, and gets push messages about both."""
    device = PushDevice()
    for visit in visits:
        show_code(client, code_for(visit))
        client.post(reverse("visit_phone_messages", args=[visit.public_id]), device.keys, headers=ANDROID)
    assert PushSubscription.objects.count() == 2
    return client


def abouts():
    return set(PushSubscription.objects.values_list("about", flat=True))


def test_browser_gets_no_push_messages_about_a_visit_that_was_removed_from_the_browser(by_code, visits):
    by_code.post(reverse("leave"), {"session": visits[0].public_id})
    assert abouts() == {f"visit:{visits[1].public_id}"}


def test_browser_gets_no_push_messages_after_all_its_visits_were_removed(by_code):
    by_code.post(reverse("leave"))
    assert abouts() == set()


def test_removing_a_visit_from_one_browser_does_not_end_push_messages_in_other_browsers(
    by_code, visits, show_code
):
    other = Client()
    show_code(other, code_for(visits[0]))
    other.post(reverse("leave"), {"session": visits[0].public_id})
    assert len(abouts()) == 2


def test_sign_in_on_a_borrowed_device_ends_the_push_messages_there(by_code, patron):
    by_code.post(reverse("sign_in"), {"email": patron.email, "borrowed": "on"})
    assert by_code.session["borrowed_device"]
    assert abouts() == set()


def test_next_person_who_signs_in_gets_no_push_messages_about_earlier_visits(by_code, sign_in):
    sign_in(by_code, UserFactory())
    assert len(abouts()) == 2
    # Django empties the session when another person signs in.
    sign_in(by_code, UserFactory())
    assert abouts() == set()


@pytest.mark.parametrize("how", ["elsewhere", "everywhere", "everybody", "erased"])
def test_browser_that_was_signed_out_from_elsewhere_gets_no_push_messages(by_code, sign_in, patron, how):
    sign_in(by_code, patron)
    key = by_code.session.session_key
    signed_in, _ = UserSession.objects.get_or_create(session_key=key, defaults={"user": patron, "ip": "::1"})
    assert len(abouts()) == 2
    if how == "elsewhere":
        sign_ins.end_sign_in_elsewhere(signed_in)
    elif how == "everywhere":
        sign_ins.end_all_sign_ins(patron)
    elif how == "everybody":
        sign_ins.end_every_session()
    else:
        erase(patron, language="en", at=timezone.now())
    assert abouts() == set()


def test_computer_that_becomes_a_shared_desk_computer_gets_no_push_messages(client, sign_in, staff, branch):
    sign_in(client, staff)
    key = client.session.session_key
    UserSession.objects.get_or_create(session_key=key, defaults={"user": staff, "ip": "::1"})
    client.post(reverse("phone_messages"), PushDevice().keys, headers=ANDROID)
    assert PushSubscription.objects.count() == 1
    client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    assert client.session["shared_desk"]
    assert abouts() == set()


@pytest.mark.few_cases
@pytest.mark.parametrize("path", ["/me/phone/", "/phone/renew/", "/sessions/{}/phone/"])
@pytest.mark.parametrize("why", ["signed out", "form expired"])
def test_push_secrets_in_a_refused_form_are_neither_stored_nor_shown(patron, branch, sign_in, path, why):
    path = path.format(HelpSessionFactory(branch=branch, patron=patron).public_id)
    client = Client(enforce_csrf_checks=why == "form expired")
    sign_in(client, patron)
    client.get("/me/")
    if why == "signed out":
        Session.objects.all().delete()
    device = PushDevice()
    answer = client.post(path, device.keys, headers=ANDROID | {"Sec-Fetch-Site": "same-origin"}, follow=True)
    html = unescape(answer.content.decode())
    stored = json.dumps([post.fields for post in RefusedPost.objects.all()])
    for secret in device.keys.values():
        assert secret not in html
        assert secret not in stored
