"""The privacy policy. For each model, a line says what the library keeps, how long and why.

The privacy page and a table in docs/privacy.md are made from these lines. A test fails if a model has no
line, or if a line names a job that the worker doesn't run. Another test fails if someone writes a number of
days into the text of a line, because the numbers must come from `Line.periods`.
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
    """Return [(title of a group, the policy lines of this group)] for the privacy page."""
    groups = [group for group in Group if group not in (Group.PARTS, Group.STAFF, Group.LIBRARY)]
    return [(group.value, [line for line in POLICY.values() if line.group == group]) for group in groups]
