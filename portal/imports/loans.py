"""Recognize words that say that people can use a copy only in the library."""

import re

# If a note contains one of these phrases, nobody can borrow the copy.
NOTES = re.compile(
    r"\bnot for loan\b|\bnon[- ]?circulating\b|\bdoes not circulate\b|\blibrary use only\b"
    r"|\bin[- ]library use\b|\breference (?:only|copy)\b|\bno se presta\b|\bconsulta en sala\b"
    r"|\bpräsenzbestand\b|\bnicht ausleihbar\b|\bexclu du prêt\b|\bconsultation sur place\b",
    re.IGNORECASE,
)
# If the name of a location contains one of these words, nobody can borrow the copies there. In a note, these
# words can mean something else.
REFERENCE = re.compile(r"\bref(?:erence)?\b|\breferencia\b", re.IGNORECASE)


def is_not_for_loan(location, notes=()):
    """Return whether the location or a note says that nobody can borrow the copy."""
    return bool(REFERENCE.search(location)) or restricts(location, *notes)


def restricts(*notes):
    return any(map(NOTES.search, notes))
