"""Receive one email from a mail server."""

import logging
import os
import sys

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal import signed_addresses
from portal.incoming.actions import MAX_BYTES, receive

# The exit statuses that mail servers understand (sysexits.h).
ACCEPTED, UNUSABLE, UNKNOWN_ADDRESS, NOT_SET_UP, TRY_LATER = 0, 65, 67, 69, 75

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Receive one email from standard input. The exit status tells the mail server what happened: 0 "
        "accepted, 75 try again later, 65 too large, 67 wrong address, 69 no reply address is set."
    )
    # Run no system checks. If one failed, the command would end with the exit status 1, and the mail server
    # would return the email to its sender.
    requires_system_checks: list = []

    def add_arguments(self, parser):
        parser.add_argument(
            "--recipient",
            default=os.environ.get("ORIGINAL_RECIPIENT") or os.environ.get("RECIPIENT") or "",
            help="the address of the email; default: ORIGINAL_RECIPIENT or RECIPIENT, which Postfix sets",
        )
        parser.add_argument(
            "--sender",
            default=os.environ.get("SENDER"),
            help="the sender of the envelope, empty for the null sender; default: SENDER, as Postfix sets it",
        )

    def handle(self, *, recipient, sender, **options):
        try:
            status = self._take(recipient, sender)
        except Exception as error:
            # The database may be unreachable, the disk full, or the patron may have sent too many messages.
            # The log and the mail server get no traceback, because a traceback could contain what the email
            # says.
            log.error("an email could not be processed: %s", type(error).__name__)
            self.stderr.write(f"Try again later: {type(error).__name__}.")
            status = TRY_LATER
        sys.exit(status)

    def _take(self, recipient, sender):
        if not signed_addresses.is_configured():
            self.stderr.write("No reply address is set. Set REPLY_ADDRESS. See docs/operations.md.")
            return NOT_SET_UP
        if recipient and not signed_addresses.is_ours(recipient):
            self.stderr.write("This address is not the library's reply address.")
            return UNKNOWN_ADDRESS
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            self.stderr.write(f"An email may have {MAX_BYTES // 1024 // 1024} MB.")
            return UNUSABLE
        # Some mail servers write the null sender as "<>" or as MAILER-DAEMON.
        sender = "" if sender in ("<>", "MAILER-DAEMON") else sender
        receive(raw, at=timezone.now(), recipient=recipient, sender=sender)
        return ACCEPTED
