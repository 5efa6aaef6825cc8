from django.db import migrations

ACTIONS = {"joined_people": "merged_people", "parted_people": "unmerged_people"}


def rename_in_audit_trail(apps, schema_editor):
    AuditEvent = apps.get_model("accounts", "AuditEvent")
    for old, new in ACTIONS.items():
        AuditEvent.objects.filter(action=old).update(action=new)
    AuditEvent.objects.filter(where="thread").update(where="conversation")


def restore_in_audit_trail(apps, schema_editor):
    AuditEvent = apps.get_model("accounts", "AuditEvent")
    for old, new in ACTIONS.items():
        AuditEvent.objects.filter(action=new).update(action=old)
    AuditEvent.objects.filter(where="conversation").update(where="thread")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_addresses_that_wait")]

    operations = [
        migrations.RenameField("library", "accent_colour", "accent_color"),
        migrations.RenameField("library", "catalogue_link", "catalog_link"),
        migrations.RenameField("user", "holds_shared", "has_shared_visits"),
        migrations.RunPython(rename_in_audit_trail, restore_in_audit_trail),
    ]
