"""Write failed rows and their reasons to a CSV file, which people can correct and import again."""

import csv
import io

from portal.text import spreadsheet_cell

from .overview import ORIGIN, REASON


def reason_of(failed, plan):
    """Return the reason with the name of the column, as in "Date: the date is missing"."""
    if failed.column is None or failed.column >= len(plan.names):
        return str(failed)
    return f"{plan.names[failed.column]}: {failed}"


class FailedRows:
    """A writer of failed rows to an open binary file. `count` is the number of rows written so far."""

    def __init__(self, file, plan, log_import):
        self.plan, self.log_import, self.count = plan, log_import, 0
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        # If the log is itself a file of failed rows, it has the columns REASON and ORIGIN. Leave them out,
        # because they are added again.
        self._kept = [place for place, name in enumerate(plan.names) if name not in (REASON, ORIGIN)]
        self._text.write("\ufeff")
        self._writer.writerow(
            [spreadsheet_cell(plan.names[place]) for place in self._kept] + [REASON, ORIGIN]
        )

    def add(self, row, failed):
        """Write the row, the reason, and the row's origin, by which the next import recognizes the row."""
        self.count += 1
        cells = [row.cells[place] if place < len(row.cells) else "" for place in self._kept]
        origin = self._origin(row)
        self._writer.writerow([*map(spreadsheet_cell, [*cells, reason_of(failed, self.plan), origin])])

    def _origin(self, row):
        place = self.plan.origin
        before = row.cells[place] if place is not None and place < len(row.cells) else ""
        return before or f"import {self.log_import.pk} row {row.number}"

    def close(self):
        """Finish writing the rows. The binary file stays open."""
        self._text.detach()
