"""Send one message to a push service (RFC 8030), and report how the service answered."""

import http.client
import ipaddress
import json
import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from accounts.slow_servers import end_at

from .encryption import encrypt
from .hosts import UnknownPushHost, checked_host
from .keys import decode

# The time limits in seconds: for one step, such as connecting, and for all steps together.
STEP_SECONDS = 10
MAX_SECONDS = 20
# All messages have the same length. Otherwise a push service could tell from the length what a message says,
# because the portal sends only a few different sentences.
PADDED_TO = 2000
# At most this many bytes of a response are read. Push services answer with only a few words.
ANSWER_BYTES = 2000
# How long an authorization header is valid, and after what time we make a new one. Apple refuses headers that
# are valid for more than a day.
AUTHORIZED_FOR = timedelta(hours=12)
RENEWED_AFTER = timedelta(hours=1)
GONE = (404, 410)
LATER = (408, 425, 429)

# {(private key, subject, origin of a push service): (header, when it was made)}.
_authorizations: dict = {}


class Gone(Exception):
    """The push service says that the subscription has ended."""


class NotNow(Exception):
    """The message can be sent later. `wait` is how long the service asks us to wait, or None.

    If `is_unreachable` is true, the service could not be reached. Then all messages to this service have to
    wait.
    """

    def __init__(self, error, wait=None, is_unreachable=False):
        super().__init__(error)
        self.wait, self.is_unreachable = wait, is_unreachable


class Refused(Exception):
    """The push service refuses the message, so sending it again is useless."""


def send(subscription, content, *, topic, seconds):
    """Send `content` as JSON to the device of this PushSubscription.

    The push service keeps the message for `seconds`. If several messages have the same `topic`, the service
    keeps only the newest. `topic` has at most 32 characters of base64url. Raises Gone, NotNow and Refused. No
    error contains the endpoint, because the endpoint is secret.
    """
    try:
        checked_host(subscription.endpoint)
    except UnknownPushHost as error:
        raise Refused(f"PUSH_HOSTS doesn't have {error.host}") from None
    body = encrypt(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(),
        browser_key=decode(subscription.p256dh),
        auth=decode(subscription.auth),
        padded_to=PADDED_TO,
    )
    url = urlsplit(subscription.endpoint)
    headers = {
        "Authorization": _authorization(_origin(url)),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(max(int(seconds), 0)),
        "Topic": topic,
        "Urgency": "normal",
    }
    status, wait = _post(url, body, headers)
    if 200 <= status < 300:
        return
    if status in GONE:
        raise Gone(f"it answered {status}")
    if status in LATER or status >= 500:
        raise NotNow(f"it answered {status}", wait=wait)
    raise Refused(f"it answered {status}")


def _post(url, body, headers):
    """Send the request to the push service, and return (HTTP status, wait). Raises NotNow.

    `wait` is how long the service asks us to wait, or None.
    """
    connection = _connection(url)
    deadline, timer = time.monotonic() + MAX_SECONDS, None
    try:
        connection.connect()
        timer = end_at(deadline, connection.sock)
        path = url.path + (f"?{url.query}" if url.query else "")
        connection.request("POST", path or "/", body, headers)
        response = connection.getresponse()
        # Read the beginning of the response. Otherwise, the push service would see a broken connection.
        with suppress(OSError, http.client.HTTPException):
            response.read(ANSWER_BYTES)
        return response.status, _wait(response.headers.get("Retry-After", ""))
    except (OSError, http.client.HTTPException) as error:
        raise NotNow(f"{type(error).__name__}: {error}"[:200], is_unreachable=True) from None
    finally:
        if timer:
            timer.cancel()
        connection.close()


def _connection(url):
    if url.scheme == "http":
        # `checked_host` allows http only for a push service on this machine, and only if PUSH_LOCAL is set.
        return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=STEP_SECONDS)
    return _PublicConnection(url.hostname, 443, timeout=STEP_SECONDS)


class _PublicConnection(http.client.HTTPSConnection):
    """A connection that refuses private IP addresses, so that no host name leads into the local network."""

    def connect(self):
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(address[0]) for *_family, address in found)
        error = OSError("it has no public network address")
        for address in addresses:
            if not ipaddress.ip_address(address).is_global:
                continue
            try:
                plain = socket.create_connection((address, self.port), self.timeout)
            except OSError as failed:
                error = failed
            else:
                self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
                return
        raise error


def _origin(url):
    """Return the scheme and host as RFC 6454 writes them, without the default port."""
    return f"https://{url.hostname}" if url.scheme == "https" else f"http://{url.netloc}"


def _authorization(origin):
    """Return the header that tells the push service who sends the message (RFC 8292)."""
    # Import the package only here. It takes time and memory, and most libraries don't use push messages.
    from py_vapid import Vapid02

    name, now = (settings.PUSH_PRIVATE_KEY, settings.PUSH_SUBJECT, origin), timezone.now()
    header, made_at = _authorizations.get(name, ("", None))
    if made_at is None or not timedelta(0) <= now - made_at < RENEWED_AFTER:
        claims = {
            "aud": origin,
            "exp": int((now + AUTHORIZED_FOR).timestamp()),
            "sub": settings.PUSH_SUBJECT,
        }
        key = Vapid02.from_raw(settings.PUSH_PRIVATE_KEY.encode())
        header = key.sign(claims)["Authorization"]
        _authorizations[name] = header, now
    return header


def _wait(text):
    """Return how long a Retry-After header asks us to wait, or None. The header has seconds or a date."""
    if text.strip().isdecimal():
        return timedelta(seconds=int(text.strip()[:6]))
    try:
        until = parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(until - datetime.now(UTC), timedelta(0))
