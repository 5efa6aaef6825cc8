"""Send events to another system of the library, signed as Standard Webhooks specifies.

An action saves an event in its transaction, and the worker sends it. Events go only to the address in
WEBHOOK_URL. An event has a kind, an hour, and either a branch or a few numbers. It names no person.
"""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import ssl
import time
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q

from accounts.slow_servers import end_at

from .models import WebhookEvent

log = logging.getLogger(__name__)

SECRET_PREFIX = "whsec_"  # noqa: S105  how a secret begins
# If a worker is killed while it sends an event, another worker may take the event after this time.
LEASE = timedelta(minutes=2)
# The times to wait after the first failure, the second failure and so on. If the last try fails too, the
# event is given up.
RETRY_AFTER = [
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=24),
]
# The time limits in seconds: for one step, such as connecting, and for all steps together.
STEP_SECONDS = 10
MAX_SECONDS = 20
# At most this many bytes of a response are read.
RESPONSE_BYTES = 2000


class NotSent(Exception):
    """The other system could not be reached, or did not accept the event."""


def is_set_up():
    """Return whether the library sends events to another system."""
    return bool(settings.WEBHOOK_URL)


def announce(kind, data, *, at):
    """Save an event, so that the worker sends it. Call this in the transaction of what happened.

    `data` is a dict for the other system. The event contains the hour of the time `at`, but not the minute.
    """
    if is_set_up():
        hour = at.replace(minute=0, second=0, microsecond=0)
        content = {"type": kind, "timestamp": hour.isoformat(), "data": data}
        WebhookEvent.objects.create(content=content, due_at=at)


def take_next(*, at):
    """Lease the event that has been due longest, and return it, or None if no event is due.

    While the lease lasts, no other worker gets this event.
    """
    is_free = Q(leased_until=None) | Q(leased_until__lte=at)
    for event in WebhookEvent.objects.filter(is_free, due_at__lte=at).order_by("due_at", "pk")[:20]:
        unchanged = {name: getattr(event, name) for name in ("leased_until", "attempts", "due_at")}
        event.leased_until, event.attempts = at + LEASE, event.attempts + 1
        changes = {"leased_until": event.leased_until, "attempts": event.attempts}
        if WebhookEvent.objects.filter(pk=event.pk, **unchanged).update(**changes):
            return event
    return None


def deliver(event, *, at):
    """Send an event that this worker has taken, and save the outcome. Return whether it was accepted."""
    leased = WebhookEvent.objects.filter(pk=event.pk, leased_until=event.leased_until)
    try:
        _post(json.dumps(event.content, separators=(",", ":")).encode(), event, at)
    except NotSent as error:
        if event.attempts > len(RETRY_AFTER):
            log.error("an event was given up after %s tries: %s", event.attempts, error)
            leased.delete()
        else:
            log.warning("an event could not be sent, trying again later: %s", error)
            leased.update(due_at=at + RETRY_AFTER[event.attempts - 1], leased_until=None)
        return False
    leased.delete()
    return True


def correct_times_of_events(*, at):
    """Make events due now if their `due_at` was set while a clock was fast. The worker runs this job."""
    WebhookEvent.objects.filter(leased_until__gt=at + LEASE * 2).update(leased_until=None)
    WebhookEvent.objects.filter(due_at__gt=at + RETRY_AFTER[-1] * 2).update(due_at=at)


def signature(message_id, seconds, body):
    """Return the value of the header webhook-signature. `seconds` is the Unix time of the try."""
    signed = f"{message_id}.{seconds}.".encode() + body
    secret = base64.b64decode(settings.WEBHOOK_SECRET.removeprefix(SECRET_PREFIX))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _post(body, event, at):
    """Send the body of an event. Raises NotSent. A redirect is not followed."""
    url, message_id = urlsplit(settings.WEBHOOK_URL), f"msg_{event.public_id.hex}"
    seconds = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Afterword",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(message_id, seconds, body),
    }
    connection, deadline, timer = _connection(url), time.monotonic() + MAX_SECONDS, None
    try:
        connection.connect()
        timer = end_at(deadline, connection.sock)
        path = url.path + (f"?{url.query}" if url.query else "")
        connection.request("POST", path or "/", body, headers)
        response = connection.getresponse()
        with suppress(OSError, http.client.HTTPException):
            response.read(RESPONSE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise NotSent(f"{type(error).__name__}: {error}"[:200]) from None
    finally:
        if timer:
            timer.cancel()
        connection.close()
    if not 200 <= response.status < 300:
        raise NotSent(f"it answered {response.status}")


def _connection(url):
    if url.scheme == "http":
        # webhook_rules() in portal/service_rules.py allows http only for a system on this machine.
        return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=STEP_SECONDS)
    return http.client.HTTPSConnection(
        url.hostname, url.port or 443, timeout=STEP_SECONDS, context=ssl.create_default_context()
    )
