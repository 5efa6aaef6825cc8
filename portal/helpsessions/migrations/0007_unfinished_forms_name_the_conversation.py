from django.db import migrations


def rename(apps, old, new):
    for form in apps.get_model("helpsessions", "UnfinishedForm").objects.iterator():
        if old in form.fields:
            form.fields[new] = form.fields.pop(old)
            form.save(update_fields=["fields"])


def thread_to_conversation(apps, schema_editor):
    rename(apps, "thread", "conversation")


def conversation_to_thread(apps, schema_editor):
    rename(apps, "conversation", "thread")


class Migration(migrations.Migration):
    dependencies = [("helpsessions", "0006_the_childs_alone")]

    operations = [migrations.RunPython(thread_to_conversation, conversation_to_thread)]
