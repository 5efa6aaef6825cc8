"""Harvest the catalog from the library's OAI-PMH server. docs/importing.md describes it."""

import signal
import sys
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from portal.imports.harvest.checking import examine
from portal.imports.harvest.client import Client
from portal.imports.harvest.running import run_harvest
from portal.imports.lock import AlreadyRunning, LockLost, let_others_go_first
from portal.imports.models import Harvest
from portal.text import printable

SOME_FAILED, NOT_COMPLETE = 1, 2
# The exit status that shells use for a command that was stopped with Ctrl-C.
STOPPED = 130
# The seconds between two lines of progress, if the output isn't a terminal.
LOG_SECONDS = 60
FAULTS_SHOWN = 50


class AskedToStop(Exception):
    """The process got SIGTERM, for example because the portal stops."""


class Command(BaseCommand):
    help = (
        "Harvest the catalog from the OAI-PMH server in OAI_URL: what has changed since the last harvest, or "
        "everything if that is due. An unfinished harvest is continued. Exit status: 0 complete without "
        "faults, 1 some records have faults, 2 not complete."
    )

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="test the server, and change nothing")
        parser.add_argument("--full", action="store_true", help="list all records, not only the changed ones")
        parser.add_argument(
            "--withdraw-missing",
            action="store_true",
            help="withdraw the items that a full list lacks, even if they are many",
        )

    def run_from_argv(self, argv):
        let_others_go_first()
        super().run_from_argv(argv)

    def handle(self, *, check, full, withdraw_missing, **options):
        if not settings.OAI_URL:
            raise CommandError(
                "OAI_URL is not set, so the portal has no server to harvest from. See docs/importing.md.",
                returncode=NOT_COMPLETE,
            )
        self.stops, self.logged_at = False, time.monotonic()
        if check:
            self._check()
            return
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            harvest = run_harvest(
                full=full,
                withdraw_missing=withdraw_missing,
                client=Client(wait=self._wait, before=self._end_if_asked),
                report=self._report,
            )
        except (AskedToStop, KeyboardInterrupt):
            self._end_progress()
            raise CommandError(
                "Stopped. What was harvested stays. Run the command again to continue.", returncode=STOPPED
            ) from None
        except (AlreadyRunning, LockLost) as error:
            raise CommandError(str(error), returncode=NOT_COMPLETE) from None
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"The database can't be used: {error}. If it is not up to date, run: manage.py migrate. "
                "Run the command again to continue.",
                returncode=NOT_COMPLETE,
            ) from error
        finally:
            signal.signal(signal.SIGTERM, before)
        self._end_progress()
        self._summarize(harvest)

    def _check(self):
        problems = 0
        for is_right, words in examine(Client(wait=self._wait)):
            problems += not is_right
            self.stdout.write(printable(f"{'ok   ' if is_right else 'LOOK '} {words}"))
        self.stdout.write(f"To look at: {problems}." if problems else "No problems found.")
        if problems:
            sys.exit(SOME_FAILED)

    def _stop(self, *_):
        self.stops = True

    def _wait(self, seconds):
        until = time.monotonic() + seconds
        while not self.stops and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 1))
        self._end_if_asked()

    def _end_if_asked(self):
        if self.stops:
            raise AskedToStop

    def _report(self, harvest):
        words = progress(harvest)
        if self.stdout.isatty():
            self.stdout.write(f"\r{words}", ending="")
            self.stdout.flush()
        elif time.monotonic() >= self.logged_at + LOG_SECONDS:
            self.logged_at = time.monotonic()
            self.stdout.write(words)
        self._end_if_asked()

    def _end_progress(self):
        if self.stdout.isatty():
            self.stdout.write("")

    def _summarize(self, harvest):
        self.stdout.write(f"{progress(harvest)}.")
        if harvest.faults:
            self.stderr.write(f"Records with a fault: {harvest.faults}.")
            for identifier, reason in harvest.first_faults[:FAULTS_SHOWN]:
                self.stderr.write(printable(f"  {identifier or 'a record'}: {reason}"))
            if harvest.faults > FAULTS_SHOWN:
                self.stderr.write(f"  … and {harvest.faults - FAULTS_SHOWN} more.")
        if harvest.state != Harvest.State.COMPLETE:
            raise CommandError(
                printable(
                    f"The harvest is not complete. The portal could not read from the server: "
                    f"{harvest.problem}. What was harvested stays. Missing items were not withdrawn. Run the "
                    "command again to continue."
                ),
                returncode=NOT_COMPLETE,
            )
        if harvest.problem:
            self.stderr.write(harvest.problem)
        if harvest.faults or harvest.problem:
            sys.exit(SOME_FAILED)


def progress(harvest):
    """Return what the harvest has done so far, as a text."""
    size = f" of {harvest.size}" if harvest.size else ""
    words = (
        f"{harvest.read}{size} records read: {harvest.added} added, {harvest.changed} changed, "
        f"{harvest.withdrawn} withdrawn"
    )
    return f"{words}, {harvest.returned} came back" if harvest.returned else words
