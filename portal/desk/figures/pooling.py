"""Small counts are pooled. If fewer than five people said something, a colleague may know who they were.

Every number shown counts nobody or at least MIN_PEOPLE people. The difference between the total and the other
rows is shown too, so nobody can work out a smaller number.
"""

from dataclasses import dataclass

# The usual threshold in library statistics. It is for outcomes, not for the amount of work.
MIN_PEOPLE = 5


@dataclass(frozen=True)
class Pooled:
    """Rows of counts that may be shown."""

    # {key: (count, …)} of the rows that may be shown alone.
    rows: dict
    # The sum of all other rows, or None if there are none.
    rest: tuple | None
    total: tuple


def pooled(rows):
    """Return a Pooled for {key: (count, …)}, or None if not even the total may be shown.

    The tuples must have the same length.
    """
    alone = {key: counts for key, counts in rows.items() if not is_small(counts)}
    others = [counts for key, counts in rows.items() if key not in alone]
    while others and is_small(_sum(others)):
        if not alone:
            return None
        others.append(alone.pop(min(alone, key=lambda key: sum(alone[key]))))
    return Pooled(alone, _sum(others) if others else None, _sum(rows.values()))


def is_small(counts):
    """Return whether one of the counts is too small to be shown."""
    return any(0 < count < MIN_PEOPLE for count in counts)


def _sum(rows):
    return tuple(map(sum, zip(*rows, strict=True)))
