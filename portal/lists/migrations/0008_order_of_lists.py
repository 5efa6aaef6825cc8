from django.db import migrations, models


def fill(apps, schema_editor):
    """Give each list the order in which it was shown before: the latest saved item first."""
    SavedItem = apps.get_model("lists", "SavedItem")
    for saved_list in apps.get_model("lists", "SavedList").objects.order_by("pk").iterator():
        rows = list(SavedItem.objects.filter(saved_list=saved_list).order_by("-saved_at", "-pk"))
        for position, row in enumerate(rows):
            row.position = position
        SavedItem.objects.bulk_update(rows, ["position"], batch_size=500)


class Migration(migrations.Migration):

    dependencies = [("lists", "0007_notes_and_titles_by_hand")]

    operations = [
        migrations.AddField(
            "saveditem",
            "position",
            models.IntegerField(
                default=0,
                db_default=0,
                help_text="the order of the list; no two titles of a list have the same one",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
