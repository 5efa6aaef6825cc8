"""Store the translated names of topics as rows, one per language. Until now, Spanish had a column."""

import django.db.models.deletion
from django.db import migrations, models


def copy_to_rows(apps, schema_editor):
    topics = apps.get_model("recommendations", "Topic").objects.exclude(name_es="")
    names = apps.get_model("recommendations", "TopicName")
    names.objects.bulk_create(names(topic=topic, language="es", name=topic.name_es) for topic in topics)


def copy_to_column(apps, schema_editor):
    names = apps.get_model("recommendations", "TopicName").objects.filter(language="es")
    for found in names.select_related("topic"):
        found.topic.name_es = found.name
        found.topic.save(update_fields=["name_es"])


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0002_text_index")]

    operations = [
        migrations.CreateModel(
            name="TopicName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("language", models.CharField(max_length=12)),
                ("name", models.CharField(max_length=60)),
                (
                    "topic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="names",
                        to="recommendations.topic",
                    ),
                ),
            ],
            options={"ordering": ["language"]},
        ),
        migrations.AddConstraint(
            model_name="topicname",
            constraint=models.UniqueConstraint(
                fields=["topic", "language"], name="one_name_of_a_topic_per_language"
            ),
        ),
        migrations.RunPython(copy_to_rows, copy_to_column),
        migrations.RemoveField(model_name="topic", name="name_es"),
    ]
