from django.db import migrations, models
from django.db.models import F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """A list was last used when its latest item was saved, or else when the list was made."""
    SavedItem = apps.get_model("lists", "SavedItem")
    latest = SavedItem.objects.filter(saved_list=OuterRef("pk")).order_by().values("saved_list")
    saved_at = Subquery(latest.annotate(latest=Max("saved_at")).values("latest"))
    apps.get_model("lists", "SavedList").objects.update(used_at=Coalesce(saved_at, F("made_at")))


class Migration(migrations.Migration):

    dependencies = [("lists", "0004_restore_removed_items_for_30_days")]

    operations = [
        migrations.AddField("savedlist", "used_at", models.DateTimeField(null=True)),
        migrations.AddField("savedlist", "removed_at", models.DateTimeField(null=True, blank=True, db_index=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
