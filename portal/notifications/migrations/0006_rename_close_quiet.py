from django.db import migrations

OLD, NEW = "close_quiet", "close_after_silence"


def rename(apps, schema_editor):
    _rename(apps, OLD, NEW)


def restore(apps, schema_editor):
    _rename(apps, NEW, OLD)


def _rename(apps, old, new):
    RepeatedJob = apps.get_model("notifications", "RepeatedJob")
    for job in RepeatedJob.objects.filter(name=old):
        RepeatedJob.objects.update_or_create(name=new, defaults={"due_at": job.due_at})
        job.delete()


class Migration(migrations.Migration):
    dependencies = [("notifications", "0005_plainer_texts")]

    operations = [migrations.RunPython(rename, restore)]
