from django.db import migrations, models


def forget_old_form(apps, schema_editor):
    """Empty `replaces`, because its kinds and branches are not enough to write a digest again."""
    apps.get_model("notifications", "Notification").objects.filter(
        kind__in=["notifications/digest", "notifications/desk_digest"]
    ).update(replaces=[])


class Migration(migrations.Migration):
    dependencies = [("notifications", "0011_what_a_digest_replaces")]

    operations = [
        migrations.RunPython(forget_old_form, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            model_name="notification",
            name="replaces",
            field=models.JSONField(
                default=list,
                help_text="of a digest: kind, branch, about, message_id and url of each notice that it replaced",
            ),
        ),
    ]
