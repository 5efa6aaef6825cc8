"""Test the connection to the library's ILS, and say in plain words what is wrong."""

import getpass
import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.branch_codes import branch_called
from accounts.ils.base import Blocked, Expired, IlsError, WrongCardOrPin
from accounts.ils.configured import library_ils
from accounts.models import Branch, Library


class Command(BaseCommand):
    help = (
        "Test the connection to the ILS that the settings name. With --card, test one card and its PIN too."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--card",
            default="",
            help="a card number to test; the command asks for the PIN, to keep it out of the shell history",
        )

    def handle(self, *, card, **options):
        ils = library_ils()
        if ils is None:
            raise CommandError(
                "No ILS is set, so nobody can sign in with a library card. "
                "Set ILS to sip2 or koha. See docs/operations.md."
            )
        pin = self._pin() if card else ""
        self.stdout.write(f"ILS is {settings.ILS}.")
        today = Library.current().today()
        self.problems = 0
        try:
            for ok, words in ils.examine(card, pin, today=today):
                self._report(ok, words)
            if card:
                self._report_patron(ils.check(card, pin, today=today))
        except WrongCardOrPin as error:
            raise CommandError(
                f"This card can't be used to sign in: {error}. Everything before this step works."
            ) from None
        except (Blocked, Expired) as error:
            raise CommandError(
                f"The PIN is correct, but this card can't be used to sign in: {error}. "
                "Everything before this step works."
            ) from None
        except IlsError as error:
            raise CommandError(str(error)) from None
        self.stdout.write("No problems found." if not self.problems else f"To look at: {self.problems}.")

    def _pin(self):
        """Ask for the PIN at the terminal without showing it.

        If the input is a pipe, read the PIN from its first line.
        """
        return getpass.getpass("PIN: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    def _report(self, ok, words):
        self.problems += not ok
        self.stdout.write(f"{'ok   ' if ok else 'LOOK '} {words}")

    def _report_patron(self, patron):
        branch = Branch.objects.filter(pk=branch_called(patron.home_branch)).first()
        self._report(
            True, f"The portal would store this person as {patron.ils_id}: {patron.name or 'no name'}."
        )
        self._report(
            True,
            f"Email: {patron.email or 'none'}. Patron group: {patron.group or 'none'}. "
            f"Expires: {patron.expires_on or 'no date given'}.",
        )
        if branch:
            self._report(True, f"Home branch: {branch}.")
        elif patron.home_branch:
            self._report(
                False,
                f"The portal has no home branch “{patron.home_branch}”. "
                "Add this code at the desk, under Settings, Branch codes.",
            )
