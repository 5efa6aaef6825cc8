"""Suggest what a column of a desk log contains by its values, if its name doesn't say it."""

from portal.folding import fold

from .values import CHOICES


def suggested_columns(overview, places, *, fields, columns):
    """Return {field: name of a column} for columns whose values are mostly values of the library.

    More than half of the rows with a value must have one that the library knows, and at least two of its
    values must occur. `fields` and `columns` are the fields, and the folded names of the columns, that are
    already decided.
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
    # If a column fits two fields, or a field two columns, the one with more known rows is chosen.
    for _rows, name, column in sorted(found, key=lambda each: -each[0]):
        if name not in chosen and column not in chosen.values():
            chosen[name] = column
    return chosen
