"""Combine two corrections of a help session that two staff members made at the same time.

A correction is {name of a field: its text}. The value of "items" is not a text but a list of rows. Each row
is one item of the session, also as {name of a field: its text}.
"""


def combine(was, mine, theirs):
    """Combine two corrections of the same help session.

    `was` contains the values that both staff members started from. `mine` is the unsaved correction, and
    `theirs` the colleague's saved correction. Return (the combined correction, the names of the fields that
    both staff members changed to different values). For these fields, the combined correction has the value
    of `mine`.
    """
    combined, both = {}, []
    for name, now in theirs.items():
        if name == "items":
            combined[name], clash = _combine_items(was.get(name, now), mine[name], now)
        else:
            combined[name], clash = _combine_value(was.get(name, now), mine[name], now)
        if clash:
            both.append(name)
    return combined, both


def _combine_value(was, mine, theirs):
    if mine == was:
        return theirs, False
    return mine, theirs not in (was, mine)


def _combine_items(was, mine, theirs):
    """Combine two lists of item rows, in the order of `mine`.

    Return (rows, whether both staff members changed the same row to different values).
    """
    if mine == was or theirs == was:
        return (theirs if mine == was else mine), False
    was_by_item, their_rows = _by_item(was), _by_item(theirs)
    rows, clash = [], False
    for row in mine:
        item = row.get("item")
        old, new = was_by_item.get(item), their_rows.get(item)
        if item and old is not None and new is None:
            # The colleague removed this item. Keep the item only if its row changed in `mine`.
            if row != old:
                rows.append(row)
                clash = True
        elif new is not None and row == old:
            rows.append(new)
        else:
            rows.append(row)
            clash = clash or (new is not None and new not in (old, row))
    known = {row.get("item") for row in mine} | was_by_item.keys()
    return rows + [row for row in theirs if row.get("item") not in known], clash


def _by_item(rows):
    return {row["item"]: row for row in rows if row.get("item")}
