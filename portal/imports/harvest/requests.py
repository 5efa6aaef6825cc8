"""Get one page from the library's OAI-PMH server.

Requests go only to the host in OAI_URL. Time and size are limited, because a broken server may never stop
sending.
"""

import http.client
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urljoin, urlsplit

from django.conf import settings

from accounts.slow_servers import end_at

# Time limits in seconds. STEP_SECONDS is for one step, such as connecting. MAX_SECONDS is for one page with
# its redirects.
STEP_SECONDS = 60
MAX_SECONDS = 180
MAX_BYTES = 32 * 1024 * 1024
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
# With these HTTP statuses, a server asks the portal to try again later. OAI-PMH servers usually send 503.
BUSY = (429, 503)
# These HTTP statuses may come from a temporary fault of the server or of a proxy in front of it.
PASSING = (408, 425, 500, 502, 504)


class Unreachable(Exception):
    """The server can't be reached, or its answer can't be used. The text of the exception says why.

    `is_passing` is true if another try may succeed. `seconds` is how long the server asks to wait, or None.
    """

    def __init__(self, reason, *, is_passing=True, seconds=None):
        super().__init__(reason)
        self.is_passing, self.seconds = is_passing, seconds


def get(arguments):
    """Return the bytes of the server's answer to a request with these arguments. Raises Unreachable."""
    separator = "&" if urlsplit(settings.OAI_URL).query else "?"
    address = f"{settings.OAI_URL}{separator}{urlencode(arguments)}"
    deadline = time.monotonic() + MAX_SECONDS
    for _redirect in range(MAX_REDIRECTS + 1):
        status, headers, content = _get(urlsplit(address), deadline)
        if status == 200:
            return content
        if status not in REDIRECTS:
            raise _refusal(status, headers)
        address = _redirected(address, headers.get("Location", ""))
    raise Unreachable(f"it redirects more than {MAX_REDIRECTS} times", is_passing=False)


def _refusal(status, headers):
    if status in BUSY:
        return Unreachable(
            f"it is busy (HTTP status {status})", seconds=_seconds(headers.get("Retry-After", ""))
        )
    if status in (401, 403):
        return Unreachable(
            f"it refuses the portal (HTTP status {status}). Allow this machine's address there",
            is_passing=False,
        )
    return Unreachable(f"it answers with the HTTP status {status}", is_passing=status in PASSING)


def _seconds(text):
    """Return how many seconds a Retry-After header asks us to wait. Return None if it isn't valid.

    The header contains a number of seconds or a date.
    """
    text = text.strip()
    if text.isdecimal() and len(text) < 8:
        return int(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0)


def _redirected(address, location):
    """Return the address to which a redirect leads. Raises Unreachable if it leads to another host."""
    try:
        target = urljoin(address, location)
        if _origin(target) == _origin(address):
            return target
        host = urlsplit(target).netloc
    except ValueError:
        host = "an address that can't be read"
    raise Unreachable(
        f"it redirects to {host or 'another address'}. If that is right, set OAI_URL to the new address",
        is_passing=False,
    )


def _origin(address):
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port


def _get(url, deadline):
    """Return (HTTP status, headers, content). Raises Unreachable."""
    timer = connection = response = None
    try:
        connection = _connection(url)
        connection.connect()
        timer = end_at(deadline, connection.sock)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers={"User-Agent": "Afterword", "Accept": "text/xml, */*"})
        response = connection.getresponse()
        content = response.read(MAX_BYTES + 1) if response.status == 200 else b""
        if len(content) > MAX_BYTES:
            raise Unreachable(
                f"a page has more than {MAX_BYTES // 1024**2} MB. Let the server send fewer records at once",
                is_passing=False,
            )
        # At the deadline, `timer` closes the connection, so the content may be incomplete.
        if response.status == 200 and (response.length or time.monotonic() >= deadline):
            raise Unreachable("it sent only a part of a page")
        return response.status, response.headers, content
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"its certificate is not valid: {error.verify_message}. If your library signed it itself, "
            "set OAI_CA_FILE",
            is_passing=False,
        ) from None
    except ssl.SSLError as error:
        raise Unreachable(f"no secure connection is possible: {error.reason}", is_passing=False) from None
    except TimeoutError:
        raise Unreachable("it did not answer in time") from None
    except ConnectionRefusedError:
        raise Unreachable(f"nothing answers at {url.netloc}") from None
    # HTTPException means that the answer isn't HTTP. ValueError means that a redirect leads to an address
    # that can't be requested.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(_words(url, error)) from None
    finally:
        if timer:
            timer.cancel()
        # The response keeps the socket open too, so close both.
        for each in (response, connection):
            if each:
                each.close()


def _words(url, error):
    # gaierror means that the name server doesn't know the host.
    if type(error).__name__ == "gaierror":
        return f"the host {url.hostname} is not known"
    if isinstance(error, http.client.IncompleteRead):
        return "it sent only a part of a page"
    return f"{type(error).__name__}: {error}"[:200]


def _connection(url):
    if url.scheme == "http":
        # oai_rules() in portal/service_rules.py allows http only for a server on this machine.
        return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=STEP_SECONDS)
    try:
        context = ssl.create_default_context(cafile=settings.OAI_CA_FILE or None)
    except OSError:
        raise Unreachable(f"OAI_CA_FILE, {settings.OAI_CA_FILE}, can't be read", is_passing=False) from None
    return http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=STEP_SECONDS, context=context)
