from collections import defaultdict

from django.db import migrations
from django.db.models import F, Sum

NUMBERS = ("contacts", "minutes", "estimated_minutes", "handed_over", "check_ins")
# The columns of MonthTotal that DayCount has too.
OF_TOTAL = (
    *("branch_id", "service_point_id", "mode", "question_type", "read_level", "is_tally", "tally_kind_id"),
    *("is_final", "log_import_id"),
)
OF_HOUR = ("branch_id", "hour", "is_final", "log_import_id")


def fill(apps, _schema_editor):
    """Count one question for each contact, and add up the table by day, one month after the other."""
    day_counts = apps.get_model("counts", "DayCount").objects
    day_counts.update(questions=F("contacts"))
    for month in day_counts.dates("happened_on", "month"):
        of_month = day_counts.filter(happened_on__year=month.year, happened_on__month=month.month).order_by()
        _add_up(apps.get_model("counts", "MonthTotal"), of_month, OF_TOTAL, month, lambda row: {})
        _add_up(
            apps.get_model("counts", "HourTotal"),
            of_month,
            (*OF_HOUR, "happened_on"),
            month,
            lambda row: {"weekday": row.pop("happened_on").weekday()},
        )


def _add_up(table, rows, columns, month, more):
    """Insert a row of the table for each key. `more` makes columns from the key that DayCount doesn't have."""
    sums = defaultdict(lambda: [0] * len(NUMBERS))
    grouped = rows.values_list(*columns).annotate(*[Sum(name) for name in NUMBERS])
    for values in grouped.iterator():
        key = dict(zip(columns, values, strict=False))
        key |= more(key)
        for place, number in enumerate(values[len(columns) :]):
            sums[tuple(key.items())][place] += number
    table.objects.bulk_create(
        [
            table(month=month, **dict(key), **dict(zip(NUMBERS, numbers, strict=True)))
            for key, numbers in sums.items()
        ],
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("counts", "0004_questions_and_totals_by_month")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
