"""Asks the library's own system of patrons what a sign-in would ask, and says in words what is wrong."""

import getpass
import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.ils.base import Blocked, Expired, IlsError, WrongCardOrPin
from accounts.ils.configured import library_ils
from accounts.models import Library
from accounts.sign_in.library_cards import branch_called


class Command(BaseCommand):
    help = "Tries the connection to the ILS (the library's own system of patrons) as the settings name it. With --card also one card and its PIN."

    def add_arguments(self, parser):
        parser.add_argument(
            "--card",
            default="",
            help="a card to try; the PIN is asked for, so that it stands in no history of commands",
        )

    def handle(self, *, card, **options):
        ils = library_ils()
        if ils is None:
            raise CommandError(
                "No ILS is set: nobody signs in by library card. Set ILS to sip2 or koha, see docs/operations.md."
            )
        pin = self._pin() if card else ""
        self.stdout.write(f"ILS is {settings.ILS}.")
        wrong = 0
        try:
            for well, words in ils.examine(card, pin, today=Library.current().today()):
                wrong += not well
                self._say(well, words)
            if card:
                self._say_whose(ils.check(card, pin, today=Library.current().today()))
        except WrongCardOrPin as error:
            raise CommandError(
                f"This card would not be let in: {error}. Everything up to here works."
            ) from None
        except (Blocked, Expired) as error:
            raise CommandError(
                f"The PIN is right, and this card would not be let in: {error}. Everything up to here works."
            ) from None
        except IlsError as error:
            raise CommandError(str(error)) from None
        self.stdout.write("Nothing is wrong." if not wrong else f"To look at: {wrong}.")

    def _pin(self):
        """From the terminal, unseen; or the first line of what is piped in."""
        return getpass.getpass("PIN: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    def _say(self, well, words):
        self.stdout.write(f"{'ok   ' if well else 'LOOK '} {words}")

    def _say_whose(self, patron):
        branch = branch_called(patron.home_branch)
        self._say(True, f"The portal would know this person as {patron.ils_id}: {patron.name or 'no name'}.")
        self._say(
            True,
            f"E-mail: {patron.email or 'none'}. Patron group: {patron.group or 'none'}. Runs out: {patron.expires_on or 'never, as far as it says'}.",
        )
        if branch:
            self._say(True, f"Home branch: {branch}.")
        elif patron.home_branch:
            self._say(
                False,
                f"The home branch “{patron.home_branch}” is none of the portal's: add {patron.home_branch}=its-name-in-small-letters to ILS_BRANCHES.",
            )
