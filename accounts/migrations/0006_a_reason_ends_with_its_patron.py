import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def say_whose(apps, schema_editor):
    events = apps.get_model("accounts", "AuditEvent").objects.filter(pk=OuterRef("event"))
    apps.get_model("accounts", "LookingReason").objects.update(patron=Subquery(events.values("patron")[:1]))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_library_cards")]

    operations = [
        migrations.AddField(
            model_name="lookingreason",
            name="patron",
            field=models.ForeignKey(
                help_text="at whom: the event outlives them, these words don't",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(say_whose, migrations.RunPython.noop),
    ]
