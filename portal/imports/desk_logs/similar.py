"""Compare names of the library with words of a desk log that are written a little differently."""

from collections import defaultdict

from portal.folding import fold

# A word must be longer than this to lose an s at its end. Otherwise, "US" would be equal to "U".
SHORT_WORD = 3


def plain_name(name):
    """Return the name without case, accents and spaces, and without an s at the end of its words."""
    return "".join(word.removesuffix("s") if len(word) > SHORT_WORD else word for word in fold(name).split())


def by_plain_name(names):
    """Return {plain name: our value} for `names`, which is {name: our value}.

    If two names have the same plain name and different values, neither of them is in the result.
    """
    found = defaultdict(set)
    for name, ours in names.items():
        found[plain_name(name)].add(ours)
    return {name: ours.pop() for name, ours in found.items() if len(ours) == 1}
