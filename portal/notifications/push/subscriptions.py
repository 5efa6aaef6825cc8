"""Save and end the subscriptions of browsers that get push messages."""

import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from accounts.patron import phone_consent

from ..models import PushSubscription
from .hosts import checked_host
from .keys import decode, encode, is_set_up, key_id

# A subscription is deleted if its browser has not opened the portal for this long. A sign-in lasts just as
# long.
KEPT_UNCHECKED = timedelta(days=400)
# The maximum number of devices for a person, or for a visit that was opened by code. An additional device
# replaces the one that confirmed its subscription longest ago.
MAX_DEVICES = 10
AUTH_BYTES, PUBLIC_KEY_BYTES = 16, 65


class PushIsOff(Exception):
    """The portal has no key for push messages."""


class InvalidSubscription(Exception):
    """The browser sent keys that no message can be encrypted with."""


class SignedOut(Exception):
    """The person has been signed out in this browser."""


@transaction.atomic
def subscribe(
    *, endpoint, p256dh, auth, language, device, at, person=None, sign_in=None, about="", ends_at=None
):
    """Save the subscription of a browser, and return the PushSubscription.

    `endpoint`, `p256dh` and `auth` come from the browser's PushSubscription. The two keys are in base64url.
    `person` is signed in with the UserSession `sign_in`. If there is no person, `about` is the key of a visit
    that the browser opened by code, and `ends_at` is the time when the code ends.

    If the browser already has this subscription, its row gets the new values. If another person was signed in
    with this browser before, that person's subscription ends. Raises UnknownPushHost, InvalidSubscription,
    PushIsOff and SignedOut.
    """
    if not is_set_up():
        raise PushIsOff
    values = checked_values(endpoint=endpoint, p256dh=p256dh, auth=auth) | {
        "person": person,
        "sign_in": sign_in,
        "ends_at": ends_at,
        "language": language,
        "device": device[:100],
        "checked_at": at,
    }
    if person is not None:
        _lock(person, sign_in)
    row, _is_new = PushSubscription.objects.update_or_create(
        endpoint_hash=values["endpoint_hash"],
        about=about,
        defaults=values,
        create_defaults={**values, "created_at": at},
    )
    devices = PushSubscription.objects.filter(person=person, about=about)
    kept = devices.order_by("-checked_at", "-pk")[:MAX_DEVICES]
    devices.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
    return row


def checked_values(*, endpoint, p256dh, auth):
    """Return {field of PushSubscription: value} for what a browser sent.

    Raises UnknownPushHost and InvalidSubscription.
    """
    return {
        "host": checked_host(endpoint),
        "endpoint": endpoint,
        "endpoint_hash": endpoint_hash(endpoint),
        "p256dh": _checked_key(p256dh),
        "auth": _checked_auth(auth),
        "key_id": key_id(),
    }


@transaction.atomic
def unsubscribe(subscription):
    """End this subscription, and delete its messages that were not sent yet.

    If the person has no other device, also end the person's consent to messages.
    """
    person = subscription.person
    if person is not None:
        # Lock the person, because they may be turning on messages on another device at this moment.
        list(User.objects.select_for_update(no_key=True).filter(pk=person.pk))
    PushSubscription.objects.filter(pk=subscription.pk).delete()
    if person is not None and not _not_ended(timezone.now()).filter(person=person).exists():
        phone_consent.take_back(person)


def end_subscriptions(*, about):
    """End the subscriptions of browsers that opened these visits by code. `about` has the keys of visits."""
    PushSubscription.objects.filter(about__in=about, person=None).delete()


def end_browser(subscription):
    """End all subscriptions of this browser, because its push service says that the endpoint has ended."""
    PushSubscription.objects.filter(endpoint_hash=subscription.endpoint_hash).delete()


def living(at):
    """Return the subscriptions that can get messages at the time `at`.

    These subscriptions were made with our current key. The person is still signed in with the browser, or the
    code of the visit still works.
    """
    return _not_ended(at).filter(key_id=key_id()).exclude(key_id="")


def _not_ended(at):
    signed_in = Session.objects.filter(session_key=OuterRef("sign_in__session_key"), expire_date__gt=at)
    return PushSubscription.objects.filter(Q(ends_at__gt=at) | Q(Exists(signed_in), person__isnull=False))


def devices_of(person, *, at):
    """Return the person's devices that get messages, newest first."""
    return living(at).filter(person=person).order_by("-created_at", "-pk")


def has_device(person):
    """Return whether the person has a device that gets messages now."""
    return devices_of(person, at=timezone.now()).exists()


def has_browsers(about, *, at):
    """Return whether any browser that opened the visit `about` by code gets messages."""
    return is_set_up() and living(at).filter(about=about, person=None).exists()


def which_have_browsers(abouts, *, at):
    """Return the keys in `abouts` of the visits that a subscribed browser has opened by code."""
    if not abouts or not is_set_up():
        return set()
    return set(living(at).filter(about__in=abouts, person=None).values_list("about", flat=True))


def who_has_devices(people):
    """Return the primary keys of the people who have a device.

    A device counts until the worker deletes it, even if its sign-in has ended.
    """
    keys = [person.pk for person in people]
    if not keys or not is_set_up():
        return set()
    return set(PushSubscription.objects.filter(person__in=keys).values_list("person", flat=True))


def forget_subscriptions(*, at):
    """Delete the subscriptions that have ended. The worker runs this job.

    Subscriptions made with an earlier key of the portal are not deleted, because their browsers can renew
    them.
    """
    kept = _not_ended(at).filter(checked_at__gt=at - KEPT_UNCHECKED)
    ended = PushSubscription.objects.exclude(pk__in=kept.values("pk"))
    (ended if is_set_up() else PushSubscription.objects.all()).delete()


def _lock(person, sign_in):
    """Lock the person until the transaction ends, so that an erasure waits. Raises SignedOut."""
    locked = User.objects.select_for_update(no_key=True).filter(pk=person.pk, is_active=True).exists()
    is_signed_in = sign_in is not None and type(sign_in).objects.filter(pk=sign_in.pk, user=person).exists()
    if not (locked and is_signed_in):
        raise SignedOut


def _checked_key(text):
    """Return the browser's public key as 87 characters of base64url. Raises InvalidSubscription."""
    try:
        content = decode(text)
        if len(content) != PUBLIC_KEY_BYTES:
            raise ValueError
        # This raises ValueError if the key is not a point on the curve.
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), content)
    except ValueError:
        raise InvalidSubscription from None
    return encode(content)


def _checked_auth(text):
    try:
        content = decode(text)
    except ValueError:
        raise InvalidSubscription from None
    if len(content) != AUTH_BYTES:
        raise InvalidSubscription
    return encode(content)


def endpoint_hash(endpoint):
    """Return a hash by which a subscription is found. The endpoint itself is long and secret."""
    return hashlib.sha256(endpoint.encode()).hexdigest()
