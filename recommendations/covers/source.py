"""Ask the cover source for the picture of one ISBN.

The source gets the ISBN and nothing else about the library, its patrons or its items. Only the host in
COVER_URL is contacted.
"""

import http.client
import ssl
import time
from urllib.parse import urljoin, urlsplit

from django.conf import settings

from accounts.slow_servers import end_at

# The time limits in seconds: for one step, such as connecting, and for one picture with its redirects.
STEP_SECONDS = 10
MAX_SECONDS = 20
MAX_BYTES = 2 * 1024 * 1024
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
# With these statuses, the source is too busy or refuses all requests of the portal. So the answer says
# nothing about the ISBN.
NOT_NOW = (401, 403, 407, 408, 425, 429)
HEADERS = {"User-Agent": "Afterword", "Accept": "image/webp,image/jpeg,image/png"}


class SourceAway(Exception):
    """The source gave no proper answer, so the portal asks about the ISBN again on another night."""


def fetch(isbn):
    """Return the bytes that the source sends for this ISBN, or None if it has no cover. Raises SourceAway.

    The bytes may be something else than a picture, such as HTML. Redirects to another host are not followed.
    """
    address = settings.COVER_URL.replace("{isbn}", isbn)
    deadline = time.monotonic() + MAX_SECONDS
    for _redirect in range(MAX_REDIRECTS + 1):
        status, location, content = _get(urlsplit(address), deadline)
        if status in NOT_NOW or status >= 500:
            raise SourceAway(f"it answered {status}")
        if status not in REDIRECTS:
            return content if status == 200 and len(content) <= MAX_BYTES else None
        address = _redirected(address, location)
        if not address:
            return None
    return None


def _redirected(address, location):
    """Return the address to which a redirect leads, or "" if it leads to another host or port."""
    try:
        target = urljoin(address, location)
        return target if _origin(target) == _origin(address) else ""
    except ValueError:
        return ""


def _origin(address):
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port


def _get(url, deadline):
    """Return (HTTP status, Location header, up to MAX_BYTES + 1 bytes of content). Raises SourceAway."""
    connection, timer = _connection(url), None
    try:
        connection.connect()
        timer = end_at(deadline, connection.sock)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers=HEADERS)
        # The response keeps the socket open too, so closing the connection alone is not enough.
        with connection.getresponse() as response:
            content = response.read(MAX_BYTES + 1) if response.status == 200 else b""
            # At the deadline, `timer` closes the connection, so the content may be incomplete.
            is_cut = len(content) <= MAX_BYTES and bool(response.length)
            if response.status == 200 and (is_cut or time.monotonic() >= deadline):
                raise SourceAway("it sent only a part of a picture")
            return response.status, response.headers.get("Location", ""), content
    # A redirect may lead to an address that can't be requested. Requesting it raises a ValueError.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceAway(f"{type(error).__name__}: {error}"[:200]) from None
    finally:
        if timer:
            timer.cancel()
        connection.close()


def _connection(url):
    if url.scheme == "http":
        # cover_rules() in portal/service_rules.py allows http only for a server on this machine.
        return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=STEP_SECONDS)
    return http.client.HTTPSConnection(
        url.hostname, url.port or 443, timeout=STEP_SECONDS, context=ssl.create_default_context()
    )
