"""What the library keeps, for how long and why: one line for each model.

The privacy page and two documents are made from it. A test fails if a model has no line, if a line names a
job that the worker doesn't run, or if its words contain a number of days.
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
