"""Choose which numbers of the tables by month appear only inside *Other*.

No number below MIN_PEOPLE may be shown. Nobody may be able to calculate one either, by subtracting a branch
from the library, months from their year, or one breakdown from another. So a number that is large enough can
be hidden too. What is hidden depends only on the counts of the whole reporting year at all branches. It
doesn't depend on who asks. So two people who compare their tables can't calculate a small number either.

A cell is (month, branch). If the month is None, the cell is for the whole year. If the branch is None, the
cell is for all branches.
"""

from collections import Counter, defaultdict

from portal.counts.pooling import MIN_PEOPLE

YEAR = (None, None)


class YearTable:
    """The counts of a breakdown in a reporting year.

    `counted` is {(month, branch): {key: contacts}}. `totals` is {(month, branch): all contacts}. Quiet
    sessions and visits with a child are only in `totals`.
    """

    def __init__(self, counted, totals):
        self.counts: dict = defaultdict(Counter)
        self.totals: Counter = Counter()
        # {(cell, name): other cells that add up to this cell}. The name says which cells these are: its
        # "months", its "branches", or its single "cells".
        self.lines: dict = defaultdict(set)
        for month, branch in counted.keys() | totals.keys():
            cell, of_month, of_branch = (month, branch), (month, None), (None, branch)
            self.lines[YEAR, "months"].add(of_month)
            self.lines[YEAR, "branches"].add(of_branch)
            self.lines[of_month, "branches"].add(cell)
            self.lines[of_branch, "months"].add(cell)
            self.lines[YEAR, "cells"].add(cell)
            # `counted` has no keys for a month that has only quiet sessions.
            of_keys = counted.get(cell, {}).items()
            for each in (cell, of_month, of_branch, YEAR):
                sums = self.counts[each]
                for key, contacts in of_keys:
                    sums[key] += contacts
                self.totals[each] += totals.get(cell, 0)
        self.hidden = {
            cell: {key for key, contacts in counts.items() if 0 < contacts < MIN_PEOPLE}
            for cell, counts in self.counts.items()
        }
        while self._hide_beside_small_numbers() or self._hide_what_can_be_subtracted():
            pass

    def cells(self, months, branches):
        """Return the cells whose sum is the table of these months at these branches.

        If `months` is None, the table is for the whole year.

        If `branches` includes every branch with contacts, use the cells whose branch is None.
        """
        known = {branch for _axis, branch in self.lines[YEAR, "branches"]}
        of_branches = [None] if known <= set(branches) else [each for each in branches if each in known]
        cells = [(month, branch) for month in months or [None] for branch in of_branches]
        return [cell for cell in cells if cell in self.counts]

    def _hide_beside_small_numbers(self):
        """Hide one more number of each cell where the sum of the hidden numbers is too small.

        Return whether any number was hidden.
        """
        found = False
        for cell, counts in self.counts.items():
            hidden = self.hidden[cell]
            shown = [key for key, contacts in counts.items() if contacts and key not in hidden]
            # *Other* has the hidden contacts (`described`), the quiet sessions and the visits with a child.
            # These sessions and visits are the same in each breakdown, so another breakdown could reveal
            # their number. Subtracting it from *Other* would then reveal `described`. So neither `described`
            # nor *Other* may be too small.
            described = sum(counts[key] for key in hidden)
            other = self.totals[cell] - sum(counts[key] for key in shown)
            if shown and (0 < described < MIN_PEOPLE or 0 < other < MIN_PEOPLE):
                hidden.add(min(shown, key=lambda key: counts[key]))
                found = True
        return found

    def _hide_what_can_be_subtracted(self):
        """Hide one more number of each line where subtraction would reveal a small number.

        A line is the cells that add up to another cell, such as the months of a year. Return whether any
        number was hidden.
        """
        found = False
        for (above, _axis), line in self.lines.items():
            for key in self.counts[above].keys() - self.hidden[above]:
                hidden = [cell for cell in line if key in self.hidden[cell]]
                if len(hidden) == 1 or 0 < sum(self.counts[cell][key] for cell in hidden) < MIN_PEOPLE:
                    shown = [cell for cell in line if self.counts[cell][key] and cell not in hidden]
                    cell = min(shown, key=lambda cell: self.counts[cell][key]) if shown else above
                    self.hidden[cell].add(key)
                    found = True
        return found


def shown_numbers(cells_of_tables):
    """Return ({key: contacts} of the rows to show, number of contacts in *Other*) for a table of these cells.

    `cells_of_tables` is [(YearTable, cell)]. A key is shown only if no cell hides it.
    """
    counted: Counter = Counter()
    hidden: set = set()
    total = 0
    for table, cell in cells_of_tables:
        for key, contacts in table.counts[cell].items():
            counted[key] += contacts
        hidden |= table.hidden[cell]
        total += table.totals[cell]
    shown = {key: contacts for key, contacts in counted.items() if contacts and key not in hidden}
    # Two queries read the counts and the totals. If staff delete a contact in between, a total can be smaller
    # than the sum of the counts.
    return shown, max(total, sum(counted.values())) - sum(shown.values())
