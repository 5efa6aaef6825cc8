from django.db import migrations

JOBS = {
    "wake_the_snoozed": "wake_snoozed",
    "close_the_quiet": "close_quiet",
    "release_the_left_lying": "release_untouched",
    "forget_old": "forget_pending_questions",
    "forget_joined_records": "forget_merged_records",
}
KINDS = {"privacy/joined": "privacy/merged"}


def rename(apps, schema_editor):
    _rename(apps, JOBS, KINDS)


def restore(apps, schema_editor):
    _rename(apps, {new: old for old, new in JOBS.items()}, {new: old for old, new in KINDS.items()})


def _rename(apps, jobs, kinds):
    RepeatedJob = apps.get_model("notifications", "RepeatedJob")
    for old, new in jobs.items():
        for job in RepeatedJob.objects.filter(name=old):
            RepeatedJob.objects.update_or_create(name=new, defaults={"due_at": job.due_at})
            job.delete()
    for old, new in kinds.items():
        apps.get_model("notifications", "Notification").objects.filter(kind=old).update(kind=new)


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_remove_channel")]

    operations = [migrations.RunPython(rename, restore)]
