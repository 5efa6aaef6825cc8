"""What the portal asks a library's own system (ILS): whether a card and a PIN match, and whose they are.

An adapter has `check` and `examine`, and passes tests/accounts/ils/test_contract.py.
"""

import datetime
import ssl
from dataclasses import dataclass
from typing import Protocol

MAX_ID_LENGTH = 100


@dataclass(frozen=True)
class Patron:
    """A patron as the ILS describes them. Unknown values are empty.

    `ils_id` stays the same when the card is replaced. `home_branch` is the ILS's own code or name for it.
    """

    ils_id: str
    barcode: str
    name: str = ""
    email: str = ""
    group: str = ""
    home_branch: str = ""
    expires_on: datetime.date | None = None


class IlsError(Exception):
    """Nobody can be signed in. The message is for administrators, and holds neither card number nor PIN."""


class WrongCardOrPin(IlsError):
    """The card is unknown or the PIN is wrong. The ILS adapters don't say which."""


class Blocked(IlsError):
    """The card and PIN are right, but the ILS has blocked the card."""


class Expired(IlsError):
    """The card and PIN are right, but the card has expired."""


class Unavailable(IlsError):
    """The ILS can't be reached, is too slow, or sends an unreadable answer."""


class Misconfigured(IlsError):
    """The ILS refuses the portal, or leaves out something the portal needs. An administrator has to act."""


class Ils(Protocol):
    card_has_letters: bool
    pin_has_letters: bool

    def check(self, card: str, pin: str, *, today: datetime.date) -> Patron:
        """Return the patron if the ILS confirms that the card is valid and the PIN is right.

        Raises an IlsError otherwise.
        """

    def examine(self, card: str = "", pin: str = "", *, today: datetime.date):
        """Test the connection, and the card if one is given. Yield (ok, sentence) for each finding.

        Raises an IlsError if the test can't continue.
        """


def reject_malformed_input(card, pin):
    """Raise WrongCardOrPin for input that must not reach the ILS.

    Some systems accept any patron with a blank PIN. A "|" or a control character could start another field
    of the message.
    """
    for typed in (card, pin):
        if not typed or typed.isspace() or not typed.isprintable() or "|" in typed:
            raise WrongCardOrPin("blank, or not what is on a card")


def require_valid_card(patron, *, blocked, today):
    """Return the patron, or raise Expired or Blocked. Call it only after the ILS has accepted the PIN."""
    if not patron.ils_id.isprintable() or len(patron.ils_id) > MAX_ID_LENGTH:
        raise Misconfigured(
            "The ILS gives this patron an id that the portal can't use: "
            "it is too long, or has characters that can't be printed."
        )
    if patron.expires_on and patron.expires_on < today:
        raise Expired("the card has expired")
    if blocked:
        raise Blocked("the ILS says that the card is blocked")
    return patron


def tls_context(ca_file, *, setting):
    """Return a TLS context that trusts the certificates in `ca_file`, or the machine's own if it is empty.

    `setting` is the name of the setting that `ca_file` comes from, for the error message.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise Misconfigured(f"{ca_file} can't be read as a certificate. See {setting}.") from None
