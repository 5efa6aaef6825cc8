"""What the portal asks of a library's own system: whether this card and this PIN belong together, and whose they are.

An adapter has `check` and `examine` and nothing else. All of them pass tests/accounts/ils/test_contract.py.
"""

import datetime
import ssl
from dataclasses import dataclass
from typing import Protocol

LONGEST_ID = 100  # letters


@dataclass(frozen=True)
class Patron:
    """Whom the ILS knows by a card and its PIN. `ils_id` stays the same when the card is replaced; what isn't known is empty."""

    ils_id: str
    barcode: str
    name: str = ""
    email: str = ""
    group: str = ""
    home_branch: str = ""  # the ILS's own code or name for it
    expires_on: datetime.date | None = None


class IlsError(Exception):
    """Nobody is let in. Its text is for whoever runs the portal, in plain words, and holds neither card nor PIN."""


class WrongCardOrPin(IlsError):
    """The ILS knows no such card, or the PIN is another: it is never said which."""


class Blocked(IlsError):
    """Card and PIN are right, and the ILS says that the card may not be used."""


class Expired(IlsError):
    """Card and PIN are right, and the card has run out."""


class Away(IlsError):
    """The ILS can't be reached, is too slow, or says what nobody can read."""


class Misconfigured(IlsError):
    """The ILS refuses the portal, or leaves out what the portal must know: somebody has to change a setting."""


class Ils(Protocol):
    card_has_letters: bool
    pin_has_letters: bool

    def check(self, card: str, pin: str, *, today: datetime.date) -> Patron:
        """The patron, if the ILS says in so many words that the card is valid and the PIN is right. Otherwise an IlsError."""

    def examine(self, card: str = "", pin: str = "", *, today: datetime.date):
        """Tries what can be tried, with a card or without. Yields (whether it is well, a sentence); raises an IlsError where it can't go on."""


def refuse_what_cannot_be(card, pin):
    """No blank PIN ever leaves the portal: there are systems that let anybody in by one. Nor what could end a field and begin another."""
    for typed in (card, pin):
        if not typed or typed.isspace() or not typed.isprintable() or "|" in typed:
            raise WrongCardOrPin("blank, or not what is on a card")


def must_be_valid(patron, *, blocked, today):
    """The patron, unless the ILS says that the card is blocked or has run out. To be asked only once the PIN was right."""
    if not patron.ils_id.isprintable() or len(patron.ils_id) > LONGEST_ID:
        raise Misconfigured(
            "The ILS has an id for this patron that can't be one: too long, or with what can't be printed."
        )
    if patron.expires_on and patron.expires_on < today:
        raise Expired("the card has run out")
    if blocked:
        raise Blocked("the ILS says that the card is blocked")
    return patron


def tls_context(ca_file, *, setting):
    """What the portal trusts: the authorities that the machine knows, or the one in the file that the setting names."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise Misconfigured(f"{ca_file} can't be read as a certificate. See {setting}.") from None
