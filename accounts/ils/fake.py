"""An ILS that isn't there, for the demo and for tests: a few people, their cards and PINs. Production refuses it (portal/checks.py)."""

import datetime
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from .base import Patron, WrongCardOrPin, must_be_valid, refuse_what_cannot_be


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
        _("somebody whom the library knows"),
        home_branch="Northfield Branch",
    ),
    Card(
        "20001002",
        "2345",
        "1002",
        "Noor Haddad",
        _("somebody who is new here"),
        home_branch="Central Library",
    ),
    Card("20001003", "3456", "1003", "Theo Brandt", _("a card that is blocked"), blocked=True),
    Card(
        "20001004",
        "4567",
        "1004",
        "Wilma Stone",
        _("a card that has run out"),
        expires_on=datetime.date(2020, 1, 31),
    ),
    Card(
        "20001005",
        "5678",
        "1005",
        "Haddad, Samira Noor",
        _("a child, of whom only the first name is kept"),
        email="parent@example.org",
        group="JUVENILE",
    ),
]


class Fake:
    card_has_letters = pin_has_letters = False

    def __init__(self, cards=CARDS):
        self.cards = cards

    def check(self, card, pin, *, today):
        refuse_what_cannot_be(card, pin)
        for one in self.cards:
            if (one.card, one.pin) == (card, pin):
                return must_be_valid(one.patron, blocked=one.blocked, today=today)
        raise WrongCardOrPin("no such card, or another PIN")

    def examine(self, card="", pin="", *, today):
        yield True, "This is the ILS of the demo: it is always there."
