"""Two desk logs that grow during a year. They are imported many times, and some imports are undone."""

import datetime
import io
from contextlib import suppress

from django.core.management import call_command

from portal.counts.models import LogImport
from portal.imports.desk_logs.undoing import ReplacedLater, undo_import
from tests.portal.imports.desk_logs.files import as_csv

HEADER = ["Date", "Time", "Location", "Type", "Mode", "Minutes", "READ", "Patron type", "Topic", "Ticket #"]
TYPES = {"Reference": "reference", "Directional": "directional", "Tech help": "technology"}
MODES = {"In person": "in_person", "Phone": "phone", "Chat": "chat"}
# A band counts as the minutes in its middle.
MINUTES = {"": None, "5": 5, "10-30 min": 20}
LEVELS = {"": None, "1": 1, "3": 3}
TIMES = {"": None, "9:15 AM": 9, "2:30 PM": 14}


class DeskLog:
    """Two logs, each a list of rows.

    Rows of `with_numbers` have ticket numbers, and can be edited later. Rows of `without` have no ticket
    numbers, and the same row can occur twice.
    """

    def __init__(self, year, folder):
        self.year, self.file = year, folder / "log.csv"
        self.with_numbers, self.without = [], []
        # {(whether the log has ticket numbers, position of a row in the log): imported versions of this row}.
        # A version is (id of its contact in the ledger, its cells).
        self.known: dict = {}
        self.last_contact = 0

    def import_more(self):
        """Add rows to a log, edit two rows if they have ticket numbers, and import the whole log."""
        log = self.year.pick([self.with_numbers, self.without])
        for _number in range(self.year.random.randint(2, 8)):
            ticket = f"{len(log) + 1}" if log is self.with_numbers else ""
            row = self._row(ticket)
            log += [row, list(row)] if log is self.without and self.year.pick([0, 0, 1]) else [row]
        if log is self.with_numbers:
            for place in self.year.random.sample(range(len(log)), 2):
                log[place] = self._row(log[place][-1])
        self.file.write_bytes(as_csv([HEADER, *log]))
        said = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        call_command("import_help_sessions", str(self.file), "--month-first", **said)
        source = LogImport.objects.order_by("pk").last()
        self._note(log, source and str(source.public_id))

    def _row(self, ticket):
        year = self.year
        day = max(datetime.date(2026, 1, 1), year.today - year.random.randint(0, 40) * datetime.timedelta(1))
        points = [point.name for points in year.points.values() for point in points]
        return [
            f"{day.month}/{day.day}/{day.year}",
            year.pick([*TIMES]),
            year.pick([*(branch.name for branch in year.all_branches), *points]),
            year.pick([*TYPES]),
            year.pick([*MODES]),
            year.pick([*MINUTES]),
            year.pick([*LEVELS]),
            year.pick(["", *(str(group) for group in year.groups[:3])]),
            year.pick(["", *(topic.name for topic in year.topics if topic)]),
            ticket,
        ]

    def _note(self, log, source):
        """Write new rows, and new versions of edited rows, into the ledger."""
        ledger = self.year.ledger
        for place, row in enumerate(log):
            key = log is self.with_numbers, place
            before = self._active(key)
            if before and before[1] == row:
                continue
            if before:
                ledger.change(before[0], replaced_by=source)
            self.last_contact -= 1
            ledger.add(self.last_contact, source=source, **self._columns(row))
            self.known.setdefault(key, []).append((self.last_contact, list(row)))

    def _active(self, key):
        """Return (contact in the ledger, cells) of the version of a row that counts now, or None."""
        for contact, row in reversed(self.known.get(key, [])):
            sql = "SELECT COUNT(*) FROM year_contact WHERE id = %s AND replaced_by = ''"
            if self.year.ledger.run(sql, contact)[0][0]:
                return contact, row
        return None

    def _columns(self, row):
        year = self.year
        day, time, place, kind, mode, minutes, level, group, topic, _ticket = row
        month, day, number = map(int, day.split("/"))
        point = next((p for points in year.points.values() for p in points if p.name == place), None)
        branch = point.branch if point else next(b for b in year.all_branches if b.name == place)
        return {
            "day": datetime.date(number, month, day),
            "hour": TIMES[time],
            "branch": branch.pk,
            "point": point and point.pk,
            "question_type": TYPES[kind],
            "mode": MODES[mode],
            "minutes": MINUTES[minutes],
            "read_level": LEVELS[level],
            "patron_group": next((g.pk for g in year.groups if str(g) == group), None),
            "topic": next((t.pk for t in year.topics if t and t.name == topic), None),
            "language": "",
        }

    def undo(self):
        """Undo a random import. Do nothing if a later import has replaced some of its rows."""
        imports = list(LogImport.objects.order_by("pk"))
        if imports:
            log_import = self.year.pick(imports)
            with suppress(ReplacedLater):
                undo_import(log_import)
                self.year.ledger.undo_import(str(log_import.public_id))
                self.year.happened["import undone"] += 1
