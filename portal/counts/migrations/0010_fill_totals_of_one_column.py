from django.db import migrations
from django.db.models import Sum

NUMBERS = ("contacts", "minutes", "estimated_minutes", "handed_over", "check_ins")
COLUMNS = {
    "PointTotal": ("service_point_id", "is_tally", "tally_kind_id"),
    "ModeTotal": ("mode",),
    "TypeTotal": ("is_tally", "question_type"),
    "LevelTotal": ("is_tally", "read_level"),
}


def fill(apps, _schema_editor):
    """Add up the rows of MonthTotal, which has the columns of all these tables."""
    totals = apps.get_model("counts", "MonthTotal").objects.order_by()
    for name, columns in COLUMNS.items():
        table = apps.get_model("counts", name)
        key = ("month", "branch_id", *columns, "is_final", "log_import_id")
        rows = totals.values_list(*key).annotate(*[Sum(number) for number in NUMBERS])
        table.objects.bulk_create(
            [table(**dict(zip((*key, *NUMBERS), row, strict=True))) for row in rows.iterator()],
            batch_size=500,
        )


class Migration(migrations.Migration):
    dependencies = [("counts", "0009_totals_of_one_column")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
