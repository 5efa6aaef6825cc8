"""Give each visit a number, so that each visit counts once, even if it has several verdicts.

Each recommendation stores the number of its visit. The messages of an answer are deleted when their
conversation is forgotten. After that, nothing else links the answer's recommendations to their visit.
"""

import secrets

# Every number below this one belongs to no visit and no conversation.
_UNKNOWN = -(10**15)


def number_of(*, help_session=None, conversation=None):
    """Return the number of a visit, or of a conversation without a visit.

    The arguments are primary keys or None. A conversation about a visit has the number of the visit.
    """
    return help_session or -conversation


def unlinked_number():
    """Return a number that belongs to no visit and no conversation."""
    return _UNKNOWN - secrets.randbelow(10**15)
