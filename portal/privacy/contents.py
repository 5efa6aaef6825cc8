"""The tables of an export, one for each model that the policy marks as exported.

An export contains the person's own rows and what the library has shown to the person. It never contains
notes, the desk's work, an answer in its undo window, or rows of other people. It also contains no quiet
sessions, because a quiet session names nobody.
"""

from functools import reduce

from .export_tables import account, conversations, emails, lists, visits

TABLES = {**account.TABLES, **visits.TABLES, **conversations.TABLES, **lists.TABLES, **emails.TABLES}


def entries(table, person, at):
    """Yield the rows of one table as {column: value}. Each value has a type that JSON can represent."""
    for row in table.rows(person, at):
        yield {name: _plain(_value_of(row, source, at)) for name, source in table.columns.items()}


def _value_of(row, source, at):
    return source(row, at) if callable(source) else reduce(_attribute, source.split("."), row)


def _attribute(value, name):
    return None if value is None else getattr(value, name)


def _plain(value):
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, (str, int, bool, float)) or value is None else str(value)
