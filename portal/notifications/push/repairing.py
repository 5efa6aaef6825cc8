"""Update or end the stored subscription of a browser if the browser's own subscription is different.

The two differ if the push service or the browser has replaced the browser's subscription, or if only one of
the two has ended.
"""

import hashlib
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ..models import PushSubscription
from .browser import PUSH
from .keys import application_key, is_set_up
from .subscriptions import checked_values

# A browser confirms its subscription at least this often.
CHECKED_EVERY = timedelta(days=30)


def subscriptions_here(request):
    """Return this browser's subscriptions for the signed-in person and for visits opened by code.

    They include subscriptions made with an earlier key of the portal, because the browser can renew them. No
    query runs for a browser without subscriptions.
    """
    public_ids = list(request.session.get(PUSH, {}).values())
    if not public_ids or not is_set_up():
        return []
    whose = Q(person=request.user) if request.user.is_authenticated else Q(pk=None)
    rows = PushSubscription.objects.filter(whose | Q(ends_at__gt=timezone.now()), public_id__in=public_ids)
    return list(rows.order_by("-checked_at", "-pk"))


def fingerprint(subscription):
    """Return a short hash of the subscription's endpoint and our public key.

    The service worker computes the same hash. The endpoint is secret, and nobody can compute it from the
    hash.
    """
    return hashlib.sha256(f"{application_key()} {subscription.endpoint}".encode()).hexdigest()[:16]


def is_due(subscription, *, at):
    """Return whether the browser should confirm that it still has this subscription."""
    return abs(at - subscription.checked_at) >= CHECKED_EVERY


@transaction.atomic
def renew(rows, *, endpoint, p256dh, auth, language, at):
    """Update these subscriptions of one browser to the endpoint and the keys that the browser has now.

    Subscriptions whose rows have been deleted are not created again. Raises UnknownPushHost and
    InvalidSubscription.
    """
    values = checked_values(endpoint=endpoint, p256dh=p256dh, auth=auth)
    # An action that ends a subscription waits for this lock, and then deletes the row with the new values.
    locked = PushSubscription.objects.select_for_update(of=("self",)).filter(pk__in=[row.pk for row in rows])
    for row in locked.order_by("pk"):
        same = PushSubscription.objects.filter(endpoint_hash=values["endpoint_hash"], about=row.about)
        same.exclude(pk=row.pk).delete()
        PushSubscription.objects.filter(pk=row.pk).update(**values, language=language, checked_at=at)


def end(rows):
    PushSubscription.objects.filter(pk__in=[row.pk for row in rows]).delete()
