"""A fake ILS with a few cards, for the demo and for tests.

A check in portal/checks.py makes sure that no real library uses this ILS.
"""

import datetime
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from .base import Patron, WrongCardOrPin, ignore, reject_malformed_input, require_valid_card


@dataclass(frozen=True)
class Card:
    card: str
    pin: str
    ils_id: str
    name: str
    about: object = ""
    email: str = ""
    group: str = "ADULT"
    home_branch: str = ""
    expires_on: datetime.date | None = None
    blocked: bool = False

    @property
    def patron(self):
        return Patron(
            self.ils_id, self.card, self.name, self.email, self.group, self.home_branch, self.expires_on
        )


CARDS = [
    Card(
        "20001001",
        "1234",
        "1001",
        "Delroy Simmons",
        _("someone the library already knows"),
        home_branch="Northfield Branch",
    ),
    Card(
        "20001002",
        "2345",
        "1002",
        "Noor Haddad",
        _("someone new to the library"),
        home_branch="Central Library",
    ),
    Card("20001003", "3456", "1003", "Theo Brandt", _("a blocked card"), blocked=True),
    Card(
        "20001004",
        "4567",
        "1004",
        "Wilma Stone",
        _("an expired card"),
        expires_on=datetime.date(2020, 1, 31),
    ),
    Card(
        "20001005",
        "5678",
        "1005",
        "Haddad, Samira Noor",
        _("a child (only the first name is kept)"),
        email="parent@example.org",
        group="JUVENILE",
    ),
]


class Fake:
    card_has_letters = pin_has_letters = False

    def __init__(self, cards=CARDS):
        self.cards = cards

    def check(self, card, pin, *, today, count=ignore):
        reject_malformed_input(card, pin)
        for known in self.cards:
            if (known.card, known.pin) == (card, pin):
                return require_valid_card(known.patron, blocked=known.blocked, today=today)
        raise WrongCardOrPin("no such card, or a wrong PIN")

    def examine(self, card="", pin="", *, today):
        yield True, "This is the ILS of the demo: it is always available."
