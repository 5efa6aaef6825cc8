"""Functions that pool small counts, so that a page shows only the sum of these counts.

If a page showed that fewer than five people gave the same reply, a colleague could guess who gave it. So each
number on the page is 0 or at least MIN_PEOPLE. A colleague could also subtract the shown rows from the total,
so this difference is 0 or at least MIN_PEOPLE too.
"""

from dataclasses import dataclass

# The smallest count of patrons' replies that a page shows. Five is usual in library statistics. Counts of
# what staff did may be smaller.
MIN_PEOPLE = 5


@dataclass(frozen=True)
class Pooled:
    """A table of counts after pooling. Every number in it may be shown."""

    # The rows that may be shown without pooling, as {key: (count, …)}.
    rows: dict
    # The sum of the pooled rows, or None if no row was pooled.
    rest: tuple | None
    total: tuple


def pooled(rows, *, never_alone=(), sum_of=None, too_small=None):
    """Pool the small counts of these rows, and return a Pooled.

    Return None if even the total is too small to be shown. `rows` is {key: (count, …)}, and all its tuples
    must have the same length. The rows with the keys `never_alone` are always pooled. If one person can be in
    several rows, `sum_of(keys)` must return the counts of these rows together. `too_small` replaces
    `is_small`.
    """
    too_small = too_small or is_small
    sum_of = sum_of or (lambda keys: sum_rows(rows[key] for key in keys))
    alone = {key: counts for key, counts in rows.items() if key not in never_alone and not too_small(counts)}
    others = [key for key in rows if key not in alone]
    while others and too_small(sum_of(others)):
        if not alone:
            return None
        others.append(smallest := min(alone, key=lambda key: sum(alone[key])))
        del alone[smallest]
    return Pooled(alone, sum_of(others) if others else None, sum_rows(rows.values()))


def is_small(counts):
    """Return whether one of the counts is too small to be shown."""
    return any(0 < count < MIN_PEOPLE for count in counts)


def sum_rows(rows):
    """Add tuples of the same length, number by number."""
    return tuple(map(sum, zip(*rows, strict=True)))
