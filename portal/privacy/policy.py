"""What the library keeps, for how long and why: one line for each model.

The privacy page, two documents, retention and the exports are made from it. A test fails if a model has no
line. It also fails if a line names a job that the worker doesn't run, or has a number of days in its words.
"""

from .policy_lines import account, conversations, desk, devices, library, visits
from .policy_lines.line import Group

POLICY = {
    **account.LINES,
    **devices.LINES,
    **visits.LINES,
    **conversations.LINES,
    **desk.LINES,
    **library.LINES,
}


def lines_for_patrons():
    """Return [(title, lines)] for the privacy page."""
    groups = [group for group in Group if group not in (Group.PARTS, Group.STAFF, Group.LIBRARY)]
    return [(group.value, [line for line in POLICY.values() if line.group == group]) for group in groups]
