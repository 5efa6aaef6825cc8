"""Small outcomes are not shown: where fewer than five people said the same, a colleague may know who they were.

What is shown are sums, each of nobody or of at least LEAST people, and nothing else can be worked out from them: what is left of the
whole when all that is shown singly is taken away is itself shown, as one sum.
"""

from dataclasses import dataclass

LEAST = 5  # as the field has it; how much work was done is counted exactly


@dataclass(frozen=True)
class Pooled:
    rows: dict  # {key: (count, …)} of what may be shown by itself
    rest: tuple | None  # all others in one sum; None where there are none
    total: tuple


def pooled(rows):
    """`rows`: {key: (count, …)}, each as long as the others, in some order. None where not even the sum of all may be shown."""
    alone = {key: counts for key, counts in rows.items() if not is_small(counts)}
    others = [counts for key, counts in rows.items() if key not in alone]
    while others and is_small(_sum(others)):
        if not alone:
            return None
        others.append(alone.pop(min(alone, key=lambda key: sum(alone[key]))))
    return Pooled(alone, _sum(others) if others else None, _sum(rows.values()))


def is_small(counts):
    return any(0 < count < LEAST for count in counts)


def _sum(rows):
    return tuple(map(sum, zip(*rows, strict=True)))
