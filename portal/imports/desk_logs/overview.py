"""Read a desk log before the import, to find its columns, their values, and what a person has to decide."""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice

from django.utils.translation import gettext as _

from portal.folding import fold
from portal.imports.records import Unreadable
from portal.text import clean, grouped

from .dates import SERIAL, Evidence
from .values import CHOICES, GUESSES, LAYOUTS, MAX_VALUES, NEVER_NAMES, UNUSED

# The row with the names of the columns must be one of this many first rows. A title can be above it.
HEADER_ROWS = 25
# A file of failed rows has the columns of its log, and these two columns, which are not imported.
REASON, ORIGIN = "Why it was not imported", "Import and row"
TOTAL = re.compile(
    r"(?:grand |sub ?|sub-)?(?:totals?|totales|summe|gesamt)(?:\s+[^\W\d]+){0,2}[\s:=]*[\d.,]*$",
    re.IGNORECASE,
)
NAME_MAX = 80
ROWS_MAX = 2_000_000


@dataclass
class Column:
    """A column of the log.

    `values` is {value: number of rows}. It stops growing when it has too many values for a choice list.
    """

    name: str
    position: int
    filled: int = 0
    values: Counter = field(default_factory=Counter)
    dates: Evidence = field(default_factory=Evidence)

    @property
    def has_many_values(self):
        return len(self.values) > MAX_VALUES

    def add(self, cell):
        self.filled += 1
        if cell in self.values or len(self.values) <= MAX_VALUES:
            self.values[cell] += 1


@dataclass
class Overview:
    """What the log contains.

    `header_row` is the number of the row with the names of the columns. `rows` counts the rows below the
    header row, and `totals` counts the rows of totals among them. The `columns` don't count the values in
    rows of totals.
    """

    header_row: int
    columns: list
    rows: int = 0
    totals: int = 0
    epoch: int = 1900
    kind: str = "csv"

    @property
    def contacts(self):
        """Return the number of rows that are not rows of totals."""
        return self.rows - self.totals

    def named(self, name):
        """Return the Column with this name, or None."""
        folded = fold(name)
        return next((column for column in self.columns if fold(column.name) == folded), None)

    @property
    def layout(self):
        """Return the name of the system whose export this seems to be, or ""."""
        names = {fold(column.name) for column in self.columns}
        return next((layout for layout, needed in LAYOUTS.items() if needed <= names), "")

    def guesses(self, own_fields):
        """Return {field: [names of its columns]} for the columns that are recognized by their names.

        `own_fields` is {field: name} of the library's own fields. A column with the name of an own field
        belongs to it, unless the column was recognized as a different field.
        """
        found: dict[str, list[str]] = {}
        taken: set[str] = set()
        for name_of_field, guesses in GUESSES.items():
            for guess in guesses:
                column = self._guess(guess, taken)
                if column is None or (name_of_field in found and name_of_field != "number"):
                    continue
                if name_of_field in CHOICES and column.has_many_values:
                    continue
                taken.add(column.name)
                found.setdefault(name_of_field, []).append(column.name)
        for name_of_field, label in own_fields.items():
            column = self.named(label)
            if column and column.name not in taken and not self.reason_not_to_use(column):
                found[name_of_field] = [column.name]
        return found

    def _guess(self, guess, taken):
        return next(
            (
                column
                for column in self.columns
                if column.name not in taken and plain(column.name) == guess and column.filled
            ),
            None,
        )

    def left_out(self, used):
        """Return [(name of a column, reason)] for the columns that are not in `used`."""
        added = {REASON, ORIGIN}
        return [
            (column.name, self.reason_not_to_use(column) or UNUSED)
            for column in self.columns
            if column.name not in used and column.name not in added
        ]

    def reason_not_to_use(self, column):
        """Return why the column can't be a choice list, or ""."""
        folded = plain(column.name)
        if not column.filled:
            return _("it is empty")
        if folded in NEVER_NAMES:
            return NEVER_NAMES[folded]
        if column.has_many_values:
            return _("it has more than %(count)d different values, so it can't be a choice list") % {
                "count": MAX_VALUES
            }
        return ""


def plain(name):
    """Return the name up to its first bracket or colon, or a known name as a whole, as `fold` returns it."""
    folded = fold(name)
    if folded in NEVER_NAMES or any(folded in guesses for guesses in GUESSES.values()):
        return folded
    return fold(re.split(r"[(\[:]", name)[0])


def overview_of(log):
    """Read the whole log and return its Overview. Raises Unreadable."""
    rows = log.rows()
    header, after = find_header(rows)
    columns = [Column(name, position) for position, name in enumerate(names_of(header.cells))]
    found = Overview(header.number, columns, epoch=log.epoch, kind=log.kind)
    guesses = {*GUESSES["day"], *GUESSES["other_day"]}
    is_date = [plain(column.name) in guesses for column in columns]
    for row in after:
        found.rows += 1
        if found.rows > ROWS_MAX:
            raise Unreadable(
                _("The file has more than %(count)s rows. Import one year at a time.")
                % {"count": grouped(ROWS_MAX)}
            )
        days = [cell for column, cell in zip(is_date, row.cells, strict=False) if column]
        if days and is_total(row, "".join(days)):
            found.totals += 1
            continue
        for column, cell in zip(columns, row.cells, strict=False):
            if cell:
                column.add(cell)
                seen = column.dates
                if is_date[column.position] or column.filled <= 200 or seen.either or seen.midnights:
                    column.dates.add(cell)
    if not found.rows:
        raise Unreadable(_("The file has the names of the columns, but no rows below them."))
    return found


def find_header(rows):
    """Return (the Row with the names of the columns, an iterator of the rows below it). Raises Unreadable.

    Choose the row with the most known names among the first rows. If no row has two known names, choose the
    first row with several texts.
    """
    first = list(islice(rows, HEADER_ROWS))
    known = {guess for guesses in GUESSES.values() for guess in guesses} | set(NEVER_NAMES)

    def score(row):
        return sum(1 for cell in row.cells if cell and plain(cell) in known)

    best = max(first, key=score, default=None)
    if best is None:
        raise Unreadable(_("The file has no rows. Export the desk log again."))
    if score(best) < 2:
        best = next((row for row in first if _has_names(row)), None)
    if best is None:
        raise Unreadable(
            _(
                "No row has the names of the columns. Write a name above each column, such as Date, and "
                "import the file again."
            )
        )
    return best, chain(first[first.index(best) + 1 :], rows)


def _has_names(row):
    cells = [cell for cell in row.cells if cell]
    return len(cells) > 1 and not any(SERIAL.match(cell) or cell[0].isdigit() for cell in cells)


def names_of(cells):
    """Return a different name for each column. A column without a name gets a name such as "Column 3"."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for position, cell in enumerate(cells, start=1):
        name = clean(cell, max_length=NAME_MAX) or f"Column {position}"
        seen[fold(name)] += 1
        names.append(name if seen[fold(name)] == 1 else f"{name} ({seen[fold(name)]})")
    return names


def is_total(row, day_cell):
    """Return whether this is a row of totals. Such a row has no date in `day_cell`."""
    return not any(letter.isdigit() for letter in day_cell) and any(
        TOTAL.match(cell) for cell in row.cells if cell
    )
