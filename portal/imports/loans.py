"""Recognize words that say that people can use a copy only in the library."""

import re

# Words in a note about a copy that nobody can borrow.
NOTES = re.compile(
    r"\bnot for loan\b|\bnon[- ]?circulating\b|\bdoes not circulate\b|\blibrary use only\b"
    r"|\bin[- ]library use\b|\breference (?:only|copy)\b|\bno se presta\b|\bconsulta en sala\b"
    r"|\bpräsenzbestand\b|\bnicht ausleihbar\b|\bexclu du prêt\b|\bconsultation sur place\b",
    re.IGNORECASE,
)
# In the name of a location, these words mean that nobody can borrow the copy. In a note, they can mean
# something else.
REFERENCE = re.compile(r"\bref(?:erence)?\b|\breferencia\b", re.IGNORECASE)


def is_not_for_loan(location, notes=()):
    """Return whether the location or a note says that nobody can borrow the copy."""
    return bool(REFERENCE.search(location)) or restricts(location, *notes)


def restricts(*notes):
    return any(map(NOTES.search, notes))
