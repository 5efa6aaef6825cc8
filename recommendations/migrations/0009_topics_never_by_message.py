from django.db import migrations, models


SENSITIVE = ["Government and law", "Health", "Housing", "Money"]


def mark_sensitive_topics(apps, schema_editor):
    apps.get_model("recommendations", "Topic").objects.filter(name__in=SENSITIVE).update(never_by_message=True)


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0008_original_script'),
    ]

    operations = [
        migrations.AddField(
            model_name='recommendation',
            name='by_link',
            field=models.BooleanField(default=False, help_text='the verdict came from the link in an email, and nobody was signed in'),
        ),
        migrations.AddField(
            model_name='recommendation',
            name='got_at',
            field=models.DateTimeField(blank=True, help_text='when the patron said "I\'ve got it"', null=True),
        ),
        migrations.AddField(
            model_name='topic',
            name='never_by_message',
            field=models.BooleanField(default=False, help_text='nobody is asked by email how a visit with this topic turned out'),
        ),
        migrations.RunPython(mark_sensitive_topics, migrations.RunPython.noop),
    ]
