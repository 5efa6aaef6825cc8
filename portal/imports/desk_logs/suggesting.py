"""Suggest what a column of a desk log contains by its values, if its name doesn't say it."""

from portal.folding import fold

from .values import CHOICES


def suggested_columns(overview, places, *, fields, columns):
    """Return {field: name of a column} for columns whose values are mostly values of the library.

    A column is suggested only if more than half of its filled cells have a value of the library, and if at
    least two different values of the library occur. `fields` are the fields that need no suggestion.
    `columns` has the names of columns that need none, as `fold` returns them.
    """
    found = []
    for column in overview.columns:
        if fold(column.name) in columns or overview.reason_not_to_use(column):
            continue
        for name in CHOICES:
            known = {value: ours for value in column.values if (ours := places.find(name, value))}
            rows = sum(column.values[value] for value in known)
            if name not in fields and len(set(known.values())) > 1 and rows * 2 > column.filled:
                found.append((rows, name, column.name))
    chosen: dict[str, str] = {}
    # If a column fits two fields, or two columns fit one field, choose the pair with more recognized rows.
    for _rows, name, column in sorted(found, key=lambda each: -each[0]):
        if name not in chosen and column not in chosen.values():
            chosen[name] = column
    return chosen
