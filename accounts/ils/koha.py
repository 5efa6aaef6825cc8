"""The adapter for Koha, which uses Koha's REST API.

The first request checks the card number and password. The second request reads the patron's data. We use
http.client, because it follows no redirects and lets us check the deadline after every chunk of the response.
"""

import base64
import datetime
import http.client
import json
import socket
import ssl
import threading
import time
from urllib.parse import quote, urlencode, urlsplit

from accounts.slow_servers import end_at
from portal.text import parse_json

from .base import (
    Blocked,
    Misconfigured,
    Patron,
    Unavailable,
    WrongCardOrPin,
    ignore,
    is_alias,
    reject_malformed_input,
    require_valid_card,
    tls_context,
)

# The fields that the portal reads from Koha's data about a patron.
PATRON_FIELDS = [
    "cardnumber",
    "preferred_name",
    "firstname",
    "surname",
    "email",
    "category_id",
    "library_id",
    "expiry_date",
]
MAX_ANSWER_BYTES = 256 * 1024


class Koha:
    def __init__(
        self,
        *,
        url,
        user="",
        password="",
        client_id="",
        client_secret="",
        ca_file="",
        timeout=6,
        card_has_letters=False,
        pin_has_letters=True,
    ):
        self.url, self.ca_file, self.timeout = urlsplit(url.rstrip("/")), ca_file, timeout
        self.user, self.password = user, password
        self.client_id, self.client_secret = client_id, client_secret
        self.card_has_letters, self.pin_has_letters = card_has_letters, pin_has_letters
        self.lock, self.token, self.token_until = threading.Lock(), "", 0.0

    def check(self, card, pin, *, today, count=ignore):
        reject_malformed_input(card, pin)
        deadline = time.monotonic() + self.timeout
        status, checked = self._ask(
            "POST", "/auth/password/validation", deadline, {"identifier": card, "password": pin}
        )
        if status == 400 and checked.get("errors"):
            raise Misconfigured(
                "Koha can't check a password by “identifier”, because this version of Koha is too old."
            )
        if status == 400 and "expired" in str(checked.get("error", "")).lower():
            raise Blocked("Koha says that the password has expired")
        if status == 400:
            for number in self._card_numbers(card, deadline):
                if is_alias(card, number):
                    count(number)
            raise WrongCardOrPin("Koha says that the card and the password don't match")
        if status != 201 or not checked.get("patron_id"):
            raise Unavailable(
                f"Koha responds to a password check with status {status} and content that can't be read."
            )
        status, patron = self._ask("GET", f"/patrons/{quote(str(checked['patron_id']), safe='')}", deadline)
        if status != 200 or patron.get("patron_id") != checked["patron_id"]:
            raise Unavailable(f"Koha responds to a request for a patron's record with status {status}.")
        fields = {name: str(patron.get(name) or "") for name in PATRON_FIELDS}
        if is_alias(card, fields["cardnumber"]):
            count(fields["cardnumber"])
        return require_valid_card(
            Patron(
                ils_id=str(patron["patron_id"]),
                barcode=fields["cardnumber"] or card,
                name=f"{fields['preferred_name'] or fields['firstname']} {fields['surname']}".strip(),
                email=fields["email"],
                group=fields["category_id"],
                home_branch=fields["library_id"],
                expires_on=_day(fields["expiry_date"]),
            ),
            blocked=bool(patron.get("restricted") or patron.get("patron_card_lost")),
            today=today,
        )

    def examine(self, card="", pin="", *, today):
        deadline = time.monotonic() + self.timeout
        if self.client_id:
            self._fresh_token(deadline)
            yield True, "Koha gives the portal a token."
        status, _patrons = self._ask("GET", "/patrons?_per_page=1", deadline)
        if status != 200:
            raise Misconfigured(
                f"Koha responds to a request for patrons with status {status}. "
                "Is KOHA_URL the address of its REST API's host?"
            )
        yield True, f"{self.url.hostname} responds, and lets the portal read patrons."
        if self.url.scheme != "https":
            yield (
                False,
                "The connection is not encrypted, so anyone on the network can read card numbers and PINs. "
                "Use an https address.",
            )

    def _card_numbers(self, typed, deadline):
        """Return the card numbers of the patrons whose card number or user name is `typed`.

        Koha's password check accepts a card number or a user name. If Koha rejects the password, its response
        doesn't name the patron, so a separate request looks up the card number.
        """
        # Koha returns a patron if any condition of this list is true.
        query = json.dumps([{"cardnumber": typed}, {"userid": typed}])
        path = f"/patrons?_per_page=5&q={quote(query, safe='')}"
        status, patrons = self._ask("GET", path, deadline, kind=list)
        if status != 200:
            raise Unavailable(f"Koha responds to a request for patrons with status {status}.")
        return [str(patron.get("cardnumber") or "") for patron in patrons if isinstance(patron, dict)]

    def _ask(self, method, path, deadline, body=None, *, kind=dict):
        """Send one request, and return the status and the JSON of the response.

        If the JSON is not of the type `kind`, return an empty value of this type instead. Raises an IlsError
        if Koha is unavailable or refuses the portal's own account.
        """
        status, answer = self._send_authorized(method, path, deadline, body)
        if status == 401 and self.client_id:
            # Koha may have revoked the token, so get a new token and try once more.
            self._fresh_token(deadline)
            status, answer = self._send_authorized(method, path, deadline, body)
        if status == 401:
            raise Misconfigured(
                "Koha rejects the portal's account. Check KOHA_USER and KOHA_PASSWORD "
                "(with RESTBasicAuth on in Koha), or KOHA_CLIENT_ID."
            )
        if status == 403:
            raise Misconfigured(
                "The portal's account at Koha may not read patrons. Give it the permission “borrowers”."
            )
        if status == 404 or 300 <= status < 400:
            raise Misconfigured(
                f"Koha responds with status {status} at {self.url.geturl()}/api/v1{path.partition('?')[0]}. "
                "Is KOHA_URL the address of its REST API's host?"
            )
        if status >= 500 or status == 429:
            raise Unavailable(f"Koha responds with status {status}: it is not available right now.")
        return status, answer if isinstance(answer, kind) else kind()

    def _send_authorized(self, method, path, deadline, body):
        text = json.dumps(body).encode() if body is not None else None
        headers = {"Accept": "application/json", "Authorization": self._authorization(deadline)}
        if text:
            headers["Content-Type"] = "application/json"
        return self._send(method, f"/api/v1{path}", deadline, text, headers)

    def _authorization(self, deadline):
        if not self.client_id:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        with self.lock:
            token = self.token if time.monotonic() < self.token_until else ""
        return f"Bearer {token or self._fresh_token(deadline)}"

    def _fresh_token(self, deadline):
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        status, answer = self._send(
            "POST", "/api/v1/oauth/token", deadline, urlencode(form).encode(), headers
        )
        if status >= 500:
            raise Unavailable(f"Koha responds with status {status}: it is not available right now.")
        if status != 200 or not isinstance(answer, dict) or not answer.get("access_token"):
            raise Misconfigured(
                "Koha gives the portal no token. Check KOHA_CLIENT_ID and KOHA_CLIENT_SECRET, "
                "and RESTOAuth2ClientCredentials in Koha."
            )
        with self.lock:
            self.token = answer["access_token"]
            self.token_until = time.monotonic() + max(_seconds(answer.get("expires_in")) - 60, 0)
            return self.token

    def _send(self, method, path, deadline, body, headers):
        connection, timer = self._connection(deadline), None
        try:
            connection.connect()
            timer = end_at(deadline, connection.sock)
            connection.request(method, self.url.path + path, body, headers)
            connection.sock.settimeout(_left(deadline))
            response = connection.getresponse()
            text = b""
            while chunk := response.read1(8192):
                text += chunk
                if len(text) > MAX_ANSWER_BYTES:
                    raise TimeoutError
            if time.monotonic() > deadline:
                raise TimeoutError
            return response.status, parse_json(text) if text else None
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(
                f"The certificate of {self.url.hostname} is not trusted: {error.verify_message}. "
                "If it is self-signed, name its file in KOHA_CA_FILE."
            ) from None
        except TimeoutError:
            raise Unavailable(f"{self.url.hostname} does not respond in time.") from None
        except ConnectionRefusedError:
            raise Unavailable(
                f"{self.url.hostname} refuses the connection. Is KOHA_URL correct? Is there a firewall?"
            ) from None
        except socket.gaierror:
            raise Unavailable(
                f"The host name {self.url.hostname} can't be resolved. Is KOHA_URL correct?"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.url.hostname} does not respond in time.") from None
            if isinstance(error, OSError):
                raise Unavailable(
                    f"{self.url.hostname} can't be reached: {error.strerror or error}."
                ) from None
            raise Unavailable(
                f"{self.url.hostname} does not respond with the JSON of Koha's REST API."
            ) from None
        finally:
            if timer:
                timer.cancel()
            connection.close()

    def _connection(self, deadline):
        if self.url.scheme == "https":
            context = tls_context(self.ca_file, setting="KOHA_CA_FILE")
            return http.client.HTTPSConnection(self.url.netloc, timeout=_left(deadline), context=context)
        return http.client.HTTPConnection(self.url.netloc, timeout=_left(deadline))


def _left(deadline):
    """Return the seconds until `deadline`.

    The result is never 0, because a socket with the timeout 0 would not wait at all.
    """
    return max(deadline - time.monotonic(), 0.001)


def _seconds(value):
    """Return a number of seconds from Koha's response, at most a day. Return 0 if `value` isn't a number."""
    try:
        return min(float(value), 24 * 60 * 60)
    except (TypeError, ValueError, OverflowError):
        return 0


def _day(text):
    """Parse a date in ISO format. Return None if `text` is not such a date."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
