"""The ILS over Koha's REST API: Koha checks card and password, then the patron's record says the rest.

http.client is all that this needs: two requests, no redirects, every byte within one deadline.
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

from .base import (
    Away,
    Blocked,
    Misconfigured,
    Patron,
    WrongCardOrPin,
    must_be_valid,
    refuse_what_cannot_be,
    tls_context,
)

WANTED = [
    "cardnumber",
    "preferred_name",
    "firstname",
    "surname",
    "email",
    "category_id",
    "library_id",
    "expiry_date",
]  # of what a patron's record says
LONGEST_ANSWER = 256 * 1024  # bytes


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
        self.user, self.password, self.client_id, self.client_secret = (
            user,
            password,
            client_id,
            client_secret,
        )
        self.card_has_letters, self.pin_has_letters = card_has_letters, pin_has_letters
        self.lock, self.token, self.token_until = threading.Lock(), "", 0.0

    def check(self, card, pin, *, today):
        refuse_what_cannot_be(card, pin)
        deadline = time.monotonic() + self.timeout
        status, found = self._ask(
            "POST", "/auth/password/validation", deadline, {"identifier": card, "password": pin}
        )
        if status == 400 and found.get("errors"):
            raise Misconfigured(
                "Koha does not know the question (no “identifier”): this version of Koha is too old."
            )
        if status == 400 and "expired" in str(found.get("error", "")).lower():
            raise Blocked("Koha says that the password has run out")
        if status == 400:
            raise WrongCardOrPin("Koha says that card and password don't belong together")
        if status != 201 or not found.get("patron_id"):
            raise Away(f"Koha answers the check of a password with {status}, which the portal can't read.")
        status, patron = self._ask("GET", f"/patrons/{quote(str(found['patron_id']), safe='')}", deadline)
        if status != 200 or patron.get("patron_id") != found["patron_id"]:
            raise Away(f"Koha answers a question for a patron's record with {status}.")
        said = {name: str(patron.get(name) or "") for name in WANTED}
        return must_be_valid(
            Patron(
                ils_id=str(patron["patron_id"]),
                barcode=said["cardnumber"] or card,
                name=f"{said['preferred_name'] or said['firstname']} {said['surname']}".strip(),
                email=said["email"],
                group=said["category_id"],
                home_branch=said["library_id"],
                expires_on=_day(said["expiry_date"]),
            ),
            blocked=bool(patron.get("restricted") or patron.get("patron_card_lost")),
            today=today,
        )

    def examine(self, card="", pin="", *, today):
        deadline = time.monotonic() + self.timeout
        if self.client_id:
            self._fresh_token(deadline)
            yield True, "Koha gives the portal a token."
        status, _found = self._ask("GET", "/patrons?_per_page=1", deadline)
        if status != 200:
            raise Misconfigured(
                f"Koha answers a question for patrons with {status}. Is KOHA_URL the address of its REST API's host?"
            )
        yield True, f"{self.url.hostname} answers, and lets the portal read patrons."
        if self.url.scheme != "https":
            yield (
                False,
                "The connection is not encrypted: whoever is on the way reads cards and PINs. Use an https address.",
            )

    # The wire.

    def _ask(self, method, path, deadline, body=None):
        """(status, the JSON of the answer). What concerns the portal's own account is an IlsError."""
        text = json.dumps(body).encode() if body is not None else None
        headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if text else {})}
        status, found = self._send(
            method,
            f"/api/v1{path}",
            deadline,
            text,
            {**headers, "Authorization": self._authorization(deadline)},
        )
        if status == 401 and self.client_id:  # the token may have been taken back
            self._fresh_token(deadline)
            status, found = self._send(
                method,
                f"/api/v1{path}",
                deadline,
                text,
                {**headers, "Authorization": self._authorization(deadline)},
            )
        if status == 401:
            raise Misconfigured(
                "Koha rejects the portal's account. See KOHA_USER and KOHA_PASSWORD (with RESTBasicAuth on in Koha), or KOHA_CLIENT_ID."
            )
        if status == 403:
            raise Misconfigured(
                "The portal's account at Koha may not read patrons: give it the permission “borrowers”."
            )
        if status == 404 or 300 <= status < 400:
            raise Misconfigured(
                f"Koha answers {status} at {self.url.geturl()}/api/v1{path.partition('?')[0]}. Is KOHA_URL the address of its REST API's host?"
            )
        if status >= 500 or status == 429:
            raise Away(f"Koha answers {status}: it can't work at the moment.")
        return status, found

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
        status, found = self._send("POST", "/api/v1/oauth/token", deadline, urlencode(form).encode(), headers)
        if status >= 500:
            raise Away(f"Koha answers {status}: it can't work at the moment.")
        if status != 200 or not found.get("access_token"):
            raise Misconfigured(
                "Koha gives the portal no token. See KOHA_CLIENT_ID and KOHA_CLIENT_SECRET, and RESTOAuth2ClientCredentials in Koha."
            )
        with self.lock:
            self.token = found["access_token"]
            self.token_until = time.monotonic() + max(float(found.get("expires_in") or 0) - 60, 0)
            return self.token

    def _send(self, method, path, deadline, body, headers):
        connection = self._connection(deadline)
        try:
            connection.request(method, self.url.path + path, body, headers)
            connection.sock.settimeout(_left(deadline))
            answer = connection.getresponse()
            text = b""
            while chunk := answer.read1(8192):
                text += chunk
                if len(text) > LONGEST_ANSWER or time.monotonic() > deadline:
                    raise TimeoutError
            found = json.loads(text) if text else {}
            return answer.status, found if isinstance(found, dict) else {}
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(
                f"The certificate of {self.url.hostname} is not trusted: {error.verify_message}. If it is of your own making, name its file in KOHA_CA_FILE."
            ) from None
        except TimeoutError:
            raise Away(f"{self.url.hostname} does not answer in time.") from None
        except ConnectionRefusedError:
            raise Away(
                f"{self.url.hostname} refuses the connection. Is KOHA_URL right, does a firewall stand between?"
            ) from None
        except socket.gaierror:
            raise Away(f"No machine is called {self.url.hostname}. Is KOHA_URL right?") from None
        except OSError as error:
            raise Away(f"{self.url.hostname} can't be reached: {error.strerror or error}.") from None
        except (http.client.HTTPException, ValueError):
            raise Away(f"{self.url.hostname} answers what is not JSON of Koha's REST API.") from None
        finally:
            connection.close()

    def _connection(self, deadline):
        if self.url.scheme == "https":
            context = tls_context(self.ca_file, setting="KOHA_CA_FILE")
            return http.client.HTTPSConnection(self.url.netloc, timeout=_left(deadline), context=context)
        return http.client.HTTPConnection(self.url.netloc, timeout=_left(deadline))


def _left(deadline):
    return max(deadline - time.monotonic(), 0.001)


def _day(text):
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
