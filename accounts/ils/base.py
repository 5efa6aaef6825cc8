"""The interface of the adapters for a library's own system (ILS).

The portal asks the ILS whether a card and a PIN match, and who the patron is. An adapter has the methods
`check` and `examine`. It has to pass tests/accounts/ils/test_contract.py.
"""

import datetime
import ssl
import unicodedata
from dataclasses import dataclass
from typing import Protocol

MAX_ID_LENGTH = 100


@dataclass(frozen=True)
class Patron:
    """A patron as the ILS describes them. Unknown values are empty.

    `ils_id` stays the same when the card is replaced. `home_branch` is the code or the name that the
    ILS has for the patron's home branch.
    """

    ils_id: str
    barcode: str
    name: str = ""
    email: str = ""
    group: str = ""
    home_branch: str = ""
    expires_on: datetime.date | None = None


class IlsError(Exception):
    """The card can't be used to sign in.

    The text of the exception is for administrators. It never contains a card number or a PIN.
    """


class WrongCardOrPin(IlsError):
    """The card is unknown or the PIN is wrong. The adapters don't say which."""


class Blocked(IlsError):
    """The card and PIN are correct, but the ILS has blocked the card."""


class Expired(IlsError):
    """The card and PIN are correct, but the card has expired."""


class Unavailable(IlsError):
    """The ILS can't be reached, is too slow, or sends an unreadable response."""


class Misconfigured(IlsError):
    """The ILS rejects the portal, or its response lacks a field that the portal needs.

    An administrator has to correct the settings.
    """


def ignore(card):
    """Do nothing. `check` calls this function if its caller passes no `count`."""


class Ils(Protocol):
    card_has_letters: bool
    pin_has_letters: bool

    def check(self, card: str, pin: str, *, today: datetime.date, count=ignore) -> Patron:
        """Return the patron if the ILS confirms that the card is valid and the PIN is correct.

        Raises an IlsError otherwise. `card` can be an alias, such as a user name. Then `count` is called with
        the patron's card number, even if the PIN is wrong. So attempts with an alias count as attempts with
        the card.
        """

    def examine(self, card: str = "", pin: str = "", *, today: datetime.date):
        """Test the connection. If `card` is not empty, test the card too.

        Yield (ok, sentence) for each finding. Raises an IlsError if the test can't continue.
        """


def reject_malformed_input(card, pin):
    """Raise WrongCardOrPin for input that must not reach the ILS.

    Some systems accept every card if the PIN is blank. A "|" or a control character in the input could start
    another field of the request to the ILS.
    """
    for typed in (card, pin):
        if not typed or typed.isspace() or not typed.isprintable() or "|" in typed:
            raise WrongCardOrPin("blank, or not what is on a card")


def normalized(card):
    """Return the letters and digits of a card number. Digits of any script become ASCII.

    An ILS may accept the same card number in several spellings.
    """
    letters = unicodedata.normalize("NFKD", card.casefold())
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in letters if letter.isalnum())


def is_alias(typed, card):
    """Return whether the patron typed something other than `card`, the card number in the ILS."""
    return bool(card) and normalized(typed) != normalized(card)


def require_valid_card(patron, *, blocked, today):
    """Return the patron. Raises Expired, Blocked or Misconfigured if the card can't be used.

    Call this function only after the ILS has accepted the PIN.
    """
    is_blank = not patron.ils_id.strip()
    if is_blank or not patron.ils_id.isprintable() or len(patron.ils_id) > MAX_ID_LENGTH:
        raise Misconfigured(
            "The ILS gives this patron an id that the portal can't use: "
            "it is empty, too long, or has characters that can't be printed."
        )
    if patron.expires_on and patron.expires_on < today:
        raise Expired("the card has expired")
    if blocked:
        raise Blocked("the ILS says that the card is blocked")
    return patron


def tls_context(ca_file, *, setting):
    """Return a TLS context that trusts the certificates in `ca_file`.

    If `ca_file` is empty, the context trusts the certificates that this machine trusts. Raises Misconfigured
    if the file is unreadable. The error names the `setting` that has the path.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise Misconfigured(f"{ca_file} can't be read as a certificate. See {setting}.") from None
