"""Import items from a catalog file. The formats are described in docs/importing.md."""

import sys
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError
from django.utils import timezone

from accounts.models import Branch
from portal.imports.actions import import_records
from portal.imports.file_kinds import kind_of
from portal.imports.isbns import Repair
from portal.imports.lock import AlreadyRunning, LockLost, catalog_lock, let_others_go_first
from portal.imports.readers.marc import read_binary
from portal.imports.readers.marc_holdings import read_layout
from portal.imports.readers.marc_xml import read_xml
from portal.imports.readers.table import read_table
from portal.imports.records import Record, Unreadable
from portal.imports.withdrawing import bring_back_imported
from portal.text import printable
from recommendations.models import Item

FAULTS_SHOWN = 50
CODES_SHOWN = 20
# The number of records between two lines of progress, if the output isn't a terminal.
LOG_EVERY = 10_000

SOME_FAILED, NOTHING_READ = 1, 2
# The exit status that shells use for a command that was stopped with Ctrl-C.
STOPPED = 130


class Command(BaseCommand):
    help = (
        "Import items from a catalog file: MARC 21, MARCXML or CSV. Importing again changes only what has "
        "changed in the file. Exit status: 0 no faults, 1 some records have faults, 2 nothing was read."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--format", choices=["marc", "marcxml", "csv"], help="detected from the file if not given"
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="CSV: the column that fills a field; can be repeated",
        )
        parser.add_argument(
            "--branch",
            metavar="SLUG",
            help="the branch of call numbers that name no branch; without it they are ignored",
        )
        parser.add_argument(
            "--holdings",
            default="",
            metavar="LAYOUT",
            help='MARC: the field with the copies and its subfields, as in "949 branch=m location=l '
            "call_number=a\"; without it, the setting IMPORT_HOLDINGS, else Koha's 952 or the standard 852",
        )
        parser.add_argument(
            "--source",
            default="catalogue",
            help="a name for where the file comes from; the same name updates the same items",
        )
        parser.add_argument(
            "--all-faults",
            action="store_true",
            help=f"list every record that has a fault, not only the first {FAULTS_SHOWN}",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would happen and change nothing"
        )

    def run_from_argv(self, argv):
        let_others_go_first()
        super().run_from_argv(argv)

    def handle(self, **options):
        try:
            self._import(**options)
        except (AlreadyRunning, LockLost) as error:
            raise CommandError(printable(error), returncode=NOTHING_READ) from None
        except CommandError as error:
            # The message may contain text from the file, and this text may contain control characters.
            raise CommandError(printable(error), returncode=error.returncode) from error
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. The items that were imported stay. Run the command again to import the others.",
                returncode=STOPPED,
            ) from None

    def _import(self, *, file, branch, source, dry_run, all_faults, **options):
        if not source.strip() or len(source) > 40:
            raise CommandError("--source needs a name of 1 to 40 characters.", returncode=NOTHING_READ)
        try:
            branch = self._branch(branch) if branch else None
            Item.objects.exists()
        except (OperationalError, ProgrammingError) as error:
            if isinstance(error, OperationalError) and "no such table" not in str(error):
                raise
            raise CommandError(
                "The database is not up to date. Run: manage.py migrate",
                returncode=NOTHING_READ,
            ) from error
        if file.exists() and not file.is_file():
            # A pipe is refused, because reading it could wait forever.
            raise CommandError(f"{file} is not a file, but a folder or a pipe.", returncode=NOTHING_READ)
        layout = self._layout(options["holdings"])
        tally, at = None, timezone.now()
        keys: list[str] = []
        try:
            with file.open("rb") as opened, self._lock(file, dry_run) as lock:
                records = self._records(opened, options["format"], self._mapping(options["map"]), layout)
                records = _noting_keys(records, keys)
                for tally in import_records(
                    records,
                    source=source,
                    branch=branch,
                    at=at,
                    dry_run=dry_run,
                    faults_kept=None if all_faults else FAULTS_SHOWN,
                ):
                    if lock:
                        lock.renew()
                        bring_back_imported(keys, source, at=at)
                    keys.clear()
                    self._show_progress(tally)
        except OSError as error:
            raise CommandError(
                f"{file} can't be opened: {error.strerror}.", returncode=NOTHING_READ
            ) from error
        except Unreadable as reason:
            self._end_progress(tally)
            raise CommandError(
                str(reason), returncode=NOTHING_READ if not (tally and tally.read) else SOME_FAILED
            ) from reason
        self._end_progress(tally)
        if tally is None:
            raise CommandError(f"{file} has no records.", returncode=NOTHING_READ)
        self._summarize(tally, dry_run)
        if tally.faults or tally.remarks:
            sys.exit(SOME_FAILED if tally.read else NOTHING_READ)

    def _lock(self, file, dry_run):
        """Let no other import or harvest run at the same time. A dry run needs no lock."""
        return nullcontext() if dry_run else catalog_lock(f"import_items {printable(file.name)}")

    def _branch(self, slug):
        try:
            return Branch.objects.get(slug=slug)
        except Branch.DoesNotExist:
            known = ", ".join(Branch.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(
                f"There is no branch {slug!r}. Branches: {known}.", returncode=NOTHING_READ
            ) from None

    def _layout(self, text):
        try:
            return read_layout(text)
        except ValueError as error:
            raise CommandError(f"--holdings {text!r} is wrong. {error}", returncode=NOTHING_READ) from error

    def _mapping(self, pairs):
        mapping: dict[str, list[str]] = {}
        for pair in pairs:
            field, equals, column = pair.partition("=")
            if not equals or not column.strip():
                raise CommandError(
                    f"--map {pair!r} should be FIELD=COLUMN, as in --map creators=authors.",
                    returncode=NOTHING_READ,
                )
            mapping.setdefault(field.strip(), []).append(column)
        return mapping

    def _records(self, opened, kind, mapping, layout):
        kind = kind_of(opened, chosen=kind)
        if kind == "csv":
            if layout:
                raise Unreadable("--holdings is only for MARC. Name the columns of a CSV file with --map.")
            return read_table(opened, mapping=mapping)
        if mapping:
            raise Unreadable("--map is only for CSV files. MARC fields have fixed meanings.")
        return (read_xml if kind == "marcxml" else read_binary)(opened, layout=layout)

    def _show_progress(self, tally):
        if self.stdout.isatty():
            self.stdout.write(f"\r{tally.seen} records read", ending="")
            self.stdout.flush()
        elif tally.seen % LOG_EVERY == 0:
            self.stdout.write(f"{tally.seen} records read")

    def _end_progress(self, tally):
        if tally and self.stdout.isatty():
            self.stdout.write("")

    def _summarize(self, tally, dry_run):
        would = "Nothing was changed. An import would give: " if dry_run else ""
        self.stdout.write(
            f"{would}{tally.added} added, {tally.changed} changed, {tally.unchanged} unchanged."
        )
        isbns = tally.isbns
        if isbns.total() > isbns[Repair.ABSENT]:
            self.stdout.write(
                f"ISBNs: {isbns[Repair.AS_GIVEN]} as given, "
                f"{isbns[Repair.REPAIRED]} repaired (the check digit fits), "
                f"{isbns[Repair.LEFT_EMPTY]} left empty because they can't be verified, "
                f"{isbns[Repair.ABSENT]} records without one."
            )
        self._list_unknown_codes(tally.unknown_codes)
        self._list("could not be read", tally.faults)
        self._list("imported with a fault", tally.remarks)

    def _list_unknown_codes(self, unknown):
        """List the codes of branches that nobody has assigned, the most frequent ones first."""
        if not unknown:
            return
        codes = ", ".join(f"{code} ({number})" for code, number in unknown.most_common(CODES_SHOWN))
        more = f" and {len(unknown) - CODES_SHOWN} more" if len(unknown) > CODES_SHOWN else ""
        self.stdout.write(
            printable(
                f"Unknown branch codes, with the number of holdings: {codes}{more}. Assign them at the desk "
                "under Settings, Branch codes, and import the file again."
            )
        )

    def _list(self, what, faults):
        """List the faults with their records. Consecutive records with the same fault share a line."""
        if not faults:
            return
        self.stderr.write(f"{len(faults)} {what}:")
        for (reason, _first), group in groupby(
            enumerate(faults.first), key=lambda pair: (pair[1].reason, pair[1].number - pair[0])
        ):
            numbers = [fault.number for _position, fault in group]
            records = f"records {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"record {numbers[0]}"
            self.stderr.write(printable(f"  {records}: {reason}"))
        if len(faults.first) < len(faults):
            self.stderr.write(f"  … and {len(faults) - len(faults.first)} more; --all-faults lists them.")


def _noting_keys(records, keys):
    """Yield the records, and add the key of each one to `keys`."""
    for record in records:
        if isinstance(record, Record):
            keys.append(record.key)
        yield record
