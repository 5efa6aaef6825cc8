"""Say what an import would do: column by column, and what to look at before it."""

from .values import LEFT_OUT

LABELS = {
    "day": "the date",
    "other_day": "the date, if it isn't empty",
    "time": "the hour",
    "place": "the branch and service point",
    "mode": "the mode",
    "question_type": "the question type",
    "read_level": "the READ level",
    "duration": "the minutes",
    "people": "the number of people",
    "patron_group": "the patron group",
    "topic": "the topic",
    "number": "recognizes the row, and isn't stored",
}


def columns_of(overview, plan):
    """Return a line for each column: what it becomes, or why it is left out."""
    lines = []
    fields = {position: name for name, positions in plan.positions.items() for position in positions}
    reasons = dict(plan.left_out)
    for column in overview.columns:
        name = fields.get(column.position)
        if name:
            lines.append(
                f"{column.name}: {LABELS[name]} ({column.filled} of {overview.rows} rows)"
                f"{_values(plan, name)}"
            )
        elif column.name in reasons:
            lines.append(f"{column.name}: left out, because {reasons[column.name]}")
    return lines


def _values(plan, name):
    if name not in plan.values:
        return ""
    left_out = sum(1 for ours in plan.values[name].values() if ours == LEFT_OUT)
    return f", {len(plan.values[name])} different values" + (f", {left_out} left out" if left_out else "")


def warnings_of(result, days):
    """Return what a person should know before the import, as sentences."""
    warnings = []
    if result.added and result.with_number * 2 >= result.added:
        warnings.append("This looks like chats or tickets that your log also counts.")
    recorded = sum(1 for _day, recorded, _imported in days if recorded)
    imported = sum(1 for _day, _recorded, imported in days if imported)
    if recorded:
        warnings.append(
            f"Staff already recorded contacts here on {recorded} of these days, so both would count."
        )
    if imported:
        warnings.append(f"Earlier imports already added contacts on {imported} of these days.")
    if result.estimated:
        warnings.append(
            f"{result.estimated} rows have only a band of minutes, so the sum of the minutes is an estimate."
        )
    if result.without_time:
        warnings.append(f"{result.without_time} rows have no time, so they count without an hour.")
    return warnings
