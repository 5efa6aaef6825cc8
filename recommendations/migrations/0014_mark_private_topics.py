from django.db import migrations

from recommendations.topics import sounds_sensitive


def mark_private_topics(apps, schema_editor):
    """Mark topics whose names sound private, in any language.

    Do nothing if check-ins are on, because then a coordinator has chosen the topics.
    """
    if apps.get_model('accounts', 'Library').objects.filter(check_ins=True).exists():
        return
    for topic in apps.get_model('recommendations', 'Topic').objects.prefetch_related('names'):
        if sounds_sensitive(topic.name, *(row.name for row in topic.names.all())):
            topic.never_by_message = True
            topic.save(update_fields=['never_by_message'])


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0024_check_in_sent_at'),
        ('recommendations', '0013_item_matches'),
    ]

    operations = [
        migrations.RunPython(mark_private_topics, migrations.RunPython.noop),
    ]
