"""The adapter for an ILS that speaks SIP2.

sip2_messages.py reads and writes the messages. connection.py handles the network connection.
"""

import datetime
import logging
import os
import threading
import time
from contextlib import suppress

from .base import (
    Blocked,
    Expired,
    Misconfigured,
    Patron,
    WrongCardOrPin,
    ignore,
    is_alias,
    reject_malformed_input,
    require_valid_card,
    tls_context,
)
from .connection import Connection, Lost
from .sip2_messages import field

log = logging.getLogger(__name__)

# A connection that was idle for more than this many seconds is not used again. Many servers close a
# connection that was idle for a minute.
MAX_IDLE_SECONDS = 50
# At most this many idle connections stay open. A process has four threads, and each of them uses at most one
# connection at a time.
MAX_IDLE_CONNECTIONS = 4
# The number of the flag "card reported lost" in a patron's status. The portal ignores all other flags, such
# as the flags about loans and fees.
CARD_LOST = 5
# The index of the patron information message in the list of messages that the ILS supports.
PATRON_INFORMATION = 7


class Sip2:
    def __init__(
        self,
        *,
        host,
        port=6001,
        login="",
        password="",
        location="",
        institution="",
        terminal_password="",
        tls=False,
        ca_file="",
        charset="cp850",
        error_detection=True,
        id_field="AA",
        group_field="PC",
        branch_field="AQ",
        expires_field="PA",
        timeout=6,
        card_aliases=False,
        card_has_letters=False,
        pin_has_letters=False,
    ):
        self.host, self.port, self.timeout = host, port, timeout
        self.login, self.password, self.location = login, password, location
        self.institution, self.terminal_password = institution, terminal_password
        self.tls, self.ca_file = tls, ca_file
        self.charset, self.error_detection = charset, error_detection
        self.id_field, self.group_field = id_field, group_field
        self.branch_field, self.expires_field = branch_field, expires_field
        self.card_aliases = card_aliases
        self.card_has_letters, self.pin_has_letters = card_has_letters, pin_has_letters
        self.lock, self.idle, self.process = threading.Lock(), [], os.getpid()

    def check(self, card, pin, *, today, count=ignore):
        answer = self._ask(self._patron_information(card, pin))
        if is_alias(card, answer.fields.get("AA", "")):
            self._require_alias_allowed()
            count(answer.fields["AA"])
        return self._patron_in(answer, card, today)

    def examine(self, card="", pin="", *, today):
        self._keep(self._connect(time.monotonic() + self.timeout))
        yield True, f"{self.host} port {self.port} accepts the connection{', encrypted' if self.tls else ''}."
        if not self.tls:
            yield (
                False,
                "The connection is not encrypted, so anyone on the network can read card numbers and PINs. "
                "Set SIP2_TLS=1, or use a tunnel.",
            )
        if self.login:
            yield True, "The ILS accepts the login."
        status = self._ask(b"99" + b"0" + b"080" + b"2.00")
        if status.code != "98" or status.fixed[0] != "Y":
            yield False, "The ILS says that it is offline, so it may not find any patrons."
        supported = status.fields.get("BX", "")
        if len(supported) > PATRON_INFORMATION and supported[PATRON_INFORMATION] != "Y":
            yield (
                False,
                "The ILS says that it does not support patron information (message 63). "
                "Allow it for this login.",
            )
        yield (
            True,
            "Error detection works." if self.error_detection else "The portal's error detection is off.",
        )
        if self.id_field == "AA":
            yield (
                True,
                "Patrons are identified by their card number (AA), so a new card is a new person. "
                "If the ILS has a field with its own id, name it in SIP2_ID_FIELD.",
            )
        if card:
            answer = self._ask(self._patron_information(card, pin))
            yield from self._remarks(answer, card)
            self._patron_in(answer, card, today)

    def close(self):
        with self.lock:
            idle, self.idle = self.idle, []
        for connection in idle:
            connection.close()

    # The next methods write the request for a patron's data and read the response.

    def _patron_information(self, card, pin):
        reject_malformed_input(card, pin)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d   Z%H%M%S")
        try:
            return f"63000{now}{' ' * 10}".encode() + b"".join(
                field(name, value, self.charset)
                for name, value in [
                    ("AO", self.institution),
                    ("AA", card),
                    ("AC", self.terminal_password),
                    ("AD", pin),
                ]
            )
        except UnicodeEncodeError:
            # "from None" hides the original error, because that error would show the PIN.
            raise WrongCardOrPin("not what this ILS can have as a card or a PIN") from None

    def _patron_in(self, answer, card, today):
        """Return the Patron that the response describes.

        Raises an IlsError if the field BL (valid card) or the field CQ (correct PIN) is not "Y".
        """
        if answer.code != "64":
            raise Misconfigured(
                f"The ILS responds to patron information with message {answer.code} instead of 64."
            )
        fields = answer.fields
        valid, right_pin = fields.get("BL") == "Y", fields.get("CQ") == "Y"
        if not right_pin:
            if valid and fields.get("CQ", "").strip() == "":
                log.warning(
                    "The ILS says that a card is valid but not whether the PIN is correct (no CQ), "
                    "so nobody can sign in. Run manage.py ils_check."
                )
            raise WrongCardOrPin("the ILS does not say that the PIN is correct")
        expires_on = _day(fields.get(self.expires_field, ""))
        if not valid:
            # Some systems say that the PIN is correct even if the card is unknown. The response then has no
            # patron name.
            if not fields.get("AE", "").strip():
                raise WrongCardOrPin("the ILS does not say that the card is valid")
            raise (
                Expired("the card has expired")
                if expires_on and expires_on < today
                else Blocked("the ILS says that the card is not valid")
            )
        patron = Patron(
            ils_id=self._id(fields),
            barcode=fields.get("AA", "").strip() or card,
            name=fields.get("AE", "").strip(),
            email=fields.get("BE", "").strip(),
            group=fields.get(self.group_field, "").strip(),
            home_branch=fields.get(self.branch_field, "").strip(),
            expires_on=expires_on,
        )
        return require_valid_card(patron, blocked=answer.statuses[CARD_LOST] == "Y", today=today)

    def _require_alias_allowed(self):
        """Raise WrongCardOrPin if the ILS may have answered another patron's request.

        Call this method if the response and the request have different card numbers. If patrons may type an
        alias of their card number, the difference is normal, so do nothing. Otherwise log a warning. With
        error detection, do no more than that, because the sequence number shows which request the response
        answers. Without error detection, raise the exception.
        """
        if self.card_aliases:
            return
        log.warning(
            "The ILS responds about a different card number than the one in the request. If patrons may also "
            "type another number or a user name, set SIP2_CARD_ALIASES=1."
        )
        if not self.error_detection:
            self.close()
            raise WrongCardOrPin("the ILS responds about a different card number. See SIP2_CARD_ALIASES")

    def _id(self, fields):
        ils_id = fields.get(self.id_field, "").strip()
        if not ils_id:
            raise Misconfigured(
                f"The response has no field {self.id_field} to identify the patron. See SIP2_ID_FIELD."
            )
        if "\ufffd" in ils_id:
            raise Misconfigured(
                f"The field {self.id_field} can't be read as {self.charset}. See SIP2_CHARSET."
            )
        # Some systems return the card number as the patron typed it, so the case of its letters can vary.
        return ils_id.upper() if self.id_field == "AA" else ils_id

    def _remarks(self, answer, card):
        """Yield (whether it is harmless, sentence) for each unusual thing in a response."""
        fields = answer.fields
        if is_alias(card, fields.get("AA", "")):
            yield (
                self.card_aliases,
                "The ILS responds about a different card number than the one in the request. If patrons may "
                "also type another number or a user name, SIP2_CARD_ALIASES must be 1.",
            )
        for name, meaning in (("BL", "the card is valid"), ("CQ", "the PIN is correct")):
            if not fields.get(name, "").strip():
                yield (
                    False,
                    f"The response does not say whether {meaning} (no {name}), so nobody can sign in. "
                    "You may have to turn it on in the ILS.",
                )
        name = fields.get("AE", "")
        if "\ufffd" in name or (
            not name.isascii() and self.charset.replace("-", "").lower() != "utf8" and _is_utf8(answer.raw)
        ):
            yield (
                False,
                f"{self.charset} may be the wrong charset: the name arrives as “{name}”. "
                "See SIP2_CHARSET. Most systems use cp850 or utf-8.",
            )
        for setting, wanted in (
            ("SIP2_GROUP_FIELD", self.group_field),
            ("SIP2_BRANCH_FIELD", self.branch_field),
        ):
            if wanted and wanted not in fields:
                found = ", ".join(sorted(fields))
                yield True, f"The response has no field {wanted} ({setting}). It has {found}."

    # The next methods manage the connections. Only one request at a time uses a connection. After the
    # request, the connection stays open for another request.

    def _ask(self, message):
        deadline = time.monotonic() + self.timeout
        if connection := self._idle_connection():
            # If the ILS has closed the idle connection, a new connection is opened below.
            with suppress(Lost):
                return self._ask_over(connection, message, deadline)
        return self._ask_over(self._connect(deadline), message, deadline)

    def _ask_over(self, connection, message, deadline):
        try:
            answer = connection.ask(message, deadline)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return answer

    def _connect(self, deadline):
        """Return a new connection. If the settings have a login, log in first."""
        context = tls_context(self.ca_file, setting="SIP2_CA_FILE") if self.tls else None
        connection = Connection.open(
            host=self.host,
            port=self.port,
            tls_context=context,
            deadline=deadline,
            charset=self.charset,
            error_detection=self.error_detection,
        )
        try:
            if self.login:
                pairs = [
                    ("CN", self.login),
                    ("CO", self.password),
                    *([("CP", self.location)] if self.location else []),
                ]
                answer = connection.ask(
                    b"9300" + b"".join(field(name, value, self.charset) for name, value in pairs), deadline
                )
                if (answer.code, answer.fixed) != ("94", "1"):
                    raise Misconfigured(
                        "The ILS rejects the login. Check SIP2_LOGIN and SIP2_PASSWORD, "
                        "and whether the ILS allows this machine's address."
                    )
        except BaseException:
            connection.close()
            raise
        return connection

    def _idle_connection(self):
        with self.lock:
            # After a fork, the idle connections belong to the parent process, so this process opens new ones.
            if self.process != os.getpid():
                self.idle, self.process = [], os.getpid()
            while self.idle:
                connection = self.idle.pop()
                if time.monotonic() - connection.used_at < MAX_IDLE_SECONDS:
                    return connection
                connection.close()
        return None

    def _keep(self, connection):
        with self.lock:
            has_room = len(self.idle) < MAX_IDLE_CONNECTIONS
            if has_room:
                self.idle.append(connection)
        if not has_room:
            connection.close()


def _day(text):
    """Parse the date at the start of `text`, as YYYYMMDD or YYYY-MM-DD. Return None if there is no date."""
    digits = "".join(character for character in text[:10] if character.isdecimal())[:8]
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007  a date has no time zone
    except ValueError:
        return None


def _is_utf8(raw):
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
