"""Test which browsers can subscribe to push messages, and when their subscriptions end."""

import datetime
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.sign_in.sign_ins import end_all_sign_ins, end_sign_in_elsewhere
from portal.notifications.models import PushSubscription
from portal.notifications.push import hosts, keys
from portal.notifications.push.subscriptions import (
    InvalidSubscription,
    PushIsOff,
    SignedOut,
    devices_of,
    forget_subscriptions,
    living,
    subscribe,
)
from tests.factories import PushSubscriptionFactory, UserFactory, sign_in_row
from tests.push_device import PushDevice

pytestmark = pytest.mark.django_db

AT = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)
BROWSER = {"language": "en", "device": "Firefox on Android", "at": AT}


def subscribed(person, device=None, **changes):
    values = {"person": person, "sign_in": sign_in_row(person)} if person else {}
    return subscribe(**(device or PushDevice()).keys, **BROWSER | values | changes)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://fcm.googleapis.com:443/wp/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://web.push.apple.com/abc",
        "https://api.push.apple.com/abc",
        "https://wns2-am3p.notify.windows.com/w/?token=abc%2b",
    ],
)
def test_endpoint_of_a_known_push_service_is_accepted(patron, endpoint):
    row = subscribed(patron, PushDevice(endpoint))
    assert (row.endpoint, row.host) == (endpoint, endpoint.split("/")[2].partition(":")[0])


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/fcm.googleapis.com/",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evilpush.apple.com/x",
        "https://push.apple.com/x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://evil.example\\@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\@evil.example/x",
        "https://evil.example\\.push.apple.com/x",
        "https://evil.example%2f.push.apple.com/x",
        "https://evil.example;.push.apple.com/x",
        "https://.push.apple.com/x",
        "https://a..push.apple.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:x/x",
        "http://fcm.googleapis.com/x",
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[/x",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nHost: evil.example",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com/é",
        "https://fcm.googleapis.com/" + "x" * 2000,
        "file:///etc/passwd",
        "nonsense",
        "",
    ],
)
def test_malformed_endpoint_or_unknown_push_service_is_refused(patron, endpoint):
    device = PushDevice()
    device.endpoint = endpoint
    with pytest.raises(hosts.UnknownPushHost):
        subscribed(patron, device)
    assert not PushSubscription.objects.exists()


def test_endpoint_on_this_machine_is_accepted_if_push_local_is_set(patron, settings):
    device = PushDevice("http://127.0.0.1:9/x")
    settings.PUSH_LOCAL = True
    assert subscribed(patron, device).host == "127.0.0.1"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "changes",
    [
        {"p256dh": ""},
        {"p256dh": "A" * 87},
        {"p256dh": "é"},
        {"p256dh": "BB"},
        {"auth": ""},
        {"auth": "AA"},
        {"auth": "*" * 22},
    ],
)
def test_subscription_with_unusable_keys_is_refused(patron, changes):
    with pytest.raises(InvalidSubscription):
        subscribe(**PushDevice().keys | changes, **BROWSER, person=patron, sign_in=sign_in_row(patron))
    assert not PushSubscription.objects.exists()


def test_keys_with_padding_are_accepted(patron):
    device = PushDevice()
    padded = {"p256dh": device.p256dh + "=", "auth": device.auth + "=="}
    row = subscribe(**device.keys | padded, **BROWSER, person=patron, sign_in=sign_in_row(patron))
    assert (row.p256dh, row.auth) == (device.p256dh, device.auth)


def test_nobody_can_subscribe_if_the_portal_has_no_key(patron, settings):
    settings.PUSH_PRIVATE_KEY = ""
    with pytest.raises(PushIsOff):
        subscribed(patron)


def test_subscribing_again_updates_the_row_of_the_browser(patron):
    device = PushDevice()
    first = subscribed(patron, device)
    second = subscribed(patron, device, at=AT + timedelta(days=1), language="es")
    assert (second.pk, second.public_id, second.language) == (first.pk, first.public_id, "es")
    assert (second.created_at, second.checked_at) == (AT, AT + timedelta(days=1))


def test_subscription_of_the_next_person_replaces_the_previous_persons_subscription(patron):
    device, other = PushDevice(), UserFactory()
    subscribed(patron, device)
    subscribed(other, device)
    assert list(PushSubscription.objects.values_list("person", flat=True)) == [other.pk]


def test_browser_can_have_subscriptions_for_a_person_and_for_visits(patron):
    device, code = PushDevice(), {"ends_at": AT + timedelta(days=30)}
    subscribed(patron, device)
    subscribed(None, device, about="visit:1", **code)
    subscribed(None, device, about="visit:2", **code)
    assert sorted(PushSubscription.objects.values_list("about", flat=True)) == ["", "visit:1", "visit:2"]


def test_eleventh_device_replaces_the_device_with_the_oldest_subscription(patron):
    rows = [subscribed(patron, at=AT + timedelta(hours=hour)) for hour in range(11)]
    assert set(PushSubscription.objects.values_list("pk", flat=True)) == {row.pk for row in rows[1:]}


@pytest.mark.parametrize("end", ["elsewhere", "all", "session"])
def test_subscription_ends_when_the_sign_in_ends(patron, end):
    rows = [subscribed(patron), subscribed(patron)]
    ending, staying = rows
    assert set(living(timezone.now())) == set(rows)
    if end == "elsewhere":
        end_sign_in_elsewhere(ending.sign_in)
    elif end == "all":
        end_all_sign_ins(patron, keep=staying.sign_in.session_key)
    else:
        Session.objects.filter(session_key=ending.sign_in.session_key).delete()
    assert list(devices_of(patron, at=timezone.now())) == [staying]
    forget_subscriptions(at=timezone.now())
    assert list(PushSubscription.objects.all()) == [staying]


def test_signed_out_person_cannot_subscribe(patron):
    sign_in = sign_in_row(patron)
    sign_in.end()
    with pytest.raises(SignedOut):
        subscribed(patron, sign_in=sign_in)
    with pytest.raises(SignedOut):
        subscribed(patron, sign_in=sign_in_row(UserFactory()))
    assert not PushSubscription.objects.exists()


def test_subscriptions_end_when_the_push_key_of_the_portal_changes_or_is_removed(patron, settings):
    subscribed(patron)
    settings.PUSH_PRIVATE_KEY = keys.new_private_key()
    assert list(living(timezone.now())) == []
    # The row is not deleted, because the browser can renew the subscription.
    forget_subscriptions(at=AT)
    assert PushSubscription.objects.exists()
    settings.PUSH_PRIVATE_KEY = ""
    assert list(living(timezone.now())) == []
    forget_subscriptions(at=timezone.now())
    assert not PushSubscription.objects.exists()


def test_subscription_of_a_viewer_with_only_a_code_ends_when_the_code_ends():
    row = PushSubscriptionFactory(about="visit:1", ends_at=AT)
    assert list(living(AT - timedelta(seconds=1))) == [row]
    assert list(living(AT)) == []
    forget_subscriptions(at=AT)
    assert not PushSubscription.objects.exists()


def test_subscription_is_deleted_if_no_browser_confirms_it_for_400_days():
    now = timezone.now()
    for days in (399, 401):
        PushSubscriptionFactory(checked_at=now - timedelta(days=days), device=str(days))
    forget_subscriptions(at=now)
    assert [row.device for row in PushSubscription.objects.all()] == ["399"]


def test_public_key_belongs_to_the_private_key():
    # Both keys are from the example of RFC 8291, section 5.
    assert keys.application_key() == (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
