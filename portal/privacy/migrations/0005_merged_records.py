import json

from django.db import migrations

# {old: new} for the names of models and columns in MergedRecords.before. The module `unmerging` expects the
# new names.
WORDS = {'"privacy.JoinedRecords"': '"privacy.MergedRecords"', '"holds_shared"': '"has_shared_visits"'}


def rename_in_snapshots(apps, schema_editor):
    _replace(apps, WORDS)


def restore_in_snapshots(apps, schema_editor):
    _replace(apps, {new: old for old, new in WORDS.items()})


def _replace(apps, words):
    for merged in apps.get_model("privacy", "MergedRecords").objects.iterator():
        text = json.dumps(merged.before)
        for old, new in words.items():
            text = text.replace(old, new)
        merged.before = json.loads(text)
        merged.save(update_fields=["before"])


class Migration(migrations.Migration):
    dependencies = [
        ("privacy", "0004_what_a_hold_leaves"),
        ("accounts", "0014_american_spelling_and_merges"),
    ]

    operations = [
        migrations.RenameModel("JoinedRecords", "MergedRecords"),
        migrations.RenameField("mergedrecords", "joined_at", "merged_at"),
        migrations.RunPython(rename_in_snapshots, restore_in_snapshots),
    ]
