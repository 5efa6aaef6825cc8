"""The ILS over SIP2. The messages: sip2_messages.py; the wire: connection.py."""

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
    must_be_valid,
    refuse_what_cannot_be,
    tls_context,
)
from .connection import Connection, Lost
from .sip2_messages import field

log = logging.getLogger(__name__)

RESTS = 50  # seconds that an open connection may rest; many servers end one after a minute
AT_REST = 4  # connections: as many as a process has threads
CARD_LOST = 5  # in a patron's status; 1 to 4 and 6 to 14 are loans, holds and fees, which no help depends on
PATRON_INFORMATION = 7  # in the list of messages that the ILS knows, from 0


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
        card_has_letters=False,
        pin_has_letters=False,
    ):
        self.host, self.port, self.timeout = host, port, timeout
        self.login, self.password, self.location = login, password, location
        self.institution, self.terminal_password = institution, terminal_password
        self.tls, self.ca_file = tls, ca_file
        self.charset, self.error_detection = charset, error_detection
        self.id_field, self.group_field, self.branch_field, self.expires_field = (
            id_field,
            group_field,
            branch_field,
            expires_field,
        )
        self.card_has_letters, self.pin_has_letters = card_has_letters, pin_has_letters
        self.lock, self.resting, self.process = threading.Lock(), [], os.getpid()

    def check(self, card, pin, *, today):
        return self._judged(self._ask(self._patron_information(card, pin)), card, today)

    def examine(self, card="", pin="", *, today):
        opened = self._opened(time.monotonic() + self.timeout)
        self._keep(opened)
        yield True, f"{self.host} port {self.port} takes the connection{', encrypted' if self.tls else ''}."
        if not self.tls:
            yield (
                False,
                "The connection is not encrypted: whoever is on the way reads cards and PINs. Use SIP2_TLS=1, or a tunnel of your own.",
            )
        if self.login:
            yield True, "The ILS accepts the login."
        status = self._ask(b"99" + b"0" + b"080" + b"2.00")
        if status.code != "98" or status.fixed[0] != "Y":
            yield False, "The ILS says that it is not on line, so it may know no patrons now."
        knows = status.fields.get("BX", "")
        if len(knows) > PATRON_INFORMATION and knows[PATRON_INFORMATION] != "Y":
            yield (
                False,
                "The ILS says that it does not answer patron information (message 63): it must be allowed for this login.",
            )
        yield (
            True,
            "Error detection works." if self.error_detection else "Error detection is off, ours at least.",
        )
        if self.id_field == "AA":
            yield (
                True,
                "Patrons are known by their card number (AA), so a new card is a new person. If the ILS has a field with its own id: SIP2_ID_FIELD.",
            )
        if card:
            answer = self._ask(self._patron_information(card, pin))
            yield from self._remarks(answer)
            self._judged(answer, card, today)

    def close(self):
        with self.lock:
            resting, self.resting = self.resting, []
        for connection in resting:
            connection.close()

    # What is asked, and what the answer means.

    def _patron_information(self, card, pin):
        refuse_what_cannot_be(card, pin)
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
        except UnicodeEncodeError:  # its text would show what was typed
            raise WrongCardOrPin("not what this ILS can have as a card or a PIN") from None

    def _judged(self, answer, card, today):
        """The patron, if BL and CQ both are Y. Whatever is left out, blank or else is a no."""
        if answer.code != "64":
            raise Misconfigured(
                f"The ILS answers patron information with message {answer.code} instead of 64."
            )
        said = answer.fields
        valid, right_pin = said.get("BL") == "Y", said.get("CQ") == "Y"
        if not right_pin:
            if valid and said.get("CQ", "").strip() == "":
                log.warning(
                    "The ILS says that a card is valid but not whether the PIN is right (no CQ): nobody can be let in. See manage.py ils_check."
                )
            raise WrongCardOrPin("the ILS does not say that the PIN is right")
        expires_on = _day(said.get(self.expires_field, ""))
        if not valid:
            # A system that says "right PIN" of cards which it doesn't know gives no name with it.
            if not said.get("AE", "").strip():
                raise WrongCardOrPin("the ILS does not say that the card is valid")
            raise (
                Expired("the card has run out")
                if expires_on and expires_on < today
                else Blocked("the ILS says that the card is not valid")
            )
        patron = Patron(
            ils_id=self._id(said),
            barcode=said.get("AA", "").strip() or card,
            name=said.get("AE", "").strip(),
            email=said.get("BE", "").strip(),
            group=said.get(self.group_field, "").strip(),
            home_branch=said.get(self.branch_field, "").strip(),
            expires_on=expires_on,
        )
        return must_be_valid(patron, blocked=answer.statuses[CARD_LOST] == "Y", today=today)

    def _id(self, said):
        ils_id = said.get(self.id_field, "").strip()
        if not ils_id:
            raise Misconfigured(
                f"The answer has no field {self.id_field}, by which the portal is to know a patron. See SIP2_ID_FIELD."
            )
        if "\ufffd" in ils_id:
            raise Misconfigured(
                f"The field {self.id_field} can't be read as {self.charset}. See SIP2_CHARSET."
            )
        return (
            ils_id.upper() if self.id_field == "AA" else ils_id
        )  # some systems say the number as it was typed

    def _remarks(self, answer):
        """What is odd about an answer, whatever it means."""
        said = answer.fields
        for name, meaning in (("BL", "the card is valid"), ("CQ", "the PIN is right")):
            if not said.get(name, "").strip():
                yield (
                    False,
                    f"The answer does not say whether {meaning} (no {name}): nobody can be let in. It may have to be turned on in the ILS.",
                )
        name = said.get("AE", "")
        if "\ufffd" in name or (
            not name.isascii() and self.charset.replace("-", "").lower() != "utf8" and _is_utf8(answer.raw)
        ):
            yield (
                False,
                f"The charset may be another than {self.charset}: the name arrives as “{name}”. See SIP2_CHARSET; most systems use cp850 or utf-8.",
            )
        for setting, wanted in (
            ("SIP2_GROUP_FIELD", self.group_field),
            ("SIP2_BRANCH_FIELD", self.branch_field),
        ):
            if wanted and wanted not in said:
                yield True, f"The answer has no field {wanted} ({setting}); it has {', '.join(sorted(said))}."

    # The connections. Each is used by one request at a time and rests between them.

    def _ask(self, message):
        deadline = time.monotonic() + self.timeout
        if connection := self._rested():
            with suppress(Lost):  # it was closed while it rested
                return self._asked(connection, message, deadline)
        return self._asked(self._opened(deadline), message, deadline)

    def _asked(self, connection, message, deadline):
        try:
            answer = connection.ask(message, deadline)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return answer

    def _opened(self, deadline):
        context = tls_context(self.ca_file, setting="SIP2_CA_FILE") if self.tls else None
        opened = Connection.open(
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
                answer = opened.ask(
                    b"9300" + b"".join(field(name, value, self.charset) for name, value in pairs), deadline
                )
                if (answer.code, answer.fixed) != ("94", "1"):
                    raise Misconfigured(
                        "The ILS rejects the login. See SIP2_LOGIN and SIP2_PASSWORD, and whether the ILS knows this machine's address."
                    )
        except BaseException:
            opened.close()
            raise
        return opened

    def _rested(self):
        with self.lock:
            if self.process != os.getpid():  # the parent's, not ours
                self.resting, self.process = [], os.getpid()
            while self.resting:
                connection = self.resting.pop()
                if time.monotonic() - connection.used_at < RESTS:
                    return connection
                connection.close()
        return None

    def _keep(self, connection):
        with self.lock:
            has_room = len(self.resting) < AT_REST
            if has_room:
                self.resting.append(connection)
        if not has_room:
            connection.close()


def _day(text):
    """The day in a field that begins with YYYYMMDD, with or without hyphens."""
    digits = "".join(character for character in text[:10] if character.isdecimal())[:8]
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007 (a day, not a moment)
    except ValueError:
        return None


def _is_utf8(raw):
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
