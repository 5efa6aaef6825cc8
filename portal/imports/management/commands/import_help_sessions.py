"""Import a desk log of another system as help sessions. docs/importing.md describes the files."""

import signal
import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Branch
from portal.counts.models import LogImport
from portal.folding import fold
from portal.helpsessions.models import OwnField, OwnValue, PatronGroup, ServicePoint
from portal.imports.desk_logs.dates import DAY_FIRST, EPOCHS, MONTH_FIRST
from portal.imports.desk_logs.describing import columns_of, warnings_of
from portal.imports.desk_logs.mapping import Mapping, Places, Question
from portal.imports.desk_logs.reading import open_log
from portal.imports.desk_logs.running import Undecided, dry_run, plan_of, run_import
from portal.imports.desk_logs.saved import load_mapping, save_mapping
from portal.imports.desk_logs.undoing import ReplacedLater, undo_import
from portal.imports.desk_logs.values import CHOICES, GUESSES, LEFT_OUT, OWN, is_choice, is_own
from portal.imports.desk_logs.writing import days_with_contacts
from portal.imports.lock import AlreadyRunning, LockLost, catalog_lock, let_others_go_first
from portal.imports.models import SavedMapping
from portal.imports.records import Unreadable
from portal.text import clean, printable, uuid_or_none
from recommendations.models import Topic

SOME_FAILED, NOTHING_READ, STOPPED = 1, 2, 130
DAYS_SHOWN, IMPORTS_SHOWN = 20, 20
LOG_EVERY = 10_000
# {field of a Question: the option of this command that answers the question}
ANSWERS = {
    "day": "--map day=COLUMN",
    "order": "--day-first or --month-first",
    "branch": "--branch SLUG",
    **{name: f'--value "{name}:VALUE=OURS"' for name in CHOICES},
}


class Command(BaseCommand):
    help = (
        "Import a desk log (CSV or XLSX) of another system as help sessions that are only counted. Importing "
        "the same file again adds nothing. Exit status: 0 no failed rows, 1 some rows failed, 2 nothing was "
        "imported."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would happen and change nothing"
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="the column of a field; without one, the field is left out. Fields: "
            f"{', '.join(GUESSES)}, or the name of one of the library's own fields",
        )
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            metavar="FIELD:VALUE=OURS",
            help="what a value of the log means here; - leaves out the rows. Fields: "
            f"{', '.join(CHOICES)}, or the name of one of the library's own fields",
        )
        parser.add_argument("--branch", default="", metavar="SLUG", help="the branch of rows that name none")
        order = parser.add_mutually_exclusive_group()
        order.add_argument("--day-first", action="store_const", const=DAY_FIRST, dest="order", default="")
        order.add_argument("--month-first", action="store_const", const=MONTH_FIRST, dest="order")
        parser.add_argument(
            "--epoch",
            type=int,
            choices=EPOCHS,
            default=0,
            help="the year from which numbers count that are dates",
        )
        parser.add_argument("--mapping", default="", metavar="NAME", help="use a saved mapping")
        parser.add_argument(
            "--save-mapping", default="", metavar="NAME", help="save the mapping for the next file"
        )
        parser.add_argument(
            "--failed", type=Path, metavar="FILE", help="write the failed rows to this new file"
        )
        parser.add_argument("--list", action="store_true", help="list the imports and the saved mappings")
        parser.add_argument("--undo", metavar="ID", help="undo an import of --list as a whole")

    def run_from_argv(self, argv):
        let_others_go_first()
        super().run_from_argv(argv)

    def handle(self, **options):
        try:
            if options["list"]:
                self._list()
            elif options["undo"]:
                self._undo(options["undo"])
            elif options["file"] is None:
                raise CommandError(
                    "Name the file to import, or use --list or --undo.", returncode=NOTHING_READ
                )
            else:
                self._import(**options)
        except (AlreadyRunning, LockLost, Unreadable, Question) as error:
            raise CommandError(printable(error), returncode=NOTHING_READ) from None
        except Undecided as undecided:
            lines = [
                f"  {question} Answer with {ANSWERS.get(question.field, '--map')}."
                for question in undecided.questions
            ]
            raise CommandError(
                printable_lines(["Nothing was imported. Please decide:", *lines]), returncode=NOTHING_READ
            ) from None
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. The rows that were imported stay. Run the command again to import the others.",
                returncode=STOPPED,
            ) from None

    def _list(self):
        imports = LogImport.objects.order_by("-started_at", "-pk")[:IMPORTS_SHOWN]
        for row in imports:
            state = "" if row.ended_at else " (not complete)"
            self.stdout.write(
                f"{row.public_id}  {timezone.localtime(row.started_at):%Y-%m-%d %H:%M}  {row.added} rows, "
                f"{row.first_day} to {row.last_day}{state}"
            )
        if not imports:
            self.stdout.write("No imports yet.")
        for name in SavedMapping.objects.order_by("name").values_list("name", flat=True):
            self.stdout.write(printable(f"Saved mapping: {name}"))

    def _undo(self, public_id):
        log_import = LogImport.objects.filter(public_id=uuid_or_none(public_id)).first()
        if log_import is None:
            raise CommandError("There is no such import. List them with --list.", returncode=NOTHING_READ)
        try:
            with catalog_lock("undo of an import of a desk log") as lock:
                number = undo_import(log_import, lock=lock)
        except ReplacedLater as later:
            ids = ", ".join(str(row.public_id) for row in later.imports)
            raise CommandError(
                f"Later imports replaced rows of this one. First undo {ids}.", returncode=NOTHING_READ
            ) from None
        self.stdout.write(f"Undone. {number} help sessions were deleted.")

    def _import(self, *, file, failed, **options):
        if file.exists() and not file.is_file():
            raise CommandError(f"{file} is not a file, but a folder or a pipe.", returncode=NOTHING_READ)
        at = timezone.now()
        try:
            with file.open("rb") as opened:
                mapping = self._mapping(options)
                log = open_log(opened)
                overview, plan = plan_of(log, mapping)
                self._describe(overview, plan)
                if options["dry_run"]:
                    self._dry_run(log, plan, at)
                    return
                if options["save_mapping"]:
                    _save(options["save_mapping"], mapping, plan.order, at)
                result = self._run(log, plan, mapping, failed, at)
        except OSError as error:
            raise CommandError(
                f"{error.filename or file} can't be opened: {error.strerror}.", returncode=NOTHING_READ
            ) from error
        self._summarize(result, plan, "")
        if result.failures:
            sys.exit(SOME_FAILED if result.added or result.known else NOTHING_READ)

    def _run(self, log, plan, mapping, failed, at):
        # Failed rows contain what people asked and wrote, so only the owner of the file can read it.
        failed_file = failed.open("xb") if failed else None
        if failed_file:
            failed.chmod(0o600)
        # SIGTERM ends the import after a batch, as Ctrl-C does.
        before = signal.signal(signal.SIGTERM, _stop)
        try:
            _log_import, result = run_import(
                log,
                plan,
                mapping,
                at=at,
                file_name=clean(Path(log.file.name).name, max_length=120),
                failed_file=failed_file,
                report=self._show_progress,
            )
        finally:
            signal.signal(signal.SIGTERM, before)
            if failed_file:
                failed_file.close()
        if failed and not result.failures:
            failed.unlink()
        self._end_progress()
        return result

    def _dry_run(self, log, plan, at):
        result = dry_run(log, plan, at=at)
        days = days_with_contacts(result, plan.branches)
        for warning in warnings_of(result, days, plan):
            self.stdout.write(printable(warning))
        for day, recorded, imported in days[:DAYS_SHOWN]:
            self.stdout.write(f"  {day}: {recorded} recorded here, {imported} imported")
        if len(days) > DAYS_SHOWN:
            self.stdout.write(f"  … and {len(days) - DAYS_SHOWN} more days")
        self._summarize(result, plan, "Nothing was changed. An import would give: ")

    def _describe(self, overview, plan):
        for fate in columns_of(overview, plan):
            self.stdout.write(printable(fate))

    def _mapping(self, options):
        name = options["mapping"]
        mapping = load_mapping(name) if name else Mapping()
        if mapping is None:
            raise CommandError(
                f"There is no saved mapping {name!r}. List them with --list.", returncode=NOTHING_READ
            )
        for pair in options["map"]:
            name, equals, column = pair.partition("=")
            field = _field(name)
            if not equals or not (field in GUESSES or is_own(field)):
                known = ", ".join([*GUESSES, *_own_names()])
                raise CommandError(
                    f"--map {pair!r} should be FIELD=COLUMN. Fields: {known}.", returncode=NOTHING_READ
                )
            mapping.columns[field] = (
                [*mapping.columns.get(field, []), column.strip()] if column.strip() else []
            )
        for pair in options["value"]:
            self._add_value(mapping, pair)
        mapping.order = options["order"] or mapping.order
        mapping.epoch = options["epoch"] or mapping.epoch
        mapping.branch = options["branch"] or mapping.branch
        return mapping

    def _add_value(self, mapping, pair):
        name, _colon, rest = pair.partition(":")
        field = _field(name)
        value, equals, ours = rest.rpartition("=")
        if not is_choice(field) or not equals or not value:
            known = ", ".join([*CHOICES, *_own_names()])
            raise CommandError(
                f"--value {pair!r} should be FIELD:VALUE=OURS. Fields: {known}.", returncode=NOTHING_READ
            )
        found = _ours(field, ours.strip())
        if not Places().is_right(field, found):
            raise CommandError(f"{ours!r} is no {name} of this library.", returncode=NOTHING_READ)
        mapping.values.setdefault(field, {})[fold(value)] = found

    def _show_progress(self, result):
        if self.stdout.isatty():
            self.stdout.write(f"\r{result.read} rows read", ending="")
            self.stdout.flush()
        elif result.read % LOG_EVERY == 0:
            self.stdout.write(f"{result.read} rows read")

    def _end_progress(self):
        if self.stdout.isatty():
            self.stdout.write("")

    def _summarize(self, result, plan, would):
        self.stdout.write(
            f"{would}{result.added} added ({result.replaced} of them replace an earlier version), "
            f"{result.known} already imported, {result.left_out} left out, {result.totals} rows of totals, "
            f"{result.failures} failed."
        )
        if result.days:
            self.stdout.write(f"Days: {result.first_day} to {result.last_day}.")
        for number, reason, column in result.failed:
            place = f"{plan.names[column]}: " if column is not None and column < len(plan.names) else ""
            self.stderr.write(printable(f"  row {number}: {place}{reason}"))
        if result.failures > len(result.failed):
            self.stderr.write(
                f"  … and {result.failures - len(result.failed)} more. --failed FILE writes all."
            )


def printable_lines(lines):
    return "\n".join(map(printable, lines))


def _stop(*_signal):
    raise KeyboardInterrupt


def _save(name, mapping, order, at):
    if not name.strip() or len(name) > 60:
        raise CommandError("--save-mapping needs a name of 1 to 60 characters.", returncode=NOTHING_READ)
    save_mapping(name.strip(), mapping, order=order, at=at)


def _own_names():
    return OwnField.objects.filter(retired_at=None).order_by(*OwnField.ORDER).values_list("name", flat=True)


def _field(name):
    """Return the field with the typed name. For an own field, this is the name that the library gave it."""
    if name in GUESSES:
        return name
    pk = OwnField.objects.filter(name__iexact=name.strip()).values_list("pk", flat=True).first()
    return f"{OWN}{pk}" if pk else name


def _ours(field, text):
    """Return our value for a typed text.

    The text is a branch's slug, "slug/service point", or the name of a group, topic or value of an own field.
    """
    if text == LEFT_OUT:
        return text
    if field == "place":
        slug, _slash, point = text.partition("/")
        if branch := Branch.objects.filter(slug=slug).first():
            found = ServicePoint.objects.filter(branch=branch, name__iexact=point).first() if point else None
            return f"point:{found.pk}" if found else "" if point else f"branch:{branch.pk}"
        return ""
    if field in ("patron_group", "topic"):
        model = PatronGroup if field == "patron_group" else Topic
        pk = model.objects.filter(name__iexact=text).values_list("pk", flat=True).first()
        return str(pk or "")
    if is_own(field):
        values = OwnValue.objects.filter(field=field.removeprefix(OWN), name__iexact=text)
        return str(values.values_list("pk", flat=True).first() or "")
    return text
