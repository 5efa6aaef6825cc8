"""Decide which rows of outcomes may be shown, so that nobody can compute a number from 1 to 4.

Each quarter has a table of the whole library, and may have a table of each branch. Every table also shows the
sum of its rows. A year has tables of its own, from which somebody could subtract the rows of the quarters.
These functions test only some combinations of rows.
docs/decisions/0051-outcomes-are-counted-once.md explains why this is enough.
"""

from dataclasses import dataclass, field
from itertools import combinations

from .outcome_counting import ANSWERS, ITEM, UNNAMED, together
from .pooling import is_small, pooled, sum_rows


@dataclass(frozen=True)
class Shown:
    """The rows of one breakdown that may be shown.

    `keys` has the keys of the library's rows. `branches` is {branch: the keys of its rows}.
    """

    keys: frozenset = frozenset()
    branches: dict = field(default_factory=dict)


def too_small(visits, question):
    """Return whether a row with these `Cell.visits` would reveal a number from 1 to 4.

    Return False if there is no answer at all, because then there is nothing to protect.
    """
    return any(visits[: len(ANSWERS[question])]) and is_small(visits)


def shown_branches(cells, question):
    """Return the branches whose sums may be shown. Return None if even the library's sum must be hidden.

    `cells` is {branch: Cell}. The branches are chosen so that the sum of all other branches is 0 or large
    enough.
    """
    if cells and too_small(sum_rows(cell.visits for cell in cells.values()), question):
        return None
    without_answers = [branch for branch, cell in cells.items() if not _size(cell)]
    shown = [branch for branch, cell in cells.items() if _size(cell) and not too_small(cell.visits, question)]
    shown.sort(key=lambda branch: -_size(cells[branch]))
    rest = [branch for branch in cells if branch not in {*shown, *without_answers}]
    while rest and too_small(sum_rows(cells[branch].visits for branch in rest), question):
        if not shown:
            return []
        rest.append(shown.pop())
    return [*shown, *without_answers]


def shown_rows(cells, branches, question, breakdown):
    """Return what may be shown of this breakdown, as Shown.

    `cells` is {branch: {key: Cell}}. `branches` are the branches whose sums are shown. All branches with a
    table show the same keys, so the hidden cells are a complete rectangle of branches and keys. Somebody who
    subtracts shown numbers can then compute only the sums of whole rows and columns of this rectangle.
    """
    keys = _keys_of_library(cells, question, breakdown)
    best = Shown(frozenset(keys))
    order = sorted(branches, key=lambda branch: -_size(together(cells[branch].values())))
    for number in range(1, len(order) + 1):
        of_branches = _keys_of_branches(cells, order[:number], keys, question, breakdown)
        if of_branches and number * len(of_branches) >= sum(map(len, best.branches.values())):
            best = Shown(best.keys, dict.fromkeys(order[:number], frozenset(of_branches)))
    return best


def _keys_of_library(cells, question, breakdown):
    """Return the keys that may have a separate row in the library's table."""
    of_library = by_key(cells)
    table = pooled(
        {key: cell.visits for key, cell in of_library.items()},
        never_alone=(UNNAMED,),
        sum_of=lambda keys: _visits(cells, cells, keys, breakdown),
        too_small=lambda visits: too_small(visits, question),
    )
    return list(table.rows) if table else []


def _keys_of_branches(cells, branches, keys, question, breakdown):
    """Return the keys that all of these branches may show."""
    others = [branch for branch in cells if branch not in branches]
    of_library = by_key(cells)
    shown = [
        key
        for key in sorted(keys, key=lambda key: -_size(of_library[key]))
        if not any(
            key in cells[branch] and too_small(cells[branch][key].visits, question) for branch in branches
        )
        and not too_small(_visits(cells, others, [key], breakdown), question)
    ]
    while shown:
        hidden = [key for key in of_library if key not in shown]
        parts = [[branch] for branch in branches] + [others]
        if not any(too_small(_visits(cells, part, hidden, breakdown), question) for part in parts):
            break
        shown.pop()
    return shown


@dataclass(frozen=True)
class Part:
    """A part of a year: one quarter that shows tables, or all the quarters that show no tables.

    `hidden` is {key: {number of the quarter: Cell}} for the rows that the library's tables don't show.
    """

    hidden: dict


def shown_in_year(parts, keys, question, breakdown):
    """Return the keys that the library's table of a year may show.

    Somebody can subtract the rows that the quarters show from the rows of the year. So this function tests
    the sum of the hidden rows of every set of quarters. A hidden row that can be computed by subtracting is
    left out of the sum.
    """
    where = {key: frozenset(n for n, part in enumerate(parts) if key in part.hidden) for key in keys}
    sizes = {
        key: sum(_size(cell) for part in parts for cell in part.hidden.get(key, {}).values()) for key in keys
    }
    shown = [
        key
        for key in keys
        if key is not UNNAMED and not too_small(_visits_in_parts(parts, [key], breakdown), question)
    ]
    # `_risky_key` chooses keys from the end of the list. Keys that no quarter hides come first, because
    # leaving them out of the year would protect nothing.
    shown.sort(key=lambda key: (bool(where[key]), -sizes[key]))
    while (risky := _risky_key(parts, keys, shown, where, question, breakdown)) is not None:
        shown.remove(risky)
    return frozenset(shown)


def _risky_key(parts, keys, shown, where, question, breakdown):
    """Return a key that the year must not show, or None if the year is safe.

    `where` is {key: the indexes of those `parts` of the year that hide the key}. The year also shows the sum
    of the rows that are not in `shown`, so this sum is tested like a row.
    """
    others = frozenset().union(*(where[key] for key in keys if key not in shown))
    for chosen in _choices(len(parts)):
        of_chosen = [parts[number] for number in chosen]
        hidden = {key for part in of_chosen for key in part.hidden}
        given_away = [key for key in shown if where[key] and where[key] <= chosen]
        staying = hidden - {*given_away}
        if given_away and too_small(_visits_in_parts(of_chosen, staying, breakdown), question):
            return given_away[-1]
        staying &= {*shown}
        if others <= chosen and too_small(_visits_in_parts(of_chosen, staying, breakdown), question):
            # Hide the smallest shown row too. The sum of the hidden rows then includes it, and reveals less.
            return shown[-1]
    return None


def _choices(number):
    """Return all sets of whole numbers from 0 to `number` - 1, except the empty set."""
    return [
        frozenset(chosen) for size in range(1, number + 1) for chosen in combinations(range(number), size)
    ]


def by_key(cells):
    """Add the cells of all branches, and return {key: Cell}. `cells` is {branch: {key: Cell}}."""
    rows: dict = {}
    for of_branch in cells.values():
        for key, cell in of_branch.items():
            rows.setdefault(key, []).append(cell)
    return {key: together(of_key) for key, of_key in rows.items()}


def _visits(cells, branches, keys, breakdown):
    """Return the smallest possible numbers of different visits in these rows, as in `Cell.visits`."""
    groups = [[cells[branch][key] for key in keys if key in cells[branch]] for branch in branches]
    return _of_groups(groups, breakdown)


def _visits_in_parts(parts, keys, breakdown):
    groups: dict = {}
    for place, part in enumerate(parts):
        for key in keys:
            for number, cell in part.hidden.get(key, {}).items():
                groups.setdefault((place, number), []).append(cell)
    return _of_groups(groups.values(), breakdown)


def _of_groups(groups, breakdown):
    """Return the sum of `Cell.visits` over these groups of cells.

    In a breakdown by item, several cells of a group can count the same visit. So each group then counts only
    with its largest numbers.
    """
    combine = _largest if breakdown == ITEM else sum_rows
    return sum_rows(combine([cell.visits for cell in group]) for group in groups if group) or ()


def _largest(rows):
    return tuple(map(max, zip(*rows, strict=True)))


def _size(cell):
    return sum(cell.numbers)
