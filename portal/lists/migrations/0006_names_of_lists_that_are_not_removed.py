from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("lists", "0005_several_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            "savedlist",
            "used_at",
            models.DateTimeField(
                help_text="when the patron last saved an item here; the next item goes into the list last used"
            ),
        ),
        migrations.AlterField(
            "savedlist", "name", models.CharField(blank=True, max_length=80, verbose_name="name")
        ),
        migrations.RemoveConstraint("savedlist", "one_list_of_a_name"),
        migrations.AddConstraint(
            "savedlist",
            models.UniqueConstraint(
                condition=models.Q(("removed_at", None)), fields=("patron", "name"), name="one_list_of_a_name"
            ),
        ),
        migrations.RemoveIndex("savedlist", "lists_saved_patron__23dd56_idx"),
        migrations.AddIndex(
            "savedlist",
            models.Index(fields=["patron", "-used_at", "-id"], name="lists_saved_patron__626ba3_idx"),
        ),
    ]
