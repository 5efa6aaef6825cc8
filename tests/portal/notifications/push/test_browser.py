"""Test what the portal knows about the push subscriptions of the browser that sends a request."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.access import BORROWED, renew_session
from accounts.sign_in.sign_ins import SHARED_DESK
from accounts.staff import roles
from portal.notifications.models import PushSubscription
from portal.notifications.push.browser import PUSH, offers_push, remember, sign_in_of, subscription_of
from tests.factories import PushSubscriptionFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db


def request_of(person=None):
    """Return a request from a browser where this person, or nobody, is signed in."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    request.session.create()
    request.user = person or AnonymousUser()
    if person:
        UserSession.objects.create(
            user=person, session_key=request.session.session_key, ip="127.0.0.1", user_agent="Firefox"
        )
    return request


def subscribed(request, **values):
    """Give the browser of the request a subscription, and return the PushSubscription."""
    if request.user.is_authenticated and "about" not in values:
        values |= {"person": request.user, "sign_in": sign_in_of(request)}
    row = PushSubscriptionFactory(**values)
    remember(request, row)
    return row


def test_push_messages_are_not_offered_on_borrowed_devices_and_shared_computers(patron, settings):
    request = request_of(patron)
    assert offers_push(request)
    assert offers_push(request_of())
    request.session[BORROWED] = True
    assert not offers_push(request)
    del request.session[BORROWED]
    request.session[SHARED_DESK] = 1
    assert not offers_push(request)
    settings.PUSH_PRIVATE_KEY = ""
    assert not offers_push(request_of(patron))


def test_browser_can_have_subscriptions_for_the_person_and_for_each_visit(patron):
    request = request_of(patron)
    later = timezone.now() + timedelta(days=1)
    own = subscribed(request)
    first, second = (subscribed(request, about=f"visit:{n}", ends_at=later) for n in (1, 2))
    assert subscription_of(request) == own
    assert subscription_of(request, "visit:1") == first
    assert subscription_of(request, "visit:2") == second
    assert subscription_of(request, "visit:3") is None


def test_no_query_runs_for_a_browser_without_a_subscription(patron, django_assert_num_queries):
    request = request_of(patron)
    with django_assert_num_queries(0):
        assert subscription_of(request) is None
    subscribed(request)
    with django_assert_num_queries(1):
        assert subscription_of(request) is not None


def test_next_person_who_signs_in_has_no_subscription_in_the_browser(patron):
    request = request_of(patron)
    subscribed(request)
    request.user = UserFactory()
    assert subscription_of(request) is None
    request.user = AnonymousUser()
    assert subscription_of(request) is None


def test_browser_has_no_subscription_after_the_row_of_the_subscription_is_deleted(patron):
    request = request_of(patron)
    subscribed(request).delete()
    assert subscription_of(request) is None


def test_browser_still_has_its_subscription_after_the_session_key_changes(patron):
    request = request_of(patron)
    row = subscribed(request)
    renew_session(request)
    assert subscription_of(request) == row


def test_signing_out_ends_only_the_subscriptions_of_this_browser(client, patron, sign_in):
    sign_in(client, patron)
    session = client.session
    sign_in_row = UserSession.objects.filter(session_key=session.session_key).first()
    sign_in_row = sign_in_row or UserSession.objects.create(
        user=patron, session_key=session.session_key, ip="127.0.0.1", user_agent="Firefox"
    )
    own = PushSubscriptionFactory(person=patron, sign_in=sign_in_row)
    by_code = PushSubscriptionFactory(about="visit:1", ends_at=timezone.now() + timedelta(days=1))
    elsewhere = PushSubscriptionFactory(person=patron)
    other = PushSubscriptionFactory(about="visit:1", ends_at=timezone.now() + timedelta(days=1))
    session[PUSH] = {"": str(own.public_id), "visit:1": str(by_code.public_id)}
    session.save()
    client.post(reverse("sign_out"))
    assert set(PushSubscription.objects.all()) == {elsewhere, other}


def test_subscription_of_a_viewer_with_only_a_code_ends_at_sign_out(client, library):
    by_code = PushSubscriptionFactory(about="visit:1", ends_at=timezone.now() + timedelta(days=1))
    session = client.session
    session[PUSH] = {"visit:1": str(by_code.public_id)}
    session.save()
    client.post(reverse("sign_out"))
    assert not PushSubscription.objects.exists()


def test_push_subscriptions_of_a_staff_member_end_when_their_last_role_ends(branch, coordinator):
    person = StaffFactory(branch=branch)
    PushSubscriptionFactory(person=person)
    roles.end_role(person, branch=branch, by=coordinator, at=timezone.now())
    assert not PushSubscription.objects.exists()
